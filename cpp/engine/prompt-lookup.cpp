#include "engine/prompt-lookup.h"

#include <algorithm>

namespace verbatim {

namespace {

/// Hashes the tokens before `end`. A collision costs a wrong draft, nothing else.
uint64_t hash_before(const std::vector<Token>& tokens, size_t end, size_t count) {
  uint64_t hash = 0;
  for (size_t i = end - count; i < end; ++i)
    hash = (hash ^ static_cast<uint32_t>(tokens[i])) * 0x9E3779B97F4A7C15u;
  return hash;
}

} // namespace

void PromptLookup::index(const std::vector<Token>& tokens) {
  // The end is left out: nothing follows it yet.
  for (size_t end = std::max<size_t>(indexed_, 2); end < tokens.size(); ++end) {
    bigrams_[hash_before(tokens, end, 2)] = static_cast<uint32_t>(end);
    if (end >= 3) trigrams_[hash_before(tokens, end, 3)] = static_cast<uint32_t>(end);
  }
  indexed_ = tokens.size();
}

std::span<const Token> PromptLookup::draft(const std::vector<Token>& tokens, size_t limit) {
  index(tokens);
  draft_.clear();
  const size_t count = std::min(draft_length_, limit);
  // Tokens are copied one by one, from the draft itself when the text repeats with a short period.
  size_t from = 0;
  if (tokens.size() >= 3) {
    const auto triple = trigrams_.find(hash_before(tokens, tokens.size(), 3));
    if (triple != trigrams_.end()) from = triple->second;
  }
  if (from == 0 && tokens.size() >= 2) {
    const auto pair = bigrams_.find(hash_before(tokens, tokens.size(), 2));
    if (pair != bigrams_.end()) from = pair->second;
  }
  for (size_t i = 0; from != 0 && i < count; ++i, ++from)
    draft_.push_back(from < tokens.size() ? tokens[from] : draft_[from - tokens.size()]);
  return draft_;
}

void PromptLookup::record(size_t drafted, size_t accepted) {
  if (drafted == 0) return;
  draft_length_ = accepted == drafted ? std::min(most, std::max(draft_length_, drafted) * 2)
                                      : std::max<size_t>(1, (accepted + draft_length_) / 2);
}

} // namespace verbatim
