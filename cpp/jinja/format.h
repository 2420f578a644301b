#pragma once

#include "jinja/builder.h"
#include "jinja/operations.h"

namespace verbatim::jinja {

/// format(value, spec): Python's format specification mini-language.
Value format_value(Interpreter& in, const Value& value, const Value& spec);
/// string.Formatter().vformat with the sandbox's attribute rules; `mapping` holds the named arguments.
Value format_braces(Interpreter& in, const Value& format, const std::vector<Value>& positional,
                    const Value& mapping);
/// format % values.
Value format_percent(Interpreter& in, const Value& format, const Value& values);
/// ascii(value): repr with escapes for everything beyond ASCII.
Value ascii_repr(Interpreter& in, const Value& value);
/// repr(value) as a value.
Value repr_value(Interpreter& in, const Value& value);

} // namespace verbatim::jinja
