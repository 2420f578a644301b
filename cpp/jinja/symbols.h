#pragma once

#include "jinja/ast.h"
#include "jinja/raise.h"

#include <deque>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

namespace verbatim::jinja {

/// A variable of the code that Jinja2 would generate: a name and the level of the scope that defines it.
/// Scopes of one function and level share it.
using Ident = uint64_t;

/// A function of the generated code: the template, a macro, a block, a recursive loop. It owns a frame of
/// slots.
struct FunctionScope {
  FunctionScope* parent = nullptr;
  std::unordered_map<Ident, uint32_t> slots;

  uint32_t slot(Ident ident) { return slots.try_emplace(ident, slots.size()).first->second; }
};

/// The names of one scope, as Jinja2's idtracking finds them.
class Symbols {
 public:
  struct Reference {
    Ident ident;
    FunctionScope* function;
  };
  /// The way a variable gets its value on entering its scope: Jinja2's VAR_LOAD_*.
  struct Lookup {
    enum class Action { Parameter, Resolve, Alias, Undefined };
    Action action;
    StringId name = 0;
    Reference from{};
  };

  Symbols(Symbols* outer, FunctionScope* owner, uint64_t* copy_budget)
      : parent(outer), function(owner), budget_(copy_budget), level_(outer ? outer->level_ + 1 : 0) {}

  std::optional<Reference> find(StringId name) const;
  Ident declare_parameter(StringId name);
  void read(StringId name);
  void store(StringId name);
  void visit(const Node* node, bool as_parameter = false);
  void visit_all(const Body& body) {
    for (const Node* node : body)
      visit(node);
  }
  const std::vector<std::pair<Ident, Lookup>>& lookups() const { return lookups_; }

  Symbols* parent;
  FunctionScope* function;
  std::set<StringId> stores;

 private:
  Ident define(StringId name, Lookup lookup);
  void set_lookup(Ident ident, Lookup lookup);
  void visit_if(const If* node);
  void merge(std::vector<Symbols>& branches);
  Symbols branch() const;

  uint64_t* budget_;
  uint32_t level_;
  std::unordered_map<StringId, Ident> refs_;
  std::vector<std::pair<Ident, Lookup>> lookups_;
  std::unordered_map<Ident, size_t> lookup_index_;
};

/// Returns those of `names` that the nodes read before they define them, as Jinja2 finds its special names.
std::set<StringId> find_undeclared(const Body& body, std::set<StringId> names, uint64_t& budget);
/// Takes `cost` from the budget of a template's analysis; fails when it is used up.
void charge_analysis(uint64_t& budget, uint64_t cost);

} // namespace verbatim::jinja
