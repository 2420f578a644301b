#pragma once

#include <llama.h>

#include <optional>
#include <string>

namespace verbatim {

/// Why the memory of this model's sequences can be neither shared between them nor cut at any token; nothing
/// when it can. Then every request computes its whole prompt itself, and nothing is guessed ahead.
std::optional<std::string> why_not_shareable(const llama_model* model);

/// Whether its memory is a recurrent state per sequence, or has one beside a KV cache.
bool has_recurrent_state(const llama_model* model);

/// Bytes of one KV cell with keys and values of this type. An estimate: layers may differ.
size_t cell_bytes(const llama_model* model, ggml_type type);

} // namespace verbatim
