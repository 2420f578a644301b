#pragma once

// Compares the output of a greedy request among others with its output alone.

#include "backend/context.h"
#include "check.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace support {

using namespace verbatim;

/// Computes a request alone, token by token, and checks that each of `tokens` is the most likely one, unless
/// the two best are nearly as likely. Returns how many were clearly the best.
inline size_t check_greedy(Context& context, size_t vocabulary_size, const std::vector<Token>& prompt,
                           const std::vector<Token>& tokens, float near) {
  size_t clear = 0;
  std::vector<Token> next = prompt;
  int32_t position = 0;
  for (const Token token : tokens) {
    std::vector<BatchToken> batch;
    for (const Token each : next)
      batch.push_back({each, position++, 0, false});
    batch.back().wants_logits = true;
    CHECK(context.decode(batch) == DecodeStatus::Ok);
    const std::span logits(context.logits(batch.size() - 1), vocabulary_size);
    const auto best = std::ranges::max_element(logits);
    float second = -INFINITY, least = *best;
    for (auto at = logits.begin(); at != logits.end(); ++at) {
      least = std::min(least, *at);
      if (at != best) second = std::max(second, *at);
    }
    const float gap = near * (*best - least);
    CHECK(gap > 0);
    if (*best - second >= gap) {
      CHECK_EQ(token, static_cast<Token>(best - logits.begin()));
      ++clear;
    }
    CHECK(*best - logits[static_cast<size_t>(token)] < gap);
    next = {token};
  }
  context.clear(0);
  return clear;
}

} // namespace support
