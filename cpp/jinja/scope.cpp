#include "jinja/scope.h"

#include "jinja/constants.h"
#include "jinja/scope-resolver.h"

namespace verbatim::jinja {

void ScopeResolver::run() {
  FunctionScope* function = make_function(nullptr);
  Symbols* symbols = make_symbols(nullptr, function);
  const Place place{symbols, function, true, false, false};
  if (uses(program_.body, "self")) {
    program_.uses_self = true;
    program_.self = slot_of(place, symbols->declare_parameter(id("self")));
  }
  symbols->visit_all(program_.body);
  program_.scope = scope_of(place, false);
  visit_all(program_.body, place);
  for (const auto& [name, block] : program_.blocks)
    resolve_block(*block);
  program_.slot_count = function->slots.size();
}

Scope ScopeResolver::scope_of(const Place& place, bool resets) {
  Scope scope;
  for (const auto& [ident, lookup] : place.symbols->lookups()) {
    const uint32_t slot = place.function->slot(ident);
    if (resets) scope.resets.push_back(slot);
    switch (lookup.action) {
    case Symbols::Lookup::Action::Parameter:
      break;
    case Symbols::Lookup::Action::Resolve:
      scope.lookups.push_back({slot, ScopeLookup::Action::Resolve, {}, lookup.name});
      break;
    case Symbols::Lookup::Action::Alias:
      scope.lookups.push_back({slot, ScopeLookup::Action::Alias, slot_of(place, lookup.from), 0});
      break;
    case Symbols::Lookup::Action::Undefined:
      scope.lookups.push_back({slot, ScopeLookup::Action::Undefined, {}, 0});
      break;
    }
  }
  return scope;
}

void ScopeResolver::visit_all(const Body& body, const Place& place) {
  for (Node* node : body)
    visit(node, place);
}

void ScopeResolver::visit(Node* node, const Place& place) {
  stack_.check();
  switch (node->kind) {
  case NodeKind::Name: {
    auto* name = static_cast<Name*>(node);
    name->slot = slot_of(place, name->name, name->position);
    break;
  }
  case NodeKind::NamespaceTarget: {
    auto* target = static_cast<NamespaceTarget*>(node);
    target->slot = slot_of(place, target->name, target->position);
    break;
  }
  case NodeKind::Concat:
    static_cast<Sequence*>(node)->escaping = escaping_;
    visit_children(node, place);
    break;
  case NodeKind::Output:
    static_cast<Output*>(node)->escaping = escaping_;
    visit_children(node, place);
    break;
  case NodeKind::Conditional:
  case NodeKind::If: {
    Place soft = place;
    soft.soft = true;
    visit_children(node, soft);
    break;
  }
  case NodeKind::Filter:
  case NodeKind::Test:
    check_known(static_cast<Application*>(node), place);
    visit_children(node, place);
    break;
  case NodeKind::For:
    visit_for(static_cast<For*>(node), place);
    break;
  case NodeKind::Macro:
    visit_macro(static_cast<Macro*>(node), place);
    break;
  case NodeKind::CallBlock: {
    auto* block = static_cast<CallBlock*>(node);
    visit_macro_body(block, place);
    if (block->call) visit(block->call, place);
    break;
  }
  case NodeKind::FilterBlock: {
    auto* block = static_cast<FilterBlock*>(node);
    const Place body = inner(place, place.function);
    body.symbols->visit_all(block->body);
    body.symbols->visit(block->filter);
    block->scope = scope_of(body, true);
    visit_all(block->body, body);
    visit(block->filter, body);
    break;
  }
  case NodeKind::With:
    visit_with(static_cast<With*>(node), place);
    break;
  case NodeKind::Assign: {
    auto* assign = static_cast<Assign*>(node);
    visit(assign->target, place);
    visit(assign->value, place);
    mark_infinite(assign->value);
    if (place.top_level) collect_names(assign->target, assign->exported);
    break;
  }
  case NodeKind::AssignBlock: {
    auto* assign = static_cast<AssignBlock*>(node);
    const Place body = inner(place, place.function);
    body.symbols->visit_all(assign->body);
    assign->scope = scope_of(body, true);
    visit_all(assign->body, body);
    visit(assign->target, place);
    if (assign->filter) visit(assign->filter, body);
    if (place.top_level) collect_names(assign->target, assign->exported);
    break;
  }
  case NodeKind::AutoescapeScope:
    visit_autoescape(static_cast<AutoescapeScope*>(node), place);
    break;
  case NodeKind::Block:
    visit_block(static_cast<Block*>(node), place);
    break;
  case NodeKind::Break:
  case NodeKind::Continue:
    if (!place.in_loop)
      raise_syntax(node->kind == NodeKind::Break ? "'break' outside loop" : "'continue' not properly in loop",
                   node->position);
    break;
  default:
    visit_children(node, place);
  }
}

void ScopeResolver::visit_children(Node* node, const Place& place) {
  bool constant = true;
  for_each_child(node, [&](Node* child) {
    visit(child, place);
    constant = constant && child->constant;
  });
  if (node->kind == NodeKind::Output) {
    for_each_child(node, mark_lenient);
    return;
  }
  node->constant = constant && may_be_constant(program_, node);
  for_each_child(node, node->constant ? mark_lenient : mark_infinite);
}

void ScopeResolver::check_known(Application* node, const Place& place) {
  node->escaping = escaping_;
  if (node->filter || node->test || place.soft) return;
  const char* type = node->kind == NodeKind::Filter ? "filter" : "test";
  raise_syntax(std::string("No ") + type + " named '" + program_.strings[node->name] + "'", node->position);
}

void ScopeResolver::collect_names(Node* target, std::vector<Name*>& names) {
  if (target->kind == NodeKind::Name) names.push_back(static_cast<Name*>(target));
  if (target->kind == NodeKind::Tuple)
    for (Node* item : static_cast<Sequence*>(target)->items)
      collect_names(item, names);
}

void ScopeResolver::visit_block(Block* node, const Place& place) {
  if (!node->scoped) return;
  std::set<StringId> seen;
  for (const Symbols* scope = place.symbols; scope; scope = scope->parent)
    for (const StringId name : scope->stores)
      if (seen.insert(name).second)
        node->visible.emplace_back(name, slot_of(place, *place.symbols->find(name)));
}

void ScopeResolver::resolve_block(Block& block) {
  FunctionScope* function = make_function(nullptr);
  Symbols* symbols = make_symbols(nullptr, function);
  const Place place{symbols, function, false, false, false};
  if (uses(block.body, "self")) {
    block.uses_self = true;
    block.self = slot_of(place, symbols->declare_parameter(special("self")));
  }
  if (uses(block.body, "super")) {
    block.uses_super = true;
    block.super = slot_of(place, symbols->declare_parameter(special("super")));
  }
  symbols->visit_all(block.body);
  block.scope = scope_of(place, false);
  visit_all(block.body, place);
  block.slot_count = function->slots.size();
}

void resolve_scopes(Program& program, const StackGuard& stack) {
  ScopeResolver(program, stack).run();
}

} // namespace verbatim::jinja
