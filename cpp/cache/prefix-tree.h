#pragma once

#include "base/token.h"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace verbatim {

/// Consecutive tokens that all sequences below this node share.
struct PrefixNode {
  PrefixNode* parent = nullptr; ///< null: the root, which has no tokens
  size_t begin = 0;             ///< position of the first token
  std::vector<Token> tokens;
  std::vector<std::unique_ptr<PrefixNode>> children;

  /// Owned by PrefixCache.
  struct CacheState {
    int32_t holders = 0;        ///< sequence ids that have these cells; 0: not in the KV cache
    int32_t pins = 0;           ///< holders that run
    std::vector<uint8_t> saved; ///< the cells' data in host memory; empty: not there
    uint64_t last_used = 0;
    bool locked = false; ///< in use: not to be removed
  } cache;

  size_t size() const { return tokens.size(); }
  size_t end() const { return begin + tokens.size(); }
};

/// A radix tree of the tokens in the KV cache and in host memory. Holds no cells itself. Unlike a textbook's,
/// children may begin with the same token: sequences that computed the same tokens separately have separate
/// cells.
class PrefixTree {
 public:
  struct Match {
    std::vector<PrefixNode*> path; ///< below the root; of the last node, perhaps only a part
    size_t length = 0;             ///< matching tokens, from position 0
  };
  /// Finds the longest known prefix of `tokens`.
  Match match(std::span<const Token> tokens) const;

  PrefixNode& root() { return root_; }
  /// Adds a child.
  PrefixNode& add(PrefixNode& parent, std::span<const Token> tokens);

  /// Splits a node at a position inside it, and returns the new upper part. The node itself becomes the lower
  /// part, in which sequences still end. Saved data, which fits neither part, is dropped.
  PrefixNode& split(PrefixNode& node, size_t position);

  /// Removes a node and everything below it.
  void remove(PrefixNode& node);

  /// Calls `visit` with every node, parents first.
  template <typename Visit> void each(Visit&& visit) { each_below(root_, visit); }

 private:
  template <typename Visit> void each_below(PrefixNode& node, Visit& visit) {
    for (const auto& child : node.children) {
      visit(*child);
      each_below(*child, visit);
    }
  }

  PrefixNode root_;
};

/// Returns the length of the common prefix.
size_t common_prefix(std::span<const Token> a, std::span<const Token> b);

} // namespace verbatim
