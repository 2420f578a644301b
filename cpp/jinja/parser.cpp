#include "jinja/parser.h"

#include "jinja/scope.h"
#include "jinja/usage.h"
#include "jinja/value.h"

#include <algorithm>

namespace verbatim::jinja {

Parser::Nesting::Nesting(Parser& owner) : parser(owner) {
  parser.stack_.check();
  if (++parser.nesting_ > parser.limits_.source_depth) {
    --parser.nesting_;
    raise_limit("source_depth", "the template nests too deeply");
  }
}

Parser::Parser(Program& program, const Limits& limits)
    : program_(program), limits_(limits), stack_(limits.stack_bytes), lexemes_(lex(program.source)) {
}

void Parser::parse() {
  try {
    program_.body = parse_body({});
    resolve_scopes(program_, stack_);
    find_context(program_, stack_);
  } catch (Raise& raised) {
    if (raised.position < 0) raised.position = current().position;
    throw;
  }
}

bool Parser::skip_name(std::string_view name) {
  if (!current().is_name(name)) return false;
  take();
  return true;
}

bool Parser::skip_operator(std::string_view symbol) {
  if (!current().is_operator(symbol)) return false;
  take();
  return true;
}

std::string Parser::describe(const Lexeme& lexeme) {
  switch (lexeme.kind) {
  case LexemeKind::Data:
    return "template data / text";
  case LexemeKind::VariableBegin:
    return "begin of print statement";
  case LexemeKind::VariableEnd:
    return "end of print statement";
  case LexemeKind::BlockBegin:
    return "begin of statement block";
  case LexemeKind::BlockEnd:
    return "end of statement block";
  case LexemeKind::End:
    return "end of template";
  case LexemeKind::String:
    return "string";
  default:
    return lexeme.text;
  }
}

void Parser::fail_expected(std::string_view what) const {
  if (current().kind == LexemeKind::End)
    fail("unexpected end of template, expected '" + std::string(what) + "'");
  fail("expected token '" + std::string(what) + "', got '" + describe(current()) + "'");
}

const Lexeme& Parser::expect_name() {
  if (current().kind != LexemeKind::Name) fail_expected("name");
  return take();
}

void Parser::expect_name(std::string_view name) {
  if (!skip_name(name)) fail_expected(name);
}

void Parser::expect_operator(std::string_view symbol) {
  if (!skip_operator(symbol)) fail_expected(symbol);
}

void Parser::expect(LexemeKind kind) {
  if (current().kind != kind) fail_expected(describe({kind, 0, {}}));
  take();
}

void Parser::fail_tag(const Lexeme* tag) const {
  std::string message = tag ? "Encountered unknown tag '" + tag->text + "'." : "Unexpected end of template.";
  if (!open_ends_.empty() && !open_ends_.back()->empty()) {
    message += " Jinja was looking for the following tags: ";
    for (size_t i = 0; i < open_ends_.back()->size(); ++i)
      message += (i ? " or '" : "'") + std::string((*open_ends_.back())[i]) + "'";
    message += ".";
  }
  if (!open_tags_.empty())
    message += " The innermost block that needs to be closed is '" + open_tags_.back() + "'.";
  raise_syntax(std::move(message), tag ? tag->position : current().position);
}

Expression* Parser::under(Node* parent, Expression* child) {
  if (child) {
    parent->depth = std::max(parent->depth, child->depth + 1);
    if (parent->depth > limits_.source_depth) raise_limit("source_depth", "an expression nests too deeply");
  }
  return child;
}

StringId Parser::intern(std::string_view text) {
  const auto [found, added] = interned_.try_emplace(std::string(text), program_.strings.size());
  if (added) {
    program_.strings.emplace_back(text);
    program_.hashes.push_back(hash_bytes(text));
  }
  return found->second;
}

Body Parser::parse_body(const EndTags& ends) {
  Body body;
  Output* output = nullptr;
  const auto output_at = [&](uint32_t position) {
    if (!output) body.push_back(output = make<Output>(position));
    return output;
  };
  open_ends_.push_back(&ends);
  while (current().kind != LexemeKind::End) {
    const Lexeme& lexeme = current();
    if (lexeme.kind == LexemeKind::Data) {
      output_at(lexeme.position)->items.push_back(make<Data>(lexeme.position, lexeme.text));
      take();
    } else if (lexeme.kind == LexemeKind::VariableBegin) {
      take();
      Output* const into = output_at(lexeme.position);
      into->items.push_back(parse_tuple(false, true, {}, false));
      expect(LexemeKind::VariableEnd);
    } else {
      output = nullptr;
      expect(LexemeKind::BlockBegin);
      const auto is_end = [&](std::string_view name) { return current().is_name(name); };
      if (std::any_of(ends.begin(), ends.end(), is_end)) break;
      if (Statement* statement = parse_statement()) body.push_back(statement);
      expect(LexemeKind::BlockEnd);
    }
  }
  open_ends_.pop_back();
  return body;
}

/// The body of a block tag, from the end of its opening tag. With drop_end, the end tag's name is consumed
/// too.
Body Parser::parse_block_body(const EndTags& ends, bool drop_end) {
  skip_operator(":");
  expect(LexemeKind::BlockEnd);
  Body body = parse_body(ends);
  if (current().kind == LexemeKind::End) {
    open_ends_.push_back(&ends);
    fail_tag(nullptr);
  }
  if (drop_end) take();
  return body;
}

Statement* Parser::parse_statement() {
  const Nesting nesting(*this);
  if (current().kind != LexemeKind::Name) fail("tag name expected");
  const Lexeme tag = current();
  using Method = Statement* (Parser::*)();
  static const std::unordered_map<std::string_view, Method> statements = {
      {"for", &Parser::parse_for},
      {"if", &Parser::parse_if},
      {"set", &Parser::parse_set},
      {"with", &Parser::parse_with},
      {"autoescape", &Parser::parse_autoescape},
      {"block", &Parser::parse_block},
      {"macro", &Parser::parse_macro},
      {"call", &Parser::parse_call_block},
      {"generation", &Parser::parse_generation},
      {"filter", &Parser::parse_filter_block},
      {"print", &Parser::parse_print},
  };
  const auto found = statements.find(tag.text);
  if (found == statements.end()) {
    if (tag.text == "break" || tag.text == "continue") {
      take();
      return make<Node>(tag.text == "break" ? NodeKind::Break : NodeKind::Continue, tag.position);
    }
    if (tag.text == "include" || tag.text == "import" || tag.text == "from" || tag.text == "extends")
      fail("'" + tag.text + "' is not available: a chat template has no other templates to load");
    fail_tag(&tag);
  }
  open_tags_.push_back(tag.text);
  take();
  Statement* statement = (this->*found->second)();
  statement->position = tag.position;
  open_tags_.pop_back();
  return statement;
}

Statement* Parser::parse_for() {
  auto* node = make<For>(current().position);
  node->target = parse_target(true);
  expect_name("in");
  node->iterable = parse_tuple(false, false, "recursive", false);
  if (skip_name("if")) node->test = parse_expression();
  node->recursive = skip_name("recursive");
  node->body = parse_block_body({"endfor", "else"}, false);
  if (take().text == "else") {
    node->otherwise = parse_block_body({"endfor"}, true);
    node->has_else = !node->otherwise.empty();
  }
  return node;
}

Statement* Parser::parse_if() {
  auto* node = make<If>(current().position);
  for (;;) {
    Expression* test = parse_tuple(false, false, {}, false);
    node->branches.emplace_back(test, parse_block_body({"elif", "else", "endif"}, false));
    const std::string tag = take().text;
    if (tag == "elif") continue;
    if (tag == "else") node->otherwise = parse_block_body({"endif"}, true);
    return node;
  }
}

Statement* Parser::parse_set() {
  const uint32_t position = current().position;
  Expression* target;
  if (ahead().is_operator(".")) {
    const Lexeme name = expect_name();
    take();
    const StringId member = intern(expect_name().text);
    target = make<NamespaceTarget>(name.position, intern(name.text), member);
  } else {
    target = parse_target(false);
  }
  if (skip_operator("=")) {
    auto* node = make<Assign>(position);
    node->target = target;
    node->value = parse_tuple(false, true, {}, false);
    return node;
  }
  auto* node = make<AssignBlock>(position);
  node->target = target;
  node->filter = parse_filter(nullptr, false);
  node->body = parse_block_body({"endset"}, true);
  return node;
}

Statement* Parser::parse_with() {
  auto* node = make<With>(current().position);
  while (current().kind != LexemeKind::BlockEnd) {
    if (!node->targets.empty()) expect_operator(",");
    Expression* target = parse_target(false);
    make_target(target, Name::Use::Parameter);
    node->targets.push_back(target);
    expect_operator("=");
    node->values.push_back(parse_expression());
  }
  node->body = parse_block_body({"endwith"}, true);
  return node;
}

Statement* Parser::parse_autoescape() {
  auto* node = make<AutoescapeScope>(current().position);
  node->value = parse_expression();
  node->body = parse_block_body({"endautoescape"}, true);
  return node;
}

Statement* Parser::parse_block() {
  auto* node = make<Block>(current().position);
  const Lexeme name = expect_name();
  node->name = intern(name.text);
  node->scoped = skip_name("scoped");
  node->required = skip_name("required");
  if (current().is_operator("-")) fail("block names have to be identifiers and may not contain hyphens");
  node->body = parse_block_body({"endblock"}, true);
  if (node->required) {
    for (const Statement* statement : node->body) {
      const auto blank = [](const Expression* item) {
        if (item->kind != NodeKind::Data) return false;
        const std::string& text = static_cast<const Data*>(item)->text;
        return std::all_of(text.begin(), text.end(),
                           [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); });
      };
      const auto* output = static_cast<const Output*>(statement);
      if (statement->kind != NodeKind::Output ||
          !std::all_of(output->items.begin(), output->items.end(), blank))
        fail("Required blocks can only contain comments or whitespace");
    }
  }
  skip_name(name.text);
  if (!program_.blocks.emplace(name.text, node).second)
    raise_syntax("block '" + name.text + "' defined twice", name.position);
  return node;
}

