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
  NoSlot,      ///< no room in the KV cache; nothing was changed
  Aborted,     ///< the interrupt said so; the sequences of the batch are in an unknown state…
  OutOfMemory, ///< …and where the memory holds recurrent states, so is the whole memory: llama.cpp moves the
  Failed,      ///< states of other sequences too while it computes. They need clear_all() then
  Broken,      ///< nothing works any more until rebuild()
};

/// What the engine needs of a llama_context. An interface so that the engine's handling of every status
/// can be tested.
class Decoder : public SequenceMemory {
 public:
  /// May return before a device has computed the batch.
  virtual DecodeStatus decode(std::span<const BatchToken> batch) = 0;
  /// Waits until what was decoded is computed, and its logits are there. Throws where nothing works any more.
  virtual void synchronize() = 0;
  /// Logits of the batch's token at this index; valid until the next decode().
  virtual const float* logits(size_t batch_index) = 0;
  /// How many CPU threads the next decode() computes with.
  virtual void set_threads(int32_t threads) = 0;
  /// Starts over with empty memory. False when that is not possible.
  virtual bool rebuild() = 0;
};

} // namespace verbatim
