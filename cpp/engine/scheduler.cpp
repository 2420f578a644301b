#include "engine/scheduler.h"

#include <algorithm>
#include <numeric>

namespace verbatim {

namespace {

// Cells kept free for each sequence to grow into. Without them a preempted sequence would be admitted as soon
// as it fits, and preempted again a few tokens later.
constexpr size_t expected_growth = 64;

// Least tokens of a prefix to wait for: waiting costs about one step of the engine.
constexpr size_t worth_waiting = 32;

/// Returns the tokens that may come from the cache: all but the last, whose logits are wanted.
std::span<const Token> reusable(const Sequence& sequence) {
  return std::span(sequence.tokens()).first(sequence.tokens().size() - 1);
}

/// Returns the cells that a running sequence will still take for its present tokens.
size_t outstanding(const Sequence& sequence) {
  return sequence.tokens().size() -
         std::max(sequence.num_computed_tokens,
                  sequence.scheduling.leader ? sequence.scheduling.leader_tokens : 0);
}

constexpr auto arrival = [](const auto& sequence) { return sequence->scheduling.arrival; };

} // namespace

Scheduler::Scheduler(SequenceMemory& memory, SchedulerLimits limits, PromptLane* lane)
    : limits_(limits), lane_(lane), cache_(memory, limits.cache), pace_(limits.batch_tokens) {
}

void Scheduler::add(std::unique_ptr<Sequence> sequence) {
  sequence->scheduling.arrival = arrivals_++;
  waiting_.push_back(std::move(sequence));
}

// ---- who runs ----

size_t Scheduler::growth_reserve(const Sequence* newcomer) const {
  size_t reserve = std::min(expected_growth, newcomer->headroom());
  for (const auto& sequence : running_)
    reserve += std::min(expected_growth, sequence->headroom());
  return reserve;
}

/// Returns the cells that a newcomer adds to those of running sequences.
size_t Scheduler::new_cells(const Sequence& newcomer) const {
  size_t shared = 0;
  if (limits_.cache.sharing)
    for (const auto& sequence : running_)
      shared = std::max(shared, common_prefix(sequence->tokens(), reusable(newcomer)));
  return newcomer.tokens().size() - shared;
}

void Scheduler::admit() {
  if (running_.empty()) holding_ = false;
  const auto may_run = static_cast<size_t>(limits_.cache.running);
  while (!holding_ && !waiting_.empty() && running_.size() < may_run) {
    Sequence& next = *waiting_.front();
    size_t needed = cache_.pinned_cells() + new_cells(next) + growth_reserve(&next);
    for (const auto& sequence : running_)
      needed += outstanding(*sequence);
    if (!running_.empty() && needed > limits_.cache.cells) return;
    next.scheduling.id = cache_.acquire();
    next.scheduling.admitted = steps_;
    // A preempted sequence returns to its place in the order of arrival.
    const auto place = std::ranges::upper_bound(running_, next.scheduling.arrival, {}, arrival);
    running_.insert(place, std::move(waiting_.front()));
    waiting_.pop_front();
    next.inference().begin(static_cast<uint32_t>(next.prompt_size()));
    attach_or_follow(next);
  }
}

/// Starts a sequence from the cached prefix of its tokens, or makes it wait for a leader that computes more
/// of them.
void Scheduler::attach_or_follow(Sequence& sequence) {
  if (sequence.scheduling.attached) return;
  if (sequence.scheduling.leader &&
      sequence.scheduling.leader->num_computed_tokens < sequence.scheduling.leader_tokens)
    return;
  find_leader(sequence);
  if (sequence.scheduling.leader) return;
  sequence.scheduling.attached = true;
  sequence.num_computed_tokens = cache_.attach(sequence.scheduling.id, reusable(sequence));
  sequence.inference().set_cached_tokens(
      static_cast<uint32_t>(std::min(sequence.num_computed_tokens, sequence.prompt_size())));
}

void Scheduler::find_leader(Sequence& sequence) {
  sequence.scheduling.leader = nullptr;
  if (!limits_.cache.sharing) return;
  const auto tokens = reusable(sequence);
  size_t known = cache_.num_cached_tokens(tokens);
  for (const auto& other : running_) {
    if (other.get() == &sequence) break; // only older ones: so nobody waits in a circle
    if (other->decoding()) continue;
    const size_t common = common_prefix(other->tokens(), tokens);
    if (common < std::max(known, other->num_computed_tokens) + worth_waiting) continue;
    known = common;
    sequence.scheduling.leader = other.get();
    sequence.scheduling.leader_tokens = common;
  }
}

bool Scheduler::preempt_and_hold() {
  // After a failure the cells may be wrong.
  if (!preempt_newest(CachedCells::Discard)) return false;
  holding_ = true;
  return true;
}

bool Scheduler::preempt_newest(CachedCells cells) {
  if (running_.size() < 2) return false;
  auto sequence = std::move(running_.back());
  running_.pop_back();
  cache_.release(sequence->scheduling.id, cells);
  reset_state(*sequence);
  const auto place = std::ranges::upper_bound(waiting_, sequence->scheduling.arrival, {}, arrival);
  waiting_.insert(place, std::move(sequence));
  return true;
}

void Scheduler::restart(Sequence& sequence) {
  cache_.clear(sequence.scheduling.id);
  sequence.num_computed_tokens = 0;
  sequence.scheduling.attached = false;
}

void Scheduler::restart_all() {
  cache_.reset(true);
  for (const auto& sequence : running_) {
    sequence->num_computed_tokens = 0;
    sequence->scheduling.attached = false;
    sequence->scheduling.leader = nullptr;
  }
}

/// Resets the state of a sequence that has released its id.
void Scheduler::reset_state(Sequence& sequence) {
  if (sequence.scheduling.lane == Sequence::Scheduling::Lane::Computing) {
    lane_->cancel();
    sequence.scheduling.lane = Sequence::Scheduling::Lane::Unused;
  }
  sequence.scheduling.id = -1;
  sequence.num_computed_tokens = 0;
  sequence.scheduling.attached = false;
  sequence.scheduling.leader = nullptr;
  for (const auto& other : running_)
    if (other && other->scheduling.leader == &sequence) other->scheduling.leader = nullptr;
}

std::unique_ptr<Sequence> Scheduler::remove(const Sequence& sequence, CachedCells cells) {
  auto removed = remove_if([&](Sequence& other) { return &other == &sequence; }, cells);
  return removed.empty() ? nullptr : std::move(removed.front());
}

std::vector<std::unique_ptr<Sequence>> Scheduler::remove_if(const std::function<bool(Sequence&)>& predicate,
                                                            CachedCells cells) {
  std::vector<std::unique_ptr<Sequence>> removed;
  for (auto& sequence : running_) {
    if (!predicate(*sequence)) continue;
    holding_ = false;
    cache_.release(sequence->scheduling.id, cells);
    reset_state(*sequence);
    removed.push_back(std::move(sequence));
  }
  std::erase(running_, nullptr);
  for (auto& sequence : waiting_)
    if (predicate(*sequence)) removed.push_back(std::move(sequence));
  std::erase(waiting_, nullptr);
  return removed;
}

// ---- the next step ----

std::vector<Chunk> Scheduler::schedule(size_t batch_tokens) {
  ++steps_;
  collect_from_lane();
  for (const auto& sequence : running_)
    attach_or_follow(*sequence);
  admit();
  const auto decoding = [](const auto& sequence) { return sequence->decoding(); };
  while (cache_.pinned_cells() + static_cast<size_t>(std::ranges::count_if(running_, decoding)) >
             limits_.cache.cells &&
         preempt_newest(CachedCells::Offload)) {
  }
  auto chunks = fill(batch_tokens);
  while (chunks.empty() && can_compute() && preempt_newest(CachedCells::Offload)) {
    for (const auto& sequence : running_)
      attach_or_follow(*sequence); // its leader may have gone
    chunks = fill(batch_tokens);
  }
  return chunks;
}

// ---- the lane ----

void Scheduler::collect_from_lane() {
  const auto cells = lane_ ? lane_->take() : std::nullopt;
  if (!cells) return;
  const auto computing = std::ranges::find(running_, Sequence::Scheduling::Lane::Computing,
                                           [](const auto& sequence) { return sequence->scheduling.lane; });
  if (computing == running_.end()) return;
  Sequence& sequence = **computing;
  sequence.scheduling.lane = Sequence::Scheduling::Lane::Used;
  const auto computed = reusable(sequence).subspan(sequence.num_computed_tokens);
  if (!cells->empty() && cache_.append_saved(sequence.scheduling.id, computed, *cells))
    sequence.num_computed_tokens += computed.size();
}

/// Removes the long prompts that the lane computes or that wait for it. With many prompts the lane is not
/// used: nobody generates undisturbed anyway.
void Scheduler::use_lane(size_t generating, std::vector<Sequence*>& prefilling) {
  if (!lane_ || generating == 0) return;
  if (prefilling.size() > 1 && 2 * prefilling.size() >= generating) return;
  std::erase_if(prefilling, [&](Sequence* sequence) {
    if (sequence->scheduling.lane == Sequence::Scheduling::Lane::Used) return false;
    if (sequence->pending() <= limits_.long_prompt) return false;
    return lane_->busy() || start_lane(*sequence);
  });
}

bool Scheduler::start_lane(Sequence& sequence) {
  sequence.scheduling.lane = Sequence::Scheduling::Lane::Used;
  try {
    const auto tokens = reusable(sequence);
    PromptLane::Job job{{tokens.begin(), tokens.end()}, sequence.num_computed_tokens, {}};
    if (job.begin > 0) {
      job.prefix = cache_.copy(sequence.scheduling.id);
      if (job.prefix.empty()) return false;
    }
    lane_->start(std::move(job));
  } catch (const std::exception&) {
    return false; // no memory for it: it is computed with the others
  }
  sequence.scheduling.lane = Sequence::Scheduling::Lane::Computing;
  return true;
}

/// True when some sequence's next tokens could be in a batch, given cells.
bool Scheduler::can_compute() const {
  return std::ranges::any_of(running_,
                             [](const auto& sequence) { return sequence->scheduling.computable(); });
}

// ---- what the batch holds ----

std::vector<Chunk> Scheduler::fill(size_t batch_tokens) {
  std::vector<Sequence*> generating, prefilling;
  demand_ = {};
  for (const auto& sequence : running_)
    if (sequence->scheduling.computable())
      (sequence->decoding() ? generating : prefilling).push_back(sequence.get());
  use_lane(generating.size(), prefilling);
  size_t wanted = generating.size();
  uint64_t first_admitted = steps_;
  for (const Sequence* sequence : prefilling) {
    wanted += sequence->pending();
    demand_.depth = std::max(demand_.depth, sequence->num_computed_tokens);
    first_admitted = std::min(first_admitted, sequence->scheduling.admitted);
  }
  for (Sequence* sequence : generating) {
    if (sequence->scheduling.generating_since == 0) sequence->scheduling.generating_since = steps_;
    if (sequence->scheduling.generating_since < first_admitted) ++demand_.disturbed;
  }
  demand_.generating = generating.size();
  demand_.prefilling = prefilling.size();
  cache_.make_room(std::min(wanted, batch_tokens));

  const auto budget = pace_.budget(demand_);
  size_t tokens_left = std::min(batch_tokens, cache_.free_cells());
  std::vector<Chunk> chunks;
  for (Sequence* sequence : generating) {
    if (tokens_left == 0 || (budget.alone && !prefilling.empty())) break;
    chunks.push_back({sequence, sequence->num_computed_tokens, 1, true});
    --tokens_left;
  }
  const auto shares = share_prefill(prefilling, std::min(tokens_left, budget.prompt_tokens));
  for (size_t i = 0; i < prefilling.size(); ++i) {
    const Sequence& sequence = *prefilling[i];
    if (shares[i] == 0) continue;
    chunks.push_back(
        {prefilling[i], sequence.num_computed_tokens, shares[i], shares[i] == sequence.pending()});
    tokens_left -= shares[i];
  }
  if (prefilling.empty()) add_drafts(chunks, tokens_left);
  return chunks;
}

/// Divides prompt tokens: half to the oldest, the rest to those with the fewest tokens left, ties by age.
std::vector<size_t> Scheduler::share_prefill(const std::vector<Sequence*>& prefilling, size_t tokens) const {
  std::vector<size_t> shares(prefilling.size());
  const auto add = [&](size_t index, size_t most) {
    const Sequence& sequence = *prefilling[index];
    const size_t total = std::min(sequence.pending(), shares[index] + std::min(most, tokens));
    const size_t capped = cap_for_followers(sequence, total);
    if (capped <= shares[index]) return;
    tokens -= capped - shares[index];
    shares[index] = capped;
  };
  if (prefilling.empty()) return shares;
  add(0, (tokens + 1) / 2);
  std::vector<size_t> order(prefilling.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, {}, [&](size_t i) { return prefilling[i]->pending() - shares[i]; });
  for (const size_t index : order)
    add(index, tokens);
  return shares;
}

/// Makes a leader that would finish stop where its followers join it: then all the ends are computed in one
/// batch, and nobody generates alone meanwhile.
size_t Scheduler::cap_for_followers(const Sequence& leader, size_t count) const {
  if (count < leader.pending()) return count;
  for (const auto& follower : running_)
    if (follower->scheduling.leader == &leader &&
        follower->scheduling.leader_tokens > leader.num_computed_tokens)
      count = std::min(count, follower->scheduling.leader_tokens - leader.num_computed_tokens);
  return count;
}

void Scheduler::add_drafts(std::vector<Chunk>& chunks, size_t tokens_left) {
  size_t outputs_left = limits_.outputs - std::min(limits_.outputs, chunks.size());
  auto speculating = static_cast<size_t>(
      std::ranges::count_if(chunks, [](const Chunk& chunk) { return chunk.sequence->speculative(); }));
  for (Chunk& chunk : chunks) {
    if (!chunk.sequence->speculative()) continue;
    const size_t share = std::min(tokens_left, outputs_left) / speculating--;
    chunk.drafted = chunk.sequence->make_draft(share);
    tokens_left -= chunk.drafted;
    outputs_left -= chunk.drafted;
  }
}

void Scheduler::mark_computed(const std::vector<Chunk>& chunks, double milliseconds) {
  size_t generating = 0, prompt_tokens = 0, drafted = 0;
  for (const Chunk& chunk : chunks) {
    drafted += chunk.drafted;
    if (chunk.sequence->decoding())
      ++generating;
    else
      prompt_tokens += chunk.count;
  }
  if (drafted == 0) pace_.record(demand_, generating, prompt_tokens, milliseconds);
  for (const Chunk& chunk : chunks) {
    cache_.append(chunk.sequence->scheduling.id,
                  std::span(chunk.sequence->tokens()).subspan(chunk.begin, chunk.count));
    chunk.sequence->num_computed_tokens += chunk.count;
  }
}

void Scheduler::accept_drafts(const Chunk& chunk, size_t accepted) {
  Sequence& sequence = *chunk.sequence;
  sequence.record_drafts(chunk.drafted, accepted);
  cache_.append(sequence.scheduling.id,
                std::span(sequence.tokens()).subspan(sequence.num_computed_tokens, accepted));
  sequence.num_computed_tokens += accepted;
  if (accepted < chunk.drafted) cache_.cut_drafts(sequence.scheduling.id, sequence.num_computed_tokens);
}

} // namespace verbatim
