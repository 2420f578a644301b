#include "prompt/plain-text.h"

#include "base/error.h"

#include <algorithm>
#include <unordered_map>

namespace verbatim {

namespace {

constexpr std::string_view space_mark = "\u2581"; // stands for a space in the tokens of SPM and UGM
constexpr std::string_view byte_order_mark = "\ufeff";

/// The size in bytes of the UTF-8 code point that starts with `first`.
size_t code_point_size(char first) {
  const auto byte = static_cast<unsigned char>(first);
  return byte < 0xc0 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

} // namespace

PlainText::PlainText(const llama_vocab* vocab, const std::vector<bool>& control)
    : tokenizer_(vocab), type_(llama_vocab_type(vocab)) {
  find_byte_tokens(vocab, control);
  find_unknown(control);
  // The other types treat the begin of a text like any other place.
  if (type_ == LLAMA_VOCAB_TYPE_SPM || type_ == LLAMA_VOCAB_TYPE_UGM) find_sentinel(vocab, control);
}

void PlainText::find_byte_tokens(const llama_vocab* vocab, const std::vector<bool>& control) {
  byte_tokens_.assign(256, LLAMA_TOKEN_NULL);
  for (Token token = 0; token < tokenizer_.size(); ++token) {
    char byte;
    if (control[token] || llama_token_to_piece(vocab, token, &byte, 1, 0, true) != 1) continue;
    Token& found = byte_tokens_[static_cast<unsigned char>(byte)];
    if (found == LLAMA_TOKEN_NULL || (llama_vocab_get_attr(vocab, token) & LLAMA_TOKEN_ATTR_BYTE))
      found = token;
  }
}

/// Tokenizes characters that hardly any vocabulary knows, since llama.cpp does not tell the token's id.
void PlainText::find_unknown(const std::vector<bool>& control) {
  if (type_ == LLAMA_VOCAB_TYPE_RWKV) {
    // Unknown is only a byte that begins no token; any other could set the tokenizer searching.
    std::vector<bool> begins(256);
    std::string piece;
    for (Token token = 0; token < tokenizer_.size(); ++token) {
      piece.clear();
      tokenizer_.append_piece(token, piece, true);
      if (!piece.empty()) begins[static_cast<unsigned char>(piece[0])] = true;
    }
    const auto byte = std::ranges::find(begins, false) - begins.begin();
    if (byte == 256) return;
    const char text = static_cast<char>(byte);
    const auto tokens = tokenizer_.tokenize({&text, 1}, Tokenizer::ControlTokens::AsText);
    if (tokens[0] >= 0) unknown_ = tokens[0];
    return;
  }
  if (type_ != LLAMA_VOCAB_TYPE_WPM && type_ != LLAMA_VOCAB_TYPE_UGM) return;
  for (const char* rare : {"\U0001319d", "\U00012031", "\U00014400", "\U00010600", "\U00016a45"}) {
    const auto tokens = tokenizer_.tokenize(rare, Tokenizer::ControlTokens::AsText);
    const auto found =
        std::ranges::find_if(tokens, [&](Token token) { return token >= 0 && control[token]; });
    if (found == tokens.end()) continue;
    unknown_ = *found;
    return;
  }
}

void PlainText::find_sentinel(const llama_vocab* vocab, const std::vector<bool>& control) {
  // UGM makes one unknown token of several unknown characters in a row, such as the sentinel's and the
  // piece's: better a character that it knows.
  if (type_ == LLAMA_VOCAB_TYPE_UGM && try_known_characters(vocab, control)) return;
  for (const char* character : {"\U0010fffd", "\U000e1234", "\U0001fffe", "\ufdd0"}) {
    bool used = false;
    for (Token token = 0; token < tokenizer_.size() && !used; ++token)
      used = std::string_view(llama_vocab_get_text(vocab, token)).find(character) != std::string_view::npos;
    if (!used && try_sentinel(character, unknown_)) return;
  }
  if (type_ == LLAMA_VOCAB_TYPE_SPM) try_known_characters(vocab, control);
}

bool PlainText::try_known_characters(const llama_vocab* vocab, const std::vector<bool>& control) {
  std::unordered_map<std::string_view, int> uses; // of each character, in all tokens
  std::vector<std::pair<Token, std::string_view>> alone;
  for (Token token = 0; token < tokenizer_.size(); ++token) {
    const std::string_view text = llama_vocab_get_text(vocab, token);
    for (size_t i = 0, size = 0; i < text.size(); i += size) {
      size = std::min(code_point_size(text[i]), text.size() - i);
      ++uses[text.substr(i, size)];
      if (size < text.size() || text == space_mark) continue;
      const bool normal = (llama_vocab_get_attr(vocab, token) & LLAMA_TOKEN_ATTR_NORMAL) && !control[token];
      if (normal && text != " ") alone.emplace_back(token, text);
    }
  }
  return std::ranges::any_of(alone, [&](const auto& candidate) {
    const auto [token, character] = candidate;
    return uses[character] == 1 && try_sentinel(std::string(character), token);
  });
}

bool PlainText::try_sentinel(const std::string& character, Token expected) {
  std::vector<Token> tokens, twice;
  try {
    tokens = tokenizer_.tokenize(character, Tokenizer::ControlTokens::AsText);
    twice = tokenizer_.tokenize(character + character, Tokenizer::ControlTokens::AsText);
  } catch (const Error&) {
    return false; // no byte tokens
  }
  if (tokens.empty()) return false;
  if (type_ == LLAMA_VOCAB_TYPE_SPM) {
    // The second one of two adds only its own tokens.
    start_.assign(tokens.begin(), tokens.end() - (std::ssize(twice) - std::ssize(tokens)));
    before_ = tokens;
  } else {
    // A space may come before the character or after it.
    const auto found = std::ranges::find(tokens, expected);
    if (found == tokens.end()) return false;
    start_.assign(tokens.begin(), found);
    before_.assign(tokens.begin(), found + 1);
    after_.assign(found, tokens.end());
  }
  sentinel_ = character;
  return true;
}

std::vector<Token> PlainText::tokenize(std::string_view piece, Surroundings surroundings) const {
  if (piece.empty()) return {};
  const bool ugm = type_ == LLAMA_VOCAB_TYPE_UGM;
  const bool before = surroundings.text_before && (ugm || type_ == LLAMA_VOCAB_TYPE_SPM);
  const bool after = surroundings.text_after && ugm;
  std::vector<Token> tokens;
  if (before || after) {
    tokens = tokenize_between(piece, before, after);
  } else if (surroundings.text_before && type_ == LLAMA_VOCAB_TYPE_PLAMO2 &&
             piece.starts_with(byte_order_mark)) {
    // PLaMo-2 drops one where a text begins.
    tokens =
        tokenizer_.tokenize(std::string(byte_order_mark).append(piece), Tokenizer::ControlTokens::AsText);
  } else {
    tokens = tokenizer_.tokenize(piece, Tokenizer::ControlTokens::AsText);
  }
  // RWKV vocabularies without an unknown token yield -1.
  const auto valid = [this](Token token) { return token >= 0 && token < tokenizer_.size(); };
  if (!std::ranges::all_of(tokens, valid))
    throw Error(ErrorCode::TokenizeFailed, "the model's vocabulary cannot express this text");
  return tokens;
}

std::vector<Token> PlainText::tokenize_between(std::string_view piece, bool before, bool after) const {
  std::string text;
  if (before) text += sentinel_;
  text += piece;
  if (after) text += sentinel_;
  std::vector<Token> tokens = tokenizer_.tokenize(text, Tokenizer::ControlTokens::AsText);
  const auto first = static_cast<ptrdiff_t>(before ? before_.size() : 0);
  const auto last = static_cast<ptrdiff_t>(after ? after_.size() : 0);
  const bool found = !sentinel_.empty() && std::ssize(tokens) >= first + last &&
                     std::equal(before_.begin(), before_.begin() + first, tokens.begin()) &&
                     std::equal(after_.begin(), after_.begin() + last, tokens.end() - last);
  if (!found)
    throw Error(ErrorCode::TokenizeFailed,
                "the model's vocabulary cannot express the text of a control token in the prompt");
  return {tokens.begin() + first, tokens.end() - last};
}

void PlainText::spell_out(std::string_view piece, Surroundings surroundings, std::vector<Token>& out) const {
  if (piece.empty()) return;
  if (!surroundings.text_before) out.insert(out.end(), start_.begin(), start_.end());
  const auto token_of = [this](char byte) { return byte_tokens_[static_cast<unsigned char>(byte)]; };
  if (std::ranges::find(piece, LLAMA_TOKEN_NULL, token_of) == piece.end())
    std::ranges::transform(piece, std::back_inserter(out), token_of);
  else if (unknown_ != LLAMA_TOKEN_NULL)
    out.push_back(unknown_);
  else
    throw Error(ErrorCode::TokenizeFailed,
                "the model's vocabulary has only a control token for the text '" + std::string(piece) + "'");
}

} // namespace verbatim
