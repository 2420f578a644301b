#include "jinja/filters.h"
#include "jinja/operations.h"

namespace verbatim::jinja {

namespace {

void no_arguments(Arguments& arguments) {
  bind_positional("test", arguments, 0, 0, nullptr);
}

Value one_argument(const char* name, Arguments& arguments) {
  Value value;
  bind(name, arguments, {name}, 1, &value);
  return value;
}

Value result(bool value) {
  return Value::boolean(value);
}

Value remainder_is(Interpreter& in, const Value& self, const Value& divisor, int64_t wanted) {
  return result(equals(in, arithmetic(in, Operator::Modulo, self, divisor), Value::integer(wanted)));
}

template <int64_t wanted> Value test_parity(Interpreter& in, const Value& self, Arguments& arguments) {
  no_arguments(arguments);
  return remainder_is(in, self, Value::integer(2), wanted);
}

Value test_divisibleby(Interpreter& in, const Value& self, Arguments& arguments) {
  return remainder_is(in, self, one_argument("num", arguments), 0);
}

template <bool (*check)(const Value&)> Value simple(Interpreter&, const Value& self, Arguments& arguments) {
  no_arguments(arguments);
  return result(check(self));
}

bool is_defined(const Value& value) {
  return !value.undefined();
}
bool is_undefined(const Value& value) {
  return value.undefined();
}
bool is_none(const Value& value) {
  return value.is_none();
}
bool is_boolean(const Value& value) {
  return value.is(Kind::Bool);
}
bool is_true(const Value& value) {
  return value.is(Kind::Bool) && value.bool_value();
}
bool is_false(const Value& value) {
  return value.is(Kind::Bool) && !value.bool_value();
}
bool is_integer(const Value& value) {
  return value.is_integral() && !value.is(Kind::Bool);
}
bool is_float(const Value& value) {
  return value.is(Kind::Float);
}
bool is_number(const Value& value) {
  return value.is_number();
}
bool is_string(const Value& value) {
  return value.is_string();
}
bool is_mapping(const Value& value) {
  return value.is(Kind::Dict);
}
bool is_escaped(const Value& value) {
  return value.is_string() && value.as<String>().markup;
}
bool is_sequence(const Value& value) {
  return has_length(value) && !value.is(Kind::View) && !value.is(Kind::Set) && !value.is(Kind::Loop);
}
bool is_callable(const Value& value) {
  switch (value.kind()) {
  case Kind::Undefined:
  case Kind::Macro:
  case Kind::Function:
  case Kind::Method:
  case Kind::Loop:
  case Kind::Joiner:
  case Kind::Block:
    return true;
  default:
    return false;
  }
}

template <bool upper> Value test_case(Interpreter& in, const Value& self, Arguments& arguments) {
  no_arguments(arguments);
  const Value text = to_str(in, self);
  Arguments none;
  return find_method(text, upper ? "isupper" : "islower")->function(in, text, none);
}

template <bool filter> Value test_known(Interpreter& in, const Value& self, Arguments& arguments) {
  no_arguments(arguments);
  hash_value(in, self);
  if (!self.is_string()) return result(false);
  const std::string_view name = self.as<String>().view();
  return result(filter ? find_filter(name) != nullptr : find_test(name) != nullptr);
}

Value test_sameas(Interpreter&, const Value& self, Arguments& arguments) {
  return result(identical(self, one_argument("other", arguments)));
}

Value test_in(Interpreter& in, const Value& self, Arguments& arguments) {
  return result(contains(in, one_argument("seq", arguments), self));
}

template <Operator op> Value test_compare(Interpreter& in, const Value& self, Arguments& arguments) {
  Value other;
  bind_positional("comparison test", arguments, 1, 1, &other);
  if constexpr (op == Operator::Equal)
    return result(equals(in, self, other));
  else if constexpr (op == Operator::NotEqual)
    return result(!equals(in, self, other));
  else
    return result(compare(in, op, self, other));
}

} // namespace

const TestSpec* find_test(std::string_view name) {
  static const std::unordered_map<std::string_view, TestSpec> tests = [] {
    std::unordered_map<std::string_view, TestSpec> table;
    const TestSpec all[] = {
        {"odd", test_parity<1>},
        {"even", test_parity<0>},
        {"divisibleby", test_divisibleby},
        {"defined", simple<is_defined>},
        {"undefined", simple<is_undefined>},
        {"filter", test_known<true>},
        {"test", test_known<false>},
        {"none", simple<is_none>},
        {"boolean", simple<is_boolean>},
        {"false", simple<is_false>},
        {"true", simple<is_true>},
        {"integer", simple<is_integer>},
        {"float", simple<is_float>},
        {"lower", test_case<false>},
        {"upper", test_case<true>},
        {"string", simple<is_string>},
        {"mapping", simple<is_mapping>},
        {"number", simple<is_number>},
        {"sequence", simple<is_sequence>},
        {"iterable", simple<iterable>},
        {"callable", simple<is_callable>},
        {"sameas", test_sameas},
        {"escaped", simple<is_escaped>},
        {"in", test_in},
        {"==", test_compare<Operator::Equal>},
        {"eq", test_compare<Operator::Equal>},
        {"equalto", test_compare<Operator::Equal>},
        {"!=", test_compare<Operator::NotEqual>},
        {"ne", test_compare<Operator::NotEqual>},
        {">", test_compare<Operator::Greater>},
        {"gt", test_compare<Operator::Greater>},
        {"greaterthan", test_compare<Operator::Greater>},
        {"ge", test_compare<Operator::GreaterEqual>},
        {">=", test_compare<Operator::GreaterEqual>},
        {"<", test_compare<Operator::Less>},
        {"lt", test_compare<Operator::Less>},
        {"lessthan", test_compare<Operator::Less>},
        {"<=", test_compare<Operator::LessEqual>},
        {"le", test_compare<Operator::LessEqual>},
    };
    for (const TestSpec& test : all)
      table.emplace(test.name, test);
    return table;
  }();
  const auto found = tests.find(name);
  return found == tests.end() ? nullptr : &found->second;
}

const FilterSpec* find_filter(std::string_view name) {
  static const FilterTable filters = [] {
    FilterTable table;
    add_string_filters(table);
    add_text_filters(table);
    add_number_filters(table);
    add_sequence_filters(table);
    add_selection_filters(table);
    return table;
  }();
  const auto found = filters.find(name);
  return found == filters.end() ? nullptr : &found->second;
}

} // namespace verbatim::jinja
