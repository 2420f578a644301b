#pragma once

#include "cache/prefix-cache.h"
#include "engine/prefill-lane.h"
#include "engine/prefill-pace.h"
#include "engine/sequence.h"

#include <deque>
#include <functional>
#include <memory>
#include <vector>

namespace verbatim {

/// Consecutive tokens of one sequence in a batch.
struct Chunk {
  Sequence* sequence;
  size_t begin, count; ///< of Sequence::tokens()
  bool reaches_end;    ///< includes the last pending token, whose logits are wanted
  size_t drafted = 0;  ///< tokens of Sequence::draft() that follow, the logits of each wanted
};

struct SchedulerLimits {
  PrefixCache::Limits cache;
  size_t batch_tokens;       ///< most tokens of one batch
  size_t outputs;            ///< most tokens of one batch whose logits are wanted
  size_t long_prompt = 1024; ///< most pending tokens of a prompt that is not computed by the lane
};

/// Chooses the tokens of each batch. Policy only: it calls no llama.cpp. Engine thread only.
///
/// Sequences that generate come first, one token each. Prompts get what PrefillPace allows: half for the
/// oldest request, half for the one with the fewest tokens left, so that a long prompt neither starves nor
/// blocks. A request that begins like an older one, whose prompt is being computed, waits for it and then
/// starts from its cells. When the cells run out, the newest sequence is preempted and goes on later; its
/// output is kept. A sequence alone always fits. A lane, if any, computes long prompts while others generate,
/// one at a time.
class Scheduler {
 public:
  /// The memory and the lane must outlive it.
  Scheduler(SequenceMemory& memory, SchedulerLimits limits, PromptLane* lane = nullptr);

  void add(std::unique_ptr<Sequence> sequence);

  /// Returns the next batch, of at most `batch_tokens` tokens. Empty when nobody but the lane has work.
  std::vector<Chunk> schedule(size_t batch_tokens);

  /// Records that the chunks of a batch are in the cache, their draft tokens excepted.
  void mark_computed(const std::vector<Chunk>& chunks, double milliseconds);
  /// Records the draft tokens that now belong to the sequence, and drops the others from the cache.
  void accept_drafts(const Chunk& chunk, size_t accepted);

  /// Preempts the newest running sequence, and admits nobody until a running one has ended. False when only
  /// one runs. For a cache that turned out smaller than its limits say.
  bool preempt_and_hold();

  /// Frees the cells of idle prefixes. False when there were none.
  bool evict_idle() { return cache_.evict_all(); }

  /// Clears a running sequence's cells. It keeps running and is computed again.
  void restart(Sequence& sequence);
  /// Computes all running sequences again, after the cache was cleared.
  void restart_all();

  /// Removes a sequence, waiting or running.
  std::unique_ptr<Sequence> remove(const Sequence& sequence, CachedCells cells);
  /// Removes the sequences for which `predicate` returns true.
  std::vector<std::unique_ptr<Sequence>> remove_if(const std::function<bool(Sequence&)>& predicate,
                                                   CachedCells cells);

  /// Resets the cache, whose cells are gone; unless `usable`, for good. All sequences must be removed next.
  void reset(bool usable) { cache_.reset(usable); }

  bool empty() const { return waiting_.empty() && running_.empty(); }
  size_t waiting() const { return waiting_.size(); }
  size_t running() const { return running_.size(); }
  const std::vector<std::unique_ptr<Sequence>>& running_sequences() const { return running_; }
  const PrefixCache& cache() const { return cache_; }

 private:
  void admit();
  void attach_or_follow(Sequence& sequence);
  void find_leader(Sequence& sequence);
  bool preempt_newest(CachedCells cells);
  void reset_state(Sequence& sequence);

  void collect_from_lane();
  void use_lane(size_t generating, std::vector<Sequence*>& prefilling);
  bool start_lane(Sequence& sequence);
  bool can_compute() const;

  std::vector<Chunk> fill(size_t batch_tokens);
  std::vector<size_t> share_prefill(const std::vector<Sequence*>& prefilling, size_t tokens) const;
  size_t cap_for_followers(const Sequence& leader, size_t count) const;
  void add_drafts(std::vector<Chunk>& chunks, size_t tokens_left);
  size_t growth_reserve(const Sequence* newcomer) const;
  size_t new_cells(const Sequence& newcomer) const;

  const SchedulerLimits limits_;
  PromptLane* const lane_; ///< null: none
  PrefixCache cache_;
  PrefillPace pace_;
  uint64_t steps_ = 0;                             ///< scheduled so far
  PrefillPace::Demand demand_;                     ///< at the last step
  std::deque<std::unique_ptr<Sequence>> waiting_;  ///< by arrival
  std::vector<std::unique_ptr<Sequence>> running_; ///< by arrival
  uint64_t arrivals_ = 1;
  bool holding_ = false; ///< admits nobody
};

} // namespace verbatim
