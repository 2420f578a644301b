#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace verbatim {

/// The cells of a KV cache, by sequence id. A cell may belong to several sequences at once and is free when
/// it belongs to none. Positions of a sequence have no gaps.
class SequenceMemory {
 public:
  virtual ~SequenceMemory() = default;

  /// Takes a sequence out of all its cells.
  virtual void clear(int32_t sequence) = 0;
  /// Takes all sequences out of all cells, and zeroes what is in them.
  virtual void clear_all() = 0;
  /// Takes a sequence out of its cells at position `begin` and after.
  virtual void truncate(int32_t sequence, int32_t begin) = 0;
  /// Puts a sequence into the cells of another one at positions [begin, end). Copies no data.
  virtual void share(int32_t from, int32_t to, int32_t begin, int32_t end) = 0;
  /// The data of a sequence's cells. Empty when it cannot be had.
  virtual std::vector<uint8_t> save(int32_t sequence) = 0;
  /// Gives an empty sequence cells of its own with data that save() returned. False when that is not
  /// possible; the sequence is empty then.
  virtual bool restore(int32_t sequence, std::span<const uint8_t> data) = 0;
};

} // namespace verbatim
