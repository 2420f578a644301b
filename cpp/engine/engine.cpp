#include "engine/engine.h"

#include <chrono>
#include <utility>

namespace verbatim {

Engine::Engine(Decoder& decoder, Options options, const LogSink* log_sink)
    : options_(std::move(options)), log_sink_(log_sink), lane_(make_lane()),
      shared_(decoder, options_.shared, profile_, lane_.get()), thread_([this] { run(); }) {
}

std::unique_ptr<PrefillLane> Engine::make_lane() {
  if (!options_.lane) return nullptr;
  auto options = *options_.lane;
  options.on_done = [this] { wake(); };
  return std::make_unique<PrefillLane>(std::move(options), log_sink_);
}

Engine::~Engine() {
  stop();
}

void Engine::announce() {
  const std::lock_guard lock(mutex_);
  ++announced_;
}

void Engine::withdraw() {
  {
    const std::lock_guard lock(mutex_);
    --announced_;
    woken_ = woken_ || !idle_tasks_.empty();
  }
  wake_.notify_one();
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
  for (const auto& task : std::exchange(idle_tasks_, {}))
    task(nullptr);
  if (lane_) lane_->stop();
  reproducible_.reset();
  second_decoder_.reset();
}

void Engine::when_idle(IdleTask task) {
  std::unique_lock lock(mutex_);
  if (stopping_) {
    lock.unlock();
    task(nullptr);
    return;
  }
  idle_tasks_.push_back(std::move(task));
  woken_ = true;
  lock.unlock();
  wake_.notify_one();
}

bool Engine::should_abort() const {
  return stopping_.load(std::memory_order_relaxed) || (stepping_ && stepping_->serves_nobody());
}

EngineStatus Engine::status() const {
  const std::lock_guard lock(mutex_);
  EngineStatus status = status_;
  status.waiting += submitted_.size();
  return status;
}

void Engine::run() {
  const LogScope log_scope(log_sink_);
  while (!stopping_) {
    const bool idle = shared_.empty();
    accept_submissions();
    if (idle && !shared_.empty()) await_announced();
    const bool worked = step_all();
    if (shared_.empty() && (!reproducible_ || reproducible_->empty())) run_idle_tasks();
    update_status();
    if (!worked) await_news();
    profile_.end_turn();
  }
  const Error disposed(ErrorCode::Disposed, "the model was disposed while this request was in progress");
  accept_submissions();
  shared_.fail_all(disposed);
  if (reproducible_) reproducible_->fail_all(disposed);
  const std::lock_guard lock(mutex_);
  status_ = {};
}

void Engine::update_status() {
  const StepProfile::Timer timer(profile_, StepTimes::Scheduling);
  const std::lock_guard lock(mutex_);
  status_ = {};
  for (const Executor* executor : {&shared_, reproducible_.get()}) {
    if (!executor) continue;
    const Scheduler& scheduler = executor->scheduler();
    status_.waiting += scheduler.waiting();
    status_.running += scheduler.running();
    status_.used_cells += scheduler.cache().pinned_cells();
    status_.saved_tokens += scheduler.cache().saved_tokens();
  }
}

void Engine::await_news() {
  const StepProfile::Timer timer(profile_, StepTimes::Idle);
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [this] { return woken_ || stopping_; });
}

/// Waits a moment for announced requests before the first one's prompt is computed. Requests made together
/// are prepared one after the other; so they are computed in the same batches, and their common prefix once.
void Engine::await_announced() {
  {
    const StepProfile::Timer timer(profile_, StepTimes::Idle);
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, std::chrono::milliseconds(5), [this] { return announced_ == 0 || stopping_; });
  }
  accept_submissions();
}

void Engine::accept_submissions() {
  const StepProfile::Timer timer(profile_, StepTimes::Scheduling);
  std::vector<std::unique_ptr<Sequence>> submitted;
  {
    const std::lock_guard lock(mutex_);
    submitted.swap(submitted_);
    woken_ = false;
  }
  for (auto& sequence : submitted) {
    if (!sequence->reproducible()) {
      shared_.add(std::move(sequence));
      continue;
    }
    try {
      reproducible().add(std::move(sequence));
    } catch (const Error& error) {
      sequence->inference().fail(error);
    } catch (const std::exception& error) {
      sequence->inference().fail(Error(ErrorCode::Internal, error.what()));
    }
  }
}

Executor& Engine::reproducible() {
  if (!reproducible_) {
    second_decoder_ = options_.make_reproducible();
    reproducible_ = std::make_unique<Executor>(*second_decoder_, options_.reproducible, profile_);
  }
  return *reproducible_;
}

void Engine::run_idle_tasks() {
  const StepProfile::Timer timer(profile_, StepTimes::Idle);
  std::vector<IdleTask> tasks;
  {
    const std::lock_guard lock(mutex_);
    if (announced_ > 0 || !submitted_.empty()) return;
    tasks.swap(idle_tasks_);
  }
  for (const auto& task : tasks)
    if (stopping_)
      task(nullptr);
    else
      shared_.use_alone(task);
}

bool Engine::step_all() {
  const bool worked = step(shared_);
  return (reproducible_ && step(*reproducible_)) || worked;
}

bool Engine::step(Executor& executor) {
  stepping_ = &executor;
  bool worked = true;
  try {
    executor.drop_cancelled();
    worked = executor.step();
  } catch (const std::exception& error) {
    executor.start_over(error.what());
  }
  stepping_ = nullptr;
  return worked;
}

} // namespace verbatim
