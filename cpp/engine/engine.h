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

/// How busy a model is.
struct EngineStatus {
  size_t waiting, running;
  size_t used_cells;   ///< of running requests
  size_t saved_tokens; ///< of idle prefixes in host memory
};

/// The one thread of a model that touches its llama_contexts.
///
/// Requests share one context, where they are computed together. Rounding depends on who else is in a batch,
/// so requests that must be reproducible have a second context, where each is computed by itself; the thread
/// takes turns between the two.
class Engine {
 public:
  struct Options {
    Executor::Options shared;
    Executor::Options reproducible;
    /// Builds the second context when the first reproducible request comes. May throw Error.
    std::function<std::unique_ptr<Decoder>()> make_reproducible;
    /// Where long prompts are computed while others generate. None: with them. The engine sets `on_done`.
    std::optional<PrefillLane::Options> lane;
  };

  /// The decoder and the sink must outlive the engine.
  Engine(Decoder& decoder, Options options, const LogSink* log_sink);
  ~Engine();

  /// A request is being prepared: submit() may follow, withdraw() must, after it. From any thread.
  void announce();
  void withdraw();

  /// From any thread. After stop() the inference fails with Disposed.
  void submit(std::unique_ptr<Sequence> sequence);

  /// Something was cancelled: look at once.
  void wake();

  /// Cancels everything, waits for the thread. Idempotent; from one thread at a time, not the engine's.
  void stop();

  /// A task that has the decoder for itself; null where there is none any more. Returns whether the decoder
  /// is as good as before, with whatever in its memory. Must not throw.
  using IdleTask = std::function<bool(Decoder*)>;
  /// Runs a task on the engine's thread once no request is in progress or being prepared. The cache is empty
  /// afterwards. After stop() it runs at once, with null.
  void when_idle(IdleTask task);

  /// Where the time of the steps goes.
  StepProfile& profile() { return profile_; }

  /// True when the decode in progress serves nobody any more. Called by llama.cpp while it computes.
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
