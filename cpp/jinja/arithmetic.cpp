#include "jinja/operations.h"

#include <cmath>
#include <limits>

namespace verbatim::jinja {

namespace {

const char* symbol_of(Operator op) {
  switch (op) {
  case Operator::Add:
    return "+";
  case Operator::Subtract:
    return "-";
  case Operator::Multiply:
    return "*";
  case Operator::Divide:
    return "/";
  case Operator::FloorDivide:
    return "//";
  case Operator::Modulo:
    return "%";
  default:
    return "** or pow()";
  }
}

[[noreturn]] void unsupported(Operator op, const Value& a, const Value& b) {
  raise(std::string("unsupported operand type(s) for ") + symbol_of(op) + ": '" + type_name(a) + "' and '" +
        type_name(b) + "'");
}

Value float_power(double base, double exponent, int32_t origin) {
  if (base == 0 && exponent < 0) raise("0.0 cannot be raised to a negative power");
  if (base < 0 && std::isfinite(base) && std::isfinite(exponent) && exponent != std::trunc(exponent))
    raise("a negative number to a fractional power is complex, which is not supported");
  const double result = std::pow(base, exponent);
  if (std::isinf(result) && std::isfinite(base) && std::isfinite(exponent)) raise("Result too large");
  return Value::real(result, origin);
}

Value real_arithmetic(Operator op, double a, double b, int32_t origin) {
  switch (op) {
  case Operator::Add:
    return Value::real(a + b, origin);
  case Operator::Subtract:
    return Value::real(a - b, origin);
  case Operator::Multiply:
    return Value::real(a * b, origin);
  case Operator::Divide:
    if (b == 0) raise("float division by zero");
    return Value::real(a / b, origin);
  case Operator::Power:
    return float_power(a, b, origin);
  default:
    break;
  }
  if (b == 0) raise(op == Operator::Modulo ? "float modulo" : "float floor division by zero");
  double remainder = std::fmod(a, b);
  double quotient = (a - remainder) / b;
  if (remainder != 0) {
    if ((b < 0) != (remainder < 0)) {
      remainder += b;
      quotient -= 1;
    }
  } else {
    remainder = std::copysign(0.0, b);
  }
  if (op == Operator::Modulo) return Value::real(remainder, origin);
  if (quotient == 0) return Value::real(std::copysign(0.0, a / b), origin);
  double floored = std::floor(quotient);
  if (quotient - floored > 0.5) floored += 1;
  return Value::real(floored, origin);
}

Value int_power(Interpreter& in, const Value& a, const Value& b, int32_t origin) {
  const BigInt base = big_of(a), exponent = big_of(b);
  if (exponent.negative()) {
    if (base.is_zero()) raise("0.0 cannot be raised to a negative power");
    return float_power(real_of(a), real_of(b), origin);
  }
  if (base.bits() <= 1) {
    // 0, 1 and -1 stay small however large the exponent is.
    if (exponent.is_zero()) return Value::integer(1, origin);
    if (base.is_zero() || !base.negative())
      return a.is(Kind::Bool) ? Value::integer(a.int_value(), origin) : a.with_origin(origin);
    return Value::integer(exponent.low_bits() & 1 ? -1 : 1, origin);
  }
  if (!exponent.fits_int64() || static_cast<uint64_t>(exponent.to_int64()) > in.limits().integer_bits ||
      (base.bits() - 1) * static_cast<uint64_t>(exponent.to_int64()) > in.limits().integer_bits)
    raise_limit("integer_bits", "an integer is too large");
  const uint64_t limbs = base.bits() * static_cast<uint64_t>(exponent.to_int64()) / 32 + 1;
  in.step(limbs * limbs / 8);
  return in.big(BigInt::power(base, static_cast<uint64_t>(exponent.to_int64())), origin);
}

Value big_arithmetic(Interpreter& in, Operator op, const Value& a, const Value& b, int32_t origin) {
  const BigInt x = big_of(a), y = big_of(b);
  in.step(1 + x.limbs() * y.limbs() / 8);
  switch (op) {
  case Operator::Add:
    return in.big(x + y, origin);
  case Operator::Subtract:
    return in.big(x - y, origin);
  case Operator::Multiply:
    if (x.bits() + y.bits() > in.limits().integer_bits + 64)
      raise_limit("integer_bits", "an integer is too large");
    return in.big(x * y, origin);
  default:
    break;
  }
  if (y.is_zero()) raise(op == Operator::Divide ? "division by zero" : "integer division or modulo by zero");
  if (op == Operator::Divide) {
    const double result = BigInt::true_divide(x, y);
    if (std::isinf(result)) raise("integer division result too large for a float");
    return Value::real(result, origin);
  }
  BigInt quotient, remainder;
  BigInt::floor_divide(x, y, quotient, remainder);
  return in.big(op == Operator::Modulo ? std::move(remainder) : std::move(quotient), origin);
}

Value int_arithmetic(Interpreter& in, Operator op, const Value& a, const Value& b, int32_t origin) {
  if (op == Operator::Power) return int_power(in, a, b, origin);
  if (a.is(Kind::BigInt) || b.is(Kind::BigInt)) return big_arithmetic(in, op, a, b, origin);
  const int64_t x = a.int_value(), y = b.int_value();
  int64_t result = 0;
  switch (op) {
  case Operator::Add:
    if (__builtin_add_overflow(x, y, &result)) break;
    return Value::integer(result, origin);
  case Operator::Subtract:
    if (__builtin_sub_overflow(x, y, &result)) break;
    return Value::integer(result, origin);
  case Operator::Multiply:
    if (__builtin_mul_overflow(x, y, &result)) break;
    return Value::integer(result, origin);
  case Operator::Divide:
    if (y != 0 && std::llabs(x) <= int64_t{1} << 53 && std::llabs(y) <= int64_t{1} << 53 && x != INT64_MIN &&
        y != INT64_MIN)
      return Value::real(static_cast<double>(x) / static_cast<double>(y), origin);
    break;
  default:
    if (y == 0 || (y == -1 && x == INT64_MIN)) break;
    int64_t quotient = x / y, remainder = x % y;
    if (remainder != 0 && (remainder < 0) != (y < 0)) {
      remainder += y;
      --quotient;
    }
    return Value::integer(op == Operator::Modulo ? remainder : quotient, origin);
  }
  return big_arithmetic(in, op, a, b, origin);
}

Value concatenate_lists(Interpreter& in, const Value& a, const Value& b, int32_t origin) {
  const auto &x = a.as<List>().items, &y = b.as<List>().items;
  in.need((x.size() + y.size()) * sizeof(Value));
  in.step((x.size() + y.size()) / 4);
  std::vector<Value> items;
  items.reserve(x.size() + y.size());
  items.insert(items.end(), x.begin(), x.end());
  items.insert(items.end(), y.begin(), y.end());
  return a.is(Kind::List) ? in.list(std::move(items), origin) : in.tuple(std::move(items), origin);
}

bool is_sequence(const Value& value) {
  return value.is_string() || value.is(Kind::List) || value.is(Kind::Tuple) || value.is(Kind::Bytes);
}

/// set - set, for dict.keys() and dict.items() too.
Value subtract_sets(Interpreter& in, const Value& a, const Value& b, int32_t origin) {
  auto result = in.make<Dict>(Kind::Set);
  const std::vector<Value> removed_items = collect(in, b);
  auto removed = in.make<Dict>(Kind::Set);
  for (const Value& item : removed_items)
    removed->set(in, item, Value());
  for (const Value& item : collect(in, a)) {
    in.step();
    if (!removed->find(in, item)) result->set(in, item, Value());
  }
  return Value(result, origin);
}

} // namespace

Value format_percent(Interpreter& in, const Value& format, const Value& values);

BigInt big_of(const Value& value) {
  return value.is(Kind::BigInt) ? value.as<Integer>().value : BigInt(value.int_value());
}

double real_of(const Value& value) {
  if (value.is(Kind::Float)) return value.real_value();
  if (!value.is(Kind::BigInt)) return static_cast<double>(value.int_value());
  const double real = value.as<Integer>().value.to_double();
  if (std::isinf(real)) raise("int too large to convert to float");
  return real;
}

Value concatenate(Interpreter& in, const String& a, const String& b, bool markup) {
  const size_t more = b.end - b.begin;
  in.need(more + (a.end - a.begin));
  in.step(more / 64);
  constexpr size_t worth_sharing = 64;
  if (a.end == a.buffer->text.bytes.size() && a.end - a.begin >= worth_sharing) {
    // The left side is the end of its buffer: grow that, so that appending in a loop stays linear.
    const Ref<Buffer> buffer = a.buffer;
    const size_t begin = a.begin, end = a.end;
    buffer->text.append(b.buffer->text, b.begin, b.end);
    buffer->hold(buffer->text.bytes.capacity() + buffer->text.runs.capacity() * sizeof(Run));
    return Value(in.make<String>(buffer, begin, end + more, markup));
  }
  in.step((a.end - a.begin) / 64);
  Text text;
  text.bytes.reserve(a.end - a.begin + more);
  text.append(a.text(), a.begin, a.end);
  text.append(b.text(), b.begin, b.end);
  return in.string(std::move(text), markup);
}

Value repeat(Interpreter& in, const Value& sequence, const Value& count) {
  const int64_t times = std::max<int64_t>(0, index_of(in, count));
  const int32_t origin = merge_origins(origin_of(sequence), origin_of(count));
  const auto check = [&](size_t size) {
    if (size != 0 && static_cast<uint64_t>(times) > in.room() / size) in.fail_memory();
    in.step(static_cast<uint64_t>(times) * size / 32);
  };
  if (sequence.is_string()) {
    const auto& string = sequence.as<String>();
    const size_t size = string.end - string.begin;
    check(size * 2);
    Text text;
    if (times > 0) text.bytes.reserve(size * times);
    // Each character keeps its origin, even if the count is the caller's.
    for (int64_t i = 0; size && i < times; ++i)
      text.append(string.text(), string.begin, string.end);
    if (text.bytes.empty()) text.origin = origin;
    return in.string(std::move(text), string.markup);
  }
  if (sequence.is(Kind::Bytes)) {
    const std::string& content = sequence.as<Bytes>().content;
    check(content.size() * 2);
    std::string out;
    for (int64_t i = 0; !content.empty() && i < times; ++i)
      out += content;
    return Value(in.make<Bytes>(std::move(out)), origin);
  }
  const auto& items = sequence.as<List>().items;
  check(items.size() * sizeof(Value));
  std::vector<Value> out;
  if (!items.empty()) out.reserve(items.size() * times);
  for (int64_t i = 0; !items.empty() && i < times; ++i)
    out.insert(out.end(), items.begin(), items.end());
  return sequence.is(Kind::List) ? in.list(std::move(out), origin) : in.tuple(std::move(out), origin);
}

Value arithmetic(Interpreter& in, Operator op, const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) {
    const int32_t origin = merge_origins(a.own_origin(), b.own_origin());
    if (a.is(Kind::Float) || b.is(Kind::Float)) return real_arithmetic(op, real_of(a), real_of(b), origin);
    return int_arithmetic(in, op, a, b, origin);
  }
  // str % anything formats, also Undefined; every other operation on Undefined fails.
  if (op == Operator::Modulo && a.is_string()) return format_percent(in, a, b);
  if (a.undefined()) raise(a.as<Undefined>().message(in));
  const auto is_set_view = [](const Value& value) {
    return value.is(Kind::View) && value.as<View>().part != View::Part::Values;
  };
  if (op == Operator::Subtract && ((is_set_view(a) && iterable(b)) || (is_set_view(b) && iterable(a))))
    return subtract_sets(in, a, b, a.own_origin());
  if (b.undefined()) raise(b.as<Undefined>().message(in));
  if (op == Operator::Add) {
    if (a.is_string() && b.is_string()) {
      const String &x = a.as<String>(), &y = b.as<String>();
      if (!x.markup && !y.markup) return concatenate(in, x, y, false);
      const Value left = escape(in, a), right = escape(in, b);
      return concatenate(in, left.as<String>(), right.as<String>(), true);
    }
    if (a.kind() == b.kind() && (a.is(Kind::List) || a.is(Kind::Tuple)))
      return concatenate_lists(in, a, b, merge_origins(a.own_origin(), b.own_origin()));
    if (a.is(Kind::Bytes) && b.is(Kind::Bytes))
      return Value(in.make<Bytes>(a.as<Bytes>().content + b.as<Bytes>().content), a.own_origin());
    if (a.is_string()) raise(std::string("can only concatenate str (not \"") + type_name(b) + "\") to str");
    if (a.is(Kind::List))
      raise(std::string("can only concatenate list (not \"") + type_name(b) + "\") to list");
  }
  if (op == Operator::Multiply) {
    if (is_sequence(a) && b.is_integral()) return repeat(in, a, b);
    if (is_sequence(b) && a.is_integral()) return repeat(in, b, a);
    if (is_sequence(a) || is_sequence(b))
      raise(std::string("can't multiply sequence by non-int of type '") + type_name(is_sequence(a) ? b : a) +
            "'");
  }
  if (op == Operator::Subtract && a.is(Kind::Set) && b.is(Kind::Set))
    return subtract_sets(in, a, b, a.own_origin());
  unsupported(op, a, b);
}

Value negative(Interpreter& in, const Value& value) {
  if (value.undefined()) raise(value.as<Undefined>().message(in));
  if (value.is(Kind::Float)) return Value::real(-value.real_value(), value.own_origin());
  if (!value.is_integral()) raise(std::string("bad operand type for unary -: '") + type_name(value) + "'");
  if (value.is(Kind::BigInt) || value.int_value() == INT64_MIN)
    return in.big(-big_of(value), value.own_origin());
  return Value::integer(-value.int_value(), value.own_origin());
}

Value positive(Interpreter& in, const Value& value) {
  if (value.undefined()) raise(value.as<Undefined>().message(in));
  if (!value.is_number()) raise(std::string("bad operand type for unary +: '") + type_name(value) + "'");
  return value.is(Kind::Bool) ? Value::integer(value.int_value(), value.own_origin()) : value;
}

} // namespace verbatim::jinja
