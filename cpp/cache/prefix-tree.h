#pragma once

#include "base/token.h"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace verbatim {

/// A run of tokens that every sequence below this node has in common.
struct PrefixNode {
  PrefixNode* parent = nullptr; ///< none: the root, which has no tokens
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

/// What is known about the tokens in the KV cache and in host memory, as a radix tree. Holds no cells itself.
/// Unlike in a textbook's tree, children may begin with the same token: two sequences that computed the same
/// tokens each on their own have cells of their own.
class PrefixTree {
 public:
  struct Match {
    std::vector<PrefixNode*> path; ///< below the root; of the last, only a part may match
    size_t length = 0;             ///< matching tokens, from position 0
  };
  /// The longest known prefix of these tokens.
  Match match(std::span<const Token> tokens) const;

  PrefixNode& root() { return root_; }
  PrefixNode& add(PrefixNode& parent, std::span<const Token> tokens);

  /// Cuts a node in two at a position inside it, and returns the new upper part. The node itself becomes the
  /// lower one, so whoever ended in it still does. Saved data belongs to neither part and is dropped.
  PrefixNode& split(PrefixNode& node, size_t position);

  /// Takes the node and everything below it out.
  void remove(PrefixNode& node);

  /// Calls a function with every node, parents first.
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

/// How many tokens two runs have in common at their beginning.
size_t common_prefix(std::span<const Token> a, std::span<const Token> b);

} // namespace verbatim
