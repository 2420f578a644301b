#pragma once

#include <cstddef>
#include <vector>

namespace verbatim {

/// Decides how many prompt tokens a step may compute beside the sequences that generate.
///
/// A step that also computes prompts takes longer and slows down the streams. Only streams that were there
/// before the prompts count as disturbed. A few prompts get `share_of_few` of the time that generation alone
/// takes: newcomers are not starved, and on average the streams slow down less than twice. When a prompt is
/// computed in larger pieces than its share of one step, steps without prompts pay for it. Many prompts get
/// `share_of_many`: small steps would only make everybody wait, few streams in a batch generate slowly
/// anyway, and larger batches compute prompts faster. Requests that come together disturb nobody: their
/// prompts get whole batches, and then all generate at once.
class PrefillPace {
 public:
  explicit PrefillPace(size_t most) : most_(most) {}

  /// The sequences of a step.
  struct Demand {
    size_t generating = 0; ///< sequences that generate
    size_t disturbed = 0;  ///< generating sequences that were there before all of the prompts
    size_t prefilling = 0; ///< sequences whose prompt is being computed
    size_t depth = 0;      ///< most tokens computed so far of one of the prompts
  };
  struct Budget {
    size_t prompt_tokens; ///< most prompt tokens of the step
    bool alone = false;   ///< nobody generates in the step
  };
  Budget budget(const Demand& demand) const;

  /// Records a step: sequences that generated, prompt tokens computed, duration.
  void record(const Demand& demand, size_t generated, size_t prompt_tokens, double milliseconds);

  static constexpr double share_of_few = 0.8;
  static constexpr double share_of_many = 16;
  static constexpr size_t longest_wait = 50; ///< most steps without prompts after one with prompts
  static constexpr size_t fewest = 8;        ///< least prompt tokens of a step with prompts
  /// Depth from which attention is most of the work, and prompts are computed alone, in pieces of deep_piece.
  static constexpr size_t deep = 1024;
  /// Two tiles of llama.cpp's attention on the CPU, which works on 64 tokens of one sequence at once; other
  /// batches take several times as long for each token.
  static constexpr size_t deep_piece = 128;

 private:
  static double share(const Demand& demand);
  double generation_ms(size_t generating) const;

  const size_t most_;
  std::vector<double> generation_ms_; ///< a step that only generates, by sequences; 0: unknown
  double prompt_token_ms_ = 0;        ///< added by one prompt token
  double debt_ms_ = 0;                ///< taken by prompts beyond their share
};

} // namespace verbatim
