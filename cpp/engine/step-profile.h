#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace verbatim {

/// Where the time of one step of the engine went, in milliseconds.
struct StepTimes {
  enum Part {
    Planning, ///< who is in the batch, and what the cache holds of them
    Submit,   ///< llama_decode(): where the CPU computes, all of the computing
    Wait,     ///< until the device is done and the logits are in host memory
    Sampling,
    Emission, ///< the token's text, stop strings, and telling the caller's thread
    Idle,     ///< nothing to do, or waiting for requests that are being prepared
  };
  static constexpr size_t part_count = 6;

  uint32_t generating = 0;    ///< sequences that got their next token
  uint32_t prompt_tokens = 0; ///< computed beside them
  uint32_t drafted = 0;       ///< guessed tokens among those computed
  double total = 0;           ///< from the end of the step before to its own
  /// Each is timed by itself: what none of them covers is the total less their sum.
  std::array<double, part_count> parts{};
};

/// Notes where the time of steps goes, while somebody wants to know. Otherwise it reads no clock.
class StepProfile {
 public:
  using Clock = std::chrono::steady_clock;

  /// From any thread: notes the steps that begin from now on, so many at most.
  void start(size_t most);
  /// From any thread: ends that, and gives what was noted.
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

  /// Adds what a batch that has been computed held.
  void count(size_t generating, size_t prompt_tokens, size_t drafted);
  /// The engine has gone round once. Where nothing was computed, the time belongs to the next step.
  void end_turn();

 private:
  std::atomic<uint64_t> wanted_ = 0; ///< which start() steps are noted for; 0: none
  std::mutex mutex_;                 ///< of what follows, up to the engine thread's own
  std::vector<StepTimes> noted_;
  size_t most_ = 0;
  uint64_t starts_ = 0;

  uint64_t noting_ = 0; ///< for which start()
  StepTimes step_;
  Clock::time_point begun_;
};

} // namespace verbatim
