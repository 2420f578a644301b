#pragma once

#include "jinja/ast.h"

namespace verbatim::jinja {

class StackGuard;

/// Fills Program::context with the variables that the template may read before it has set them itself, and
/// tells which of them it tests: see Template::tests(). Whatever is more than printing and looping counts,
/// such as a condition, a comparison, an argument or an assignment.
void find_context(Program& program, const StackGuard& stack);

} // namespace verbatim::jinja
