#pragma once

#include "base/log.h"
#include "base/thread.h"
#include "engine/executor.h"
#include "engine/prefill-lane.h"
#include "engine/step-profile.h"

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace verbatim {

/// Requests and cells in use at this moment.
struct EngineStatus {
  size_t waiting, running;
  size_t used_cells;   ///< of running requests
  size_t saved_tokens; ///< of idle prefixes in host memory
};

/// The only thread of a model that touches its llama_contexts.
///
/// Requests share one context and are computed together. Rounding depends on the rest of a batch, so
/// reproducible requests have a second context and are computed there one by one. The thread alternates
/// between the two.
class Engine {
 public:
  struct Options {
    Executor::Options shared;
    Executor::Options reproducible;
    /// Makes the second context at the first reproducible request. May throw Error.
    std::function<std::unique_ptr<Decoder>()> make_reproducible;
    /// Computes long prompts while others generate. None: in their batches. The engine sets `on_done`.
    std::optional<PrefillLane::Options> lane;
  };

  /// The decoder and the sink must outlive the engine.
  Engine(Decoder& decoder, Options options, const LogSink* log_sink);
  ~Engine();

  /// Announces a request that is being prepared. Any thread.
  void announce();
  /// Ends an announcement, after submit() if that follows. Any thread.
  void withdraw();

  /// Starts a request. After stop() it fails with Disposed. Any thread.
  void submit(std::unique_ptr<Sequence> sequence);

  /// Makes the thread look for cancelled requests at once.
  void wake();

  /// Fails all requests and waits for the thread. Idempotent. One thread at a time, not the engine's.
  void stop();

  /// A task as for Executor::use_alone(). Must not throw.
  using IdleTask = std::function<bool(Decoder*)>;
  /// Runs a task on the engine's thread once no request is in progress or being prepared, and then empties
  /// the cache. After stop() it runs at once, with null.
  void when_idle(IdleTask task);

  StepProfile& profile() { return profile_; }

  /// True when the decode in progress is for cancelled requests only. llama.cpp asks while it computes.
  bool should_abort() const;

  EngineStatus status() const;

 private:
  void run();
  void accept_submissions();
  void await_announced();
  void run_idle_tasks();
  void update_status();
  void await_news();
  bool step(Executor& executor);
  bool step_all();
  Executor& reproducible();
  std::unique_ptr<PrefillLane> make_lane();

  const Options options_;
  const LogSink* log_sink_;

  // Shared with other threads.
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::unique_ptr<Sequence>> submitted_;
  std::vector<IdleTask> idle_tasks_;
  size_t announced_ = 0;
  bool woken_ = false;
  std::atomic<bool> stopping_ = false;
  EngineStatus status_{};
  StepProfile profile_;

  // The engine thread's own.
  std::unique_ptr<PrefillLane> lane_;
  Executor shared_;
  std::unique_ptr<Decoder> second_decoder_;
  std::unique_ptr<Executor> reproducible_; ///< on the second decoder
  Executor* stepping_ = nullptr;

  Thread thread_; // last: starts when the rest is ready
};

} // namespace verbatim
