#pragma once

#include "base/token.h"

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace verbatim {

/// Guesses how a text goes on from what it has said before: where its last few tokens occurred earlier, it
/// proposes what followed there. (Prompt lookup decoding: speculation without a second model.) It proposes
/// more after guesses that were right, and fewer after wrong ones.
class PromptLookup {
 public:
  /// The most tokens it ever proposes. A batch of one token more takes about twice as long as one of a single
  /// token on a CPU.
  static constexpr size_t most = 15;

  /// The continuation of `tokens`, at most `limit` of them; often none.
  std::span<const Token> propose(const std::vector<Token>& tokens, size_t limit);

  /// Of the last proposal, so many were right.
  void learn(size_t proposed, size_t right);

 private:
  void index(const std::vector<Token>& tokens);

  size_t reach_ = 4; ///< how many to propose
  size_t indexed_ = 0;
  std::unordered_map<uint64_t, uint32_t> pairs_;   ///< hash of two tokens -> the position after them
  std::unordered_map<uint64_t, uint32_t> triples_; ///< of three
  std::vector<Token> proposal_;
};

} // namespace verbatim
