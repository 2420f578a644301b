#include "jinja/format.h"
#include "jinja/numbers.h"

#include <cmath>

namespace verbatim::jinja {

namespace {

/// One conversion: %(key)#0- +width.precision type
struct Conversion {
  bool left = false, plus = false, space = false, alternate = false, zero = false;
  int64_t width = 0;
  int64_t precision = -1;
  char type = '\0';
};

/// A run of the % operator on a string.
class PercentFormatter {
 public:
  PercentFormatter(Interpreter& in, const String& format, const Value& values)
      : in_(in), format_(format), text_(format.text()),
        all_(std::string_view(text_.bytes).substr(0, format.end)), values_(values), out_(in) {
    is_tuple_ = values.is(Kind::Tuple);
    // Whatever can be subscripted counts as a mapping, which need not be used up.
    is_mapping_ =
        !is_tuple_ && !values.is_string() &&
        (values.undefined() || values.is(Kind::Dict) || values.is(Kind::List) || values.is(Kind::Range));
  }

  Value run() {
    size_t at = format_.begin;
    while (at < format_.end) {
      in_.step();
      const size_t percent = std::min(all_.find('%', at), all_.size());
      out_.append(text_, at, percent);
      at = percent;
      if (at < all_.size()) at = convert(at + 1);
    }
    const size_t given = is_tuple_ ? values_.as<List>().items.size() : 1;
    if (used_ < given && !is_mapping_) raise("not all arguments converted during string formatting");
    Text result = out_.take();
    if (result.bytes.empty()) result.origin = format_.origin();
    return in_.string(std::move(result), format_.markup);
  }

 private:
  Value next_value() {
    if (is_tuple_) {
      const auto& items = values_.as<List>().items;
      if (used_ >= items.size()) raise("not enough arguments for format string");
      return items[used_++];
    }
    if (used_++ > 0) raise("not enough arguments for format string");
    return values_;
  }

  [[noreturn]] static void incomplete() { raise("incomplete format"); }

  int64_t read_number(size_t& at) {
    if (at < all_.size() && all_[at] == '*') {
      ++at;
      const Value value = next_value();
      if (!value.is_integral()) raise("* wants int");
      return index_of(in_, value);
    }
    int64_t number = 0;
    while (at < all_.size() && all_[at] >= '0' && all_[at] <= '9') {
      number = number * 10 + (all_[at++] - '0');
      if (number > INT32_MAX)
        raise_limit("memory_bytes", "a width or precision in a format string is too big");
    }
    return number;
  }

  size_t convert(size_t at) {
    if (at < all_.size() && all_[at] == '%') {
      out_.append(text_, at, at + 1);
      return at + 1;
    }
    Conversion conversion;
    Value keyed;
    if (at < all_.size() && all_[at] == '(') keyed = read_key(at);
    for (; at < all_.size(); ++at) {
      const char c = all_[at];
      if (c == '-')
        conversion.left = true;
      else if (c == '+')
        conversion.plus = true;
      else if (c == ' ')
        conversion.space = true;
      else if (c == '#')
        conversion.alternate = true;
      else if (c == '0')
        conversion.zero = true;
      else
        break;
    }
    conversion.width = read_number(at);
    if (conversion.width < 0) {
      conversion.left = true;
      conversion.width = -conversion.width;
    }
    if (at < all_.size() && all_[at] == '.') {
      ++at;
      conversion.precision = std::max<int64_t>(0, read_number(at));
    }
    if (at < all_.size() && (all_[at] == 'h' || all_[at] == 'l' || all_[at] == 'L')) ++at;
    if (at >= all_.size()) incomplete();
    conversion.type = all_[at];
    in_.need(static_cast<size_t>(conversion.width) +
             static_cast<size_t>(std::max<int64_t>(0, conversion.precision)) * 4);
    in_.step(static_cast<uint64_t>(conversion.width / 16 + std::max<int64_t>(0, conversion.precision)));
    write(conversion, keyed.missing() ? next_value() : keyed);
    return at + 1;
  }

  Value read_key(size_t& at) {
    if (!is_mapping_) raise("format requires a mapping");
    const size_t begin = ++at;
    int open = 1;
    while (at < all_.size() && open > 0) {
      if (all_[at] == '(') ++open;
      if (all_[at] == ')') --open;
      ++at;
    }
    if (open > 0) raise("incomplete format key");
    const Value key = in_.substring(format_, begin, at - 1);
    auto value = subscript(in_, values_, key);
    if (!value) raise("no value named " + quoted(in_, key) + " for the format string");
    is_mapping_ = true;
    used_ = 1;
    return std::move(*value);
  }

