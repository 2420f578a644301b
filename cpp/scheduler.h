#pragma once

#include "sequence.h"

#include <deque>
#include <functional>
#include <memory>
#include <vector>

namespace verbatim {

/// A run of tokens of one sequence that the next batch decodes.
struct Chunk {
  Sequence* sequence;
  size_t begin, count; ///< into Sequence::tokens()
  bool reaches_end;    ///< the last pending token is among them: its logits are wanted
};

struct SchedulerLimits {
  int32_t sequences; ///< most sequences that run at once; their ids are 0 … sequences - 1
  size_t cells;      ///< of the KV cache, shared by all running sequences
};

/// Decides what the next batch holds. Pure policy: it knows no llama.cpp and runs on the engine thread.
///
/// Running sequences that generate come first, one token each; what is left of the batch goes to
/// prefill, oldest request first. When the cells run out, the newest sequence gives its place back and
/// is computed again later; what it has generated is kept. A sequence alone always fits.
class Scheduler {
 public:
  /// `clear_cells` frees the KV cells of a sequence id.
  Scheduler(SchedulerLimits limits, std::function<void(int32_t id)> clear_cells);

  void add(std::unique_ptr<Sequence> sequence);

  /// The next batch, of at most `batch_tokens` tokens. Empty when there is nothing to do.
  std::vector<Chunk> plan(size_t batch_tokens);

  /// The cache turned out smaller than the limits say: sends the newest running sequence back to the
  /// waiting ones and lets nobody in until a running one has ended. False when only one is running.
  bool yield_to_oldest();

  /// Forgets what a running sequence has in the cache; it keeps its place and is computed again.
  void restart(Sequence& sequence);

  /// Takes a sequence out, waiting or running, and frees its cells.
  std::unique_ptr<Sequence> remove(const Sequence& sequence);
  /// Takes out every sequence for which the predicate holds.
  std::vector<std::unique_ptr<Sequence>> remove_if(const std::function<bool(Sequence&)>& predicate);

  bool empty() const { return waiting_.empty() && running_.empty(); }
  size_t waiting() const { return waiting_.size(); }
  size_t running() const { return running_.size(); }
  /// Cells in use by running sequences.
  size_t used_cells() const;

 private:
  void admit();
  std::vector<Chunk> fill(size_t batch_tokens) const;
  bool preempt_newest();
  size_t growth_reserve(const Sequence* newcomer) const;
  void release(Sequence& sequence);

  const SchedulerLimits limits_;
  const std::function<void(int32_t)> clear_cells_;
  std::deque<std::unique_ptr<Sequence>> waiting_;  ///< by arrival
  std::vector<std::unique_ptr<Sequence>> running_; ///< by arrival
  std::vector<int32_t> free_ids_;
  uint64_t arrivals_ = 0;
  bool holding_ = false; ///< nobody is let in
};

} // namespace verbatim
