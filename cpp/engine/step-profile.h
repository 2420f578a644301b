#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace verbatim {

/// Milliseconds that the parts of one step of the engine took.
struct StepTimes {
  enum Part {
    Scheduling, ///< choosing the batch, and the bookkeeping of the cache
    Submit,     ///< llama_decode(), with all of the computation when the CPU computes
    Wait,       ///< for the device, and for the logits in host memory
    Sampling,
    Emission, ///< the token's text, stop strings, and waking the caller's thread
    Idle,     ///< without requests, or waiting for those being prepared
  };
  static constexpr size_t part_count = 6;

  uint32_t generating = 0;    ///< sequences that got their next token
  uint32_t prompt_tokens = 0; ///< computed beside them
  uint32_t drafted = 0;       ///< draft tokens computed
  double total = 0;           ///< from the end of the step before to its own
  /// Each is timed by itself. The rest of the total is covered by none.
  std::array<double, part_count> parts{};
};

/// Records StepTimes between start() and take(). At other times it reads no clock.
class StepProfile {
 public:
  using Clock = std::chrono::steady_clock;

  /// Records the steps that begin from now on, at most `most`. Any thread.
  void start(size_t most);
  /// Ends the recording and returns it. Any thread.
  std::vector<StepTimes> take();

  // ---- the engine thread's ----

  /// Adds the time of its scope to a part of the step. Timers must not overlap.
  class Timer {
   public:
    Timer(StepProfile& profile, StepTimes::Part part)
        : part_(profile.noting_ != 0 ? &profile.step_.parts[part] : nullptr) {
      if (part_) begun_ = Clock::now();
    }
    ~Timer() {
      if (part_) *part_ += std::chrono::duration<double, std::milli>(Clock::now() - begun_).count();
    }
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

   private:
    double* const part_;
    Clock::time_point begun_;
  };

  /// Adds the contents of a computed batch.
  void count(size_t generating, size_t prompt_tokens, size_t drafted);
  /// Ends a turn of the engine's loop. The time of a turn without a batch counts to the next step.
  void end_turn();

 private:
  std::atomic<uint64_t> wanted_ = 0; ///< number of the start() to record for; 0: none
  std::mutex mutex_;                 ///< of the members up to starts_
  std::vector<StepTimes> noted_;
  size_t most_ = 0;
  uint64_t starts_ = 0;

  uint64_t noting_ = 0; ///< number of the start() recorded for; engine thread
  StepTimes step_;
  Clock::time_point begun_;
};

} // namespace verbatim
