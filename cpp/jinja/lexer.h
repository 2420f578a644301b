#pragma once

#include "jinja/raise.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace verbatim::jinja {

enum class LexemeKind : uint8_t {
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

/// A lexeme; text is the decoded content of strings and the characters of everything else.
struct Lexeme {
  LexemeKind kind;
  uint32_t position;
  std::string text;

  bool is(LexemeKind wanted, std::string_view content) const { return kind == wanted && text == content; }
  bool is_operator(std::string_view symbol) const { return is(LexemeKind::Operator, symbol); }
  bool is_name(std::string_view name) const { return is(LexemeKind::Name, name); }
};

/// Fails with a syntax error at a byte offset of the source.
[[noreturn]] void raise_syntax(std::string message, uint32_t position);

/// Line ends as \n, without the one at the very end, as Jinja2 reads a template.
std::string normalize_source(std::string_view source);

/// Splits a normalised source into lexemes, with trim_blocks and lstrip_blocks applied. Ends with an End
/// lexeme.
std::vector<Lexeme> lex(std::string_view source);

} // namespace verbatim::jinja
