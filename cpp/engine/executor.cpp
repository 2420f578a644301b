#include "engine/executor.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace verbatim {

Executor::Executor(Decoder& decoder, Options options, StepProfile& profile, PrefillLane* lane)
    : decoder_(decoder), options_(options), profile_(profile), lane_(lane),
      scheduler_(decoder, options.limits, lane), batch_limit_(options.limits.batch_tokens) {
}

bool Executor::serves_nobody() const {
  return !served_.empty() &&
         std::ranges::all_of(served_, [](const Inference* inference) { return inference->cancelled(); });
}

void Executor::drop_cancelled() {
  const StepProfile::Timer timer(profile_, StepTimes::Scheduling);
  for (const auto& sequence : scheduler_.remove_if(
           [](Sequence& candidate) { return candidate.inference().cancelled(); }, CachedCells::Keep)) {
    grow_batches();
    sequence->inference().fail(Error(ErrorCode::Cancelled, "the run was cancelled"));
  }
}

bool Executor::step() {
  if (broken_) {
    fail_all(Error(ErrorCode::DecodeFailed,
                   "the model's context was lost to an earlier failure and could not be built anew; "
                   "dispose the model and load it again"));
    return false;
  }
  const auto chunks = schedule();
  if (chunks.empty()) return false;

  const auto begun = std::chrono::steady_clock::now();
  const DecodeStatus status = compute();
  const auto ended = std::chrono::steady_clock::now();
  served_.clear();
  if (status != DecodeStatus::Ok) {
    const StepProfile::Timer timer(profile_, StepTimes::Scheduling);
    recover(chunks, status);
    return true;
  }
  {
    const StepProfile::Timer timer(profile_, StepTimes::Scheduling);
    for (const auto& chunk : chunks) {
      const bool decoding = chunk.sequence->decoding();
      profile_.count(decoding ? 1 : 0, decoding ? 0 : chunk.count, chunk.drafted);
    }
    scheduler_.mark_computed(chunks, std::chrono::duration<double, std::milli>(ended - begun).count());
  }
  sample(chunks);
  return true;
}

/// Schedules the next batch and makes it.
std::vector<Chunk> Executor::schedule() {
  const StepProfile::Timer timer(profile_, StepTimes::Scheduling);
  auto chunks = scheduler_.schedule(batch_limit_);
  if (lane_) {
    lane_->set_beside(!chunks.empty());
    decoder_.set_threads(lane_->busy() ? options_.threads_beside : options_.threads);
  }
  if (chunks.empty()) return chunks;
  batch_.clear();
  served_.clear();
  if (options_.recurrent)
    for (const auto& sequence : scheduler_.running_sequences())
      served_.push_back(&sequence->inference());
  for (const auto& chunk : chunks) {
    Sequence& sequence = *chunk.sequence;
    if (!options_.recurrent) served_.push_back(&sequence.inference());
    auto position = static_cast<int32_t>(chunk.begin);
    for (const Token token : std::span(sequence.tokens()).subspan(chunk.begin, chunk.count))
      batch_.push_back({token, position++, sequence.scheduling.id, false});
    batch_.back().wants_logits = chunk.reaches_end;
    for (const Token token : sequence.draft().first(chunk.drafted))
      batch_.push_back({token, position++, sequence.scheduling.id, true});
  }
  return chunks;
}

DecodeStatus Executor::compute() {
  const DecodeStatus status = [&] {
    const StepProfile::Timer timer(profile_, StepTimes::Submit);
    return decoder_.decode(batch_);
  }();
  if (status != DecodeStatus::Ok) return status;
  const StepProfile::Timer timer(profile_, StepTimes::Wait);
  decoder_.synchronize();
  return status;
}

void Executor::sample(const std::vector<Chunk>& chunks) {
  size_t end = 0;
  bool spoiled = false;
  for (const auto& chunk : chunks) {
    const size_t first_output = end + chunk.count - 1;
    end += chunk.count + chunk.drafted;
    if (!chunk.reaches_end) continue;
    Sequence& sequence = *chunk.sequence;
    try {
      if (advance(chunk, first_output)) continue;
      const StepProfile::Timer timer(profile_, StepTimes::Scheduling);
      scheduler_.remove(sequence, CachedCells::Keep);
      grow_batches();
    } catch (const Error& error) {
      // llama.cpp zeroes a recurrent state by multiplying with 0, which leaves NaN to the next request. So
      // this one may have got it from another, and is computed again in zeroed memory.
      const bool no_number = options_.recurrent && error.code() == ErrorCode::DecodeFailed;
      spoiled = spoiled || no_number;
      if (!no_number || std::exchange(sequence.recomputed, true)) fail(sequence, error);
    } catch (const std::exception& error) {
      fail(sequence, Error(ErrorCode::Internal, error.what()));
    }
  }
  if (spoiled) restart_all();
}

