#include "jinja/numbers.h"
#include "jinja/parser.h"

#include <array>
#include <charconv>

namespace verbatim::jinja {

Expression* Parser::parse_expression(bool with_conditional) {
  const Nesting nesting(*this);
  return with_conditional ? parse_conditional() : parse_logic(0);
}

Expression* Parser::parse_conditional() {
  Expression* yes = parse_logic(0);
  while (current().is_name("if")) {
    auto* node = make<Conditional>(take().position);
    node->yes = under(node, yes);
    node->test = under(node, parse_logic(0));
    if (skip_name("else")) {
      const Nesting nesting(*this);
      node->no = under(node, parse_conditional());
    }
    yes = node;
  }
  return yes;
}

/// or (level 0), and (level 1).
Expression* Parser::parse_logic(int level) {
  const auto operand = [&] { return level == 0 ? parse_logic(1) : parse_not(); };
  Expression* left = operand();
  while (current().is_name(level == 0 ? "or" : "and")) {
    auto* node = make<Operation>(level == 0 ? NodeKind::Or : NodeKind::And, take().position);
    node->left = under(node, left);
    node->right = under(node, operand());
    left = node;
  }
  return left;
}

Expression* Parser::parse_not() {
  if (!current().is_name("not")) return parse_compare();
  const Nesting nesting(*this);
  auto* node = make<Operation>(NodeKind::Not, take().position);
  node->right = under(node, parse_not());
  return node;
}

Expression* Parser::parse_compare() {
  static constexpr std::array<std::pair<std::string_view, Operator>, 6> symbols = {
      {{"==", Operator::Equal},
       {"!=", Operator::NotEqual},
       {"<", Operator::Less},
       {"<=", Operator::LessEqual},
       {">", Operator::Greater},
       {">=", Operator::GreaterEqual}}};
  Expression* first = parse_arithmetic(0);
  Compare* node = nullptr;
  for (;;) {
    const Lexeme& lexeme = current();
    const Operator* op = nullptr;
    static constexpr Operator in = Operator::In, not_in = Operator::NotIn;
    if (lexeme.kind == LexemeKind::Operator) {
      for (const auto& symbol : symbols)
        if (lexeme.text == symbol.first) op = &symbol.second;
    } else if (lexeme.is_name("in")) {
      op = &in;
    } else if (lexeme.is_name("not") && ahead().is_name("in")) {
      op = &not_in;
    }
    if (!op) return node ? node : first;
    if (!node) {
      node = make<Compare>(lexeme.position);
      node->first = under(node, first);
    }
    take();
    if (*op == Operator::NotIn) take();
    node->rest.emplace_back(*op, under(node, parse_arithmetic(0)));
  }
}

/// + and - (level 0), ~ (1), * / // % (2), ** (3).
Expression* Parser::parse_arithmetic(int level) {
  if (level == 1) {
    Expression* first = parse_arithmetic(2);
    if (!current().is_operator("~")) return first;
    auto* node = make<Sequence>(NodeKind::Concat, current().position);
    node->items.push_back(under(node, first));
    while (skip_operator("~"))
      node->items.push_back(under(node, parse_arithmetic(2)));
    return node;
  }
  const auto operand = [&] { return level == 3 ? parse_unary(true) : parse_arithmetic(level + 1); };
  const auto operator_here = [&]() -> const Operator* {
    struct Symbol {
      int level;
      std::string_view text;
      Operator op;
    };
    static constexpr Symbol symbols[] = {{0, "+", Operator::Add},          {0, "-", Operator::Subtract},
                                         {2, "*", Operator::Multiply},     {2, "/", Operator::Divide},
                                         {2, "//", Operator::FloorDivide}, {2, "%", Operator::Modulo},
                                         {3, "**", Operator::Power}};
    if (current().kind == LexemeKind::Operator)
      for (const Symbol& symbol : symbols)
        if (symbol.level == level && symbol.text == current().text) return &symbol.op;
    return nullptr;
  };
  Expression* left = operand();
  while (const Operator* op = operator_here()) {
    auto* node = make<Operation>(NodeKind::Binary, take().position);
    node->op = *op;
    node->left = under(node, left);
    node->right = under(node, operand());
    left = node;
  }
  return left;
}

Expression* Parser::parse_unary(bool with_filter) {
  Expression* node;
  if (current().is_operator("-") || current().is_operator("+")) {
    const Nesting nesting(*this);
    const bool negative = current().text == "-";
    auto* sign = make<Operation>(negative ? NodeKind::Negative : NodeKind::Positive, take().position);
    sign->right = under(sign, parse_unary(false));
    node = sign;
  } else {
    node = parse_primary();
  }
  node = parse_postfix(node);
  return with_filter ? parse_filter_expression(node) : node;
}

Expression* Parser::parse_number() {
  const Lexeme& lexeme = take();
  auto* node = make<Const>(lexeme.position);
  if (lexeme.kind == LexemeKind::Float) {
    node->type = Const::Type::Float;
    const auto parsed = parse_float_literal(lexeme.text);
    node->real = parsed;
    return node;
  }
  std::string_view digits(lexeme.text);
  unsigned base = 10;
  if (digits.size() > 1 && (digits[1] | 0x20) >= 'a') {
    base = (digits[1] | 0x20) == 'x' ? 16 : (digits[1] | 0x20) == 'o' ? 8 : 2;
    digits.remove_prefix(2);
  }
  if (digits.size() > (base == 10 ? 4300 : limits_.integer_bits / 4))
    raise_syntax("an integer has too many digits", lexeme.position);
  BigInt value = BigInt::from_digits(digits, base);
  if (value.fits_int64()) {
    node->type = Const::Type::Int;
    node->integer = value.to_int64();
  } else {
    node->type = Const::Type::BigInt;
    node->big = std::move(value);
  }
  return node;
}

Expression* Parser::parse_primary() {
  const Lexeme& lexeme = current();
  switch (lexeme.kind) {
  case LexemeKind::Name: {
    take();
    const std::string& name = lexeme.text;
    if (name == "true" || name == "True" || name == "false" || name == "False") {
      auto* node = make<Const>(lexeme.position);
      node->type = Const::Type::Bool;
      node->integer = name.size() == 4;
      return node;
    }
    if (name == "none" || name == "None") return make<Const>(lexeme.position);
    return make<Name>(lexeme.position, intern(name), Name::Use::Read);
  }
  case LexemeKind::String: {
    auto* node = make<Const>(lexeme.position);
    std::string content;
    while (current().kind == LexemeKind::String)
      content += take().text;
    node->type = Const::Type::String;
    node->string = intern(content);
    return node;
  }
  case LexemeKind::Integer:
  case LexemeKind::Float:
    return parse_number();
  case LexemeKind::Operator:
    if (lexeme.text == "(") {
      take();
      Expression* node = parse_tuple(false, true, {}, true);
      expect_operator(")");
      return node;
    }
    if (lexeme.text == "[") return parse_list();
    if (lexeme.text == "{") return parse_dict();
    [[fallthrough]];
  default:
    fail("unexpected '" + describe(lexeme) + "'");
  }
}

Expression* Parser::parse_tuple(bool simple, bool with_conditional, std::string_view end_name,
                                bool parenthesised) {
  const Nesting nesting(*this);
  const uint32_t position = current().position;
  std::vector<Expression*> items;
  bool is_tuple = false;
  for (;;) {
    if (!items.empty()) expect_operator(",");
    const Lexeme& lexeme = current();
    if (lexeme.kind == LexemeKind::VariableEnd || lexeme.kind == LexemeKind::BlockEnd ||
        lexeme.is_operator(")") || (!end_name.empty() && lexeme.is_name(end_name)))
      break;
    items.push_back(simple ? parse_primary() : parse_expression(with_conditional));
    if (!current().is_operator(",")) break;
    is_tuple = true;
  }
  if (!is_tuple) {
    if (!items.empty()) return items[0];
    if (!parenthesised) fail("Expected an expression, got '" + describe(current()) + "'");
  }
  auto* node = make<Sequence>(NodeKind::Tuple, position);
  for (Expression* item : items)
    node->items.push_back(under(node, item));
  return node;
}

Expression* Parser::parse_list() {
  auto* node = make<Sequence>(NodeKind::ListDisplay, take().position);
  while (!current().is_operator("]")) {
    if (!node->items.empty()) expect_operator(",");
    if (current().is_operator("]")) break;
    node->items.push_back(under(node, parse_expression()));
  }
  expect_operator("]");
  return node;
}

Expression* Parser::parse_dict() {
  auto* node = make<DictDisplay>(take().position);
  while (!current().is_operator("}")) {
    if (!node->items.empty()) expect_operator(",");
    if (current().is_operator("}")) break;
    Expression* key = under(node, parse_expression());
    expect_operator(":");
    node->items.emplace_back(key, under(node, parse_expression()));
  }
  expect_operator("}");
  return node;
}

Expression* Parser::parse_postfix(Expression* node) {
  for (;;) {
    if (current().is_operator(".") || current().is_operator("["))
      node = parse_subscript(node);
    else if (current().is_operator("("))
      node = parse_call(node);
    else
      return node;
  }
}

Expression* Parser::parse_filter_expression(Expression* node) {
  for (;;) {
    if (current().is_operator("|"))
      node = parse_filter(node, false);
    else if (current().is_name("is"))
      node = parse_test(node);
    else if (current().is_operator("("))
      node = parse_call(node);
    else
      return node;
  }
}

Expression* Parser::parse_subscript(Expression* operand) {
  const Lexeme& lexeme = take();
  if (lexeme.text == ".") {
    if (current().kind == LexemeKind::Name) {
      auto* node = make<Attribute>(current().position);
      node->operand = under(node, operand);
      node->name = intern(take().text);
      return node;
    }
    if (current().kind != LexemeKind::Integer) fail("expected name or number");
    auto* node = make<Item>(lexeme.position);
    node->operand = under(node, operand);
    node->key = under(node, parse_number());
    return node;
  }
  auto* node = make<Item>(lexeme.position);
  node->operand = under(node, operand);
  std::vector<Expression*> keys;
  bool comma = false;
  while (!current().is_operator("]")) {
    if (!keys.empty()) {
      expect_operator(",");
      comma = true;
    }
    keys.push_back(parse_subscript_item());
  }
  expect_operator("]");
  if (!comma && keys.size() == 1) {
    node->key = under(node, keys[0]);
    return node;
  }
  auto* tuple = make<Sequence>(NodeKind::Tuple, lexeme.position);
  for (Expression* key : keys) {
    if (key->kind == NodeKind::Slice) raise_syntax("a slice cannot be part of a tuple", key->position);
    tuple->items.push_back(under(tuple, key));
  }
  node->key = under(node, tuple);
  return node;
}

Expression* Parser::parse_subscript_item() {
  const uint32_t position = current().position;
  Expression* start = nullptr;
  if (!current().is_operator(":")) {
    start = parse_expression();
    if (!current().is_operator(":")) return start;
  }
  auto* node = make<Slice>(position);
  node->start = under(node, start);
  take();
  const auto part = [&]() -> Expression* {
    if (current().is_operator("]") || current().is_operator(",") || current().is_operator(":"))
      return nullptr;
    return under(node, parse_expression());
  };
  node->stop = part();
  if (skip_operator(":")) node->step = current().is_operator(":") ? parse_expression() : part();
  return node;
}

} // namespace verbatim::jinja
