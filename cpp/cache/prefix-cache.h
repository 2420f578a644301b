#pragma once

#include "cache/prefix-tree.h"
#include "cache/sequence-memory.h"

#include <algorithm>
#include <span>
#include <vector>

namespace verbatim {

/// The fate of the cells of a sequence that gives its id back.
enum class CachedCells {
  Keep,    ///< for later sequences
  Offload, ///< to host memory, for later sequences: the cells are needed now
  Discard, ///< their content may be wrong
};

/// Starts requests from the parts of their prompts that other requests, running or finished, have computed.
///
/// Owns the sequence ids of a KV cache and knows the tokens in the cells of each. A request that begins like
/// another one shares its cells. When a request ends, its id remains as an idle prefix. Attention passes over
/// every cell up to the highest in use, so idle prefixes slow down running requests: only `idle_cells` of
/// them remain, and the least recently used move to host memory. Restoring them is a copy, far cheaper than
/// computing them again.
class PrefixCache {
 public:
  /// Ids for idle prefixes, and two for saving and restoring. llama.cpp's logits buffer grows with them.
  static constexpr int32_t extra_ids = 16;

  struct Limits {
    int32_t running = 1;     ///< most sequences that run at once
    size_t cells = 0;        ///< cells of the KV cache
    size_t idle_cells = 0;   ///< most cells of idle prefixes
    size_t saved_tokens = 0; ///< most tokens of idle prefixes in host memory
    bool sharing = true;     ///< false: the memory can be neither shared nor cut

    /// Returns how many sequence ids the KV cache must have.
    int32_t ids() const { return running + (sharing ? extra_ids : 0); }
  };
  PrefixCache(SequenceMemory& memory, Limits limits);

  /// Returns an id without cells, for a sequence that is to run; -1 when Limits::running are in use.
  int32_t acquire();

  /// Counts the tokens of the longest cached prefix.
  size_t num_cached_tokens(std::span<const Token> tokens) const;

  /// Puts the longest cached prefix of `tokens` into a sequence without cells, and returns its length.
  size_t attach(int32_t id, std::span<const Token> tokens);

  /// Returns the data of a running sequence's cells.
  std::vector<uint8_t> copy(int32_t id) { return memory_.save(id); }
  /// Appends tokens to a running sequence that were computed elsewhere, with their cells' data. False when
  /// there is no room for them.
  bool append_saved(int32_t id, std::span<const Token> tokens, std::span<const uint8_t> data);

  /// Appends tokens to a running sequence that were computed in its cells.
  void append(int32_t id, std::span<const Token> tokens);

  /// Removes a running sequence from cells at position `begin` and after, which were never appended.
  void cut_drafts(int32_t id, size_t begin);

  /// Frees the cells of a running sequence; it keeps its id.
  void clear(int32_t id);
  /// Gives back the id of a running sequence.
  void release(int32_t id, CachedCells cells);

  /// Evicts idle prefixes until `cells` cells are free, or none are left.
  void make_room(size_t cells);
  /// Evicts all idle prefixes. False when that freed no cells.
  bool evict_all();

  /// Forgets all cells and saved data. Unless `usable`, the memory is never touched again.
  void reset(bool usable);

  size_t used_cells() const { return used_; }
  size_t free_cells() const { return limits_.cells - std::min(limits_.cells, used_); }
  /// Returns the cells of running sequences.
  size_t pinned_cells() const { return pinned_; }
  size_t saved_tokens() const { return saved_; }

 private:
  enum class State { Free, Running, Idle };
  struct Holder {
    PrefixNode* tail; ///< end of the path from the root whose cells it has
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
  const int32_t restore_id_, save_id_; ///< for saving and restoring; they hold nothing
  bool usable_ = true;
  PrefixTree tree_;
  std::vector<Holder> holders_; ///< by id
  size_t used_ = 0, pinned_ = 0, saved_ = 0;
  uint64_t clock_ = 0;
};

} // namespace verbatim
