// The rules for hyper-parameters. Each one stands for a GGML_ASSERT, a division by zero or
// an unbounded allocation in llama.cpp (src/, named at each rule), which ends the process where a wrong
// tensor shape or a missing key throws and needs no rule.
#include "gguf/gguf-rules.h"

#include "gguf-architectures.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>

namespace verbatim::gguf_rules {

namespace {

// llama-hparams.h
constexpr int64_t max_layers = 512;
constexpr int64_t max_experts = 1024;
/// llama_model_n_ctx_train() and positions are 32 bit and signed.
constexpr int64_t max_context = INT32_MAX;
/// Elements of a head; real ones have up to 576.
constexpr int64_t max_head = 16384;
/// Elements of a row of the cache; real ones have up to some 25,000.
constexpr int64_t max_row = 1 << 20;

bool any_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// Reads "<architecture>.<key>" and refuses what llama.cpp could not use. Keys that an architecture does
/// not have are often there all the same, as 0: llama.cpp's own writer puts them all.
class Hyperparameters {
 public:
  Hyperparameters(const GgufMetadata& file, const KnownArchitecture& architecture, const Tensors& tensors)
      : file_(file), name_(architecture.name), flags_(architecture.flags), tensors_(tensors) {}

  void check() {
    sizes();
    experts();
    heads();
    rope();
    numbers();
    recurrence();
    peculiar();
  }

 private:
  std::string key(std::string_view name) const { return name_ + "." + std::string(name); }

  std::optional<int64_t> integer(std::string_view name) const { return file_.find_int(key(name)); }

  [[noreturn]] void refuse(std::string_view name, const std::string& why) const {
    const auto value = integer(name);
    invalid_part(file_, "'" + key(name) + "'" + (value ? " is " + std::to_string(*value) : "") + ": " + why);
  }

  /// The value, from 1 to `most`, of a key that every model has.
  int64_t required(std::string_view name, int64_t most) const {
    const auto value = integer(name);
    if (!value) invalid(file_, "lacks the metadata key '" + key(name) + "'");
    if (*value < 1 || *value > most) refuse(name, "must be from 1 to " + std::to_string(most));
    return *value;
  }

  /// The value for each layer of a key that holds one for all or an array; empty if the key is absent.
  std::vector<int64_t> per_layer(std::string_view name) const {
    if (const auto value = integer(name)) return std::vector<int64_t>(layers_, *value);
    auto values = file_.find_int_array(key(name));
    if (!values) return {};
    if (values->size() != layers_) refuse(name, "must have a number for each of the layers");
    return *values;
  }

  /// llama-model.cpp:1260 asserts on layers. Everything else here sizes memory.
  void sizes() {
    layers_ = static_cast<size_t>(required("block_count", max_layers));
    required("context_length", max_context);
    // Tensors have these shapes, so that the file itself bounds them; INT32_MAX keeps products in range.
    embedding_ = required("embedding_length", INT32_MAX);
    const int64_t draft = integer("nextn_predict_layers").value_or(0);
    if (draft < 0 || static_cast<size_t>(draft) >= layers_) {
      refuse("nextn_predict_layers", "must leave layers for the model itself");
    }
    // llama-hparams.cpp n_embd_inp(): multiplies the length of every input embedding.
    if (const int64_t stacked = integer("n_deepstack_layers").value_or(0);
        stacked < 0 || static_cast<size_t>(stacked) > layers_) {
      refuse("n_deepstack_layers", "must be up to the number of layers");
    }
  }

