#pragma once

#include "cache/prefix-tree.h"
#include "cache/sequence-memory.h"

#include <algorithm>
#include <span>
#include <vector>

namespace verbatim {

/// What becomes of a sequence's cells when it gives its id back.
enum class CachedCells {
  Keep,    ///< for later sequences
  Offload, ///< to host memory, for later sequences: the cells are needed now
  Discard, ///< their content may be wrong
};

/// Lets a request start from what earlier requests, running or finished, have computed of its prompt.
///
/// Owns the sequence ids of a KV cache and knows which tokens are in the cells of each. A running request
/// that begins like another one is put into the same cells. When a request ends, its id stays behind as an
/// idle prefix. Attention has to pass over every cell up to the highest in use, so idle prefixes slow down
/// whoever runs: only `idle_cells` of them stay, and what exceeds that moves to host memory, the least
/// recently used first. Bringing it back is a copy, far cheaper than computing it again.
class PrefixCache {
 public:
  /// Ids for idle prefixes, and two to save and restore through. llama.cpp's logits buffer grows with them.
  static constexpr int32_t extra_ids = 16;

  struct Limits {
    int32_t running = 1;     ///< most sequences that run at once; there are extra_ids more
    size_t cells = 0;        ///< of the KV cache
    size_t idle_cells = 0;   ///< of those, most that idle prefixes may keep
    size_t saved_tokens = 0; ///< most tokens of idle prefixes in host memory
    bool sharing = true;     ///< false: this kind of memory can be neither shared nor cut

    /// How many sequence ids the KV cache has to have.
    int32_t ids() const { return running + (sharing ? extra_ids : 0); }
  };
  PrefixCache(SequenceMemory& memory, Limits limits);

  /// An id with no cells, for a sequence that is to run. There always is one for as many as may run.
  int32_t acquire();

  /// Counts the tokens of the longest cached prefix.
  size_t num_cached_tokens(std::span<const Token> tokens) const;

  /// Starts a sequence without cells from the longest known prefix of these tokens; how long that is.
  size_t attach(int32_t id, std::span<const Token> tokens);

  /// The data of cells that hold the tokens of a running sequence, for a computation elsewhere.
  std::vector<uint8_t> copy(int32_t id) { return memory_.save(id); }
  /// Appends tokens to a running sequence that were computed elsewhere, with their cells' data. False when
  /// there is no room for them.
  bool append_saved(int32_t id, std::span<const Token> tokens, std::span<const uint8_t> data);

  /// Tokens that were computed at the end of a running sequence.
  void append(int32_t id, std::span<const Token> tokens);

  /// Takes cells that were never appended, at position `begin` and after, away from a running sequence.
  void cut_drafts(int32_t id, size_t begin);

  /// Frees the cells of a running sequence; it keeps its id.
  void clear(int32_t id);
  /// Gives back the id of a running sequence.
  void release(int32_t id, CachedCells cells);

  /// Makes so many cells free, if evicting idle prefixes can.
  void make_room(size_t cells);
  /// Frees all cells of idle prefixes. False when there were none.
  bool evict_all();

  /// All cells are gone. Unless `usable`, the memory is never touched again.
  void reset(bool usable);

  size_t used_cells() const { return used_; }
  size_t free_cells() const { return limits_.cells - std::min(limits_.cells, used_); }
  /// Cells that running sequences use.
  size_t pinned_cells() const { return pinned_; }
  size_t saved_tokens() const { return saved_; }

 private:
  enum class State { Free, Running, Idle };
  struct Holder {
    PrefixNode* tail; ///< its cells are those of the path from the root to this node
    State state = State::Free;
    uint64_t last_used = 0;
  };

  Holder& holder(int32_t id) { return holders_[static_cast<size_t>(id)]; }
  int32_t holder_of(const PrefixNode& node) const;
  void hold(PrefixNode& node);
  void unhold(int32_t id);
  void keep(int32_t id);
  void remove_unreachable(PrefixNode* tail);
  void remove(PrefixNode& node);
  bool redundant(const PrefixNode& tail) const;

  PrefixNode* restore(int32_t id, PrefixNode& node, size_t count);
  bool save(PrefixNode& node, int32_t holder);
  std::vector<uint8_t> save_range(int32_t from, size_t begin, size_t end);
  void drop_saved(PrefixNode& node);
  bool drop_oldest_saved();

  void evict(int32_t id);
  bool evict_oldest();
  void trim();

  SequenceMemory& memory_;
  const Limits limits_;
  const int32_t restore_id_, save_id_; ///< never held: data passes through them
  bool usable_ = true;
  PrefixTree tree_;
  std::vector<Holder> holders_; ///< by id
  size_t used_ = 0, pinned_ = 0, saved_ = 0;
  uint64_t clock_ = 0;
};

} // namespace verbatim