  void write(const Conversion& conversion, const Value& value) {
    switch (conversion.type) {
    case 's':
      write_text(conversion, format_.markup ? escape(in_, value) : to_str(in_, value));
      break;
    case 'r':
      write_text(conversion, markup_safe(repr_value(in_, value)));
      break;
    case 'a':
      write_text(conversion, markup_safe(ascii_repr(in_, value)));
      break;
    case 'c':
      write_character(conversion, value);
      break;
    case 'd':
    case 'i':
    case 'u':
    case 'o':
    case 'x':
    case 'X':
      write_integer(conversion, value);
      break;
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
      write_real(conversion, value);
      break;
    default:
      raise(std::string("unsupported format character '") + conversion.type + "'");
    }
  }

  Value markup_safe(const Value& text) { return format_.markup ? escape(in_, text) : text; }

  void write_text(const Conversion& conversion, const Value& value) {
    auto& string = value.as<String>();
    const auto length = static_cast<int64_t>(string.length());
    const int64_t taken = conversion.precision >= 0 ? std::min(length, conversion.precision) : length;
    const auto pad = static_cast<size_t>(std::max<int64_t>(0, conversion.width - taken));
    if (!conversion.left) out_.repeat(" ", pad, string.origin());
    out_.append(string.text(), string.begin, string.offset_of(static_cast<size_t>(taken)));
    if (conversion.left) out_.repeat(" ", pad, string.origin());
  }

  void write_character(const Conversion& conversion, const Value& value) {
    Value character = value;
    if (value.is_integral()) {
      const int64_t code = index_of(in_, value);
      if (code < 0 || code > 0x10FFFF) raise("%c arg not in range(0x110000)");
      character = in_.string(Text(unicode::encoded(static_cast<char32_t>(code)), value.own_origin()));
    } else if (!value.is_string() || value.as<String>().length() != 1) {
      raise("%c requires int or char");
    }
    Conversion plain = conversion;
    plain.precision = -1;
    write_text(plain, character);
  }

  /// Sign, prefix and digits, padded.
  void write_number(const Conversion& conversion, bool negative, std::string_view prefix,
                    const std::string& digits, int32_t origin) {
    std::string head = negative ? "-" : conversion.plus ? "+" : conversion.space ? " " : "";
    head += prefix;
    const auto pad = static_cast<size_t>(
        std::max<int64_t>(0, conversion.width - static_cast<int64_t>(head.size() + digits.size())));
    if (!conversion.left && !conversion.zero) out_.repeat(" ", pad, origin);
    out_.append(head, origin);
    if (!conversion.left && conversion.zero) out_.repeat("0", pad, origin);
    out_.append(digits, origin);
    if (conversion.left) out_.repeat(" ", pad, origin);
  }

  void write_integer(const Conversion& conversion, const Value& value) {
    BigInt number;
    const bool decimal = conversion.type == 'd' || conversion.type == 'i' || conversion.type == 'u';
    if (value.is_integral()) {
      number = big_of(value);
    } else if (value.is(Kind::Float) && decimal) {
      if (!std::isfinite(value.real_value())) raise("cannot convert float infinity or NaN to integer");
      number = BigInt::from_double(value.real_value());
    } else {
      raise(std::string("%") + conversion.type + " format: " + (decimal ? "a real number" : "an integer") +
            " is required, not " + type_name(value));
    }
    const unsigned base = decimal ? 10 : conversion.type == 'o' ? 8 : 16;
    if (decimal && number.bits() > 14300) raise("Exceeds the limit (4300) for integer string conversion");
    in_.step(number.limbs() * number.limbs() / 16);
    std::string digits = number.abs().to_string(base);
    std::string_view prefix;
    if (conversion.alternate && !decimal)
      prefix = conversion.type == 'o' ? "0o" : conversion.type == 'x' ? "0x" : "0X";
    if (conversion.type == 'X')
      for (char& c : digits)
        if (c >= 'a') c = static_cast<char>(c - 32);
    if (conversion.precision > static_cast<int64_t>(digits.size()))
      digits.insert(0, static_cast<size_t>(conversion.precision) - digits.size(), '0');
    write_number(conversion, number.negative(), prefix, digits, value.own_origin());
  }

  void write_real(const Conversion& conversion, const Value& value) {
    if (!value.is_number()) raise(std::string("must be real number, not ") + type_name(value));
    const double real = real_of(value);
    const auto type = static_cast<char>(conversion.type | 0x20);
    std::string digits = format_float(
        std::fabs(real), type, static_cast<size_t>(conversion.precision >= 0 ? conversion.precision : 6),
        conversion.alternate);
    if (conversion.type != type)
      for (char& c : digits)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
    write_number(conversion, std::signbit(real) && !std::isnan(real), "", digits, value.own_origin());
  }

  Interpreter& in_;
  const String& format_;
  const Text& text_;
  std::string_view all_;
  const Value& values_;
  Builder out_;
  size_t used_ = 0;
  bool is_tuple_ = false, is_mapping_ = false;
};

} // namespace

Value format_percent(Interpreter& in, const Value& format, const Value& values) {
  return PercentFormatter(in, format.as<String>(), values).run();
}

} // namespace verbatim::jinja
