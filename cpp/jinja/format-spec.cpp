#include "jinja/format.h"
#include "jinja/numbers.h"

#include <algorithm>
#include <cmath>

namespace verbatim::jinja {

namespace {

/// [[fill]align][sign][z][#][0][width][grouping][.precision][type]
struct Spec {
  std::string_view fill = " ";
  char align = '\0';
  char sign = '-';
  bool no_negative_zero = false;
  bool alternate = false;
  int64_t width = 0;
  char grouping = '\0';
  int64_t precision = -1;
  char type = '\0';
};

[[noreturn]] void invalid(const Value& value) {
  raise(std::string("Invalid format specifier for object of type '") + type_name(value) + "'");
}

int64_t read_number(std::string_view text, size_t& at) {
  int64_t number = 0;
  while (at < text.size() && text[at] >= '0' && text[at] <= '9') {
    number = number * 10 + (text[at++] - '0');
    if (number > INT32_MAX) raise("Too many decimal digits in format string");
  }
  return number;
}

Spec parse_spec(const Value& value, std::string_view text) {
  Spec spec;
  const auto is_align = [](char c) { return c == '<' || c == '>' || c == '=' || c == '^'; };
  size_t at = 0;
  bool filled = false;
  if (!text.empty()) {
    size_t second = 0;
    unicode::decode(text, second);
    if (second < text.size() && is_align(text[second])) {
      spec.fill = text.substr(0, second);
      spec.align = text[second];
      filled = true;
      at = second + 1;
    } else if (is_align(text[0])) {
      spec.align = text[at++];
    }
  }
  const auto skip = [&](char c) {
    if (at >= text.size() || text[at] != c) return false;
    ++at;
    return true;
  };
  if (at < text.size() && (text[at] == '+' || text[at] == '-' || text[at] == ' ')) {
    spec.sign = text[at++];
    if (value.is_string()) raise("Sign not allowed in string format specifier");
  }
  spec.no_negative_zero = skip('z');
  spec.alternate = skip('#');
  if (!filled && skip('0')) {
    spec.fill = "0";
    if (!spec.align && !value.is_string()) spec.align = '=';
  }
  spec.width = read_number(text, at);
  if (skip(',')) spec.grouping = ',';
  if (skip('_')) {
    if (spec.grouping) raise("Cannot specify both ',' and '_'.");
    spec.grouping = '_';
  }
  if (skip(',')) raise("Cannot specify both ',' and '_'.");
  if (skip('.')) {
    if (at >= text.size() || text[at] < '0' || text[at] > '9') raise("Format specifier missing precision");
    spec.precision = read_number(text, at);
  }
  if (at < text.size()) {
    if (at + 1 < text.size()) invalid(value);
    spec.type = text[at];
  }
  return spec;
}

[[noreturn]] void unknown_type(const Spec& spec, const Value& value) {
  raise(std::string("Unknown format code '") + spec.type + "' for object of type '" + type_name(value) + "'");
}

/// Separators into digits, at least until they fill a width.
std::string group_digits(std::string digits, char separator, size_t every, int64_t minimum) {
  if (!separator) {
    if (static_cast<int64_t>(digits.size()) < minimum) digits.insert(0, minimum - digits.size(), '0');
    return digits;
  }
  const auto grouped_size = [&](size_t count) { return static_cast<int64_t>(count + (count - 1) / every); };
  size_t count = std::max<size_t>(1, digits.size());
  while (grouped_size(count) < minimum)
    ++count;
  digits.insert(0, count - digits.size(), '0');
  std::string out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % every == 0) out.push_back(separator);
    out.push_back(digits[i]);
  }
  return out;
}

