#pragma once

#include "base/token.h"

#include <llama.h>

#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace verbatim {

static_assert(std::is_same_v<Token, llama_token>);

/// The vocabulary of a model. Thread-safe: llama.cpp's vocabulary is immutable after loading.
class Tokenizer {
 public:
  explicit Tokenizer(const llama_vocab* vocab);

  enum class ControlTokens {
    AsText, ///< the text of a control token is ordinary text
    Parse,  ///< the text of a control token becomes that token
  };

  /// Tokenizes a text without adding a token that it does not spell: no BOS, no EOS.
  /// Throws Error TokenizeFailed when the vocabulary cannot express the text.
  std::vector<Token> tokenize(std::string_view text, ControlTokens control_tokens) const;

  /// Returns the bytes of the tokens, one after the other; a token may end inside a UTF-8 code point. Control
  /// tokens have none unless `with_control_tokens`. Throws Error InvalidOption for an id outside the
  /// vocabulary.
  std::string detokenize(std::span<const Token> tokens, bool with_control_tokens) const;

  /// Appends the bytes of one token; control tokens have none unless `with_control_tokens`.
  void append_piece(Token token, std::string& out, bool with_control_tokens = false) const;

  /// Tokens that end a message, by ascending id.
  const std::vector<Token>& end_tokens() const { return end_tokens_; }
  bool is_end_of_generation(Token token) const { return llama_vocab_is_eog(vocab_, token); }
  int32_t size() const { return llama_vocab_n_tokens(vocab_); }

 private:
  const llama_vocab* vocab_;
  std::vector<Token> end_tokens_;
};

} // namespace verbatim
