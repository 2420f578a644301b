#include "jinja/scope.h"

#include "jinja/constants.h"
#include "jinja/parser.h"
#include "jinja/symbols.h"
#include "jinja/value.h"

#include <algorithm>

namespace verbatim::jinja {

namespace {

/// What Jinja2's code generator knows where it stands.
struct Place {
  Symbols* symbols;
  FunctionScope* function;
  bool top_level = false;
  bool in_loop = false;
  bool soft = false; ///< Inside an if: an unknown filter fails only when it is reached.
};

class Resolver {
 public:
  Resolver(Program& program, const StackGuard& stack) : program_(program), stack_(stack) {}

  void run() {
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

 private:
  StringId id(std::string_view name) {
    for (size_t i = 0; i < program_.strings.size(); ++i)
      if (program_.strings[i] == name) return static_cast<StringId>(i);
    program_.strings.emplace_back(name);
    program_.hashes.push_back(hash_bytes(name));
    return static_cast<StringId>(program_.strings.size() - 1);
  }
  StringId special(std::string_view name) {
    const auto found = special_.find(name);
    return found != special_.end() ? found->second : special_.emplace(name, id(name)).first->second;
  }
  bool uses(const Body& body, std::string_view name) {
    return !find_undeclared(body, {special(name)}, budget_).empty();
  }

  FunctionScope* make_function(FunctionScope* parent) {
    functions_.emplace_back().parent = parent;
    return &functions_.back();
  }
  Symbols* make_symbols(Symbols* parent, FunctionScope* function) {
    return &symbols_.emplace_back(parent, function, &budget_);
  }
  /// A scope inside another one, in the same or in a new function.
  Place inner(const Place& place, FunctionScope* function) {
    return {make_symbols(place.symbols, function), function, false,
            place.in_loop && function == place.function, false};
  }

  static Slot slot_of(const Place& place, Symbols::Reference reference) {
    Slot slot;
    for (const FunctionScope* at = place.function; at != reference.function; at = at->parent)
      ++slot.hops;
    slot.index = reference.function->slot(reference.ident);
    return slot;
  }
  static Slot slot_of(const Place& place, Ident ident) { return {0, place.function->slot(ident)}; }
  Slot slot_of(const Place& place, StringId name, uint32_t position) const {
    const auto reference = place.symbols->find(name);
    if (!reference) raise_syntax("'" + program_.strings[name] + "' is not known here", position);
    return slot_of(place, *reference);
  }

  static Scope scope_of(const Place& place, bool resets) {
    Scope scope;
    for (const auto& [ident, load] : place.symbols->loads()) {
      const uint32_t slot = place.function->slot(ident);
      if (resets) scope.resets.push_back(slot);
      switch (load.action) {
      case Symbols::Load::Action::Parameter:
        break;
      case Symbols::Load::Action::Resolve:
        scope.loads.push_back({slot, ScopeLoad::Action::Resolve, {}, load.name});
        break;
      case Symbols::Load::Action::Alias:
        scope.loads.push_back({slot, ScopeLoad::Action::Alias, slot_of(place, load.from), 0});
        break;
      case Symbols::Load::Action::Undefined:
        scope.loads.push_back({slot, ScopeLoad::Action::Undefined, {}, 0});
        break;
      }
    }
    return scope;
  }

  void visit_all(const Body& body, const Place& place) {
    for (Node* node : body)
      visit(node, place);
  }

  void visit(Node* node, const Place& place) {
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
    case NodeKind::Conditional: {
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
    case NodeKind::If: {
      Place soft = place;
      soft.soft = true;
      visit_children(node, soft);
      break;
    }
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
        raise_syntax(node->kind == NodeKind::Break ? "'break' outside loop"
                                                   : "'continue' not properly in loop",
                     node->position);
      break;
    default:
      visit_children(node, place);
    }
  }

  void visit_children(Node* node, const Place& place) {
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

  void check_known(Application* node, const Place& place) {
    node->escaping = escaping_;
    if (node->filter || node->test || place.soft) return;
    const char* type = node->kind == NodeKind::Filter ? "filter" : "test";
    raise_syntax(std::string("No ") + type + " named '" + program_.strings[node->name] + "'", node->position);
  }

  static void collect_names(Node* target, std::vector<Name*>& names) {
    if (target->kind == NodeKind::Name) names.push_back(static_cast<Name*>(target));
    if (target->kind == NodeKind::Tuple)
      for (Node* item : static_cast<Sequence*>(target)->items)
        collect_names(item, names);
  }

  void refuse_loop_assignment(const Node* node) {
    charge_analysis(budget_, 1);
    if (node->kind == NodeKind::Name && static_cast<const Name*>(node)->use == Name::Use::Store &&
        static_cast<const Name*>(node)->name == special("loop"))
      raise_syntax("Can't assign to special loop variable in for-loop", node->position);
    for_each_child(node, [&](const Node* child) { refuse_loop_assignment(child); });
  }

  bool has_scoped_block(const Node* node) {
    charge_analysis(budget_, 1);
    if (node->kind == NodeKind::Block && static_cast<const Block*>(node)->scoped) return true;
    bool found = false;
    for_each_child(node, [&](const Node* child) { found = found || has_scoped_block(child); });
    return found;
  }

  Node* clone_target(const Node* target) {
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

  void visit_for(For* node, const Place& place) {
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

  void visit_macro(Macro* node, const Place& place) {
    visit_macro_body(node, place);
    node->exported = place.top_level;
    node->target = slot_of(place, node->name, node->position);
  }

  void visit_macro_body(Macro* node, const Place& place) {
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

  void visit_with(With* node, const Place& place) {
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

  void visit_autoescape(AutoescapeScope* node, const Place& place) {
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
        const bool on =
            constant->type == Const::Type::BigInt || constant->integer != 0 || constant->real != 0 ||
            (constant->type == Const::Type::String && !program_.strings[constant->string].empty());
        escaping_ = on ? Escaping::On : Escaping::Off;
      }
    }
    visit_all(node->body, body);
    escaping_ = before;
  }

  void visit_block(Block* node, const Place& place) {
    if (!node->scoped) return;
    std::set<StringId> seen;
    for (const Symbols* scope = place.symbols; scope; scope = scope->parent)
      for (const StringId name : scope->stores)
        if (seen.insert(name).second)
          node->visible.emplace_back(name, slot_of(place, *place.symbols->find(name)));
  }

  void resolve_block(Block& block) {
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

  Program& program_;
  const StackGuard& stack_;
  std::deque<FunctionScope> functions_;
  std::deque<Symbols> symbols_;
  std::map<std::string, StringId, std::less<>> special_;
  Escaping escaping_ = Escaping::Off;
  uint64_t budget_ = 50'000'000; ///< Of the analysis: visited nodes and copied names.
};

} // namespace

void resolve_scopes(Program& program, const StackGuard& stack) {
  Resolver(program, stack).run();
}

} // namespace verbatim::jinja
