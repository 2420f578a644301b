#pragma once

// What loading a model asks for. Plain data, which every room may read.

#include "base/log.h"

#include <llama.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace verbatim {

/// Called with 0 … 1 while loading.
using LoadProgress = std::function<void(double fraction)>;

/// What is asked for of GPUs.
struct DeviceOptions {
  std::vector<std::string> names; ///< such as CUDA0, in the order of use; none: all
  bool single = false;            ///< the whole model on one of them…
  int32_t main_gpu = 0;           ///< …which is this one of the list
  std::vector<float> shares;      ///< of the layers, for each; none: by free memory
};

struct LoadOptions {
  std::string path;
  uint32_t context_size = 0;  ///< most tokens of one request; 0: the trained length, at most 8192
  uint32_t cache_size = 0;    ///< KV cells shared by all requests; 0: context_size
  uint32_t max_sequences = 8; ///< requests running at once
  uint32_t max_queue = 1000;  ///< requests waiting beside them; further ones fail
  /// Tokens of finished requests that are kept for later ones; none: cache_size
  std::optional<uint32_t> prefix_cache_size;
  int32_t gpu_layers = -1; ///< negative: as many as fit
  DeviceOptions devices;
  /// Whether what does not fit is reduced (see MemoryLimits), as far as it was not asked for.
  bool fit_memory = true;
  int32_t threads = 0; ///< 0: default_threads()
  llama_flash_attn_type flash_attention = LLAMA_FLASH_ATTN_TYPE_AUTO;
  std::optional<ggml_type> kv_cache_type;        ///< none: F16, or a smaller one where that does not fit
  std::optional<std::string> chat_template;      ///< instead of the model's own
  std::optional<std::string> chat_template_name; ///< one of the model's named templates, such as tool_use
  /// Replaces (or, without a value, removes) special tokens as the template sees them.
  std::vector<std::pair<std::string, std::optional<std::string>>> special_tokens;
  LogSink on_log;
};

} // namespace verbatim
