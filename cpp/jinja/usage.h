#pragma once

#include "jinja/ast.h"

namespace verbatim::jinja {

class StackGuard;

/// Marks the variables in Program::context that the template tests: see Template::tests(). Whatever is more
/// than printing and looping counts, such as a condition, a comparison, an argument or an assignment.
void mark_tested(Program& program, const StackGuard& stack);

} // namespace verbatim::jinja