bool Executor::advance(const Chunk& chunk, size_t first_output) {
  Sequence& sequence = *chunk.sequence;
  if (chunk.drafted == 0) return next_token(sequence, first_output);
  // Every token is drawn from the model's own distribution, as without a draft; a draft token that is the one
  // drawn only saves a decode.
  const auto draft = sequence.draft().first(chunk.drafted);
  // Counted on the way: the next token may be the last, and its caller reads the counts at once.
  sequence.inference().add_drafts(static_cast<uint32_t>(draft.size()), 0);
  size_t accepted = 0;
  bool goes_on = true;
  while ((goes_on = next_token(sequence, first_output + accepted)) && accepted < draft.size() &&
         sequence.tokens().back() == draft[accepted]) {
    ++accepted;
    sequence.inference().add_drafts(0, 1);
  }
  const StepProfile::Timer timer(profile_, StepTimes::Scheduling);
  scheduler_.accept_drafts(chunk, accepted);
  return goes_on;
}

bool Executor::next_token(Sequence& sequence, size_t output) {
  const Sampled sampled = [&] {
    const StepProfile::Timer timer(profile_, StepTimes::Sampling);
    return sequence.sample(decoder_.logits(output));
  }();
  const StepProfile::Timer timer(profile_, StepTimes::Emission);
  return sequence.emit(sampled);
}

void Executor::recover(const std::vector<Chunk>& chunks, DecodeStatus status) {
  if (status == DecodeStatus::Broken) {
    start_over("llama.cpp failed in the middle of a computation");
    return;
  }
  const size_t tokens = batch_.size();
  // The failed batch's cells are undefined, and not every memory can be cut.
  if (status != DecodeStatus::NoSlot && options_.recurrent)
    restart_all();
  else if (status != DecodeStatus::NoSlot)
    for (const auto& chunk : chunks)
      scheduler_.restart(*chunk.sequence);
  if (status == DecodeStatus::Aborted) return;

  // Try again with less: without idle prefixes, then with fewer sequences, which also finds the one that
  // fails, then in smaller batches. Memory to compute in depends on the batch alone: after OutOfMemory it is
  // halved first. A sequence that fails twice alone, token by token, is given up.
  if (status == DecodeStatus::NoSlot && scheduler_.evict_idle()) return;
  if (status != DecodeStatus::OutOfMemory && scheduler_.preempt_and_hold()) return;
  if (tokens > 1 && !options_.fixed_batches) {
    batch_limit_ = tokens / 2;
    return;
  }
  if (scheduler_.preempt_and_hold()) return;
  const Sequence& alone = *chunks.front().sequence;
  const std::pair failure{alone.scheduling.arrival, alone.tokens().size()};
  if (std::exchange(failed_alone_, failure) != failure) return;
  batch_limit_ = options_.limits.batch_tokens;
  fail(alone,
       status == DecodeStatus::Failed
           ? Error(ErrorCode::DecodeFailed, "llama.cpp could not compute this request")
           : Error(ErrorCode::OutOfMemory, "no memory to compute this request; use a smaller cacheSize or "
                                           "contextSize, or fewer sequences"));
}

void Executor::use_alone(const std::function<bool(Decoder*)>& task) {
  const bool good = task(broken_ ? nullptr : &decoder_);
  if (broken_) return;
  if (good)
    restart_all();
  else
    start_over("llama.cpp failed while it was measured");
}

void Executor::restart_all() {
  decoder_.clear_all();
  scheduler_.restart_all();
}

void Executor::grow_batches() {
  batch_limit_ = std::min(options_.limits.batch_tokens, batch_limit_ * 2);
}

void Executor::start_over(const std::string& reason) {
  served_.clear();
  broken_ = !decoder_.rebuild();
  scheduler_.reset(!broken_);
  fail_all(
      Error(ErrorCode::DecodeFailed, reason + "; the requests of this model that were in progress are lost"));
}

void Executor::fail(const Sequence& sequence, const Error& error) {
  if (const auto removed = scheduler_.remove(sequence, CachedCells::Discard)) {
    grow_batches();
    removed->inference().fail(error);
  }
}

void Executor::fail_all(const Error& error) {
  for (const auto& sequence : scheduler_.remove_if([](Sequence&) { return true; }, CachedCells::Discard))
    sequence->inference().fail(error);
}

} // namespace verbatim
