#pragma once

#include <string>
#include <string_view>

namespace verbatim {

/// The compact form of a JSON text that receipts hash: no whitespace between tokens, keys in the received
/// order, numbers spelled as received, strings as ECMAScript's JSON.stringify writes them (short escapes,
/// \u00xx for other control characters, everything else as itself).
///
/// The text must be valid JSON without lone surrogates; rendering refuses any other before.
std::string canonical_json(std::string_view json);

} // namespace verbatim
