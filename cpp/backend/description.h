#pragma once

#include <llama.h>

#include <cstdint>
#include <string>

namespace verbatim {

/// Describes a model by architecture, size and number type, such as "llama 8B Q4_0".
std::string describe(const llama_model* model);

/// llama.cpp's description with a size that llama.cpp does not know, written as a question mark, told by the
/// number of parameters: "0.3M", "1.2B".
std::string with_known_size(std::string description, uint64_t parameters);

} // namespace verbatim
