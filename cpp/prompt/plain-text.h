#pragma once

#include "prompt/tokenizer.h"

#include <string>
#include <string_view>
#include <vector>

namespace verbatim {

/// Tokenizes text in which no special token is to be recognised, in pieces where need be. Immutable.
class PlainText {
 public:
  /// What surrounds a piece of text.
  struct Context {
    bool text_before = false; ///< the piece continues a text that was cut; else it starts one
    bool text_after = false;
  };

  /// `control`: by token id, which tokens are control tokens.
  PlainText(const llama_vocab* vocab, const std::vector<bool>& control);

  /// The tokens of a piece, without the space or the like that some vocabularies put where a text begins or
  /// ends if it does neither there. Nothing is verified: text may still turn into control tokens.
  /// Throws Error TokenizeFailed when the vocabulary cannot express the text.
  std::vector<Token> tokenize(std::string_view piece, Context context) const;

  /// The piece as one byte token for each byte or, where the vocabulary has an unknown token for what it
  /// cannot express, as that. Throws Error TokenizeFailed when it has neither.
  void spell_out(std::string_view piece, Context context, std::vector<Token>& out) const;

  /// Appends the text of a token, of whatever type.
  void append_piece(Token token, std::string& out) const { tokenizer_.append_piece(token, out, true); }

  /// What the tokenizer yields for text that the vocabulary cannot express; LLAMA_TOKEN_NULL if nothing.
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

  /// A character that no token but its own contains, so that nothing merges with it: put before or after a
  /// piece it keeps the tokenizer from taking that for the begin or the end of a text. Empty if there is
  /// none.
  std::string sentinel_;
  std::vector<Token> start_;  ///< the space that the vocabulary puts where a text begins, if it does
  std::vector<Token> before_; ///< what the sentinel before a piece becomes
  std::vector<Token> after_;  ///< what the sentinel after a piece becomes
};

} // namespace verbatim