  /// llama-model.cpp:1293-1305.
  void experts() const {
    int64_t count = integer("expert_count").value_or(0);
    const std::vector<int64_t> used = per_layer("expert_used_count");
    int64_t most_used = used.empty() ? 0 : *std::max_element(used.begin(), used.end());
    if (any_of(name_, {"hunyuan_vl", "hunyuan-dense"}) && count <= 1) count = most_used = 0;
    const int64_t groups = integer("expert_group_count").value_or(0);
    if (count < 0 || count > max_experts) refuse("expert_count", "must be up to 1024");
    if (std::any_of(used.begin(), used.end(), [](int64_t value) { return value < 0; }) || most_used > count ||
        (count > 0 && most_used == 0)) {
      refuse("expert_used_count", "must be from 1 to " + std::to_string(count) + ", the number of experts");
    }
    // qwen35moe.cpp:57 and qwen4exp.cpp:195 divide by the number used, others throw before they do.
    if (count == 0 && any_of(name_, {"qwen35moe", "qwen4exp"})) {
      refuse("expert_count", "must not be 0 for " + name_);
    }
    if (groups < 0 || (groups > 0 && groups >= count)) {
      refuse("expert_group_count", "must be below the number of experts");
    }
    if (groups > 1) {
      const int64_t used_groups = integer("expert_group_used_count").value_or(0);
      if (count % groups != 0) refuse("expert_group_count", "must divide the number of experts");
      if (used_groups < 1 || used_groups >= groups) {
        refuse("expert_group_used_count", "must be from 1 to below the number of groups");
      }
    }
    // llama-graph.cpp:2058.
    if (const auto gate = integer("expert_gating_func"); gate && (*gate < 0 || *gate > 4)) {
      refuse("expert_gating_func", "is unknown");
    }
  }

  /// Counts of heads, by which the graphs reshape and divide.
  void heads() {
    const std::vector<int64_t> query = per_layer("attention.head_count");
    std::vector<int64_t> pairs = per_layer("attention.head_count_kv");
    if (pairs.empty()) pairs = query;
    const bool recurrent = name_.starts_with("mamba") || name_.find("rwkv") != std::string::npos;
    for (size_t layer = 0; layer < query.size(); ++layer) {
      if (query[layer] < 0 || query[layer] > INT32_MAX || pairs[layer] < 0 || pairs[layer] > query[layer] ||
          // ggml.c ggml_can_mul_mat, ggml_flash_attn_ext
          (pairs[layer] > 0 && query[layer] % pairs[layer] != 0)) {
        refuse("attention.head_count",
               "does not fit 'attention.head_count_kv' in layer " + std::to_string(layer));
      }
    }
    const int64_t first = query.empty() ? 0 : query[0];
    // gemma2.cpp:26, olmo2.cpp:30 and others divide by it before any tensor is looked at.
    if (first == 0 && !recurrent && (flags_ & UniformLayers) != 0) {
      refuse("attention.head_count", "must not be 0");
    }
    // deepseek4.cpp:895.
    const int64_t groups = integer("attention.output_group_count").value_or(0);
    if (name_ == "deepseek4" && (groups < 1 || first % groups != 0)) {
      refuse("attention.output_group_count", "must divide 'attention.head_count'");
    }
    if (first > 0) head_sizes(query, pairs);
    if (any_of(name_, {"lfm2", "lfm2moe"})) short_convolutions(query, pairs);
  }

  /// Layers of short convolutions among those of attention.
  void short_convolutions(const std::vector<int64_t>& query, const std::vector<int64_t>& pairs) const {
    // lfm2.cpp:170.
    if (integer("shortconv.l_cache").value_or(0) < 2) refuse("shortconv.l_cache", "must be at least 2");
    // The graph takes the first layer's heads for all, and queries as wide as the embedding (lfm2.cpp:74).
    if (query.empty() || std::any_of(query.begin(), query.end(), [&](int64_t n) { return n != query[0]; }) ||
        query[0] * key_length_ != embedding_) {
      refuse("attention.head_count", "must be the same in all layers, and fit 'embedding_length'");
    }
    // llama-graph.cpp sets the inputs of both kinds; one that no layer reads has no memory
    // (ggml-backend.cpp:205).
    const auto convolutions = std::count(pairs.begin(), pairs.end(), 0);
    if (convolutions == 0 || static_cast<size_t>(convolutions) == pairs.size()) {
      refuse("attention.head_count_kv", "must be 0 in some layers, and not in all");
    }
  }

