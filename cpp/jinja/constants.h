#pragma once

#include "jinja/ast.h"

/// Traces that Jinja2's optimizer, which evaluates constant expressions at compile time, leaves in results.
namespace verbatim::jinja {

/// Returns true if the optimizer evaluates this node once it has evaluated the operands.
bool may_be_constant(const Program& program, const Node* node);
/// Marks a constant that is a part of another one: there, slicing a value without slices gives undefined.
void mark_lenient(Node* node);
/// Marks an infinite constant, which Jinja2 writes into its generated code as Python's `inf`, an unknown
/// name.
void mark_infinite(Node* node);

} // namespace verbatim::jinja