void Parser::parse_signature(Macro& macro) {
  expect_operator("(");
  while (!current().is_operator(")")) {
    if (!macro.parameters.empty()) expect_operator(",");
    Name* parameter = parse_name_target(Name::Use::Parameter);
    for (const Name* other : macro.parameters)
      if (other->name == parameter->name)
        fail("duplicate argument '" + text(other->name) + "' in macro definition");
    if (skip_operator("="))
      macro.defaults.push_back(parse_expression());
    else if (!macro.defaults.empty())
      fail("non-default argument follows default argument");
    macro.parameters.push_back(parameter);
  }
  expect_operator(")");
}

Statement* Parser::parse_macro() {
  auto* node = make<Macro>(NodeKind::Macro, current().position);
  node->name = parse_name_target(Name::Use::Store)->name;
  node->has_name = true;
  parse_signature(*node);
  node->body = parse_block_body({"endmacro"}, true);
  return node;
}

Statement* Parser::parse_call_block() {
  auto* node = make<CallBlock>(current().position);
  if (current().is_operator("(")) parse_signature(*node);
  Expression* call = parse_expression();
  if (call->kind != NodeKind::Call) fail("expected call");
  node->call = static_cast<Application*>(call);
  node->body = parse_block_body({"endcall"}, true);
  return node;
}

