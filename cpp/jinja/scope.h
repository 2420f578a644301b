#pragma once

#include "jinja/ast.h"

namespace verbatim::jinja {

class StackGuard;

/// Decides where every variable of a template lives, by the rules of Jinja2's compiler: which names a scope
/// loads when it is entered, which it shares with the scopes around it, and what an assignment inside it
/// reaches. Also refuses what that compiler refuses: unknown filters and tests, break outside of a loop.
void resolve_scopes(Program& program, const StackGuard& stack);

/// Calls visit(child) for the children of a node, in the order in which Jinja2 looks at them.
template <class Visit> void for_each_child(const Node* node, const Visit& visit) {
  const auto maybe = [&](Node* child) {
    if (child) visit(child);
  };
  const auto all = [&](const auto& children) {
    for (auto* child : children)
      visit(static_cast<Node*>(child));
  };
  switch (node->kind) {
  case NodeKind::Tuple:
  case NodeKind::ListDisplay:
  case NodeKind::Concat:
    all(static_cast<const Sequence*>(node)->items);
    break;
  case NodeKind::DictDisplay:
    for (const auto& [key, value] : static_cast<const DictDisplay*>(node)->items) {
      visit(key);
      visit(value);
    }
    break;
  case NodeKind::Conditional: {
    const auto* conditional = static_cast<const Conditional*>(node);
    visit(conditional->test);
    visit(conditional->yes);
    maybe(conditional->no);
    break;
  }
  case NodeKind::Filter:
  case NodeKind::Test:
  case NodeKind::Call: {
    const auto* application = static_cast<const Application*>(node);
    maybe(application->operand);
    all(application->arguments.positional);
    for (const auto& named : application->arguments.named)
      visit(named.second);
    maybe(application->arguments.rest);
    maybe(application->arguments.named_rest);
    break;
  }
  case NodeKind::Attribute:
    visit(static_cast<const Attribute*>(node)->operand);
    break;
  case NodeKind::Item:
    visit(static_cast<const Item*>(node)->operand);
    visit(static_cast<const Item*>(node)->key);
    break;
  case NodeKind::Slice:
    maybe(static_cast<const Slice*>(node)->start);
    maybe(static_cast<const Slice*>(node)->stop);
    maybe(static_cast<const Slice*>(node)->step);
    break;
  case NodeKind::Compare:
    visit(static_cast<const Compare*>(node)->first);
    for (const auto& operand : static_cast<const Compare*>(node)->rest)
      visit(operand.second);
    break;
  case NodeKind::Binary:
  case NodeKind::And:
  case NodeKind::Or:
  case NodeKind::Not:
  case NodeKind::Negative:
  case NodeKind::Positive:
    maybe(static_cast<const Operation*>(node)->left);
    visit(static_cast<const Operation*>(node)->right);
    break;
  case NodeKind::Output:
    all(static_cast<const Output*>(node)->items);
    break;
  case NodeKind::For: {
    const auto* loop = static_cast<const For*>(node);
    visit(loop->target);
    visit(loop->iterable);
    all(loop->body);
    all(loop->otherwise);
    maybe(loop->test);
    break;
  }
  case NodeKind::If: {
    const auto* branches = static_cast<const If*>(node);
    for (const auto& [test, body] : branches->branches) {
      visit(test);
      all(body);
    }
    all(branches->otherwise);
    break;
  }
  case NodeKind::CallBlock:
    maybe(static_cast<const CallBlock*>(node)->call);
    [[fallthrough]];
  case NodeKind::Macro: {
    const auto* macro = static_cast<const Macro*>(node);
    all(macro->parameters);
    all(macro->defaults);
    all(macro->body);
    break;
  }
  case NodeKind::FilterBlock:
    all(static_cast<const FilterBlock*>(node)->body);
    visit(static_cast<const FilterBlock*>(node)->filter);
    break;
  case NodeKind::With:
    all(static_cast<const With*>(node)->targets);
    all(static_cast<const With*>(node)->values);
    all(static_cast<const With*>(node)->body);
    break;
  case NodeKind::Assign:
    visit(static_cast<const Assign*>(node)->target);
    visit(static_cast<const Assign*>(node)->value);
    break;
  case NodeKind::AssignBlock:
    visit(static_cast<const AssignBlock*>(node)->target);
    maybe(static_cast<const AssignBlock*>(node)->filter);
    all(static_cast<const AssignBlock*>(node)->body);
    break;
  case NodeKind::AutoescapeScope:
    visit(static_cast<const AutoescapeScope*>(node)->value);
    all(static_cast<const AutoescapeScope*>(node)->body);
    break;
  case NodeKind::Block:
    all(static_cast<const Block*>(node)->body);
    break;
  case NodeKind::Const:
  case NodeKind::Name:
  case NodeKind::NamespaceTarget:
  case NodeKind::Data:
  case NodeKind::Break:
  case NodeKind::Continue:
    break;
  }
}

} // namespace verbatim::jinja
