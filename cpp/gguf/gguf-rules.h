#pragma once

// Shared by the gguf-check*.cpp; not for others.

#include "gguf/gguf-check.h"

#include <unordered_map>

namespace verbatim::gguf_rules {

/// Throws ModelInvalid naming the file.
[[noreturn]] void invalid(const GgufMetadata& file, const std::string& what);

/// Throws ModelUnsupported with a field that says which thing is not supported.
[[noreturn]] void unsupported(const GgufMetadata& file, const std::string& what, const std::string& field,
                              const std::string& value);

/// general.architecture, known to this llama.cpp and able to generate text; its ArchitectureFlags.
struct KnownArchitecture {
  std::string name;
  unsigned flags;
};
KnownArchitecture check_architecture(const GgufMetadata& file);

/// The tensors of all shards by name.
using Tensors = std::unordered_map<std::string, const GgufTensor*>;

/// The hyper-parameters, as far as llama.cpp asserts on them instead of throwing.
void check_hyperparameters(const GgufMetadata& file, const KnownArchitecture& architecture,
                           const Tensors& tensors);

/// Types of tensors that llama.cpp's operations cannot take.
void check_tensors(const GgufMetadata& file, const Tensors& tensors);

} // namespace verbatim::gguf_rules
