#pragma once

#include "jinja/jinja.h"

#include <string>

namespace verbatim::jinja {

/// An error inside the engine, before it is given its place in the source.
struct Raise {
  Failure failure;
  std::string message;
  std::string limit;
  int64_t position = -1; ///< Byte offset in the source when the thrower knows it.
  std::string path = {}; ///< With Failure::Input: the place in the variables; empty for all of them.
};

/// Fails as Python would raise an exception.
[[noreturn]] inline void raise(std::string message) {
  throw Raise{Failure::Render, std::move(message), {}, -1};
}

/// Fails because a field of Limits was exceeded.
[[noreturn]] inline void raise_limit(const char* limit, std::string message) {
  throw Raise{Failure::Limit, std::move(message), limit, -1};
}

} // namespace verbatim::jinja
