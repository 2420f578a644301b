#pragma once

// Shared by scope.cpp and scope-statements.cpp; not for others.

#include "jinja/parser.h"
#include "jinja/symbols.h"
#include "jinja/value.h"

#include <deque>
#include <map>
#include <string>
#include <string_view>

namespace verbatim::jinja {

/// Walks a template's tree and gives each name its slot.
class ScopeResolver {
 public:
  ScopeResolver(Program& program, const StackGuard& stack) : program_(program), stack_(stack) {}

  void run();

 private:
  /// The state of Jinja2's code generator at a node.
  struct Place {
    Symbols* symbols;
    FunctionScope* function;
    bool top_level = false;
    bool in_loop = false;
    bool soft = false; ///< Inside an if: an unknown filter fails only when it is reached.
  };

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

  static Scope scope_of(const Place& place, bool resets);
  void visit_all(const Body& body, const Place& place);
  void visit(Node* node, const Place& place);
  void visit_children(Node* node, const Place& place);
  void check_known(Application* node, const Place& place);
  static void collect_names(Node* target, std::vector<Name*>& names);
  void refuse_loop_assignment(const Node* node);
  bool has_scoped_block(const Node* node);
  Node* clone_target(const Node* target);
  void visit_for(For* node, const Place& place);
  void visit_macro(Macro* node, const Place& place);
  void visit_macro_body(Macro* node, const Place& place);
  void visit_with(With* node, const Place& place);
  void visit_autoescape(AutoescapeScope* node, const Place& place);
  void visit_block(Block* node, const Place& place);
  void resolve_block(Block& block);

  Program& program_;
  const StackGuard& stack_;
  std::deque<FunctionScope> functions_;
  std::deque<Symbols> symbols_;
  std::map<std::string, StringId, std::less<>> special_;
  Escaping escaping_ = Escaping::Off;
  uint64_t budget_ = 50'000'000; ///< Left for the analysis: nodes to visit and names to copy.
};

} // namespace verbatim::jinja
