#include "jinja/lexer.h"

#include "jinja/unicode.h"

namespace verbatim::jinja {

namespace {

/// The value of exactly `count` hexadecimal digits, or -1.
int64_t hex_value(std::string_view text, size_t at, size_t count) {
  if (at + count > text.size()) return -1;
  int64_t value = 0;
  for (const char c : text.substr(at, count)) {
    const char lower = static_cast<char>(c | 0x20);
    if (c >= '0' && c <= '9')
      value = value * 16 + (c - '0');
    else if (lower >= 'a' && lower <= 'f')
      value = value * 16 + (lower - 'a' + 10);
    else
      return -1;
  }
  return value;
}

} // namespace

/// The content of a string literal, read as Jinja2 does: Python's unicode-escape over the literal's
/// characters.
std::string unescape_literal(std::string_view text, uint32_t position) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    if (text[i] != '\\' || i + 1 >= text.size()) {
      out.push_back(text[i++]);
      continue;
    }
    const char c = text[i + 1];
    const size_t here = i;
    i += 2;
    constexpr std::string_view simple = "\\'\"abfnrtv", meaning = "\\'\"\a\b\f\n\r\t\v";
    if (const size_t found = simple.find(c); found != std::string_view::npos) {
      out.push_back(meaning[found]);
    } else if (c == '\n') {
      // A continued line.
    } else if (c >= '0' && c <= '7') {
      char32_t value = c - '0';
      for (int digits = 1; digits < 3 && i < text.size() && text[i] >= '0' && text[i] <= '7'; ++digits)
        value = value * 8 + (text[i++] - '0');
      unicode::encode(out, value);
    } else if (c == 'x' || c == 'u' || c == 'U') {
      const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
      const int64_t value = hex_value(text, i, digits);
      if (value < 0) raise_syntax(std::string("truncated \\") + c + " escape in a string", position);
      if (value > 0x10FFFF) raise_syntax("illegal Unicode character in a \\U escape", position);
      unicode::encode(out, static_cast<char32_t>(value));
      i += digits;
    } else if (c == 'N') {
      raise_syntax("\\N{name} escapes are not supported", position);
    } else if (c & 0x80) {
      // Python has already turned the character into an escape, whose backslash this backslash escapes.
      i = here + 1;
      const char32_t code = unicode::decode(text, i);
      char buffer[12];
      std::snprintf(buffer, sizeof buffer,
                    code < 0x100     ? "\\x%02x"
                    : code < 0x10000 ? "\\u%04x"
                                     : "\\U%08x",
                    static_cast<unsigned>(code));
      out += buffer;
    } else {
      out.push_back('\\');
      out.push_back(c);
    }
  }
  return out;
}

} // namespace verbatim::jinja
