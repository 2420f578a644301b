#pragma once

#include "jinja/bigint.h"

#include <optional>
#include <string>
#include <string_view>

namespace verbatim::jinja {

/// Writes a float as Python's repr does: the shortest digits that read back the same.
std::string float_repr(double value);
/// Writes a float with `precision` places as Python's %f, %e or %g does; with `alternate` as %#g and so on.
std::string format_float(double value, char type, size_t precision, bool alternate);
/// Returns the value of a checked decimal literal; infinite when out of range.
double parse_float_literal(std::string_view text);
/// Reads a float as Python's float(text) does; nothing where that raises ValueError.
std::optional<double> parse_float(std::string_view text);
/// Reads an integer as Python's int(text, base) does; nothing where that raises ValueError.
std::optional<BigInt> parse_integer(std::string_view text, int64_t base);

} // namespace verbatim::jinja
