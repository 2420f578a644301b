#include "jinja/builder.h"
#include "jinja/filters.h"
#include "jinja/numbers.h"
#include "jinja/operations.h"

#include <cmath>
#include <limits>

namespace verbatim::jinja {

namespace {

Value filter_abs(Interpreter& in, const Value& self, Arguments& arguments) {
  bind_positional("abs", arguments, 0, 0, nullptr);
  if (self.undefined()) raise("bad operand type for abs(): 'Undefined'");
  if (self.is(Kind::Float)) return Value::real(std::fabs(self.real_value()), self.own_origin());
  if (!self.is_integral()) raise(std::string("bad operand type for abs(): '") + type_name(self) + "'");
  return compare(in, Operator::Less, self, Value::integer(0)) ? negative(in, self) : positive(in, self);
}

Value integer_of(Interpreter& in, double real, int32_t origin) {
  if (std::isinf(real)) raise("cannot convert float infinity to integer");
  return in.big(BigInt::from_double(real), origin);
}

Value filter_int(Interpreter& in, const Value& self, Arguments& arguments) {
  Value values[2];
  bind("int", arguments, {"default", "base"}, 0, values);
  const Value fallback = values[0].missing() ? Value::integer(0) : values[0];
  if (self.undefined()) raise(self.as<Undefined>().message(in));
  const int32_t origin = origin_of(self);
  if (self.is_integral()) return positive(in, self);
  if (self.is(Kind::Float))
    return std::isnan(self.real_value()) ? fallback : integer_of(in, self.real_value(), origin);
  if (self.is(Kind::Bytes)) {
    const auto number = parse_integer(self.as<Bytes>().content, 10);
    return number ? in.big(*number, origin) : fallback;
  }
  if (!self.is_string()) return fallback;
  const std::string_view text = self.as<String>().view();
  in.step(text.size() / 16);
  const bool has_base = values[1].missing() || values[1].is_integral();
  if (has_base && text.size() < 100'000) {
    in.step(text.size() > 1000 ? text.size() * text.size() / 64 : 0);
    if (const auto number = parse_integer(text, values[1].missing() ? 10 : index_of(in, values[1])))
      return in.big(*number, origin);
  }
  const auto real = parse_float(text);
  if (!real || std::isnan(*real)) return fallback;
  return integer_of(in, *real, origin);
}

Value filter_float(Interpreter& in, const Value& self, Arguments& arguments) {
  Value fallback;
  bind("float", arguments, {"default"}, 0, &fallback);
  if (self.undefined()) raise(self.as<Undefined>().message(in));
  if (self.is_number()) return Value::real(real_of(self), self.own_origin());
  if (self.is_string()) {
    in.step(self.as<String>().view().size() / 16);
    if (const auto real = parse_float(self.as<String>().view())) return Value::real(*real, origin_of(self));
  }
  return fallback.missing() ? Value::real(0) : fallback;
}

/// round(real, digits), half to even on the exact decimal value.
double round_digits(double real, int64_t digits) {
  if (!std::isfinite(real) || digits > 323) return real;
  if (digits < -308) return std::copysign(0.0, real);
  if (digits >= 0) return parse_float_literal(format_float(real, 'f', static_cast<size_t>(digits), false));
  const std::string whole = format_float(std::fabs(real), 'e', 0, false);
  const int64_t exponent = std::atoi(whole.c_str() + whole.find('e') + 1);
  const std::string exact = format_float(std::fabs(real), 'f', 0, false);
  const auto integer_digits = static_cast<int64_t>(std::fabs(real) < 1 ? 1 : exact.size());
  (void)exponent;
  const int64_t kept = integer_digits + digits;
  if (kept < 0) return std::copysign(0.0, real);
  double magnitude;
  if (kept == 0) {
    const double unit = std::pow(10.0, static_cast<double>(-digits));
    magnitude = std::fabs(real) > unit / 2 ? unit : 0.0;
  } else {
    magnitude = parse_float_literal(format_float(std::fabs(real), 'e', static_cast<size_t>(kept - 1), false));
  }
  return std::copysign(magnitude, real);
}

/// round(integer, digits) for digits < 0, half to even.
Value round_integer(Interpreter& in, const Value& value, int64_t digits) {
  const int32_t origin = value.own_origin();
  if (digits >= 0) return positive(in, value);
  const BigInt number = big_of(value);
  if (-digits > 20000) return Value::integer(0, origin);
  const Value unit = arithmetic(in, Operator::Power, Value::integer(10), Value::integer(-digits));
  const BigInt step = big_of(unit);
  BigInt quotient, remainder;
  BigInt::floor_divide(number, step, quotient, remainder);
  const auto twice = (remainder + remainder) <=> step;
  if (twice > 0 || (twice == 0 && (quotient.low_bits() & 1))) quotient = quotient + BigInt(1);
  return in.big(quotient * step, origin);
}

Value filter_round(Interpreter& in, const Value& self, Arguments& arguments) {
  Value values[2];
  bind("round", arguments, {"precision", "method"}, 0, values);
  const Value precision = values[0].missing() ? Value::integer(0) : values[0];
  const std::string_view method = values[1].missing()     ? "common"
                                  : values[1].is_string() ? values[1].as<String>().view()
                                                          : "?";
  if (method != "common" && method != "ceil" && method != "floor")
    raise("method must be common, ceil or floor");
  if (self.undefined()) raise("type Undefined doesn't define __round__ method");
  if (method == "common") {
    if (!self.is_number()) raise(std::string("type ") + type_name(self) + " doesn't define __round__ method");
    if (precision.is_none()) {
      if (!self.is(Kind::Float)) return positive(in, self);
      if (std::isnan(self.real_value())) raise("cannot convert float NaN to integer");
      return integer_of(in, std::nearbyint(self.real_value()), self.own_origin());
    }
    const int64_t digits = index_of(in, precision);
    if (!self.is(Kind::Float)) return round_integer(in, self, digits);
    const double rounded = round_digits(self.real_value(), digits);
    if (std::isinf(rounded) && std::isfinite(self.real_value()))
      raise("rounded value too large to represent");
    return Value::real(rounded, self.own_origin());
  }
  // func(value * 10**precision) / 10**precision
  const Value power = arithmetic(in, Operator::Power, Value::integer(10), precision);
  const Value scaled = arithmetic(in, Operator::Multiply, self, power);
  if (!scaled.is_number()) raise(std::string("must be real number, not ") + type_name(scaled));
  Value whole = scaled;
  if (scaled.is(Kind::Float)) {
    const double real = scaled.real_value();
    if (std::isnan(real)) raise("cannot convert float NaN to integer");
    whole = integer_of(in, method == "ceil" ? std::ceil(real) : std::floor(real), self.own_origin());
  }
  return arithmetic(in, Operator::Divide, whole, power);
}

Value filter_filesizeformat(Interpreter& in, const Value& self, Arguments& arguments) {
  Value binary;
  bind("filesizeformat", arguments, {"binary"}, 0, &binary);
  if (self.undefined()) raise(self.as<Undefined>().message(in));
  double bytes;
  if (self.is_number()) {
    bytes = real_of(self);
  } else {
    const auto parsed = self.is_string() ? parse_float(self.as<String>().view()) : std::nullopt;
    if (!parsed) raise("could not convert to float: " + quoted(in, self));
    bytes = *parsed;
  }
  const bool iec = !binary.missing() && truthy(in, binary);
  const double base = iec ? 1024 : 1000;
  const int32_t origin = origin_of(self);
  if (bytes == 1) return in.string("1 Byte", origin);
  if (bytes < base) {
    if (!std::isfinite(bytes)) raise("cannot convert float infinity to integer");
    return in.string(BigInt::from_double(bytes).to_string() + " Bytes", origin);
  }
  if (std::isnan(bytes)) return in.string(std::string("nan ") + (iec ? "YiB" : "YB"), origin);
  static constexpr const char* iec_units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"};
  static constexpr const char* units[] = {"kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"};
  double unit = base;
  size_t index = 0;
  for (;; ++index) {
    unit *= base;
    if (bytes < unit || index == 7) break;
  }
  const std::string number = format_float(base * bytes / unit, 'f', 1, false);
  return in.string(number + " " + (iec ? iec_units : units)[index], origin);
}

} // namespace

void add_number_filters(FilterTable& table) {
  const FilterSpec filters[] = {
      {"abs", filter_abs},
      {"int", filter_int},
      {"float", filter_float},
      {"round", filter_round},
      {"filesizeformat", filter_filesizeformat},
  };
  for (const FilterSpec& filter : filters)
    table.emplace(filter.name, filter);
}

} // namespace verbatim::jinja
