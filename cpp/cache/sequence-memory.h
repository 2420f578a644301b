#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace verbatim {

/// The cells of a KV cache, by sequence id. A cell may belong to several sequences, and is free when it
/// belongs to none. The positions of a sequence have no gaps.
class SequenceMemory {
 public:
  virtual ~SequenceMemory() = default;

  /// Removes a sequence from all its cells.
  virtual void clear(int32_t sequence) = 0;
  /// Removes all sequences from all cells, and zeroes the cells.
  virtual void clear_all() = 0;
  /// Removes a sequence from its cells at position `begin` and after.
  virtual void truncate(int32_t sequence, int32_t begin) = 0;
  /// Adds sequence `to` to the cells of sequence `from` at positions [begin, end). Copies no data.
  virtual void share(int32_t from, int32_t to, int32_t begin, int32_t end) = 0;
  /// Returns the data of a sequence's cells. Empty when that fails.
  virtual std::vector<uint8_t> save(int32_t sequence) = 0;
  /// Gives an empty sequence its own cells with data from save(). False, with the sequence empty, when that
  /// fails.
  virtual bool restore(int32_t sequence, std::span<const uint8_t> data) = 0;
};

} // namespace verbatim
