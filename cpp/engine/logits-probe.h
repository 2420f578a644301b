#pragma once

#include "engine/decoder.h"

namespace verbatim {

struct LogitsProbeOptions {
  int32_t sequences = 1;   ///< that generate together
  size_t depth = 1;        ///< tokens before theirs, which they share
  size_t steps = 1;        ///< of which the median is taken, in each of three rounds
  size_t batch_tokens = 1; ///< most tokens of one decode, for computing those before

  static constexpr size_t warm_up =
      2; ///< steps before those: a device's graph of the step is captured in them
  /// That it needs.
  size_t cells() const { return depth + static_cast<size_t>(sequences) * (warm_up + steps); }
};

/// Milliseconds of the same step of generation with and without logits: medians.
struct LogitsProbe {
  struct Step {
    double submit = 0, wait = 0; ///< as in StepTimes
  };
  Step all;  ///< with the logits of every sequence, as a step is
  Step one;  ///< with those of one sequence: the output layer reads its weights, and little is copied
  Step none; ///< with none: there is no output layer
};

/// Measures what logits cost, which nothing tells on a device: the difference between `all` and `one` is what
/// computing and copying the others takes. Needs a memory that can be shared and cut, and leaves it empty.
/// Throws Error DecodeFailed where a decode fails.
LogitsProbe probe_logits(Decoder& decoder, const LogitsProbeOptions& options);

} // namespace verbatim
