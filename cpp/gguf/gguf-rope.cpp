// The values of RoPE in a file, by the rules of llama.cpp (llama-model.cpp:1338, llama-context.cpp:114).
#include "gguf/gguf-rules.h"

#include "gguf-architectures.h"

#include <algorithm>
#include <cmath>

namespace verbatim::gguf_rules {

namespace {

RopeScalingType type_of(std::string_view name) {
  if (name == "none") return RopeScalingType::None;
  if (name == "yarn") return RopeScalingType::Yarn;
  return name == "longrope" ? RopeScalingType::LongRope : RopeScalingType::Linear;
}

} // namespace

std::optional<GgufRope> read_rope(const GgufMetadata& file, const KnownArchitecture& architecture,
                                  const Tensors& tensors) {
  const auto& [name, flags] = architecture;
  const auto key = [&](const char* end) { return name + ".rope." + end; };
  if ((flags & ScaledRope) == 0) return std::nullopt;
  if ((flags & OptionalRope) != 0 && file.find_bool(key("scaling.finetuned")) == false) return std::nullopt;
  const auto read = [&](const char* end, float& value) {
    const auto found = file.find_float(key(end));
    if (found) value = static_cast<float>(*found);
    return found.has_value();
  };

  GgufRope rope;
  if (const auto type = file.find_string(key("scaling.type"))) rope.type = type_of(llama_view(*type));
  if (!read("scaling.factor", rope.factor)) read("scale_linear", rope.factor);
  if (rope.factor == 0 || rope.type == RopeScalingType::None) rope.factor = 1;
  read("freq_base", rope.frequency_base);
  if (const auto original = file.find_int(key("scaling.original_context_length")); original && *original > 0)
    rope.original_context_length = static_cast<uint32_t>(*original);
  // Of the other architectures llama.cpp does not read these.
  const bool grok = name == "grok";
  if (grok) {
    rope.beta_fast = 8;
    read("scaling.yarn_ext_factor", rope.extrapolation_factor);
    read("scaling.yarn_attn_factor", rope.attention_factor);
  }
  if (grok || name == "mistral3") {
    read("scaling.yarn_beta_fast", rope.beta_fast);
    read("scaling.yarn_beta_slow", rope.beta_slow);
  }
  // hunyuan-vl.cpp:7.
  if (float alpha = 0; name == "hunyuan_vl" && read("scaling.alpha", alpha) && alpha > 0) {
    const auto heads = file.find_int(name + ".attention.head_count").value_or(1);
    const auto width = file.find_int(name + ".embedding_length").value_or(0) / std::max<int64_t>(1, heads);
    const auto size = static_cast<float>(file.find_int(name + ".attention.key_length").value_or(width));
    rope.frequency_base *= std::pow(alpha, size / (size - 2));
  }
  if (tensors.contains("rope_factors_long.weight")) rope.type = RopeScalingType::LongRope;
  rope.frequency_factors = rope.type == RopeScalingType::LongRope || tensors.contains("rope_freqs.weight");
  return rope;
}

} // namespace verbatim::gguf_rules
