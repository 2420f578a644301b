#pragma once

#include "base/token.h"

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace verbatim {

/// Prompt lookup decoding: speculation without a second model. Drafts what followed the last two or three
/// tokens earlier in the text. Drafts become longer after accepted ones, shorter after others.
class PromptLookup {
 public:
  /// Most tokens of a draft. With one token more, a batch takes about twice as long as a single token on a
  /// CPU.
  static constexpr size_t most = 15;

  /// Drafts at most `limit` tokens to follow `tokens`; often none.
  std::span<const Token> draft(const std::vector<Token>& tokens, size_t limit);

  /// Records how many tokens of the last draft were accepted.
  void record(size_t drafted, size_t accepted);

 private:
  void index(const std::vector<Token>& tokens);

  size_t draft_length_ = 4; ///< of the next draft
  size_t indexed_ = 0;
  std::unordered_map<uint64_t, uint32_t> bigrams_;  ///< hash of two tokens -> position after them
  std::unordered_map<uint64_t, uint32_t> trigrams_; ///< hash of three tokens -> position after them
  std::vector<Token> draft_;
};

} // namespace verbatim
