#pragma once

#include "jinja/bigint.h"

#include <optional>
#include <string>
#include <string_view>

namespace verbatim::jinja {

/// repr of a float: the shortest digits that read back the same, as Python lays them out.
std::string float_repr(double value);
/// The digits of a number with `precision` places: Python's %f, %e and %g; with `alternate` %#g and so on.
std::string format_float(double value, char type, size_t precision, bool alternate);
/// The value of a checked decimal literal; infinite when out of range.
double parse_float_literal(std::string_view text);
/// float(text); nothing for a ValueError.
std::optional<double> parse_float(std::string_view text);
/// int(text, base); nothing for a ValueError.
std::optional<BigInt> parse_integer(std::string_view text, int64_t base);

} // namespace verbatim::jinja