  void head_sizes(const std::vector<int64_t>& query, const std::vector<int64_t>& pairs) {
    const int64_t usual = embedding_ / query[0];
    key_length_ = integer("attention.key_length").value_or(usual);
    const int64_t value_length = integer("attention.value_length").value_or(usual);
    // Layers with a sliding window may have sizes of their own.
    const int64_t window_key = integer("attention.key_length_swa").value_or(key_length_);
    const int64_t window_value = integer("attention.value_length_swa").value_or(value_length);
    const int64_t latent_key = integer("attention.key_length_mla").value_or(0);
    const int64_t latent_value = integer("attention.value_length_mla").value_or(0);
    const int64_t most_pairs = *std::max_element(pairs.begin(), pairs.end());
    for (const int64_t length :
         {key_length_, value_length, window_key, window_value, latent_key, latent_value}) {
      // llama-kv-cache.cpp:180 allocates this for every position; sizes are computed with 32 bits.
      if (length < 0 || length > max_head || length * most_pairs > max_row) {
        refuse("attention.key_length", "or another size of attention heads is out of range");
      }
    }
    const auto turned = integer("rope.dimension_count");
    // llama-hparams.cpp is_mla(), deepseek2.cpp:77.
    if ((latent_key > 0) != (latent_value > 0)) {
      refuse("attention.key_length_mla", "must come with 'attention.value_length_mla'");
    }
    if (latent_key > 0 && turned.value_or(0) >= latent_key) {
      refuse("attention.key_length_mla", "must be more than 'rope.dimension_count'");
    }
    // Compressed keys and values (MLA) have sizes of their own anyway. Where the first layer's sizes are
    // taken for all, llama-kv-cache.cpp takes each layer's own.
    if ((flags_ & UniformSizes) != 0 && latent_key == 0 &&
        (window_key != key_length_ || window_value != value_length)) {
      refuse("attention.key_length_swa", "must be that of the other layers for " + name_);
    }
    if ((flags_ & EqualHeads) != 0 && (key_length_ != value_length || window_key != window_value)) {
      refuse("attention.value_length", "must be that of the keys for " + name_);
    }
    if ((flags_ & RopeWholeHead) != 0 &&
        (turned.value_or(key_length_) != key_length_ || key_length_ % 2 != 0 ||
         integer("rope.dimension_count_swa").value_or(turned.value_or(key_length_)) != window_key)) {
      refuse("rope.dimension_count", "must be the size of a head, and even, for " + name_);
    }
    if ((flags_ & UniformLayers) != 0 && latent_key == 0) uniform_layers(query, pairs);
  }

  /// The graphs of most architectures take the first layer's head counts for all (llama-graph.cpp build_qkv).
  void uniform_layers(const std::vector<int64_t>& query, const std::vector<int64_t>& pairs) const {
    const auto differs = [](const std::vector<int64_t>& counts) {
      return std::any_of(counts.begin(), counts.end(), [&](int64_t count) { return count != counts[0]; });
    };
    const bool plain = (flags_ & RopeWholeHead) != 0;
    if (plain && differs(query))
      refuse("attention.head_count", "must be the same in all layers for " + name_);
    if (plain && differs(pairs))
      refuse("attention.head_count_kv", "must be the same in all layers for " + name_);
    // Linear attention has tensors of these names with other shapes.
    const bool linear =
        !plain && any_of(name_, {"minimax-01", "qwen3next", "qwen35", "qwen35moe", "qwen4exp"});
    const int64_t rows = key_length_ * query[0], both = 2 * key_length_ * pairs[0];
    for (size_t layer = 0; layer < layers_; ++layer) {
      const std::string prefix = "blk." + std::to_string(layer) + ".";
      const GgufTensor* apart = find(prefix + "attn_q.weight");
      const GgufTensor* fused = find(prefix + "attn_qkv.weight");
      // Twice as many where a gate is among them.
      if ((apart && apart->shape[1] != rows && (plain || apart->shape[1] != 2 * rows)) ||
          (fused && !linear && fused->shape[1] != rows + both)) {
        refuse("attention.head_count", "does not fit the tensors of layer " + std::to_string(layer));
      }
    }
  }

