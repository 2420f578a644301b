#pragma once

#include "decoder.h"
#include "log.h"
#include "scheduler.h"
#include "thread.h"

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace verbatim {

/// The one thread of a model that touches its llama_context: schedule, decode, sample, emit.
class Engine {
 public:
  struct Options {
    SchedulerLimits limits;
    size_t batch_tokens; ///< most tokens of one decode
  };

  /// The decoder and the sink must outlive the engine.
  Engine(Decoder& decoder, Options options, const LogSink* log_sink);
  ~Engine();

  /// From any thread. After stop() the inference fails with Disposed.
  void submit(std::unique_ptr<Sequence> sequence);

  /// Something was cancelled: look at once.
  void wake();

  /// Cancels everything, waits for the thread. Idempotent; from one thread at a time, not the engine's.
  void stop();

  /// True when the decode in progress serves nobody any more. Called by llama.cpp while it computes.
  bool should_abort() const;

  struct Load {
    size_t waiting, running, used_cells;
  };
  Load load() const;

 private:
  void run();
  void accept_submissions();
  void drop_cancelled();
  bool step();
  void sample(const std::vector<Chunk>& chunks);
  void recover(const std::vector<Chunk>& chunks, DecodeStatus status);
  /// Failures shrink the batches. They grow back only as requests end, not with every success: a batch
  /// that has to start its sequences over would otherwise fail at the same place for ever.
  void grow_batches();
  void start_over(const std::string& reason);
  void clear_cells(int32_t id);
  void fail(const Sequence& sequence, const Error& error);
  void fail_all(const Error& error);

  Decoder& decoder_;
  const Options options_;
  const LogSink* log_sink_;

  // Shared with other threads.
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::unique_ptr<Sequence>> submitted_;
  bool woken_ = false;
  std::atomic<bool> stopping_ = false;
  Load load_{};

  // The engine thread's own.
  Scheduler scheduler_;
  size_t batch_limit_; ///< options_.batch_tokens, less after failures
  std::vector<BatchToken> batch_;
  std::vector<Inference*> in_batch_; ///< read by should_abort(), which llama.cpp calls while decoding
  bool broken_ = false;

  Thread thread_; // last: starts when the rest is ready
};

} // namespace verbatim
