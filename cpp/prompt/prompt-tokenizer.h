#pragma once

#include "prompt/plain-text.h"
#include "prompt/special-tokens.h"

#include <span>
#include <string_view>
#include <vector>

namespace verbatim {

/// A control token of a prompt and the text that spells it there.
struct ControlTokenAt {
  size_t index;   ///< in PromptTokens::tokens
  ByteRange text; ///< in the prompt
};

struct PromptTokens {
  std::vector<Token> tokens;
  /// The control tokens that were recognised, in order. All of their bytes are the template's.
  std::vector<ControlTokenAt> control_tokens;
};

/// Turns a rendered prompt into tokens such that only the template can write control tokens: a caller's text
/// never becomes one, whatever it spells, alone or together with the template's text next to it.
///
/// A control token is an entry of the vocabulary of type control or unknown, or a user-defined one with
/// more than white space in it that looks like <|…|> or occurs in the template's source. (llama.cpp makes
/// <|start|>, <|message|> and others of gpt-oss user-defined, and finds those even in text that is not to be
/// parsed.) The other user-defined entries, such as runs of spaces, are ordinary text.
///
/// A prompt in which no caller spells a control token gives the tokens of llama_tokenize with
/// parse_special = true. Where one does, its text is tokenized as if the vocabulary had no token for it, and
/// everything else as before. Nothing is added to the prompt: no BOS, no EOS.
///
/// Immutable, so any number of threads may use one. The vocabulary must outlive it.
class PromptTokenizer {
 public:
  /// Throws Error ModelUnsupported if there is no vocabulary.
  PromptTokenizer(const llama_vocab* vocab, std::string_view template_source);

  bool is_control(Token token) const {
    return token >= 0 && static_cast<size_t>(token) < control_.size() && control_[token];
  }
  /// Returns the control tokens of the vocabulary, by ascending id.
  const std::vector<Token>& control_tokens() const { return control_tokens_; }

  /// Tokenizes a prompt. `template_bytes`, ascending, are those that the template wrote, or a caller who is
  /// trusted to write control tokens; with all bytes this is llama_tokenize with parse_special = true.
  ///
  /// Throws Error TokenizeFailed if the vocabulary cannot express the prompt, or a caller's text without a
  /// control token; or if the prompt is longer than 2 GiB.
  PromptTokens tokenize(std::string_view prompt, std::span<const ByteRange> template_bytes) const;

 private:
  std::vector<SpecialToken> list_special_tokens(const llama_vocab* vocab, std::string_view template_source);

  std::vector<bool> control_; // by id
  std::vector<Token> control_tokens_;
  SpecialTokens specials_;
  PlainText plain_;

  friend class PromptWriter;
};

} // namespace verbatim
