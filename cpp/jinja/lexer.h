#pragma once

#include "jinja/raise.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace verbatim::jinja {

enum class TokenKind : uint8_t {
  Data,
  VariableBegin,
  VariableEnd,
  BlockBegin,
  BlockEnd,
  Name,
  String,
  Integer,
  Float,
  Operator,
  End,
};

/// A token; text is the decoded content of strings and the characters of everything else.
struct Token {
  TokenKind kind;
  uint32_t position;
  std::string text;

  bool is(TokenKind wanted, std::string_view content) const { return kind == wanted && text == content; }
  bool is_operator(std::string_view symbol) const { return is(TokenKind::Operator, symbol); }
  bool is_name(std::string_view name) const { return is(TokenKind::Name, name); }
};

/// Fails with a syntax error at a byte offset of the source.
[[noreturn]] void raise_syntax(std::string message, uint32_t position);

/// Line ends as \n, without the one at the very end, as Jinja2 reads a template.
std::string normalize_source(std::string_view source);

/// Splits a normalised source into tokens, with trim_blocks and lstrip_blocks applied. Ends with an End
/// token.
std::vector<Token> tokenize(std::string_view source);

} // namespace verbatim::jinja
