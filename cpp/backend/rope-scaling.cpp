#include "backend/rope-scaling.h"

#include "base/counted.h"
#include "base/error.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace verbatim {

namespace {

/// The shortest decimal that stands for a number as a 32-bit float.
std::string decimal_text(double value) {
  char text[64];
  return {text, std::to_chars(text, text + sizeof text, static_cast<float>(value)).ptr};
}

double decimal(double value) {
  const std::string text = decimal_text(value);
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

[[noreturn]] void refuse(const std::string& member, const std::string& message) {
  const std::string path = "ropeScaling" + member;
  throw Error(ErrorCode::InvalidOption, path + " " + message, {{"path", path}});
}

constexpr uint32_t most_tokens = INT32_MAX;

/// Returns the scaled length, or one more than the most tokens that there can be.
uint32_t scaled(uint32_t length, double factor) {
  // A factor such as 1.15 is a little less than it seems.
  const double product = std::floor(length * factor * (1 + 1e-12));
  return static_cast<uint32_t>(std::min<double>(product, most_tokens + 1.0));
}

RopeScaling of_file(const GgufRope& rope, uint32_t trained) {
  RopeScaling scaling;
  scaling.type = rope.type == RopeScalingType::Linear && rope.factor == 1 ? RopeScalingType::None : rope.type;
  scaling.original_context_size = rope.original_context_length.value_or(trained);
  scaling.factor = rope.type == RopeScalingType::LongRope
                       ? decimal(static_cast<double>(trained) / scaling.original_context_size)
                       : decimal(rope.factor);
  scaling.frequency_base = decimal(rope.frequency_base);
  scaling.frequency_factors = rope.frequency_factors;
  scaling.extrapolation_factor = decimal(rope.extrapolation_factor);
  if (rope.extrapolation_factor == 0) scaling.attention_factor = decimal(rope.attention_factor);
  scaling.beta_fast = decimal(rope.beta_fast);
  scaling.beta_slow = decimal(rope.beta_slow);
  // Where the original length is not given, the trained one may be either.
  const bool extended = rope.type == RopeScalingType::Linear || rope.type == RopeScalingType::Yarn;
  scaling.longest_context = trained;
  if (extended && rope.original_context_length)
    scaling.longest_context =
        std::max(trained, std::min(most_tokens, scaled(*rope.original_context_length, scaling.factor)));
  return scaling;
}

} // namespace

std::optional<RopeScaling> rope_scaling(const GgufSummary& file,
                                        const std::optional<RopeScalingOptions>& option) {
  if (!file.rope) {
    if (option) refuse("", "has no effect: the positions of this model are not rotated; leave it out");
    return std::nullopt;
  }
  const GgufRope& rope = *file.rope;
  const uint32_t trained = file.trained_context_length;
  RopeScaling scaling = of_file(rope, trained);
  if (!option) return scaling;

  if (rope.type == RopeScalingType::LongRope)
    refuse("", "cannot replace the scaling of this model (longrope: two factors for each frequency, in the "
               "file); leave it out");
  const auto choose = [](double& value, const std::optional<double>& given) {
    if (given) value = decimal(*given);
  };
  scaling.is_chosen = true;
  scaling.sets_frequency_base = option->frequency_base.has_value();
  scaling.type = option->type;
  // Without an original length in the file, the trained one of a linear scaling has been scaled.
  if (rope.type == RopeScalingType::Linear && !rope.original_context_length && rope.factor > 1)
    scaling.original_context_size =
        std::max(1U, static_cast<uint32_t>(trained / static_cast<double>(rope.factor)));
  if (option->original_context_size) scaling.original_context_size = *option->original_context_size;
  choose(scaling.factor, option->factor);
  choose(scaling.frequency_base, option->frequency_base);
  if (scaling.type == RopeScalingType::None) scaling.factor = 1;
  if (scaling.type != RopeScalingType::None && !option->factor && scaling.factor <= 1)
    refuse(".factor", "is missing: type '" + std::string(rope_scaling_type_name(scaling.type)) +
                          "' needs it, because the model file has none");
  choose(scaling.extrapolation_factor, option->extrapolation_factor);
  choose(scaling.beta_fast, option->beta_fast);
  choose(scaling.beta_slow, option->beta_slow);
  scaling.attention_factor.reset();
  if (scaling.extrapolation_factor == 0)
    scaling.attention_factor = decimal(option->attention_factor.value_or(rope.attention_factor));
  if (scaling.type == RopeScalingType::Yarn && scaling.beta_fast <= scaling.beta_slow)
    refuse(".betaFast", "must be greater than betaSlow: it is " + decimal_text(scaling.beta_fast) +
                            ", and betaSlow is " + decimal_text(scaling.beta_slow));
  scaling.longest_context = scaled(scaling.original_context_size, scaling.factor);
  // llama.cpp computes it in 32 bits, too.
  if (scaling.longest_context > most_tokens)
    refuse(".factor", "times originalContextSize, " + std::to_string(scaling.original_context_size) +
                          ", is more than " + std::to_string(most_tokens) + "; use a smaller one");
  return scaling;
}

void RopeScaling::apply(llama_context_params& params) const {
  if (!is_chosen) return;
  const bool yarn = type == RopeScalingType::Yarn;
  params.rope_scaling_type = yarn                              ? LLAMA_ROPE_SCALING_TYPE_YARN
                             : type == RopeScalingType::Linear ? LLAMA_ROPE_SCALING_TYPE_LINEAR
                                                               : LLAMA_ROPE_SCALING_TYPE_NONE;
  params.rope_freq_scale = 1.0f / static_cast<float>(factor); // as llama.cpp computes it from a file
  if (sets_frequency_base) params.rope_freq_base = static_cast<float>(frequency_base);
  params.yarn_ext_factor = yarn ? static_cast<float>(extrapolation_factor) : 0.0f;
  params.yarn_attn_factor = yarn ? static_cast<float>(attention_factor.value_or(1)) : 1.0f;
  if (!yarn) return;
  params.yarn_beta_fast = static_cast<float>(beta_fast);
  params.yarn_beta_slow = static_cast<float>(beta_slow);
  params.yarn_orig_ctx = original_context_size;
}

uint32_t RopeScaling::cells_beside(uint32_t cells, uint32_t others) const {
  if (type != RopeScalingType::LongRope || others <= original_context_size) return cells;
  return std::max(cells, original_context_size + 1);
}

std::string too_long(uint32_t context_size, uint32_t trained, const std::optional<RopeScaling>& scaling) {
  const uint32_t longest = scaling ? scaling->longest_context : trained;
  std::string text =
      "contextSize " + std::to_string(context_size) + " exceeds the " + counted(longest, "token") + " ";
  if (scaling && scaling->is_chosen && scaling->type == RopeScalingType::None)
    return text + "of this model without scaling; use a smaller one, or another type in ropeScaling";
  if (scaling && (scaling->is_chosen || longest > trained)) {
    text += std::string(scaling->is_chosen ? "that ropeScaling allows" : "that the model file allows") +
            ", " + std::to_string(scaling->original_context_size) + " (originalContextSize) times " +
            decimal_text(scaling->factor) + " (factor)";
    return text + (scaling->is_chosen ? "; use a smaller contextSize or a larger factor"
                                      : "; use a smaller contextSize, or a larger factor in ropeScaling");
  }
  text += "this model was trained for; use a smaller one";
  if (scaling && scaling->type != RopeScalingType::LongRope) text += ", or extend the model with ropeScaling";
  return text;
}

const char* rope_scaling_type_name(RopeScalingType type) {
  switch (type) {
  case RopeScalingType::Linear:
    return "linear";
  case RopeScalingType::Yarn:
    return "yarn";
  case RopeScalingType::LongRope:
    return "longrope";
  case RopeScalingType::None:
    break;
  }
  return "none";
}

} // namespace verbatim
