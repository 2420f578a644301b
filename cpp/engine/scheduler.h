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

/// A run of tokens of one sequence that the next batch decodes.
struct Chunk {
  Sequence* sequence;
  size_t begin, count; ///< into Sequence::tokens()
  bool reaches_end;    ///< the last pending token is among them: its logits are wanted
  size_t drafted = 0;  ///< so many of Sequence::draft() follow, and the logits of each are wanted
};

struct SchedulerLimits {
  PrefixCache::Limits cache;
  size_t batch_tokens;       ///< most tokens of one batch
  size_t outputs;            ///< most tokens of one batch whose logits are wanted
  size_t long_prompt = 1024; ///< tokens to compute from which on the lane is used
};

/// Decides what the next batch holds. Pure policy: it knows no llama.cpp and runs on the engine thread.
///
/// Running sequences that generate come first, one token each, and prompts get what PrefillPace allows: half
/// of it the oldest request, the other half whoever has least left, so that a long prompt neither starves nor
/// blocks. A request that begins like an older one which is being read in waits until that is done, and then
/// starts from its cells. When the cells run out, the newest sequence gives its place back and goes on later;
/// what it has generated is kept. A sequence alone always fits. Where there is a lane, it computes long
/// prompts while others generate, one at a time.
class Scheduler {
 public:
  /// The memory and the lane must outlive it.
  Scheduler(SequenceMemory& memory, SchedulerLimits limits, PromptLane* lane = nullptr);

  void add(std::unique_ptr<Sequence> sequence);

  /// The next batch, of at most `batch_tokens` tokens. Empty when there is nothing to do, or only the lane
  /// has.
  std::vector<Chunk> schedule(size_t batch_tokens);

  /// The chunks of a plan are in the cache. Draft tokens are not counted yet.
  void mark_computed(const std::vector<Chunk>& chunks, double milliseconds);
  /// So many of the draft tokens were accepted and belong to the sequence now.
  void accept_drafts(const Chunk& chunk, size_t accepted);

  /// The cache turned out smaller than the limits say: sends the newest running sequence back to the
  /// waiting ones and lets nobody in until a running one has ended. False when only one is running.
  bool preempt_and_hold();

  /// Frees the cells that only idle prefixes use. False when there were none.
  bool evict_idle() { return cache_.evict_all(); }

  /// Forgets what a running sequence has in the cache; it keeps its place and is computed again.
  void restart(Sequence& sequence);
  /// The same for all of them, after everything in the cache is gone.
  void restart_all();

  /// Takes a sequence out, waiting or running. Its cells are kept for others unless they may be wrong.
  std::unique_ptr<Sequence> remove(const Sequence& sequence, CachedCells cells);
  /// Takes out every sequence for which the predicate holds.
  std::vector<std::unique_ptr<Sequence>> remove_if(const std::function<bool(Sequence&)>& predicate,
                                                   CachedCells cells);

  /// All cells are gone; unless `usable`, for good. To be followed by the removal of all sequences.
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
  uint64_t steps_ = 0;                             ///< planned so far
  PrefillPace::Demand demand_;                     ///< at the last plan
  std::deque<std::unique_ptr<Sequence>> waiting_;  ///< by arrival
  std::vector<std::unique_ptr<Sequence>> running_; ///< by arrival
  uint64_t arrivals_ = 1;
  bool holding_ = false; ///< nobody is let in
};

} // namespace verbatim
