#pragma once

// The options of loading a model. Plain data, which every room may read. The defaults of the public API,
// ranges and documentation are in lib/options/load-options.ts.

#include "base/log.h"

#include <llama.h>

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace verbatim {

/// Called with 0 … 1 while loading.
using LoadProgress = std::function<void(double fraction)>;

enum class SplitMode {
  Layer, ///< the layers spread over all devices
  None,  ///< the whole model on one device
};

/// The GPUs to use.
struct DeviceOptions {
  std::vector<std::string> names; ///< such as CUDA0, in the order of use; none: all
  SplitMode split_mode = SplitMode::Layer;
  int32_t main_gpu = 0;            ///< index into the list, for SplitMode::None
  std::vector<float> tensor_split; ///< parts of the layers, for each device; none: by free memory
};

enum class OnOutOfMemory {
  Fit,   ///< try smaller plans (see MemoryLimits), as far as their parts were not asked for
  Throw, ///< refuse
};

/// A chat template in place of the model's own: its source, or the name of another one in the file.
struct ChatTemplateChoice {
  std::optional<std::string> source, name;
};

enum class RopeScalingType { None, Linear, Yarn, LongRope };

/// A scaling of RoPE in place of the model file's. What is not given is as in the file.
struct RopeScalingOptions {
  RopeScalingType type = RopeScalingType::None; ///< not LongRope, which needs factors of the file
  std::optional<double> factor{};
  std::optional<uint32_t> original_context_size{};
  std::optional<double> frequency_base{};
  std::optional<double> extrapolation_factor{}, attention_factor{}, beta_fast{}, beta_slow{}; ///< of Yarn
};

/// Special tokens as the template sees them: a replacement, or none for "no such token".
using SpecialTokenReplacements = std::vector<std::pair<std::string, std::optional<std::string>>>;

struct LoadOptions {
  std::string path;
  uint32_t context_size = 0;  ///< most tokens of one request; 0: what the model can, at most 8192
  uint32_t cache_size = 0;    ///< KV cells shared by all requests; 0: context_size
  uint32_t max_sequences = 1; ///< requests running at once
  uint32_t max_queue =
      std::numeric_limits<uint32_t>::max(); ///< requests waiting beside them; further ones fail
  std::optional<uint32_t>
      prefix_cache_size;   ///< tokens of finished requests kept for later ones; none: cache_size
  int32_t gpu_layers = -1; ///< negative: as many as fit
  DeviceOptions devices;
  OnOutOfMemory on_out_of_memory = OnOutOfMemory::Fit;
  int32_t threads = 0; ///< 0: default_cpu_threads()
  llama_flash_attn_type flash_attention = LLAMA_FLASH_ATTN_TYPE_AUTO;
  std::optional<ggml_type> kv_cache_type;         ///< none: F16, or a smaller one where that does not fit
  std::optional<RopeScalingOptions> rope_scaling; ///< none: the file's
  ChatTemplateChoice chat_template;
  SpecialTokenReplacements special_tokens;
  LogSink on_log;
};

/// Calls member(name, value) for each member of the option ropeScaling, by its name in lib/options/.
template <typename Member> void visit_options(RopeScalingOptions& options, const Member& member) {
  member("type", options.type);
  member("factor", options.factor);
  member("originalContextSize", options.original_context_size);
  member("frequencyBase", options.frequency_base);
  member("extrapolationFactor", options.extrapolation_factor);
  member("attentionFactor", options.attention_factor);
  member("betaFast", options.beta_fast);
  member("betaSlow", options.beta_slow);
}

/// Calls visit(name, member) for each option, by its name in lib/options/.
template <typename Visit> void visit_options(LoadOptions& options, const Visit& visit) {
  visit("path", options.path);
  visit("contextSize", options.context_size);
  visit("cacheSize", options.cache_size);
  visit("maxSequences", options.max_sequences);
  visit("maxQueue", options.max_queue);
  visit("prefixCacheSize", options.prefix_cache_size);
  visit("gpuLayers", options.gpu_layers);
  visit("devices", options.devices.names);
  visit("splitMode", options.devices.split_mode);
  visit("mainGpu", options.devices.main_gpu);
  visit("tensorSplit", options.devices.tensor_split);
  visit("onOutOfMemory", options.on_out_of_memory);
  visit("threads", options.threads);
  visit("flashAttention", options.flash_attention);
  visit("kvCacheType", options.kv_cache_type);
  visit("ropeScaling", options.rope_scaling);
  visit("chatTemplate", options.chat_template);
  visit("specialTokens", options.special_tokens);
}

} // namespace verbatim
