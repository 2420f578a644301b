#include "backend/memory-kind.h"

#include <algorithm>

namespace verbatim {

std::optional<std::string> why_not_shareable(const llama_model* model) {
  if (llama_model_is_recurrent(model))
    return "this model is recurrent: its memory is one state that follows the last token, and holds no "
           "prefix";
  if (llama_model_is_hybrid(model))
    return "this model has recurrent layers: their memory is one state that follows the last token, and "
           "holds no prefix";
  if (llama_model_n_swa(model) > 0)
    return "this model attends in a sliding window: what its cache holds of earlier tokens may be "
           "overwritten";
  char architecture[64] = "";
  llama_model_meta_val_str(model, "general.architecture", architecture, sizeof architecture);
  // These caches hold an index or compressed blocks beside keys and values.
  static constexpr const char* indexed[] = {"deepseek32", "deepseek4", "dots3note",
                                            "glm-dsa",    "hy_v4",     "minimax-m3"};
  if (std::ranges::find(indexed, std::string(architecture)) != std::end(indexed))
    return std::string("the cache of ") + architecture + " models keeps more than keys and values";
  return std::nullopt;
}

bool has_recurrent_state(const llama_model* model) {
  return llama_model_is_recurrent(model) || llama_model_is_hybrid(model);
}

size_t cell_bytes(const llama_model* model, ggml_type type) {
  const int64_t heads = std::max(1, llama_model_n_head(model));
  const int64_t width = llama_model_n_embd(model) / heads * llama_model_n_head_kv(model);
  return 2 * static_cast<size_t>(llama_model_n_layer(model)) *
         (static_cast<size_t>(width) * ggml_type_size(type) / static_cast<size_t>(ggml_blck_size(type)));
}

} // namespace verbatim
