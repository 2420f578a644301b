#include "jinja/usage.h"

#include "jinja/parser.h"
#include "jinja/scope.h"

namespace verbatim::jinja {

namespace {

class TestMarker {
 public:
  TestMarker(Program& program, const StackGuard& stack) : program_(program), stack_(stack) {}

  void visit_all(const Body& body) {
    for (const Node* node : body)
      visit(node, false);
  }

 private:
  /// @param printed true where the value of the node becomes text, as a whole or in part
  void visit(const Node* node, bool printed) {
    stack_.check();
    switch (node->kind) {
    case NodeKind::Name: {
      const auto variable = program_.context.find(static_cast<const Name*>(node)->name);
      if (!printed && variable != program_.context.end()) variable->second = true;
      break;
    }
    case NodeKind::Output:
      visit_children(node, true);
      break;
    case NodeKind::Tuple:
    case NodeKind::ListDisplay:
    case NodeKind::DictDisplay:
    case NodeKind::Concat:
    case NodeKind::Binary:
    case NodeKind::Negative:
    case NodeKind::Positive:
    case NodeKind::Attribute:
      visit_children(node, printed);
      break;
    case NodeKind::Filter:
    case NodeKind::Call:
      visit_first(node, static_cast<const Application*>(node)->operand, printed);
      break;
    case NodeKind::Item:
      visit_first(node, static_cast<const Item*>(node)->operand, printed);
      break;
    case NodeKind::For:
      visit_first(node, static_cast<const For*>(node)->iterable, true);
      break;
    case NodeKind::Conditional: {
      const Node* test = static_cast<const Conditional*>(node)->test;
      for_each_child(node, [&](const Node* child) { visit(child, child != test && printed); });
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

  Program& program_;
  const StackGuard& stack_;
};

} // namespace

void mark_tested(Program& program, const StackGuard& stack) {
  TestMarker(program, stack).visit_all(program.body);
}

} // namespace verbatim::jinja
