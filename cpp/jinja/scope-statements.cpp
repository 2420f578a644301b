#include "jinja/scope-resolver.h"

#include "jinja/scope.h"

namespace verbatim::jinja {

void ScopeResolver::refuse_loop_assignment(const Node* node) {
  charge_analysis(budget_, 1);
  if (node->kind == NodeKind::Name && static_cast<const Name*>(node)->use == Name::Use::Store &&
      static_cast<const Name*>(node)->name == special("loop"))
    raise_syntax("Can't assign to special loop variable in for-loop", node->position);
  for_each_child(node, [&](const Node* child) { refuse_loop_assignment(child); });
}

bool ScopeResolver::has_scoped_block(const Node* node) {
  charge_analysis(budget_, 1);
  if (node->kind == NodeKind::Block && static_cast<const Block*>(node)->scoped) return true;
  bool found = false;
  for_each_child(node, [&](const Node* child) { found = found || has_scoped_block(child); });
  return found;
}

Node* ScopeResolver::clone_target(const Node* target) {
  if (target->kind == NodeKind::Name) {
    program_.nodes.push_back(std::make_unique<Name>(*static_cast<const Name*>(target)));
  } else {
    auto copy = std::make_unique<Sequence>(NodeKind::Tuple, target->position);
    for (const Node* item : static_cast<const Sequence*>(target)->items)
      copy->items.push_back(clone_target(item));
    program_.nodes.push_back(std::move(copy));
  }
  return program_.nodes.back().get();
}

void ScopeResolver::visit_for(For* node, const Place& place) {
  refuse_loop_assignment(node);
  node->escaping = escaping_;
  FunctionScope* function = node->recursive ? make_function(place.function) : place.function;
  Place body = inner(place, function);
  Place otherwise = inner(place, function);
  body.in_loop = true;
  node->has_loop = node->recursive || uses(node->body, "loop") || has_scoped_block(node);
  if (node->has_loop) node->loop = slot_of(body, body.symbols->declare_parameter(special("loop")));
  body.symbols->visit(node->target, true);
  body.symbols->visit_all(node->body);
  otherwise.symbols->visit_all(node->otherwise);
  if (node->test) {
    FunctionScope* test_function = make_function(place.function);
    const Place test = inner(place, test_function);
    node->test_target = clone_target(node->target);
    test.symbols->visit(node->test_target, true);
    test.symbols->visit(node->test);
    node->test_scope = scope_of(test, false);
    visit(node->test_target, test);
    visit(node->test, test);
    node->test_slot_count = test_function->slots.size();
  }
  visit(node->iterable, place);
  visit(node->target, body);
  node->scope = scope_of(body, true);
  visit_all(node->body, body);
  node->else_scope = scope_of(otherwise, true);
  visit_all(node->otherwise, otherwise);
  if (node->recursive) node->slot_count = function->slots.size();
}

void ScopeResolver::visit_macro(Macro* node, const Place& place) {
  visit_macro_body(node, place);
  node->exported = place.top_level;
  node->target = slot_of(place, node->name, node->position);
}

void ScopeResolver::visit_macro_body(Macro* node, const Place& place) {
  FunctionScope* function = make_function(place.function);
  const Place body = inner(place, function);
  const auto analyze = [&] {
    for (const Name* parameter : node->parameters)
      body.symbols->visit(parameter);
    for (const Node* value : node->defaults)
      body.symbols->visit(value);
    body.symbols->visit_all(node->body);
  };
  analyze();
  const auto undeclared =
      find_undeclared(node->body, {special("caller"), special("kwargs"), special("varargs")}, budget_);
  const auto parameter_at = [&](std::string_view name) {
    const StringId wanted = special(name);
    for (size_t i = 0; i < node->parameters.size(); ++i)
      if (node->parameters[i]->name == wanted) return static_cast<int>(i);
    return -1;
  };
  const int caller = parameter_at("caller");
  node->explicit_caller = caller >= 0;
  if (undeclared.count(special("caller"))) {
    node->uses_caller = true;
    if (caller < 0)
      node->caller = slot_of(body, body.symbols->declare_parameter(special("caller")));
    else if (static_cast<size_t>(caller) < node->parameters.size() - node->defaults.size())
      raise_syntax("the special \"caller\" argument must be omitted or be given a default", node->position);
  }
  if (undeclared.count(special("kwargs")) && parameter_at("kwargs") < 0) {
    node->uses_kwargs = true;
    node->kwargs = slot_of(body, body.symbols->declare_parameter(special("kwargs")));
  }
  if (undeclared.count(special("varargs")) && parameter_at("varargs") < 0) {
    node->uses_varargs = true;
    node->varargs = slot_of(body, body.symbols->declare_parameter(special("varargs")));
  }
  analyze();
  node->scope = scope_of(body, false);
  for (Name* parameter : node->parameters)
    visit(parameter, body);
  for (Node* value : node->defaults)
    visit(value, body);
  visit_all(node->body, body);
  node->slot_count = function->slots.size();
}

void ScopeResolver::visit_with(With* node, const Place& place) {
  const Place body = inner(place, place.function);
  for (const Node* target : node->targets)
    body.symbols->visit(target);
  body.symbols->visit_all(node->body);
  node->scope = scope_of(body, true);
  for (size_t i = 0; i < node->targets.size(); ++i) {
    visit(node->targets[i], body);
    visit(node->values[i], place);
  }
  visit_all(node->body, body);
}

void ScopeResolver::visit_autoescape(AutoescapeScope* node, const Place& place) {
  const Place body = inner(place, place.function);
  body.symbols->visit(node->value);
  body.symbols->visit_all(node->body);
  node->scope = scope_of(body, true);
  visit(node->value, body);
  const Escaping before = escaping_;
  if (escaping_ != Escaping::Dynamic) {
    escaping_ = Escaping::Dynamic;
    if (node->value->kind == NodeKind::Const) {
      const auto* constant = static_cast<const Const*>(node->value);
      const bool on = constant->type == Const::Type::BigInt || constant->integer != 0 ||
                      constant->real != 0 ||
                      (constant->type == Const::Type::String && !program_.strings[constant->string].empty());
      escaping_ = on ? Escaping::On : Escaping::Off;
    }
  }
  visit_all(node->body, body);
  escaping_ = before;
}

} // namespace verbatim::jinja
