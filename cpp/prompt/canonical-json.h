#pragma once

#include <string>
#include <string_view>

namespace verbatim {

/// Returns the compact form of a JSON text that receipts hash: no whitespace between tokens, keys in the
/// received order, numbers spelled as received, strings as ECMAScript's JSON.stringify writes them (short
/// escapes, \u00xx for other control characters, everything else as itself).
///
/// `json` must be valid, without lone surrogates: rendering refuses any other first.
std::string canonical_json(std::string_view json);

} // namespace verbatim
