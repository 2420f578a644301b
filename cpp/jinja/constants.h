#pragma once

#include "jinja/ast.h"

/// Where Jinja2's optimizer, which evaluates constant expressions at compile time, shows in what a template
/// does.
namespace verbatim::jinja {

/// Whether the optimizer would evaluate a node whose operands it has evaluated.
bool may_be_constant(const Program& program, const Node* node);
/// A constant that is evaluated as a part of another one: slicing what cannot be sliced is undefined there.
void mark_lenient(Node* node);
/// Jinja2 writes a constant into its generated code as Python prints it, which for infinity is no Python.
void mark_infinite(Node* node);

} // namespace verbatim::jinja
