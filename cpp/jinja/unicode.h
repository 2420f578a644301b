#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

/// UTF-8 and the properties of code points that Python's str methods go by.
namespace verbatim::jinja::unicode {

enum Flag : uint16_t {
  Alpha = 1 << 0,
  Decimal = 1 << 1,
  Digit = 1 << 2,
  Numeric = 1 << 3,
  Space = 1 << 4,
  Lower = 1 << 5,
  Upper = 1 << 6,
  Title = 1 << 7,
  Printable = 1 << 8,
  XidStart = 1 << 9,
  XidContinue = 1 << 10,
  Cased = 1 << 11,
  CaseIgnorable = 1 << 12,
};

/// From first up to the next entry's first, all code points have these flags.
struct Property {
  char32_t first;
  uint16_t flags;
};
/// Every step-th code point of [first, last] maps to itself plus delta.
struct CaseRange {
  char32_t first, last;
  int32_t step, delta;
};
/// A code point that maps to several; unused places are 0.
struct CaseSpecial {
  char32_t from;
  char32_t to[3];
};

extern const Property properties[];
extern const size_t property_count;
extern const CaseRange upper_ranges[], lower_ranges[], title_ranges[], casefold_ranges[];
extern const size_t upper_range_count, lower_range_count, title_range_count, casefold_range_count;
extern const CaseSpecial upper_specials[], lower_specials[], title_specials[], casefold_specials[];
extern const size_t upper_special_count, lower_special_count, title_special_count, casefold_special_count;
extern const char32_t decimal_zeros[];
extern const size_t decimal_zero_count;

enum class Case { Upper, Lower, Title, Fold };

/// All flags of a code point.
uint16_t flags(char32_t c);
inline bool has(char32_t c, uint16_t any) {
  return (flags(c) & any) != 0;
}
inline bool is_space(char32_t c) {
  return has(c, Space);
}
inline bool is_alnum(char32_t c) {
  return has(c, Alpha | Decimal | Digit | Numeric);
}
/// \w of a regular expression.
inline bool is_word(char32_t c) {
  return c == '_' || is_alnum(c);
}
/// The value of a decimal digit, or -1.
int decimal_value(char32_t c);
/// Writes the mapping of one code point, without context; returns the number of code points.
int map_case(char32_t c, Case to, char32_t out[3]);

/// Decodes the code point at a byte offset and moves the offset behind it. The text must be valid.
inline char32_t decode(std::string_view text, size_t& at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(at);
  if (lead < 0x80) return text[at++];
  if (lead < 0xE0) {
    at += 2;
    return (lead & 0x1Fu) << 6 | (byte(at - 1) & 0x3Fu);
  }
  if (lead < 0xF0) {
    at += 3;
    return (lead & 0x0Fu) << 12 | (byte(at - 2) & 0x3Fu) << 6 | (byte(at - 1) & 0x3Fu);
  }
  at += 4;
  return (lead & 0x07u) << 18 | (byte(at - 3) & 0x3Fu) << 12 | (byte(at - 2) & 0x3Fu) << 6 |
         (byte(at - 1) & 0x3Fu);
}
/// Decodes the code point that ends at a byte offset and moves the offset before it.
inline char32_t decode_back(std::string_view text, size_t& at) {
  do {
    --at;
  } while ((static_cast<unsigned char>(text[at]) & 0xC0) == 0x80);
  size_t copy = at;
  return decode(text, copy);
}
void encode(std::string& out, char32_t c);
inline std::string encoded(char32_t c) {
  std::string out;
  encode(out, c);
  return out;
}
/// The number of code points that begin in a stretch of UTF-8.
size_t count(std::string_view text);
bool is_ascii(std::string_view text);
/// The offset of the first byte that is not part of valid UTF-8, or npos.
size_t find_invalid(std::string_view text);

} // namespace verbatim::jinja::unicode
