#include "engine.h"

#include <algorithm>

namespace verbatim {

Engine::Engine(Decoder& decoder, Options options, const LogSink* log_sink)
    : decoder_(decoder), options_(options), log_sink_(log_sink),
      scheduler_(options.limits, [this](int32_t id) { clear_cells(id); }), batch_limit_(options.batch_tokens),
      thread_([this] { run(); }) {
}

Engine::~Engine() {
  stop();
}

void Engine::submit(std::unique_ptr<Sequence> sequence) {
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_) {
      submitted_.push_back(std::move(sequence));
      woken_ = true;
    }
  }
  if (sequence) sequence->inference().fail(Error(ErrorCode::Disposed, "the model was disposed"));
  wake_.notify_one();
}

void Engine::wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  wake_.notify_one();
}

void Engine::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

bool Engine::should_abort() const {
  return stopping_.load(std::memory_order_relaxed) ||
         std::ranges::all_of(in_batch_, [](const Inference* inference) { return inference->cancelled(); });
}

Engine::Load Engine::load() const {
  const std::lock_guard lock(mutex_);
  return {load_.waiting + submitted_.size(), load_.running, load_.used_cells};
}

void Engine::run() {
  const LogScope log_scope(log_sink_);
  while (!stopping_) {
    bool worked = true;
    try {
      accept_submissions();
      drop_cancelled();
      worked = step();
    } catch (const std::exception& error) {
      start_over(error.what());
    }
    std::unique_lock lock(mutex_);
    load_ = {scheduler_.waiting(), scheduler_.running(), scheduler_.used_cells()};
    if (!worked) wake_.wait(lock, [this] { return woken_ || stopping_; });
    woken_ = false;
  }
  accept_submissions();
  fail_all(Error(ErrorCode::Disposed, "the model was disposed while this request was in progress"));
  const std::lock_guard lock(mutex_);
  load_ = {};
}

void Engine::accept_submissions() {
  std::vector<std::unique_ptr<Sequence>> submitted;
  {
    const std::lock_guard lock(mutex_);
    submitted.swap(submitted_);
  }
  for (auto& sequence : submitted)
    scheduler_.add(std::move(sequence));
}

void Engine::drop_cancelled() {
  for (const auto& sequence :
       scheduler_.remove_if([](Sequence& candidate) { return candidate.inference().cancelled(); })) {
    grow_batches();
    sequence->inference().fail(Error(ErrorCode::Cancelled, "the run was cancelled"));
  }
}

bool Engine::step() {
  if (broken_) {
    fail_all(Error(ErrorCode::DecodeFailed,
                   "the model's context was lost to an earlier failure and could not be built anew; "
                   "dispose the model and load it again"));
    return false;
  }
  const auto chunks = scheduler_.plan(batch_limit_);
  if (chunks.empty()) return false;

  batch_.clear();
  in_batch_.clear();
  for (const auto& chunk : chunks) {
    Sequence& sequence = *chunk.sequence;
    if (chunk.begin == 0) sequence.inference().begin(static_cast<uint32_t>(sequence.prompt_size()));
    in_batch_.push_back(&sequence.inference());
    for (size_t i = chunk.begin; i < chunk.begin + chunk.count; ++i)
      batch_.push_back({sequence.tokens()[i], static_cast<int32_t>(i), sequence.id, false});
    batch_.back().wants_logits = chunk.reaches_end;
  }
  const DecodeStatus status = decoder_.decode(batch_);
  in_batch_.clear();
  if (status != DecodeStatus::Ok) {
    recover(chunks, status);
    return true;
  }
  for (const auto& chunk : chunks)
    chunk.sequence->computed += chunk.count;
  sample(chunks);
  return true;
}

void Engine::sample(const std::vector<Chunk>& chunks) {
  size_t end = 0;
  for (const auto& chunk : chunks) {
    end += chunk.count;
    if (!chunk.reaches_end) continue;
    Sequence& sequence = *chunk.sequence;
    try {
      if (sequence.advance(decoder_.logits(end - 1))) continue;
      scheduler_.remove(sequence);
      grow_batches();
    } catch (const Error& error) {
      fail(sequence, error);
    } catch (const std::exception& error) {
      fail(sequence, Error(ErrorCode::Internal, error.what()));
    }
  }
}

void Engine::recover(const std::vector<Chunk>& chunks, DecodeStatus status) {
  if (status == DecodeStatus::Broken) {
    start_over("llama.cpp failed in the middle of a computation");
    return;
  }
  const size_t tokens = batch_.size();
  // What the failed batch left in the cache is unknown, and not every kind of memory can be cut.
  if (status != DecodeStatus::NoSlot)
    for (const auto& chunk : chunks)
      scheduler_.restart(*chunk.sequence);
  if (status == DecodeStatus::Aborted) return;

  // Try again with less: fewer sequences, which also finds the one that fails, then smaller batches.
  // Memory to compute in depends on the batch alone, so it is halved first then. What cannot be computed
  // alone and token by token fails.
  if (status != DecodeStatus::OutOfMemory && scheduler_.yield_to_oldest()) return;
  if (tokens > 1) {
    batch_limit_ = tokens / 2;
    return;
  }
  if (scheduler_.yield_to_oldest()) return;
  batch_limit_ = options_.batch_tokens;
  fail(*chunks.front().sequence,
       status == DecodeStatus::Failed
           ? Error(ErrorCode::DecodeFailed, "llama.cpp could not compute this request")
           : Error(ErrorCode::OutOfMemory, "no memory to compute this request; use a smaller cacheSize or "
                                           "contextSize, or fewer sequences"));
}

void Engine::clear_cells(int32_t id) {
  if (!broken_) decoder_.clear(id);
}

void Engine::grow_batches() {
  batch_limit_ = std::min(options_.batch_tokens, batch_limit_ * 2);
}

void Engine::start_over(const std::string& reason) {
  in_batch_.clear();
  broken_ = !decoder_.rebuild();
  fail_all(
      Error(ErrorCode::DecodeFailed, reason + "; the requests of this model that were in progress are lost"));
}

void Engine::fail(const Sequence& sequence, const Error& error) {
  if (const auto removed = scheduler_.remove(sequence)) {
    grow_batches();
    removed->inference().fail(error);
  }
}

void Engine::fail_all(const Error& error) {
  for (const auto& sequence : scheduler_.remove_if([](Sequence&) { return true; }))
    sequence->inference().fail(error);
}

} // namespace verbatim
