#pragma once

#include "engine/decoder.h"

namespace verbatim {

struct LogitsProbeOptions {
  int32_t sequences = 1;   ///< sequences that generate together
  size_t depth = 1;        ///< tokens of the prefix that they share
  size_t steps = 1;        ///< measured steps of each of three rounds
  size_t batch_tokens = 1; ///< most tokens of one decode while the prefix is computed

  /// Steps before the measured ones, in which a device captures its graph of the step.
  static constexpr size_t warm_up = 2;
  /// Returns the cells it needs.
  size_t cells() const { return depth + static_cast<size_t>(sequences) * (warm_up + steps); }
};

/// Median milliseconds of the same step of generation with and without logits.
struct LogitsProbe {
  struct Step {
    double submit = 0, wait = 0; ///< as in StepTimes
  };
  Step all;  ///< with the logits of every sequence, as usual
  Step one;  ///< with the logits of one: the output layer reads its weights, and copies little
  Step none; ///< without logits: no output layer
};

/// Measures the cost of logits on a device: computing and copying them takes the difference between `all` and
/// `one`. Needs memory that can be shared and cut, and leaves it empty. Throws Error DecodeFailed.
LogitsProbe probe_logits(Decoder& decoder, const LogitsProbeOptions& options);

} // namespace verbatim
