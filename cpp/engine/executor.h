#pragma once

#include "engine/decoder.h"
#include "engine/scheduler.h"
#include "engine/step-profile.h"

#include <memory>
#include <string>
#include <vector>

namespace verbatim {

/// Runs requests on one llama_context, step by step: schedule, decode, sample, emit. Used by the engine
/// thread.
class Executor {
 public:
  struct Options {
    SchedulerLimits limits;
    /// Batches are never made smaller to get on: what a request computes must not depend on past failures.
    bool fixed_batches = false;
    int32_t threads = 1;        ///< to compute with…
    int32_t threads_beside = 1; ///< …and while the lane computes
    /// The memory holds recurrent states: a batch that fails, or is interrupted, harms all sequences.
    bool recurrent = false;
  };

  /// The decoder, the profile and the lane, if any, must outlive it.
  Executor(Decoder& decoder, Options options, StepProfile& profile, PrefillLane* lane = nullptr);

  void add(std::unique_ptr<Sequence> sequence) { scheduler_.add(std::move(sequence)); }
  void drop_cancelled();

  /// One batch. False when there is nothing to do. A failure beyond one request throws or ends all of them.
  bool step();

  /// While there are no requests: runs a task that may leave anything in the decoder's memory, and returns
  /// whether the decoder is as good as before. It is given null where the decoder was lost.
  void use_alone(const std::function<bool(Decoder*)>& task);

  /// Ends every request.
  void fail_all(const Error& error);
  /// After an exception: everything in progress is lost, and the context is built anew.
  void start_over(const std::string& reason);

  /// True when the decode in progress serves nobody any more. Called by llama.cpp while it computes.
  bool serves_nobody() const;

  bool empty() const { return scheduler_.empty(); }
  const Scheduler& scheduler() const { return scheduler_; }

 private:
  std::vector<Chunk> schedule();
  DecodeStatus compute();
  void sample(const std::vector<Chunk>& chunks);
  /// Samples at the end of a chunk and at its draft tokens. False when that was the end of the request.
  bool advance(const Chunk& chunk, size_t first_output);
  /// Samples one token and emits it. False when that was the end of the request.
  bool next_token(Sequence& sequence, size_t output);
  void recover(const std::vector<Chunk>& chunks, DecodeStatus status);
  void restart_all();
  /// Failures shrink the batches. They grow back only as requests end, not with every success: a batch
  /// that has to start its sequences over would otherwise fail at the same place for ever.
  void grow_batches();
  void fail(const Sequence& sequence, const Error& error);

  Decoder& decoder_;
  const Options options_;
  StepProfile& profile_;
  PrefillLane* const lane_;
  Scheduler scheduler_;
  size_t batch_limit_; ///< options_.limits.batch_tokens, less after failures
  std::pair<uint64_t, size_t>
      failed_alone_{}; ///< the sequence (by arrival) that did so last, and its length then
  bool broken_ = false;
  std::vector<BatchToken> batch_;
  std::vector<Inference*> served_; ///< while decoding: whom an interrupt would set back
};

} // namespace verbatim
