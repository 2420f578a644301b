#pragma once

#include <cstdint>
#include <string>

namespace verbatim {

/// A count with its noun, for messages: "1 token", "2 tokens".
inline std::string counted(uint64_t count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

/// Names for messages, as in "a, b"; `none` where there are none.
template <typename Names, typename NameOf>
std::string listed(const Names& names, const std::string& none, const NameOf& name_of) {
  std::string text;
  for (const auto& name : names)
    text += (text.empty() ? "" : ", ") + std::string(name_of(name));
  return text.empty() ? none : text;
}

} // namespace verbatim
