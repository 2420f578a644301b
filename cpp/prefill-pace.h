#pragma once

#include <cstddef>
#include <vector>

namespace verbatim {

/// Decides how many prompt tokens one step may compute beside the sequences that generate.
///
/// A step that also computes prompts takes longer, and whoever generates feels it. Prompts get a share of the
/// time by their number, as if every request had the same claim to it, but at least `least_share` of what a
/// step of generation alone takes: newcomers are not starved, and the streams slow down less than twice.
class PrefillPace {
 public:
  explicit PrefillPace(size_t most) : most_(most) {}

  /// Prompt tokens for a step that generates for `generating` sequences while `prefilling` others wait.
  size_t budget(size_t generating, size_t prefilling) const;

  /// What a step with so many of each took.
  void record(size_t generating, size_t prompt_tokens, double milliseconds);

  static constexpr double least_share = 0.6;
  static constexpr size_t fewest = 8; ///< prompt tokens of a step

 private:
  double generation_ms(size_t generating) const;

  const size_t most_;
  std::vector<double> generation_ms_; ///< of a step that only generates, by number of sequences; 0: unknown
  double prompt_token_ms_ = 0;        ///< what one prompt token adds
};

} // namespace verbatim
