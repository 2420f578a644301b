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

/// Computes a long prompt beside the sequences that generate. An interface so that the scheduler can be
/// tested without threads.
class PromptLane {
 public:
  struct Job {
    std::vector<Token> tokens;
    size_t begin = 0;            ///< the tokens before this are in…
    std::vector<uint8_t> prefix; ///< …these cells; the others are to be computed
  };
  /// The cells of the tokens that were computed. Empty where that failed.
  using SavedCells = std::vector<uint8_t>;

  virtual ~PromptLane() = default;
  /// From start() until take() or, after cancel(), until the lane is free again.
  virtual bool busy() const = 0;
  /// May throw when there is no memory, or no thread; the lane is free then.
  virtual void start(Job job) = 0;
  /// Nobody wants the result any more.
  virtual void cancel() = 0;
  /// The result, once.
  virtual std::optional<SavedCells> take() = 0;
};

/// The lane of a CPU: a thread with a llama_context of its own.
///
/// In the batches of the sequences that generate, a long prompt holds them up: large pieces take long, small
/// ones are several times slower by the token, and attention passes over all that is in a shared cache. So
/// while somebody generates, a long prompt gets a part of the processor's threads and a cache to itself, as
/// servers with several machines separate prefill from decoding (DistServe, arXiv:2401.09670), and its cells
/// are copied into the shared cache when they are done. The context lives as long as its prompt.
class PrefillLane : public PromptLane {
 public:
  struct Options {
    /// Of this many cells and two sequence ids. May throw.
    std::function<std::unique_ptr<Decoder>(size_t cells, std::function<bool()> should_abort)> make_decoder;
    /// Called on the lane's thread: there is a result, or the lane is free.
    std::function<void()> on_done;
    size_t batch_tokens = 1;
    int32_t threads = 1;        ///< while nobody generates
    int32_t threads_beside = 1; ///< beside those who do
  };
  PrefillLane(Options options, const LogSink* log_sink);
  ~PrefillLane() override;

  bool busy() const override;
  void start(Job job) override;
  void cancel() override;
  std::optional<SavedCells> take() override;

  /// Whether anybody generates now.
  void set_beside(bool beside) { beside_ = beside; }
  /// Gives up what it does and waits for that. Idempotent.
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
  Thread thread_; ///< begins with the first job
};

} // namespace verbatim