  void rope() const {
    // llama-model.cpp:1352.
    if (const auto type = file_.find_string(key("rope.scaling.type")); type) {
      const std::string name(llama_view(*type));
      if (!any_of(name, {"none", "linear", "yarn", "longrope"})) {
        invalid_part(file_, "'" + key("rope.scaling.type") + "' is " + printable(name));
      }
    }
    // ops.cpp ggml_compute_forward_rope: even, and within the head.
    for (const auto& [dimensions, length] :
         {std::pair("rope.dimension_count", "attention.key_length"),
          std::pair("rope.dimension_count_swa", "attention.key_length_swa")}) {
      const int64_t whole = integer(length).value_or(key_length_);
      const int64_t turned = integer(dimensions).value_or(whole);
      if (turned < 0 || turned % 2 != 0 || (whole > 0 && turned > whole)) {
        refuse(dimensions, "must be even and within a head of " + std::to_string(whole));
      }
    }
    // llama-graph.cpp:162.
    if (any_of(name_, {"deepseek2", "deepseek2-ocr", "mistral4"}) &&
        file_.find_float(key("attention.temperature_scale")).value_or(0) != 0 &&
        integer("attention.temperature_length").value_or(0) < 1) {
      refuse("attention.temperature_length", "must not be 0");
    }
    // As above: positions are dealt to the sections modulo their sum.
    if (const auto sections = file_.find_int_array(key("rope.dimension_sections")); sections) {
      int64_t sum = 0;
      for (const int64_t section : *sections) {
        if (section < 0 || section > UINT16_MAX)
          refuse("rope.dimension_sections", "has a section out of range");
        sum += section;
      }
      // ops.cpp:6003.
      if ((sum == 0 && (flags_ & RopeSections) != 0) || (key_length_ > 0 && sum > key_length_)) {
        refuse("rope.dimension_sections", "does not fit the heads");
      }
    }
    if (const auto original = integer("rope.scaling.original_context_length");
        original && (*original < 0 || *original > max_context)) {
      refuse("rope.scaling.original_context_length", "is out of range");
    }
    // llama-model.cpp:2685: a model with sliding windows must have a layer with one.
    if (integer("attention.sliding_window").value_or(0) > 0 &&
        integer("attention.sliding_window_pattern") == int64_t{1}) {
      refuse("attention.sliding_window_pattern", "leaves no layer with a sliding window");
    }
  }

  /// Floats that are not numbers make every logit NaN, and sorting NaNs is undefined.
  void numbers() const {
    for (const char* name : {"attention.layer_norm_epsilon", "attention.layer_norm_rms_epsilon",
                             "attention.group_norm_epsilon"}) {
      // ops.cpp:3843 asserts that they are not negative; NaN is not, either.
      if (const auto value = file_.find_float(key(name)); value && !(*value >= 0 && *value <= 1)) {
        refuse(name, "must be from 0 to 1");
      }
    }
    for (const char* name :
         {"rope.freq_base", "rope.freq_base_swa", "rope.scaling.factor", "rope.scale_linear",
          "rope.scaling.attn_factor", "attention.max_alibi_bias", "attention.clamp_kqv"}) {
      if (const auto value = file_.find_float(key(name)); value && !(*value >= 0 && std::isfinite(*value))) {
        refuse(name, "must be a finite number and not negative");
      }
    }
    for (const char* name :
         {"rope.scaling.alpha", "rope.scaling.yarn_log_multiplier", "rope.scaling.yarn_ext_factor",
          "rope.scaling.yarn_attn_factor", "rope.scaling.yarn_beta_fast", "rope.scaling.yarn_beta_slow",
          "logit_scale", "attn_logit_softcapping", "router_logit_softcapping", "final_logit_softcapping",
          "residual_scale", "embedding_scale", "attention.scale", "attention.output_scale",
          "attention.value_scale", "attention.temperature_scale", "expert_weights_scale"}) {
      if (const auto value = file_.find_float(key(name)); value && !std::isfinite(*value)) {
        refuse(name, "must be a finite number");
      }
    }
  }

