#pragma once

#include "base/token.h"

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace verbatim {

/// Guesses how a text goes on from what it has said before: where its last few tokens occurred earlier, it
/// proposes what followed there. (Prompt lookup decoding: speculation without a second model.) It proposes
/// more after guesses that were accepted, and fewer after wrong ones.
class PromptLookup {
 public:
  /// The most tokens it ever proposes. A batch of one token more takes about twice as long as one of a single
  /// token on a CPU.
  static constexpr size_t most = 15;

  /// The continuation of `tokens`, at most `limit` of them; often none.
  std::span<const Token> draft(const std::vector<Token>& tokens, size_t limit);

  /// Of the last proposal, so many were accepted.
  void record(size_t drafted, size_t accepted);

 private:
  void index(const std::vector<Token>& tokens);

  size_t draft_length_ = 4; ///< how many to propose
  size_t indexed_ = 0;
  std::unordered_map<uint64_t, uint32_t> bigrams_;  ///< hash of two tokens -> the position after them
  std::unordered_map<uint64_t, uint32_t> trigrams_; ///< of three
  std::vector<Token> draft_;
};

} // namespace verbatim
