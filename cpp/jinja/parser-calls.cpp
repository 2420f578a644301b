#include "jinja/filters.h"
#include "jinja/parser.h"

namespace verbatim::jinja {

void Parser::parse_arguments(Node* owner, CallArguments& arguments) {
  const uint32_t position = current().position;
  expect_operator("(");
  const auto ensure = [&](bool good) {
    if (!good) raise_syntax("invalid syntax for function call expression", position);
  };
  bool comma = false;
  while (!current().is_operator(")")) {
    if (comma) {
      expect_operator(",");
      if (current().is_operator(")")) break;
    }
    comma = true;
    if (current().is_operator("*")) {
      ensure(!arguments.rest && !arguments.named_rest);
      take();
      arguments.rest = under(owner, parse_expression());
    } else if (current().is_operator("**")) {
      ensure(!arguments.named_rest);
      take();
      arguments.named_rest = under(owner, parse_expression());
    } else if (current().kind == LexemeKind::Name && ahead().is_operator("=")) {
      ensure(!arguments.named_rest);
      const StringId name = intern(take().text);
      take();
      for (const auto& other : arguments.named)
        if (other.first == name) fail("keyword argument repeated: " + text(name));
      arguments.named.emplace_back(name, under(owner, parse_expression()));
    } else {
      ensure(!arguments.rest && !arguments.named_rest && arguments.named.empty());
      arguments.positional.push_back(under(owner, parse_expression()));
    }
  }
  expect_operator(")");
}

Expression* Parser::parse_call(Expression* operand) {
  auto* node = make<Application>(NodeKind::Call, current().position);
  node->operand = under(node, operand);
  parse_arguments(node, node->arguments);
  return node;
}

/// Parses any filters after a value; for a filter block or set block (no value) the first has no operand.
Application* Parser::parse_filter(Expression* operand, bool start_inline) {
  Expression* node = operand;
  Application* filter = nullptr;
  while (current().is_operator("|") || start_inline) {
    if (!start_inline) take();
    start_inline = false;
    filter = make<Application>(NodeKind::Filter, current().position);
    std::string name = expect_name().text;
    while (skip_operator("."))
      name += "." + expect_name().text;
    filter->name = intern(name);
    filter->filter = find_filter(name);
    filter->operand = under(filter, node);
    if (current().is_operator("(")) parse_arguments(filter, filter->arguments);
    node = filter;
  }
  return filter;
}

Expression* Parser::parse_test(Expression* operand) {
  take();
  const bool negated = skip_name("not");
  auto* node = make<Application>(NodeKind::Test, current().position);
  std::string name = expect_name().text;
  while (skip_operator("."))
    name += "." + expect_name().text;
  node->name = intern(name);
  node->test = find_test(name);
  node->operand = under(node, operand);
  const Lexeme& lexeme = current();
  if (lexeme.is_operator("(")) {
    parse_arguments(node, node->arguments);
  } else if ((lexeme.kind == LexemeKind::Name && lexeme.text != "else" && lexeme.text != "or" &&
              lexeme.text != "and") ||
             lexeme.kind == LexemeKind::String || lexeme.kind == LexemeKind::Integer ||
             lexeme.kind == LexemeKind::Float || lexeme.is_operator("[") || lexeme.is_operator("{")) {
    if (lexeme.is_name("is")) fail("You cannot chain multiple tests with is");
    node->arguments.positional.push_back(under(node, parse_postfix(parse_primary())));
  }
  if (!negated) return node;
  auto* inverse = make<Operation>(NodeKind::Not, node->position);
  inverse->right = under(inverse, node);
  return inverse;
}

} // namespace verbatim::jinja