Statement* Parser::parse_generation() {
  auto* node = make<CallBlock>(current().position);
  node->body = parse_block_body({"endgeneration"}, true);
  return node;
}

Statement* Parser::parse_filter_block() {
  auto* node = make<FilterBlock>(current().position);
  node->filter = parse_filter(nullptr, true);
  node->body = parse_block_body({"endfilter"}, true);
  return node;
}

Statement* Parser::parse_print() {
  auto* node = make<Output>(current().position);
  while (current().kind != LexemeKind::BlockEnd) {
    if (!node->items.empty()) expect_operator(",");
    node->items.push_back(parse_expression());
  }
  return node;
}

Name* Parser::parse_name_target(Name::Use use) {
  const Lexeme& lexeme = expect_name();
  static constexpr std::string_view constants[] = {"true", "false", "none", "True", "False", "None"};
  if (std::find(std::begin(constants), std::end(constants), lexeme.text) != std::end(constants))
    raise_syntax("can't assign to '" + lexeme.text + "'", lexeme.position);
  return make<Name>(lexeme.position, intern(lexeme.text), use);
}

Expression* Parser::parse_target(bool until_in) {
  Expression* target = parse_tuple(true, true, until_in ? "in" : "", false);
  make_target(target, Name::Use::Store);
  return target;
}

void Parser::make_target(Expression* target, Name::Use use) {
  if (target->kind == NodeKind::Name) {
    static_cast<Name*>(target)->use = use;
  } else if (target->kind == NodeKind::Tuple) {
    for (Expression* item : static_cast<Sequence*>(target)->items)
      make_target(item, use);
  } else {
    raise_syntax("can't assign to this expression", target->position);
  }
}

} // namespace verbatim::jinja