/// Lays out sign, prefix, digits and the rest of a number.
Value lay_out_number(Interpreter& in, const Spec& spec, bool negative, std::string_view prefix,
                     const std::string& digits, const std::string& rest, size_t group, int32_t origin) {
  std::string head = negative ? "-" : spec.sign == '-' ? "" : std::string(1, spec.sign);
  head += prefix;
  in.need(static_cast<size_t>(spec.width) * 8);
  const char align = spec.align ? spec.align : '>';
  const int64_t minimum =
      spec.fill == "0" && align == '=' ? spec.width - static_cast<int64_t>(head.size() + rest.size()) : 0;
  const std::string body = group_digits(digits, spec.grouping, group, minimum) + rest;
  const int64_t pad =
      std::max<int64_t>(0, spec.width - static_cast<int64_t>(head.size() + unicode::count(body)));
  const int64_t left = align == '<' || align == '=' ? 0 : align == '^' ? pad / 2 : pad;
  Builder out(in);
  out.repeat(spec.fill, static_cast<size_t>(left), origin);
  out.append(head, origin);
  if (align == '=') out.repeat(spec.fill, static_cast<size_t>(pad), origin);
  out.append(body, origin);
  if (align != '=') out.repeat(spec.fill, static_cast<size_t>(pad - left), origin);
  return out.finish();
}

Value format_string(Interpreter& in, const Value& value, const Spec& spec, int32_t origin) {
  if (spec.type != '\0' && spec.type != 's') unknown_type(spec, value);
  if (spec.align == '=') raise("'=' alignment not allowed in string format specifier");
  if (spec.alternate) raise("Alternate form (#) not allowed in string format specifier");
  if (spec.no_negative_zero) raise("Negative zero coercion (z) not allowed in string format specifier");
  if (spec.grouping) raise(std::string("Cannot specify '") + spec.grouping + "' with 's'.");
  auto& string = value.as<String>();
  const auto length = static_cast<int64_t>(string.length());
  const int64_t taken = spec.precision >= 0 ? std::min(length, spec.precision) : length;
  const int64_t pad = std::max<int64_t>(0, spec.width - taken);
  const int64_t left = spec.align == '>' ? pad : spec.align == '^' ? pad / 2 : 0;
  Builder out(in);
  out.repeat(spec.fill, static_cast<size_t>(left), origin);
  out.append(string.text(), string.begin, string.offset_of(static_cast<size_t>(taken)));
  out.repeat(spec.fill, static_cast<size_t>(pad - left), origin);
  return out.finish();
}

Value format_real(Interpreter& in, double real, const Spec& spec, const Value& value, int32_t origin) {
  constexpr std::string_view types = "eEfFgGn%";
  if (spec.type != '\0' && types.find(spec.type) == std::string_view::npos) unknown_type(spec, value);
  if (spec.grouping && spec.type == 'n')
    raise(std::string("Cannot specify '") + spec.grouping + "' with 'n'.");
  const auto lower = static_cast<char>(spec.type | 0x20);
  const bool percent = spec.type == '%';
  if (percent) real *= 100;
  const bool repr = spec.type == '\0';
  const char type = percent || lower == 'f' ? 'f' : lower == 'e' ? 'e' : 'g';
  const int64_t precision = spec.precision >= 0 ? spec.precision : 6;
  in.need(static_cast<size_t>(precision) * 4 + 1024);
  in.step(static_cast<uint64_t>(precision));
  const double magnitude = std::fabs(real);
  std::string text;
  if (repr && spec.precision < 0) {
    text = float_repr(magnitude);
    if (spec.alternate && text.find('.') == std::string::npos) {
      const size_t mark = text.find('e');
      if (mark != std::string::npos) text.insert(mark, 1, '.');
    }
  } else if (repr && std::isfinite(real)) {
    // As %g, but with a digit after the point, and an exponent one digit earlier.
    const size_t digits = std::max<int64_t>(1, precision);
    const std::string scientific = format_float(magnitude, 'e', digits - 1, false);
    const int exponent = std::atoi(scientific.c_str() + scientific.find('e') + 1);
    text = format_float(magnitude, 'g', digits, spec.alternate);
    if (magnitude != 0 && exponent >= static_cast<int64_t>(digits) - 1 &&
        text.find('e') == std::string::npos) {
      text = scientific;
      const size_t mark = text.find('e');
      std::string mantissa = text.substr(0, mark);
      if (mantissa.find('.') != std::string::npos) {
        mantissa.erase(mantissa.find_last_not_of('0') + 1);
        if (mantissa.back() == '.') mantissa.pop_back();
      }
      text = mantissa + text.substr(mark);
    } else if (text.find_first_of(".e") == std::string::npos) {
      text += ".0";
    }
  } else {
    text = format_float(magnitude, type, static_cast<size_t>(precision), spec.alternate);
  }
  if (percent) text += '%';
  bool negative = std::signbit(real) && !std::isnan(real);
  if (negative && spec.no_negative_zero && text.find_first_of("123456789in") == std::string::npos)
    negative = false;
  if (spec.type == 'E' || spec.type == 'F' || spec.type == 'G')
    for (char& c : text)
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  size_t whole = 0;
  while (whole < text.size() && text[whole] >= '0' && text[whole] <= '9')
    ++whole;
  if (whole == 0) {
    // inf and nan are padded, but not with grouped zeros.
    Spec plain = spec;
    plain.grouping = '\0';
    return lay_out_number(in, plain, negative, "", text, "", 3, origin);
  }
  return lay_out_number(in, spec, negative, "", text.substr(0, whole), text.substr(whole), 3, origin);
}

