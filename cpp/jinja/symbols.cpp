#include "jinja/symbols.h"

#include "jinja/scope.h"

#include <map>

namespace verbatim::jinja {

void charge_analysis(uint64_t& budget, uint64_t cost) {
  if (cost > budget) raise_limit("steps", "the template has too many names in too many nested blocks");
  budget -= cost;
}

std::optional<Symbols::Reference> Symbols::find(StringId name) const {
  for (const Symbols* scope = this; scope; scope = scope->parent)
    if (const auto found = scope->refs_.find(name); found != scope->refs_.end())
      return Reference{found->second, scope->function};
  return std::nullopt;
}

void Symbols::set_lookup(Ident ident, Lookup lookup) {
  const auto [found, added] = lookup_index_.try_emplace(ident, lookups_.size());
  if (added)
    lookups_.emplace_back(ident, lookup);
  else
    lookups_[found->second].second = lookup;
}

Ident Symbols::define(StringId name, Lookup lookup) {
  const Ident ident = static_cast<Ident>(level_) << 32 | name;
  refs_[name] = ident;
  set_lookup(ident, lookup);
  return ident;
}

Ident Symbols::declare_parameter(StringId name) {
  stores.insert(name);
  return define(name, {Lookup::Action::Parameter});
}

void Symbols::read(StringId name) {
  if (!find(name)) define(name, {Lookup::Action::Resolve, name});
}

void Symbols::store(StringId name) {
  stores.insert(name);
  if (refs_.count(name)) return;
  if (parent) {
    if (const auto outer = parent->find(name)) {
      define(name, {Lookup::Action::Alias, 0, *outer});
      return;
    }
  }
  define(name, {Lookup::Action::Undefined});
}

Symbols Symbols::branch() const {
  charge_analysis(*budget_, 4 * (refs_.size() + lookups_.size() + stores.size() + 1));
  return *this;
}

void Symbols::merge(std::vector<Symbols>& branches) {
  std::map<StringId, size_t> counts;
  for (const Symbols& branch : branches)
    for (const StringId name : branch.stores)
      if (!stores.count(name)) ++counts[name];
  for (const Symbols& branch : branches) {
    for (const auto& [name, ident] : branch.refs_)
      refs_[name] = ident;
    for (const auto& [ident, lookup] : branch.lookups_)
      set_lookup(ident, lookup);
    stores.insert(branch.stores.begin(), branch.stores.end());
  }
  for (const auto& [name, count] : counts) {
    if (count == branches.size()) continue;
    const Ident target = find(name)->ident;
    if (parent) {
      if (const auto outer = parent->find(name)) {
        set_lookup(target, {Lookup::Action::Alias, 0, *outer});
        continue;
      }
    }
    set_lookup(target, {Lookup::Action::Resolve, name});
  }
}

void Symbols::visit_if(const If* node) {
  // Jinja2 sees `if` with a body, all of its elifs (each an `if` of its own) as one branch, and the else
  // body.
  visit(node->branches[0].first);
  std::vector<Symbols> branches;
  branches.reserve(3);
  branches.push_back(branch());
  branches.back().visit_all(node->branches[0].second);
  branches.push_back(branch());
  for (size_t i = 1; i < node->branches.size(); ++i) {
    Symbols& all = branches.back();
    all.visit(node->branches[i].first);
    std::vector<Symbols> inner;
    inner.reserve(3);
    inner.push_back(all.branch());
    inner.back().visit_all(node->branches[i].second);
    inner.push_back(all.branch());
    inner.push_back(all.branch());
    all.merge(inner);
  }
  branches.push_back(branch());
  branches.back().visit_all(node->otherwise);
  merge(branches);
}

void Symbols::visit(const Node* node, bool as_parameter) {
  switch (node->kind) {
  case NodeKind::Name: {
    const auto* name = static_cast<const Name*>(node);
    if (as_parameter || name->use == Name::Use::Parameter)
      declare_parameter(name->name);
    else if (name->use == Name::Use::Store)
      store(name->name);
    else
      read(name->name);
    break;
  }
  case NodeKind::NamespaceTarget:
    read(static_cast<const NamespaceTarget*>(node)->name);
    break;
  case NodeKind::If:
    visit_if(static_cast<const If*>(node));
    break;
  case NodeKind::Macro:
    store(static_cast<const Macro*>(node)->name);
    break;
  case NodeKind::For:
    visit(static_cast<const For*>(node)->iterable);
    break;
  case NodeKind::CallBlock:
    if (const Node* call = static_cast<const CallBlock*>(node)->call) visit(call);
    break;
  case NodeKind::FilterBlock:
    visit(static_cast<const FilterBlock*>(node)->filter);
    break;
  case NodeKind::With:
    for (const Node* value : static_cast<const With*>(node)->values)
      visit(value);
    break;
  case NodeKind::Assign:
    visit(static_cast<const Assign*>(node)->value);
    visit(static_cast<const Assign*>(node)->target);
    break;
  case NodeKind::AssignBlock:
    visit(static_cast<const AssignBlock*>(node)->target);
    break;
  case NodeKind::AutoescapeScope:
  case NodeKind::Block:
    break;
  default:
    for_each_child(node, [&](const Node* child) { visit(child, as_parameter); });
  }
}

namespace {

struct UndeclaredVisitor {
  std::set<StringId> names;
  std::set<StringId> undeclared;
  uint64_t& budget;

  void visit(const Node* node) {
    charge_analysis(budget, 1);
    if (node->kind == NodeKind::Block) return;
    if (node->kind == NodeKind::Name) {
      const auto* name = static_cast<const Name*>(node);
      if (!names.count(name->name)) return;
      if (name->use == Name::Use::Read)
        undeclared.insert(name->name);
      else
        names.erase(name->name);
      return;
    }
    for_each_child(node, [&](const Node* child) { visit(child); });
  }
};

} // namespace

std::set<StringId> find_undeclared(const Body& body, std::set<StringId> names, uint64_t& budget) {
  UndeclaredVisitor visitor{std::move(names), {}, budget};
  for (const Node* node : body)
    visitor.visit(node);
  return visitor.undeclared;
}

} // namespace verbatim::jinja
