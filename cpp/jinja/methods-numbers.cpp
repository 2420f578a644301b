#include "jinja/builder.h"
#include "jinja/numbers.h"
#include "jinja/operations.h"

#include <cmath>

namespace verbatim::jinja {

namespace {

void no_arguments(const char* name, Arguments& arguments) {
  bind_positional(name, arguments, 0, 0, nullptr);
}

/// Bool becomes Int, everything else stays.
Value as_number(Interpreter&, const Value& self, Arguments& arguments) {
  no_arguments("conjugate", arguments);
  return self.is(Kind::Bool) ? Value::integer(self.int_value(), self.own_origin()) : self;
}

Value zero(Interpreter&, const Value& self, Arguments&) {
  return self.is(Kind::Float) ? Value::real(0, self.own_origin()) : Value::integer(0, self.own_origin());
}

Value one(Interpreter&, const Value& self, Arguments&) {
  return Value::integer(1, self.own_origin());
}

Value bit_length(Interpreter&, const Value& self, Arguments& arguments) {
  no_arguments("bit_length", arguments);
  return Value::integer(static_cast<int64_t>(big_of(self).bits()), self.own_origin());
}

Value bit_count(Interpreter&, const Value& self, Arguments& arguments) {
  no_arguments("bit_count", arguments);
  return Value::integer(static_cast<int64_t>(big_of(self).count_ones()), self.own_origin());
}

Value as_integer_ratio(Interpreter& in, const Value& self, Arguments& arguments) {
  no_arguments("as_integer_ratio", arguments);
  const int32_t origin = self.own_origin();
  if (!self.is(Kind::Float))
    return in.tuple({as_number(in, self, arguments), Value::integer(1, origin)}, origin);
  double real = self.real_value();
  if (!std::isfinite(real)) raise("cannot convert NaN or Infinity to integer ratio");
  int exponent = 0;
  real = std::frexp(real, &exponent);
  for (int i = 0; i < 300 && real != std::floor(real); ++i) {
    real *= 2;
    --exponent;
  }
  BigInt numerator = BigInt::from_double(real), denominator(1);
  if (exponent > 0)
    numerator = numerator.shifted_left(static_cast<size_t>(exponent));
  else
    denominator = denominator.shifted_left(static_cast<size_t>(-exponent));
  return in.tuple({in.big(numerator, origin), in.big(denominator, origin)}, origin);
}

Value is_integer(Interpreter&, const Value& self, Arguments& arguments) {
  no_arguments("is_integer", arguments);
  const double real = self.real_value();
  return Value::boolean(std::isfinite(real) && real == std::trunc(real));
}

Value float_hex(Interpreter& in, const Value& self, Arguments& arguments) {
  no_arguments("hex", arguments);
  const double real = self.real_value();
  if (!std::isfinite(real)) return in.string(float_repr(real), self.own_origin());
  char buffer[64];
  if (real == 0) {
    std::snprintf(buffer, sizeof buffer, "%s0x0.0p+0", std::signbit(real) ? "-" : "");
  } else {
    std::snprintf(buffer, sizeof buffer, "%.13a", real);
  }
  return in.string(buffer, self.own_origin());
}

Value to_bytes(Interpreter& in, const Value& self, Arguments& arguments) {
  Value values[3];
  bind("to_bytes", arguments, {"length", "byteorder", "signed"}, 0, values);
  const int64_t length = values[0].missing() ? 1 : index_of(in, values[0]);
  const std::string_view order = values[1].missing() ? "big" : string_argument("to_bytes", values[1]).view();
  if (order != "big" && order != "little") raise("byteorder must be either 'little' or 'big'");
  if (length < 0) raise("length argument must be non-negative");
  BigInt value = big_of(self);
  const bool with_sign = !values[2].missing() && truthy(in, values[2]);
  if (value.negative() && !with_sign) raise("can't convert negative int to unsigned");
  in.need(static_cast<size_t>(length) * 2);
  in.step(static_cast<uint64_t>(length) * (1 + value.limbs()));
  const size_t bits = static_cast<size_t>(length) * 8;
  const BigInt bound = BigInt(1).shifted_left(with_sign ? (bits ? bits - 1 : 0) : bits);
  if (value >= bound || (with_sign && value < -bound)) raise("int too big to convert");
  if (value.negative()) value = value + BigInt(1).shifted_left(bits);
  std::string out;
  for (int64_t i = 0; i < length; ++i) {
    out.push_back(static_cast<char>(value.low_bits() & 0xFF));
    value = value.shifted_right(8);
  }
  if (order == "big") out.assign(out.rbegin(), out.rend());
  return Value(in.make<Bytes>(std::move(out)), self.own_origin());
}

Value decode(Interpreter& in, const Value& self, Arguments& arguments) {
  Value values[2];
  bind("decode", arguments, {"encoding", "errors"}, 0, values);
  std::string encoding =
      values[0].missing() ? "utf-8" : std::string(string_argument("decode", values[0]).view());
  const std::string_view errors =
      values[1].missing() ? "strict" : string_argument("decode", values[1]).view();
  for (char& c : encoding)
    c = c == '_' ? '-' : c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  const std::string& content = self.as<Bytes>().content;
  in.need(content.size() * 2);
  in.step(content.size() / 16);
  const bool latin = encoding == "latin-1" || encoding == "latin1" || encoding == "iso-8859-1";
  const bool ascii = encoding == "ascii" || encoding == "us-ascii";
  if (!latin && !ascii && encoding != "utf-8" && encoding != "utf8") raise("unknown encoding: " + encoding);
  std::string out;
  for (size_t at = 0; at < content.size();) {
    const auto byte = static_cast<unsigned char>(content[at]);
    if (latin || byte < 0x80) {
      unicode::encode(out, byte);
      ++at;
      continue;
    }
    size_t size = ascii ? 0 : byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2;
    if (size && unicode::find_invalid(std::string_view(content).substr(at, size)) != std::string_view::npos)
      size = 0;
    if (size) {
      out.append(content, at, size);
      at += size;
    } else {
      if (errors == "strict")
        raise("'" + encoding + "' codec can't decode byte in position " + std::to_string(at));
      if (errors == "replace") unicode::encode(out, 0xFFFD);
      ++at;
    }
  }
  return in.string(Text(std::move(out), self.own_origin()));
}

Value bytes_hex(Interpreter& in, const Value& self, Arguments& arguments) {
  no_arguments("hex", arguments);
  const std::string& content = self.as<Bytes>().content;
  in.need(content.size() * 4);
  std::string out;
  for (const char c : content) {
    out.push_back("0123456789abcdef"[static_cast<unsigned char>(c) >> 4]);
    out.push_back("0123456789abcdef"[c & 15]);
  }
  return in.string(Text(std::move(out), self.own_origin()));
}

MethodTable table_of(std::initializer_list<MethodSpec> methods) {
  MethodTable table;
  for (const MethodSpec& method : methods)
    table.emplace(method.name, method);
  return table;
}

} // namespace

const MethodTable& number_methods(Kind kind) {
  static const MethodTable integer = table_of({{"real", as_number, true},
                                               {"imag", zero, true},
                                               {"numerator", as_number, true},
                                               {"denominator", one, true},
                                               {"conjugate", as_number},
                                               {"bit_length", bit_length},
                                               {"bit_count", bit_count},
                                               {"as_integer_ratio", as_integer_ratio},
                                               {"to_bytes", to_bytes}});
  static const MethodTable real = table_of({{"real", as_number, true},
                                            {"imag", zero, true},
                                            {"conjugate", as_number},
                                            {"as_integer_ratio", as_integer_ratio},
                                            {"is_integer", is_integer},
                                            {"hex", float_hex}});
  return kind == Kind::Float ? real : integer;
}

const MethodTable& bytes_methods() {
  static const MethodTable table = table_of({{"decode", decode}, {"hex", bytes_hex}});
  return table;
}

} // namespace verbatim::jinja
