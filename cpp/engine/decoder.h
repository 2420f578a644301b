#pragma once

#include "base/token.h"
#include "cache/sequence-memory.h"

#include <span>

namespace verbatim {

struct BatchToken {
  Token token;
  int32_t position;
  int32_t sequence; ///< id in the KV cache
  bool wants_logits;
};

enum class DecodeStatus {
  Ok,
  NoSlot, ///< The KV cache has no room. Nothing was changed.
  /// Interrupted. The batch's sequences are undefined; with recurrent memory, all are: call clear_all().
  Aborted,
  OutOfMemory, ///< No memory to compute in. Sequences as for Aborted.
  Failed,      ///< The computation failed. Sequences as for Aborted.
  Broken,      ///< Nothing works until rebuild().
};

/// The engine's view of a llama_context. An interface, so that tests can make every status happen.
class Decoder : public SequenceMemory {
 public:
  /// Starts computing a batch. A device may still compute when it returns.
  virtual DecodeStatus decode(std::span<const BatchToken> batch) = 0;
  /// Waits for the decoded batch and its logits. Throws when nothing works any more.
  virtual void synchronize() = 0;
  /// Returns the logits of the batch's token at `batch_index`. Valid until the next decode().
  virtual const float* logits(size_t batch_index) = 0;
  /// Sets the number of CPU threads for the next decode().
  virtual void set_threads(int32_t threads) = 0;
  /// Makes a new context with empty memory. False when that fails.
  virtual bool rebuild() = 0;
};

} // namespace verbatim
