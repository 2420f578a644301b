#pragma once

#include <cstddef>
#include <vector>

namespace verbatim {

/// Decides how many prompt tokens one step may compute beside the sequences that generate.
///
/// A step that also computes prompts takes longer, and whoever generates feels it. What counts are the
/// streams that were there before the prompts came. A few prompts get `share_of_few` of what generation alone
/// takes: newcomers are not starved, and on average the streams slow down less than twice. Where a prompt is
/// computed in larger pieces than its share of one step, steps without any pay for it. When a third of those
/// that count or more still wait for their first token, small steps would only make everybody wait: few
/// streams in a batch generate slowly anyway, and larger batches compute prompts faster. Requests that come
/// together wait for each other: their prompts get whole batches, and then all generate at once, as fast as a
/// batch can.
class PrefillPace {
 public:
  explicit PrefillPace(size_t most) : most_(most) {}

  /// Who there is at a step.
  struct Demand {
    size_t generating = 0; ///< sequences that generate
    size_t disturbed = 0;  ///< those of them that had begun before any of the prompts was let in
    size_t prefilling = 0; ///< sequences whose prompt is being computed
    size_t depth = 0;      ///< tokens of the longest of those that are computed
  };
  struct Budget {
    size_t prompt_tokens; ///< at most, perhaps none
    bool alone = false;   ///< in a batch of their own: nobody generates in this step
  };
  Budget budget(const Demand& demand) const;

  /// What a step took that generated for so many sequences, and computed so many prompt tokens.
  void record(const Demand& demand, size_t generated, size_t prompt_tokens, double milliseconds);

  static constexpr double share_of_few = 0.8;
  static constexpr double share_of_many = 16;
  static constexpr size_t longest_wait = 50; ///< steps without prompts, whatever the last one with some took
  static constexpr size_t fewest = 8;        ///< prompt tokens of a step that has any
  /// llama.cpp's attention on the CPU works on 64 tokens of a batch at once, and passes over what none of
  /// them attends to. Fewer take several times as long for each, and so do tokens of several sequences. From
  /// this depth on attention is most of the work, and prompts are computed in pieces of such a size, alone.
  static constexpr size_t deep = 1024, deep_piece = 128;

 private:
  static double share(const Demand& demand);
  double generation_ms(size_t generating) const;

  const size_t most_;
  std::vector<double> generation_ms_; ///< of a step that only generates, by number of sequences; 0: unknown
  double prompt_token_ms_ = 0;        ///< what one prompt token adds
  double debt_ms_ = 0;                ///< what prompts took beyond their share
};

} // namespace verbatim
