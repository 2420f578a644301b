#pragma once

#include "engine/decoder.h"
#include "engine/scheduler.h"
#include "engine/step-profile.h"

#include <memory>
#include <string>
#include <vector>

namespace verbatim {

/// Runs requests on one llama_context, step by step: schedule, decode, sample, emit. Engine thread only.
class Executor {
 public:
  struct Options {
    SchedulerLimits limits;
    /// Never shrinks batches after failures, on which a reproducible request must not depend.
    bool fixed_batches = false;
    int32_t threads = 1;        ///< CPU threads
    int32_t threads_beside = 1; ///< CPU threads while the lane computes
    /// The memory holds recurrent states: a batch that fails or is interrupted harms all sequences.
    bool recurrent = false;
  };

  /// The decoder, the profile and the lane, if any, must outlive it.
  Executor(Decoder& decoder, Options options, StepProfile& profile, PrefillLane* lane = nullptr);

  void add(std::unique_ptr<Sequence> sequence) { scheduler_.add(std::move(sequence)); }
  void drop_cancelled();

  /// Computes one batch. False when there is nothing to do. Throws, or fails all requests, when more than one
  /// is affected.
  bool step();

  /// Runs a task while there are no requests. It gets the decoder, or null where that was lost, may leave
  /// anything in its memory, and returns false when it has broken it.
  void use_alone(const std::function<bool(Decoder*)>& task);

  /// Fails every request.
  void fail_all(const Error& error);
  /// Fails every request and rebuilds the context. For after an exception.
  void start_over(const std::string& reason);

  /// True when every request of the decode in progress is cancelled. llama.cpp asks while it computes.
  bool serves_nobody() const;

  bool empty() const { return scheduler_.empty(); }
  const Scheduler& scheduler() const { return scheduler_; }

 private:
  std::vector<Chunk> schedule();
  DecodeStatus compute();
  void sample(const std::vector<Chunk>& chunks);
  /// Samples at the end of a chunk and at its draft tokens. False at the end of the request.
  bool advance(const Chunk& chunk, size_t first_output);
  /// Samples one token and emits it. False at the end of the request.
  bool next_token(Sequence& sequence, size_t output);
  void recover(const std::vector<Chunk>& chunks, DecodeStatus status);
  void restart_all();
  /// Doubles the batches that failures have shrunk. Called as requests end, not at each success: a batch that
  /// recomputes its sequences would fail in the same place for ever.
  void grow_batches();
  void fail(const Sequence& sequence, const Error& error);

  Decoder& decoder_;
  const Options options_;
  StepProfile& profile_;
  PrefillLane* const lane_;
  Scheduler scheduler_;
  size_t batch_limit_; ///< options_.limits.batch_tokens, less after failures
  /// Last sequence that failed alone (arrival, length): failing twice in the same place ends it.
  std::pair<uint64_t, size_t> failed_alone_{};
  bool broken_ = false;
  std::vector<BatchToken> batch_;
  std::vector<Inference*> served_; ///< while decoding: requests that an interrupt would set back
};

} // namespace verbatim
