#pragma once

#include <llama.h>

#include <optional>
#include <string>

namespace verbatim {

/// Returns the reason why the model's memory can be neither shared between sequences nor cut at any token;
/// none when it can. Without that, every request computes its whole prompt, and speculation is impossible.
std::optional<std::string> why_not_shareable(const llama_model* model);

/// True when the model's memory is, or includes, a recurrent state for each sequence.
bool has_recurrent_state(const llama_model* model);

/// Estimates the bytes of a KV cell with keys and values of this type. Layers may differ.
size_t cell_bytes(const llama_model* model, ggml_type type);

} // namespace verbatim
