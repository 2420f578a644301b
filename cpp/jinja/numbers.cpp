#include "jinja/numbers.h"

#include "jinja/unicode.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

namespace verbatim::jinja {

std::string float_repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  const std::string_view text(buffer, end - buffer);
  const size_t mark = text.find('e');
  const int exponent = std::atoi(std::string(text.substr(mark + 1)).c_str());
  std::string digits;
  for (const char c : text.substr(0, mark))
    if (c >= '0' && c <= '9') digits.push_back(c);
  std::string out = text[0] == '-' ? "-" : "";
  if (exponent < -4 || exponent >= 16) {
    out += digits.substr(0, 1);
    if (digits.size() > 1) out.append(1, '.').append(digits, 1);
    const int size = std::abs(exponent);
    return out + (exponent < 0 ? "e-" : "e+") + (size < 10 ? "0" : "") + std::to_string(size);
  }
  if (exponent < 0) return out + "0." + std::string(-exponent - 1, '0') + digits;
  const size_t whole = exponent + 1;
  if (digits.size() <= whole) return out + digits + std::string(whole - digits.size(), '0') + ".0";
  return out + digits.substr(0, whole) + "." + digits.substr(whole);
}

namespace {

std::string to_chars(double value, std::chars_format format, size_t precision) {
  std::string buffer(precision + 350, '\0');
  const auto result =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, format, static_cast<int>(precision));
  buffer.resize(result.ptr - buffer.data());
  return buffer;
}

} // namespace

std::string format_float(double value, char type, size_t precision, bool alternate) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  std::string out;
  if (type == 'f') {
    out = to_chars(value, std::chars_format::fixed, precision);
    if (alternate && precision == 0) out += '.';
    return out;
  }
  if (type == 'e') {
    out = to_chars(value, std::chars_format::scientific, precision);
    if (alternate && precision == 0) out.insert(out.find('e'), 1, '.');
    return out;
  }
  // %g: precision counts significant digits, trailing zeros go.
  if (precision == 0) precision = 1;
  out = to_chars(value, std::chars_format::scientific, precision - 1);
  const size_t mark = out.find('e');
  const int exponent = std::atoi(out.c_str() + mark + 1);
  std::string tail;
  if (exponent < -4 || exponent >= static_cast<int64_t>(precision)) {
    tail = out.substr(mark);
    out.resize(mark);
  } else {
    out = to_chars(value, std::chars_format::fixed,
                   static_cast<size_t>(static_cast<int64_t>(precision) - 1 - exponent));
  }
  if (alternate) {
    if (out.find('.') == std::string::npos) out += '.';
  } else if (out.find('.') != std::string::npos) {
    out.erase(out.find_last_not_of('0') + 1);
    if (out.back() == '.') out.pop_back();
  }
  return out + tail;
}

double parse_float_literal(std::string_view text) {
  const bool negative = !text.empty() && text[0] == '-';
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  double value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec == std::errc::result_out_of_range) value = std::strtod(std::string(text).c_str(), nullptr);
  return negative ? -value : value;
}

namespace {

/// The text without white space around it, its decimal digits as ASCII ones; nothing if it has other
/// characters beyond ASCII.
std::optional<std::string> ascii_number(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const char32_t c = unicode::decode(text, at);
    const int digit = unicode::decimal_value(c);
    if (digit >= 0)
      out.push_back(static_cast<char>('0' + digit));
    else if (unicode::is_space(c))
      out.push_back(' ');
    else if (c < 128)
      out.push_back(static_cast<char>(c));
    else
      return std::nullopt;
  }
  const size_t first = out.find_first_not_of(' ');
  if (first == std::string::npos) return std::nullopt;
  return out.substr(first, out.find_last_not_of(' ') - first + 1);
}

/// Removes underscores between digits; false if there is one elsewhere.
template <class IsDigit> bool remove_underscores(std::string& text, const IsDigit& is_digit) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out.push_back(text[i]);
    } else if (i == 0 || i + 1 >= text.size() || !is_digit(text[i - 1]) || !is_digit(text[i + 1])) {
      return false;
    }
  }
  text = std::move(out);
  return true;
}

} // namespace

std::optional<double> parse_float(std::string_view source) {
  std::optional<std::string> text = ascii_number(source);
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (!text || !remove_underscores(*text, digit)) return std::nullopt;
  std::string_view body(*text);
  const bool negative = !body.empty() && body[0] == '-';
  if (!body.empty() && (body[0] == '-' || body[0] == '+')) body.remove_prefix(1);
  std::string lower(body);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  double value;
  if (lower == "inf" || lower == "infinity") {
    value = std::numeric_limits<double>::infinity();
  } else if (lower == "nan") {
    value = std::numeric_limits<double>::quiet_NaN();
  } else {
    size_t at = 0, digits = 0;
    const auto skip = [&] {
      while (at < body.size() && digit(body[at])) {
        ++at;
        ++digits;
      }
    };
    skip();
    if (at < body.size() && body[at] == '.') {
      ++at;
      skip();
    }
    if (digits == 0) return std::nullopt;
    if (at < body.size() && (body[at] | 0x20) == 'e') {
      ++at;
      if (at < body.size() && (body[at] == '+' || body[at] == '-')) ++at;
      digits = 0;
      skip();
      if (digits == 0) return std::nullopt;
    }
    if (at != body.size()) return std::nullopt;
    value = parse_float_literal(lower);
  }
  return negative ? -value : value;
}

std::optional<BigInt> parse_integer(std::string_view source, int64_t base) {
  if (base != 0 && (base < 2 || base > 36)) return std::nullopt;
  std::optional<std::string> text = ascii_number(source);
  if (!text) return std::nullopt;
  std::string body = *text;
  bool negative = false;
  if (body[0] == '-' || body[0] == '+') {
    negative = body[0] == '-';
    body.erase(0, 1);
  }
  if (body.size() > 1 && body[0] == '0') {
    const char letter = static_cast<char>(body[1] | 0x20);
    const int64_t prefix = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
    if (prefix != 0 && (base == 0 || base == prefix)) {
      body.erase(0, 2);
      if (!body.empty() && body[0] == '_') body.erase(0, 1);
      base = prefix;
    }
  }
  const bool automatic = base == 0;
  if (automatic) base = 10;
  const auto digit = [&](char c) {
    const int value = c >= '0' && c <= '9'                     ? c - '0'
                      : (c | 0x20) >= 'a' && (c | 0x20) <= 'z' ? (c | 0x20) - 'a' + 10
                                                               : 99;
    return value < base;
  };
  if (!remove_underscores(body, digit) || body.empty() || !std::all_of(body.begin(), body.end(), digit))
    return std::nullopt;
  // Without a base, leading zeros are refused as in a literal.
  if (automatic && body[0] == '0' && body.find_first_not_of('0') != std::string::npos) return std::nullopt;
  const bool power_of_two = (base & (base - 1)) == 0;
  if (body.size() > 4300 && !power_of_two) return std::nullopt;
  const BigInt value = BigInt::from_digits(body, static_cast<unsigned>(base));
  return negative ? -value : value;
}

} // namespace verbatim::jinja