  /// State space models and linear attention.
  void recurrence() const {
    const bool rwkv = name_.find("rwkv") != std::string::npos;
    if (const auto size = integer("wkv.head_size"); rwkv && size && (*size < 1 || embedding_ % *size != 0)) {
      refuse("wkv.head_size", "must divide 'embedding_length'"); // rwkv6-base.cpp:43
    }
    const auto inner = integer("ssm.inner_size");
    const auto rank = integer("ssm.time_step_rank");
    const bool delta = any_of(name_, {"qwen3next", "qwen35", "qwen35moe", "qwen4exp"});
    const bool grouped =
        any_of(name_, {"mamba2", "granitehybrid", "nemotron_h", "nemotron_h_moe", "falcon-h1"});
    // granite-hybrid.cpp:54, jamba.cpp:32.
    if (inner && any_of(name_, {"granitehybrid", "jamba"}) && *inner != 2 * embedding_) {
      refuse("ssm.inner_size", "must be twice 'embedding_length'");
    }
    if (!inner || !rank || !(delta || grouped || name_ == "plamo2")) return;
    // mamba-base.cpp:167, plamo2.cpp:271.
    if (*inner < 1 || *rank < 1 || *inner % *rank != 0)
      refuse("ssm.time_step_rank", "must divide 'ssm.inner_size'");
    // delta-net-base.cpp:33.
    if (const auto state = integer("ssm.state_size"); delta && state && *state != *inner / *rank) {
      refuse("ssm.state_size", "must be 'ssm.inner_size' by 'ssm.time_step_rank'");
    }
    if (!delta && !grouped) return;
    // mamba2.cpp:78, mamba-base.cpp:178, delta-net-base.cpp:34.
    const int64_t groups = integer("ssm.group_count").value_or(1);
    if (groups < 1 || (delta ? *rank : *inner) % groups != 0)
      refuse("ssm.group_count", "does not fit the heads");
  }

  /// Assertions of single architectures on what they read.
  void peculiar() const {
    const auto least = [this](std::string_view name, int64_t least) {
      if (const auto value = integer(name); value && *value < least) {
        refuse(name, "must be at least " + std::to_string(least));
      }
      return integer(name).value_or(1);
    };
    const auto layers = static_cast<int64_t>(layers_);
    if (name_ == "nanbeige" && least("num_loops", 1) > max_layers / layers) { // nanbeige.cpp:16
      refuse("num_loops", "makes too many layers");
    }
    if (name_ == "minimax-m3") least("attention.indexer.block_size", 1); // minimax-m3.cpp:33
    if (name_ == "hrm_text") {                                           // hrm-text.cpp:17
      const int64_t stack = least("hrm.layers_per_stack", 1), high = least("hrm.h_cycles", 1),
                    low = least("hrm.l_cycles", 1);
      if (stack > layers || high > layers || low > layers || stack * high * (low + 1) != layers) {
        refuse("hrm.layers_per_stack", "does not fit 'block_count'");
      }
    }
    if (name_ == "bailingmoe3" && // bailingmoe3.cpp:32
        !(file_.find_bool(key("kda.safe_gate")).value_or(true) &&
          file_.find_float(key("kda.gate_lower_bound")).value_or(-1) < 0)) {
      invalid_part(file_, "'" + key("kda.safe_gate") + "' must be true and 'kda.gate_lower_bound' negative");
    }
  }

  const GgufTensor* find(const std::string& name) const {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? nullptr : found->second;
  }

  const GgufMetadata& file_;
  const std::string& name_;
  unsigned flags_;
  const Tensors& tensors_;
  size_t layers_ = 0;
  int64_t embedding_ = 0;
  /// 0 without attention.
  int64_t key_length_ = 0;
};

} // namespace

void check_hyperparameters(const GgufMetadata& file, const KnownArchitecture& architecture,
                           const Tensors& tensors) {
  Hyperparameters(file, architecture, tensors).check();
}

} // namespace verbatim::gguf_rules
