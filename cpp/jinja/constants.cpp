#include "jinja/constants.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <string_view>

namespace verbatim::jinja {

bool may_be_constant(const Program& program, const Node* node) {
  switch (node->kind) {
  case NodeKind::Name:
  case NodeKind::Call:
    return false;
  case NodeKind::Filter: {
    const auto* filter = static_cast<const Application*>(node);
    static constexpr std::string_view contextual[] = {"map",        "select",     "reject",
                                                      "selectattr", "rejectattr", "random"};
    const std::string& name = program.strings[filter->name];
    return filter->operand && filter->filter &&
           std::find(std::begin(contextual), std::end(contextual), name) == std::end(contextual);
  }
  default:
    return node->kind < NodeKind::NamespaceTarget;
  }
}

void mark_lenient(Node* node) {
  if (node->kind == NodeKind::Item && node->constant) static_cast<Item*>(node)->lenient = true;
}

void mark_infinite(Node* node) {
  if (node->kind == NodeKind::Negative) node = static_cast<Operation*>(node)->right;
  if (node->kind != NodeKind::Const) return;
  auto* constant = static_cast<Const*>(node);
  if (constant->type == Const::Type::Float && constant->real > std::numeric_limits<double>::max())
    constant->unknown_name = true;
}

} // namespace verbatim::jinja