Value format_integer(Interpreter& in, const Value& value, const Spec& spec, int32_t origin) {
  constexpr std::string_view real_types = "eEfFgG%";
  if (spec.type != '\0' && real_types.find(spec.type) != std::string_view::npos)
    return format_real(in, real_of(value), spec, value, origin);
  if (spec.precision >= 0) raise("Precision not allowed in integer format specifier");
  if (spec.no_negative_zero)
    raise("Negative zero coercion (z) not allowed in format specifier with integer format");
  const BigInt number = big_of(value);
  if (spec.type == 'c') {
    if (spec.sign != '-') raise("Sign not allowed with integer format specifier 'c'");
    if (spec.alternate) raise("Alternate form (#) not allowed with integer format specifier 'c'");
    if (spec.grouping) raise(std::string("Cannot specify '") + spec.grouping + "' with 'c'.");
    if (!number.fits_int64() || number.to_int64() < 0 || number.to_int64() > 0x10FFFF)
      raise("%c arg not in range(0x110000)");
    return lay_out_number(in, spec, false, "", "", unicode::encoded(static_cast<char32_t>(number.to_int64())),
                          3, origin);
  }
  unsigned base = 10;
  std::string_view prefix;
  switch (spec.type) {
  case '\0':
  case 'd':
  case 'n':
    break;
  case 'b':
    base = 2;
    prefix = "0b";
    break;
  case 'o':
    base = 8;
    prefix = "0o";
    break;
  case 'x':
  case 'X':
    base = 16;
    prefix = spec.type == 'x' ? "0x" : "0X";
    break;
  default:
    unknown_type(spec, value);
  }
  if (spec.grouping == ',' && base != 10) raise(std::string("Cannot specify ',' with '") + spec.type + "'.");
  if (spec.grouping && spec.type == 'n')
    raise(std::string("Cannot specify '") + spec.grouping + "' with 'n'.");
  if (base == 10 && number.bits() > 14300) raise("Exceeds the limit (4300) for integer string conversion");
  in.step(number.limbs() * number.limbs() / 16);
  std::string digits = number.abs().to_string(base);
  if (spec.type == 'X')
    for (char& c : digits)
      if (c >= 'a') c = static_cast<char>(c - 32);
  return lay_out_number(in, spec, number.negative(), spec.alternate ? prefix : "", digits, "",
                        base == 10 ? 3 : 4, origin);
}

} // namespace

Value format_value(Interpreter& in, const Value& value, const Value& spec_value) {
  const std::string_view text = spec_value.as<String>().view();
  if (text.empty()) return value.is_string() ? value : to_str(in, value);
  const int32_t origin = merge_origins(origin_of(value), origin_of(spec_value));
  if (!value.is_string() && !value.is_number())
    raise(std::string("unsupported format string passed to ") + type_name(value) + ".__format__");
  const Spec spec = parse_spec(value, text);
  if (value.is_string()) return format_string(in, value, spec, origin);
  if (value.is(Kind::Float)) return format_real(in, value.real_value(), spec, value, origin);
  return format_integer(in, value, spec, origin);
}

} // namespace verbatim::jinja
