#pragma once

#include <cstdint>
#include <string>

namespace verbatim {

/// A count with its noun, for messages: "1 token", "2 tokens".
inline std::string counted(uint64_t count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

} // namespace verbatim
