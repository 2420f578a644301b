#pragma once

// Shared by the gguf-check*.cpp; not for others.

#include "gguf/gguf-check.h"

#include <string>
#include <unordered_map>

namespace verbatim::gguf_rules {

/// Throws ModelInvalid for what the file is or has: `what` reads on from its name.
[[noreturn]] void invalid(const GgufMetadata& file, const std::string& what);

/// Throws ModelInvalid for something in the file: `what` is a sentence of its own.
[[noreturn]] void invalid_part(const GgufMetadata& file, const std::string& what);

/// Throws ModelUnsupported with `field`, which says what is not supported; `what` reads on from the name of
/// the file.
[[noreturn]] void unsupported(const GgufMetadata& file, const std::string& what, const std::string& field,
                              const std::string& value);

/// An architecture that this llama.cpp knows and that generates text; its ArchitectureFlags.
struct KnownArchitecture {
  std::string name;
  unsigned flags;
};

/// Refuses any other architecture.
KnownArchitecture check_architecture(const GgufMetadata& file);

/// The tensors of all shards by name.
using Tensors = std::unordered_map<std::string, const GgufTensor*>;

/// Refuses hyper-parameters on which llama.cpp asserts instead of throwing.
void check_hyperparameters(const GgufMetadata& file, const KnownArchitecture& architecture,
                           const Tensors& tensors);

/// The values of RoPE, of a checked file.
std::optional<GgufRope> read_rope(const GgufMetadata& file, const KnownArchitecture& architecture,
                                  const Tensors& tensors);

/// Refuses tensors of types that llama.cpp's operations cannot take.
void check_tensors(const GgufMetadata& file, const Tensors& tensors);

} // namespace verbatim::gguf_rules
