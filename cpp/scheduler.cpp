#include "scheduler.h"

#include <algorithm>
#include <numeric>

namespace verbatim {

namespace {

// Room that each sequence is expected to grow into soon. Without it a preempted sequence would be let in
// again as soon as it fits, and pushed out a few tokens later.
constexpr size_t expected_growth = 64;

} // namespace

Scheduler::Scheduler(SchedulerLimits limits, std::function<void(int32_t)> clear_cells)
    : limits_(limits), clear_cells_(std::move(clear_cells)),
      free_ids_(static_cast<size_t>(limits.sequences)) {
  std::iota(free_ids_.rbegin(), free_ids_.rend(), 0); // the lowest id is taken first
}

void Scheduler::add(std::unique_ptr<Sequence> sequence) {
  sequence->arrival = arrivals_++;
  waiting_.push_back(std::move(sequence));
}

size_t Scheduler::used_cells() const {
  size_t cells = 0;
  for (const auto& sequence : running_)
    cells += sequence->computed;
  return cells;
}

size_t Scheduler::growth_reserve(const Sequence* newcomer) const {
  size_t reserve = std::min(expected_growth, newcomer->headroom());
  for (const auto& sequence : running_)
    reserve += std::min(expected_growth, sequence->headroom());
  return reserve;
}

void Scheduler::admit() {
  if (running_.empty()) holding_ = false;
  while (!holding_ && !waiting_.empty() && !free_ids_.empty()) {
    Sequence& next = *waiting_.front();
    size_t needed = next.tokens().size() + growth_reserve(&next);
    for (const auto& sequence : running_)
      needed += sequence->tokens().size();
    if (!running_.empty() && needed > limits_.cells) return;
    next.id = free_ids_.back();
    free_ids_.pop_back();
    // A preempted sequence returns to its place in the order of arrival.
    const auto place = std::ranges::upper_bound(running_, next.arrival, {},
                                                [](const auto& sequence) { return sequence->arrival; });
    running_.insert(place, std::move(waiting_.front()));
    waiting_.pop_front();
  }
}

std::vector<Chunk> Scheduler::plan(size_t batch_tokens) {
  admit();
  const auto decoding = [](const auto& sequence) { return sequence->decoding(); };
  while (used_cells() + static_cast<size_t>(std::ranges::count_if(running_, decoding)) > limits_.cells &&
         preempt_newest()) {
  }
  auto chunks = fill(batch_tokens);
  while (chunks.empty() && preempt_newest())
    chunks = fill(batch_tokens);
  return chunks;
}

std::vector<Chunk> Scheduler::fill(size_t batch_tokens) const {
  std::vector<Chunk> chunks;
  size_t tokens_left = batch_tokens;
  size_t cells_left = limits_.cells - std::min(limits_.cells, used_cells());
  const auto take = [&](Sequence& sequence) {
    const size_t count = std::min({sequence.pending(), tokens_left, cells_left});
    if (count == 0) return;
    chunks.push_back({&sequence, sequence.computed, count, count == sequence.pending()});
    tokens_left -= count;
    cells_left -= count;
  };
  for (const auto& sequence : running_)
    if (sequence->decoding()) take(*sequence);
  for (const auto& sequence : running_)
    if (!sequence->decoding()) take(*sequence);
  return chunks;
}

bool Scheduler::yield_to_oldest() {
  if (!preempt_newest()) return false;
  holding_ = true;
  return true;
}

bool Scheduler::preempt_newest() {
  if (running_.size() < 2) return false;
  auto sequence = std::move(running_.back());
  running_.pop_back();
  release(*sequence);
  const auto place = std::ranges::upper_bound(waiting_, sequence->arrival, {},
                                              [](const auto& other) { return other->arrival; });
  waiting_.insert(place, std::move(sequence));
  return true;
}

void Scheduler::restart(Sequence& sequence) {
  clear_cells_(sequence.id);
  sequence.computed = 0;
}

void Scheduler::release(Sequence& sequence) {
  if (sequence.id < 0) return;
  restart(sequence);
  free_ids_.push_back(sequence.id);
  sequence.id = -1;
}

std::unique_ptr<Sequence> Scheduler::remove(const Sequence& sequence) {
  auto removed = remove_if([&](Sequence& other) { return &other == &sequence; });
  return removed.empty() ? nullptr : std::move(removed.front());
}

std::vector<std::unique_ptr<Sequence>> Scheduler::remove_if(const std::function<bool(Sequence&)>& predicate) {
  std::vector<std::unique_ptr<Sequence>> removed;
  const auto take_from = [&](auto& sequences) {
    for (auto& sequence : sequences) {
      if (!predicate(*sequence)) continue;
      if (sequence->id >= 0) holding_ = false;
      release(*sequence);
      removed.push_back(std::move(sequence));
    }
    std::erase(sequences, nullptr);
  };
  take_from(running_);
  take_from(waiting_);
  return removed;
}

} // namespace verbatim
