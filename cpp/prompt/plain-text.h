#pragma once

#include "prompt/tokenizer.h"

#include <string>
#include <string_view>
#include <vector>

namespace verbatim {

/// Tokenizes text, or pieces of it, without recognising special tokens. Immutable.
class PlainText {
 public:
  /// Sides on which a piece of a text was cut off from the rest; on the others the text begins or ends.
  struct Surroundings {
    bool text_before = false;
    bool text_after = false;
  };

  /// `control` marks the control tokens, by id.
  PlainText(const llama_vocab* vocab, const std::vector<bool>& control);

  /// Tokenizes a piece. Where it was cut off it gets nothing of what some vocabularies put at the begin or
  /// the end of a text, such as a space. Text may still turn into control tokens: nothing is verified. Throws
  /// Error TokenizeFailed when the vocabulary cannot express the text.
  std::vector<Token> tokenize(std::string_view piece, Surroundings surroundings) const;

  /// Appends one byte token for each byte of the piece or, if the vocabulary has none, its unknown token.
  /// Throws Error TokenizeFailed when it has neither.
  void spell_out(std::string_view piece, Surroundings surroundings, std::vector<Token>& out) const;

  /// Appends the text of a token, of whatever type.
  void append_piece(Token token, std::string& out) const { tokenizer_.append_piece(token, out, true); }

  /// The token for text that the vocabulary cannot express; LLAMA_TOKEN_NULL if there is none.
  Token unknown() const { return unknown_; }

 private:
  void find_byte_tokens(const llama_vocab* vocab, const std::vector<bool>& control);
  void find_unknown(const std::vector<bool>& control);
  void find_sentinel(const llama_vocab* vocab, const std::vector<bool>& control);
  bool try_known_characters(const llama_vocab* vocab, const std::vector<bool>& control);
  bool try_sentinel(const std::string& character, Token expected);
  std::vector<Token> tokenize_between(std::string_view piece, bool before, bool after) const;

  Tokenizer tokenizer_;
  enum llama_vocab_type type_;
  std::vector<Token> byte_tokens_;
  Token unknown_ = LLAMA_TOKEN_NULL;

  /// A character that only its own token contains, so that nothing merges with it; empty if there is none.
  /// Beside a piece it keeps the tokenizer from seeing the begin or the end of a text there.
  std::string sentinel_;
  std::vector<Token> start_;  ///< the space that the vocabulary puts at the begin of a text, if it does
  std::vector<Token> before_; ///< the tokens of the sentinel before a piece
  std::vector<Token> after_;  ///< the tokens of the sentinel after a piece
};

} // namespace verbatim
