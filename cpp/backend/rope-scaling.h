#pragma once

#include "gguf/gguf-check.h"
#include "load-options.h"

#include <llama.h>

#include <cstdint>
#include <optional>
#include <string>

namespace verbatim {

/// The scaling of RoPE that is in effect: of the model file, or in its place. Numbers are the decimals that
/// llama.cpp's 32-bit floats stand for.
struct RopeScaling {
  RopeScalingType type = RopeScalingType::None;
  double factor = 1;                  ///< how many times longer the context becomes
  uint32_t original_context_size = 0; ///< before scaling
  double frequency_base = 0;
  bool frequency_factors = false; ///< the file has a factor for each frequency besides
  double extrapolation_factor = 1, beta_fast = 32, beta_slow = 1; ///< of Yarn
  std::optional<double> attention_factor; ///< none: llama.cpp computes it from the factor
  bool is_chosen = false;                 ///< by an option, not by the file
  bool sets_frequency_base = false;       ///< the option did
  uint32_t longest_context = 0;

  /// Sets what an option has chosen.
  void apply(llama_context_params& params) const;
  /// Returns the cells of a context that computes as one of `others` cells does: at least `cells`. llama.cpp
  /// takes a longrope model's long or short factors by the size of a context.
  uint32_t cells_beside(uint32_t cells, uint32_t others) const;
};

/// Returns the scaling in effect; none for a model without RoPE. Throws Error InvalidOption for an option
/// that does not fit the file.
std::optional<RopeScaling> rope_scaling(const GgufSummary& file,
                                        const std::optional<RopeScalingOptions>& option);

/// Returns a sentence for a context that is longer than the model can have.
std::string too_long(uint32_t context_size, uint32_t trained, const std::optional<RopeScaling>& scaling);

/// Returns the name of a type in TypeScript.
const char* rope_scaling_type_name(RopeScalingType type);

} // namespace verbatim
