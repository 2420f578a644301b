#include "jinja/usage.h"

#include "jinja/parser.h"
#include "jinja/scope.h"

#include <algorithm>

namespace verbatim::jinja {

namespace {

/// Walks a template in the order in which it runs.
class ContextFinder {
 public:
  ContextFinder(Program& program, const StackGuard& stack)
      : program_(program), stack_(stack), is_set_(program.strings.size()) {
    set("self");
    set("super");
  }

  void visit_all(const Body& body) {
    for (const Node* node : body)
      visit(node, false);
  }

 private:
  /// @param printed true where the value of the node becomes text, as a whole or in part
  void visit(const Node* node, bool printed) {
    stack_.check();
    switch (node->kind) {
    case NodeKind::Name:
      read(static_cast<const Name*>(node), printed);
      break;
    case NodeKind::Output:
      visit_children(node, !captured_);
      break;
    case NodeKind::Tuple:
    case NodeKind::ListDisplay:
    case NodeKind::DictDisplay:
    case NodeKind::Concat:
    case NodeKind::Negative:
    case NodeKind::Positive:
    case NodeKind::Attribute:
      visit_children(node, printed);
      break;
    case NodeKind::Binary: // 'x' * n prints no character of n
      visit_children(node, printed && static_cast<const Operation*>(node)->op == Operator::Add);
      break;
    case NodeKind::Filter:
      visit_first(node, static_cast<const Application*>(node)->operand, printed);
      break;
    case NodeKind::Item:
      visit_first(node, static_cast<const Item*>(node)->operand, printed);
      break;
    case NodeKind::Conditional: {
      const Node* test = static_cast<const Conditional*>(node)->test;
      for_each_child(node, [&](const Node* child) { visit(child, child != test && printed); });
      break;
    }
    case NodeKind::If:
      visit_if(static_cast<const If*>(node));
      break;
    case NodeKind::For:
      visit_for(static_cast<const For*>(node));
      break;
    case NodeKind::Macro:
    case NodeKind::CallBlock:
      visit_macro(static_cast<const Macro*>(node));
      break;
    case NodeKind::With: {
      const auto* with = static_cast<const With*>(node);
      visit_all(with->values);
      inside([&] {
        set_all(with->targets);
        visit_all(with->body);
      });
      break;
    }
    case NodeKind::Assign:
      visit(static_cast<const Assign*>(node)->value, false);
      set(static_cast<const Assign*>(node)->target);
      break;
    case NodeKind::AssignBlock: {
      const bool outer = std::exchange(captured_, true);
      inside([&] { visit_children(node, false); });
      captured_ = outer;
      set(static_cast<const AssignBlock*>(node)->target);
      break;
    }
    case NodeKind::FilterBlock:
    case NodeKind::AutoescapeScope:
      inside([&] { visit_children(node, false); });
      break;
    case NodeKind::Block: { // sees some of the variables around it
      std::vector<bool> outer(is_set_.size());
      std::swap(outer, is_set_);
      inside([&] { visit_children(node, false); });
      std::swap(outer, is_set_);
      break;
    }
    default:
      visit_children(node, false);
    }
  }

  void visit_children(const Node* node, bool printed) {
    for_each_child(node, [&](const Node* child) { visit(child, printed); });
  }
  /// Visits the children, all but `first` as parts of no text.
  void visit_first(const Node* node, const Node* first, bool printed) {
    for_each_child(node, [&](const Node* child) { visit(child, child == first && printed); });
  }

  void visit_if(const If* node) {
    std::map<StringId, size_t> branches_that_set;
    const auto branch = [&](const Body& body) {
      const size_t before = set_.size();
      visit_all(body);
      for (const StringId name : undo(before))
        ++branches_that_set[name];
    };
    for (const auto& [test, body] : node->branches) {
      visit(test, false);
      branch(body);
    }
    branch(node->otherwise);
    for (const auto& [name, count] : branches_that_set)
      if (count == node->branches.size() + 1) set(name);
  }

  void visit_for(const For* node) {
    visit(node->iterable, true);
    inside([&] {
      set(node->target);
      set("loop");
      if (node->test) visit(node->test, false);
      visit_all(node->body);
    });
    inside([&] { visit_all(node->otherwise); });
  }

  void visit_macro(const Macro* node) {
    if (node->kind == NodeKind::CallBlock && static_cast<const CallBlock*>(node)->call)
      visit(static_cast<const CallBlock*>(node)->call, false);
    inside([&] {
      for (const Name* parameter : node->parameters)
        set(parameter->name);
      for (const char* name : {"caller", "kwargs", "varargs"})
        set(name);
      visit_all(node->defaults);
      visit_all(node->body);
    });
    if (node->kind == NodeKind::Macro) set(node->name);
  }

  void read(const Name* name, bool printed) {
    if (name->use != Name::Use::Read || is_set_[name->name]) return;
    bool& tested = program_.context[name->name];
    tested = tested || !printed;
  }

  void set(StringId name) {
    if (is_set_[name]) return;
    is_set_[name] = true;
    set_.push_back(name);
  }
  void set(const char* name) {
    const auto found = std::ranges::find(program_.strings, name);
    if (found != program_.strings.end()) set(static_cast<StringId>(found - program_.strings.begin()));
  }
  void set(const Node* target) {
    if (target->kind == NodeKind::Name) set(static_cast<const Name*>(target)->name);
    if (target->kind == NodeKind::Tuple) set_all(static_cast<const Sequence*>(target)->items);
  }
  void set_all(const std::vector<Expression*>& targets) {
    for (const Node* target : targets)
      set(target);
  }

  /// Runs a visit of which no assignment stays.
  template <class Visit> void inside(const Visit& visit) {
    const size_t before = set_.size();
    visit();
    undo(before);
  }
  std::vector<StringId> undo(size_t before) {
    std::vector<StringId> undone(set_.begin() + static_cast<ptrdiff_t>(before), set_.end());
    set_.resize(before);
    for (const StringId name : undone)
      is_set_[name] = false;
    return undone;
  }

  Program& program_;
  const StackGuard& stack_;
  std::vector<bool> is_set_;  ///< By name: the template has set it, whatever was executed.
  std::vector<StringId> set_; ///< The same names, in the order in which they were set.
  bool captured_ = false;     ///< Inside of a set block.
};

} // namespace

void find_context(Program& program, const StackGuard& stack) {
  ContextFinder(program, stack).visit_all(program.body);
}

} // namespace verbatim::jinja
