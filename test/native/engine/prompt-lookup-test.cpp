#include "engine/prompt-lookup.h"

#include "check.h"
#include "support.h"

#include <algorithm>

using namespace verbatim;
using support::pick;

namespace {

using Tokens = std::vector<Token>;

Tokens draft_of(PromptLookup& lookup, const Tokens& tokens, size_t limit = 100) {
  const auto drafted = lookup.draft(tokens, limit);
  return {drafted.begin(), drafted.end()};
}

/// Returns the length of a draft when the text repeats for ever.
size_t reach(PromptLookup& lookup) {
  return draft_of(lookup, Tokens(10, 5)).size();
}

Tokens repeated(const Tokens& period, size_t size) {
  Tokens tokens(size);
  for (size_t i = 0; i < size; ++i)
    tokens[i] = period[i % period.size()];
  return tokens;
}

} // namespace

TEST(prompt_lookup_drafts_what_followed_before) {
  PromptLookup lookup;
  CHECK(draft_of(lookup, {1, 2, 3, 4, 5, 6, 7, 1, 2}) == (Tokens{3, 4, 5, 6}));
  CHECK(draft_of(lookup, {1, 2, 3, 4, 5, 6, 7, 1, 2, 8, 9, 1, 2}, 2) == (Tokens{8, 9})); // the newest
}

TEST(prompt_lookup_prefers_three_tokens_to_two) {
  PromptLookup lookup;
  CHECK(draft_of(lookup, {1, 2, 3, 10, 11, 12, 13, 9, 2, 3, 20, 21, 22, 1, 2, 3}) ==
        (Tokens{10, 11, 12, 13}));
}

TEST(prompt_lookup_drafts_nothing_without_a_repetition) {
  PromptLookup lookup;
  CHECK(draft_of(lookup, {}).empty());
  CHECK(draft_of(lookup, {1}).empty());
  CHECK(draft_of(lookup, {1, 1}).empty()); // a pair that has no continuation yet
  CHECK(draft_of(lookup, {1, 1, 2, 3}).empty());
  CHECK(draft_of(lookup, {1, 1, 2, 3, 1}).empty()); // one token is not enough
  PromptLookup other;
  CHECK(draft_of(other, {1, 1, 1}) == (Tokens{1, 1, 1, 1})); // this pair has
  CHECK(draft_of(other, {1, 1, 1}, 0).empty());
}

TEST(prompt_lookup_continues_a_period_beyond_the_end) {
  for (size_t period = 1; period <= 9; ++period) {
    Tokens unit(period);
    for (size_t i = 0; i < period; ++i)
      unit[i] = static_cast<Token>(i);
    const Tokens text = repeated(unit, 2 * period + 3);
    PromptLookup lookup;
    for (int i = 0; i < 4; ++i)
      lookup.record(4, 4);
    const Tokens drafted = draft_of(lookup, text);
    const Tokens whole = repeated(unit, text.size() + PromptLookup::most);
    CHECK(drafted == Tokens(whole.begin() + std::ssize(text), whole.end()));
  }
}

TEST(prompt_lookup_sees_a_text_grow) {
  // Drafts are the same as if it saw the whole text at once, however the text came there.
  std::mt19937_64 random(8);
  for (int round = 0; round < 200; ++round) {
    PromptLookup growing;
    Tokens tokens;
    for (int step = 0; step < 40; ++step) {
      for (size_t i = pick<size_t>(random, 0, 3); i > 0; --i)
        tokens.push_back(pick<Token>(random, 0, 3));
      PromptLookup fresh;
      CHECK(draft_of(growing, tokens) == draft_of(fresh, tokens));
    }
  }
}

TEST(prompt_lookup_records_how_far_to_draft) {
  PromptLookup lookup;
  CHECK_EQ(reach(lookup), 4u);
  lookup.record(0, 0); // nothing was drafted
  CHECK_EQ(reach(lookup), 4u);
  lookup.record(4, 4);
  CHECK_EQ(reach(lookup), 8u);
  lookup.record(8, 8);
  CHECK_EQ(reach(lookup), PromptLookup::most);
  for (int i = 0; i < 100; ++i)
    lookup.record(PromptLookup::most, PromptLookup::most);
  CHECK_EQ(reach(lookup), PromptLookup::most);
  lookup.record(15, 3);
  CHECK_EQ(reach(lookup), 9u);
  for (int i = 0; i < 100; ++i)
    lookup.record(reach(lookup), 0);
  CHECK_EQ(reach(lookup), 1u); // it goes on trying
  lookup.record(1, 1);
  CHECK_EQ(reach(lookup), 2u);
}

TEST(prompt_lookup_keeps_to_every_limit) {
  std::mt19937_64 random(9);
  size_t tokens_drafted = 0;
  for (int round = 0; round < 300; ++round) {
    PromptLookup lookup;
    Tokens tokens;
    const Token variety = pick<Token>(random, 1, 6);
    for (int step = 0; step < 60; ++step) {
      const size_t limit = random() % 3 ? pick<size_t>(random, 0, 20) : 1000000;
      const Tokens drafted = draft_of(lookup, tokens, limit);
      CHECK(drafted.size() <= std::min(limit, PromptLookup::most));
      for (const Token token : drafted)
        CHECK(std::ranges::find(tokens, token) != tokens.end());
      tokens_drafted += drafted.size();
      lookup.record(drafted.size(), drafted.empty() ? 0 : pick<size_t>(random, 0, drafted.size()));
      tokens.push_back(pick<Token>(random, 0, variety));
      if (random() % 4 == 0) tokens.insert(tokens.end(), drafted.begin(), drafted.end());
    }
  }
  CHECK(tokens_drafted > 1000);
}
