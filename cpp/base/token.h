#pragma once

#include <cstdint>

namespace verbatim {

/// A token id, as llama.cpp has it.
using Token = int32_t;

} // namespace verbatim
