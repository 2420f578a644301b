#pragma once

#include "base/log.h"
#include "base/thread.h"
#include "engine/decoder.h"

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace verbatim {

/// Computes a long prompt beside the sequences that generate. An interface, so that the scheduler can be
/// tested without threads.
class PromptLane {
 public:
  struct Job {
    std::vector<Token> tokens;
    size_t begin = 0;            ///< first token to compute
    std::vector<uint8_t> prefix; ///< saved cells of the tokens before it
  };
  /// Data of the cells that were computed, as SequenceMemory::save() returns it. Empty: it failed.
  using SavedCells = std::vector<uint8_t>;

  virtual ~PromptLane() = default;
  /// True from start() until take() or, after cancel(), until the computation has ended.
  virtual bool busy() const = 0;
  /// Starts computing. May throw for want of memory or of a thread; the lane is free then.
  virtual void start(Job job) = 0;
  /// Drops the result.
  virtual void cancel() = 0;
  /// Returns the result, once. None: not yet.
  virtual std::optional<SavedCells> take() = 0;
};

/// The lane on a CPU: a thread with its own llama_context.
///
/// In the batches of the sequences that generate, a long prompt holds them up: large pieces take long, small
/// ones are several times slower by the token, and attention passes over all of a shared cache. So a long
/// prompt gets some of the CPU threads and its own cache, as servers with several machines separate prefill
/// from decoding (DistServe, arXiv:2401.09670). Its cells are copied into the shared cache at the end. The
/// context lives as long as its prompt.
class PrefillLane : public PromptLane {
 public:
  struct Options {
    /// Makes a decoder with `cells` cells and two sequence ids. May throw.
    std::function<std::unique_ptr<Decoder>(size_t cells, std::function<bool()> should_abort)> make_decoder;
    /// Called on the lane's thread when there is a result or the lane is free.
    std::function<void()> on_done;
    size_t batch_tokens = 1;
    int32_t threads = 1;        ///< CPU threads while nobody generates
    int32_t threads_beside = 1; ///< CPU threads while somebody generates
  };
  PrefillLane(Options options, const LogSink* log_sink);
  ~PrefillLane() override;

  bool busy() const override;
  void start(Job job) override;
  void cancel() override;
  std::optional<SavedCells> take() override;

  /// Tells whether somebody generates now.
  void set_beside(bool beside) { beside_ = beside; }
  /// Cancels and joins the thread. Idempotent.
  void stop();

 private:
  void run();
  SavedCells compute(const Job& job);

  const Options options_;
  const LogSink* const log_sink_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::optional<Job> job_;
  std::optional<SavedCells> result_;
  bool busy_ = false;
  std::atomic<bool> cancelled_ = false;
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> beside_ = false;
  Thread thread_; ///< starts with the first job
};

} // namespace verbatim
