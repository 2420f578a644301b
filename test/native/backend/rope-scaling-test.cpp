// The scaling of RoPE in effect, by files and options.

#include "backend/rope-scaling.h"
#include "gguf/gguf-file.h"

using namespace gguf_test;
using namespace verbatim;

namespace {

GgufSummary
summary(const std::function<void(File&)>& change = [](File&) {}, const std::string& architecture = "llama") {
  File file = model(architecture);
  change(file);
  return accepted(file);
}

/// The path of the option that is refused; empty: none.
std::string refused_path(const GgufSummary& file, const RopeScalingOptions& option) {
  try {
    rope_scaling(file, option);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::InvalidOption);
    return std::get<std::string>(error.fields().at(0).second);
  }
  return "";
}

RopeScaling in_effect(const GgufSummary& file, const std::optional<RopeScalingOptions>& option = {}) {
  const auto scaling = rope_scaling(file, option);
  CHECK(scaling.has_value());
  return *scaling;
}

RopeScalingOptions yarn(double factor) {
  return {.type = RopeScalingType::Yarn, .factor = factor};
}

} // namespace

TEST(rope_values_are_read_as_llama_cpp_reads_them) {
  CHECK(in_effect(summary()).type == RopeScalingType::None);
  const auto scaled = [](const std::string& name) {
    return [name](File& file) {
      file.string(name + ".rope.scaling.type", "yarn");
      file.f32(name + ".rope.scaling.factor", 2.5f);
      file.f32(name + ".rope.scaling.yarn_beta_fast", 16);
      file.f32(name + ".rope.scaling.yarn_beta_slow", 2);
      file.f32(name + ".rope.scaling.yarn_ext_factor", 0.5f);
    };
  };
  // Only some architectures read the last three.
  const auto llama = in_effect(summary(scaled("llama")));
  CHECK_EQ(llama.factor, 2.5);
  CHECK_EQ(llama.beta_fast, 32.0);
  CHECK_EQ(llama.extrapolation_factor, 1.0);
  const auto mistral = in_effect(summary(scaled("mistral3"), "mistral3"));
  CHECK_EQ(mistral.beta_fast, 16.0);
  CHECK_EQ(mistral.extrapolation_factor, 1.0);
  const auto grok = in_effect(summary(scaled("grok"), "grok"));
  CHECK_EQ(grok.beta_slow, 2.0);
  CHECK_EQ(grok.extrapolation_factor, 0.5);
  CHECK_EQ(in_effect(summary([](File&) {}, "grok")).beta_fast, 8.0);
}

TEST(rope_is_none_where_nothing_is_rotated) {
  for (const char* name : {"gpt2", "starcoder", "mpt", "bloom", "cogvlm"})
    CHECK(!rope_scaling(summary([](File&) {}, name), {}));
  for (const char* name : {"llama", "qwen2", "gemma3", "deepseek2", "granite", "granitemoe"})
    CHECK(rope_scaling(summary([](File&) {}, name), {}));
  const auto off = [](const std::string& name) {
    return summary([&](File& file) { file.boolean(name + ".rope.scaling.finetuned", false); }, name);
  };
  CHECK(!rope_scaling(off("granite"), {}));
  CHECK(rope_scaling(off("llama"), {}).has_value());
  CHECK_EQ(refused_path(off("granite"), yarn(2)), std::string("ropeScaling"));
}

TEST(rope_scaling_of_an_option_sets_what_llama_cpp_is_given) {
  auto params = llama_context_default_params();
  in_effect(summary()).apply(params); // of the file: nothing
  CHECK(params.rope_scaling_type == LLAMA_ROPE_SCALING_TYPE_UNSPECIFIED);
  CHECK_EQ(params.rope_freq_scale, 0.0f);

  in_effect(summary(), yarn(2.3)).apply(params);
  CHECK(params.rope_scaling_type == LLAMA_ROPE_SCALING_TYPE_YARN);
  CHECK_EQ(params.rope_freq_scale, 1.0f / 2.3f);
  CHECK_EQ(params.rope_freq_base, 0.0f); // the model's own
  CHECK_EQ(params.yarn_ext_factor, 1.0f);
  CHECK_EQ(params.yarn_beta_fast, 32.0f);
  CHECK_EQ(params.yarn_orig_ctx, 128u);

  auto linear = llama_context_default_params();
  in_effect(summary(),
            RopeScalingOptions{.type = RopeScalingType::Linear, .factor = 4, .frequency_base = 5e5})
      .apply(linear);
  CHECK(linear.rope_scaling_type == LLAMA_ROPE_SCALING_TYPE_LINEAR);
  CHECK_EQ(linear.rope_freq_scale, 0.25f);
  CHECK_EQ(linear.rope_freq_base, 5e5f);
  CHECK_EQ(linear.yarn_ext_factor, 0.0f);
}

TEST(rope_scaling_bounds_the_context) {
  const auto longest = [](const GgufSummary& file, const std::optional<RopeScalingOptions>& option = {}) {
    return in_effect(file, option).longest_context;
  };
  CHECK_EQ(longest(summary()), 128u);
  CHECK_EQ(longest(summary(), yarn(2.9999)), 383u);
  CHECK_EQ(longest(summary(), yarn(1024)), 131072u);
  const auto huge = summary([](File& file) {
    file.string("llama.rope.scaling.type", "linear");
    file.f32("llama.rope.scaling.factor", 1e30f);
    file.u32("llama.rope.scaling.original_context_length", 128);
  });
  CHECK_EQ(longest(huge), static_cast<uint32_t>(INT32_MAX));
}

TEST(gguf_refuses_yarn_values_that_are_no_numbers) {
  for (const char* key : {"yarn_ext_factor", "yarn_attn_factor", "yarn_beta_fast", "yarn_beta_slow"})
    invalid("must be a finite number", [&](File& file) {
      file.f32(std::string("llama.rope.scaling.") + key, std::numeric_limits<float>::quiet_NaN());
    });
}
