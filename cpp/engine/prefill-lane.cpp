#include "engine/prefill-lane.h"

#include <algorithm>
#include <utility>

namespace verbatim {

PrefillLane::PrefillLane(Options options, const LogSink* log_sink)
    : options_(std::move(options)), log_sink_(log_sink) {
}

PrefillLane::~PrefillLane() {
  stop();
}

void PrefillLane::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

bool PrefillLane::busy() const {
  const std::lock_guard lock(mutex_);
  return busy_;
}

void PrefillLane::start(Job job) {
  if (!thread_.joinable())
    thread_ = Thread([this] { run(); }); // may throw: then the lane is as free as before
  {
    const std::lock_guard lock(mutex_);
    job_ = std::move(job);
    busy_ = true;
    cancelled_ = false;
  }
  wake_.notify_one();
}

void PrefillLane::cancel() {
  const std::lock_guard lock(mutex_);
  if (!busy_) return;
  cancelled_ = true;
  if (result_) {
    result_.reset();
    busy_ = false;
  }
}

std::optional<PromptLane::SavedCells> PrefillLane::take() {
  const std::lock_guard lock(mutex_);
  if (result_) busy_ = false;
  return std::exchange(result_, std::nullopt);
}

void PrefillLane::run() {
  const LogScope log_scope(log_sink_);
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || job_; });
    if (stopping_) return;
    const Job job = *std::exchange(job_, std::nullopt);
    lock.unlock();
    SavedCells cells;
    try {
      cells = compute(job);
    } catch (const std::exception&) {
      // Then the request is computed with the others, which tells what is wrong if that fails too.
    }
    lock.lock();
    if (cancelled_)
      busy_ = false;
    else
      result_ = std::move(cells);
    lock.unlock();
    options_.on_done();
    lock.lock();
  }
}

PromptLane::SavedCells PrefillLane::compute(const Job& job) {
  const auto abandoned = [this] { return cancelled_ || stopping_; };
  if (abandoned()) return {};
  const auto decoder = options_.make_decoder(job.tokens.size(), abandoned);
  constexpr int32_t all = 0, computed = 1;
  if (job.begin > 0 && !decoder->restore(all, job.prefix)) return {};
  std::vector<BatchToken> batch;
  for (size_t at = job.begin; at < job.tokens.size(); at += batch.size()) {
    batch.clear();
    const size_t end = std::min(at + options_.batch_tokens, job.tokens.size());
    for (size_t i = at; i < end; ++i)
      batch.push_back({job.tokens[i], static_cast<int32_t>(i), all, false});
    decoder->set_threads(beside_ ? options_.threads_beside : options_.threads);
    if (abandoned() || decoder->decode(batch) != DecodeStatus::Ok) return {};
    decoder->synchronize();
  }
  decoder->share(all, computed, static_cast<int32_t>(job.begin), static_cast<int32_t>(job.tokens.size()));
  return decoder->save(computed);
}

} // namespace verbatim
