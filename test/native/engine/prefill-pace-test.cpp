#include "engine/prefill-pace.h"

#include "check.h"
#include "support.h"

using namespace verbatim;
using support::pick;

namespace {

using Demand = PrefillPace::Demand;

/// Streams, and prompts that came later.
Demand demand_of(size_t generating, size_t prefilling, size_t depth = 0) {
  return {.generating = generating, .disturbed = generating, .prefilling = prefilling, .depth = depth};
}

/// Makes the pace of a machine on which a step that only generates takes `step` ms and each prompt token adds
/// `token` ms; nothing is owed.
PrefillPace measured(size_t most, size_t generating, double step, double token) {
  PrefillPace pace(most);
  for (int i = 0; i < 100; ++i) {
    pace.record({.generating = generating}, generating, 0, step);
    pace.record({.generating = generating}, generating, 16, step + 16 * token);
  }
  return pace;
}

size_t tokens(const PrefillPace& pace, size_t generating, size_t prefilling, size_t depth = 0) {
  return pace.budget(demand_of(generating, prefilling, depth)).prompt_tokens;
}

} // namespace

TEST(prefill_pace_gives_everything_where_nobody_generates) {
  PrefillPace pace(512);
  CHECK_EQ(tokens(pace, 0, 1), 512u);
  pace.record(demand_of(0, 1), 0, 512, 1e6);
  pace.record(demand_of(3, 1), 3, 0, 1);
  CHECK_EQ(tokens(pace, 0, 20), 512u);
  CHECK_EQ(tokens(pace, 0, 1, 5000), 512u);
}

TEST(prefill_pace_gives_little_before_it_has_measured) {
  PrefillPace pace(512);
  CHECK_EQ(tokens(pace, 1, 1), 0u); // one step without prompts tells what that takes
  pace.record({.generating = 1}, 1, 0, 0);
  CHECK_EQ(tokens(pace, 1, 1), 64u); // what a prompt token takes is not known yet
  PrefillPace small(32);
  small.record({.generating = 1}, 1, 0, 10);
  CHECK_EQ(tokens(small, 1, 1), 32u);
  PrefillPace mixed(512);
  mixed.record(demand_of(2, 1), 2, 100, 50); // which part of it the prompt took cannot be told
  mixed.record({.generating = 2}, 2, 0, 10);
  CHECK_EQ(tokens(mixed, 2, 1), 64u);
}

TEST(prefill_pace_gives_prompts_a_share_of_the_time) {
  // 100 ms for a step, 1 ms for a prompt token.
  const auto pace = measured(512, 4, 100, 1);
  CHECK_EQ(tokens(pace, 4, 1), 80u);
  CHECK_EQ(tokens(pace, 4, 2), 512u); // a third of the requests wait: 1600 ms
  CHECK_EQ(tokens(measured(512, 4, 10, 1), 4, 2), 160u);
  CHECK(!pace.budget(demand_of(4, 1, 1000)).alone);
}

TEST(prefill_pace_counts_only_streams_that_were_there_before) {
  const auto pace = measured(512, 8, 10, 1);
  Demand demand = demand_of(8, 1);
  const auto tokens_beside = [&](size_t disturbed) {
    demand.disturbed = disturbed;
    return pace.budget(demand).prompt_tokens;
  };
  CHECK_EQ(tokens_beside(0), 512u); // all came together
  CHECK_EQ(tokens_beside(1), 160u); // a third of those that count wait: sixteen steps
  CHECK_EQ(tokens_beside(2), 160u);
  CHECK_EQ(tokens_beside(3), 8u);
  CHECK_EQ(tokens_beside(8), 8u);
}

TEST(prefill_pace_stays_between_the_fewest_tokens_and_a_batch) {
  CHECK_EQ(tokens(measured(512, 1, 1, 10), 1, 0), PrefillPace::fewest); // slow prompts still go on
  CHECK_EQ(tokens(measured(100, 1, 1000, 0.1), 1, 1), 100u);
  CHECK_EQ(tokens(measured(4, 1, 1, 10), 1, 0), 4u); // fewer than the fewest
}

TEST(prefill_pace_computes_long_prompts_in_pieces_alone) {
  auto pace = measured(512, 8, 40, 2);
  const Demand demand = demand_of(8, 1, PrefillPace::deep);
  CHECK(pace.budget(demand).alone);
  CHECK_EQ(pace.budget(demand).prompt_tokens, PrefillPace::deep_piece);
  CHECK_EQ(measured(100, 8, 40, 2).budget(demand).prompt_tokens, 100u);
  CHECK_EQ(pace.budget(demand_of(8, 4, PrefillPace::deep)).prompt_tokens, 2 * PrefillPace::deep_piece);
}

TEST(prefill_pace_lets_streams_catch_up_after_a_large_piece) {
  auto pace = measured(512, 8, 40, 2);
  const Demand demand = demand_of(8, 1, 4000);
  pace.record(demand, 0, 128, 280); // ten times what one step may take: 0.8 * 40 ms
  int steps = 0;
  for (; pace.budget(demand).prompt_tokens == 0; ++steps)
    pace.record(demand, 8, 0, 40);
  CHECK_EQ(steps, 9);
  // Nothing is owed any more when the streams have ended, or the prompts.
  pace.record(demand, 0, 128, 280);
  pace.record(demand_of(0, 1, 4000), 0, 128, 280);
  CHECK(pace.budget(demand).prompt_tokens > 0);
  pace.record(demand, 0, 128, 280);
  pace.record(demand_of(8, 0, 0), 8, 0, 40);
  CHECK(pace.budget(demand).prompt_tokens > 0);
}

TEST(prefill_pace_knows_the_nearest_number_of_streams) {
  PrefillPace pace(512);
  pace.record(demand_of(0, 1), 0, 10, 10); // 1 ms for each token
  pace.record({.generating = 2}, 2, 0, 100);
  pace.record({.generating = 6}, 6, 0, 200);
  CHECK_EQ(tokens(pace, 1, 0), 80u);
  CHECK_EQ(tokens(pace, 2, 0), 80u);
  CHECK_EQ(tokens(pace, 3, 0), 80u);
  CHECK_EQ(tokens(pace, 4, 0), 160u); // as far from both: rather the larger
  CHECK_EQ(tokens(pace, 5, 0), 160u);
  CHECK_EQ(tokens(pace, 500, 0), 160u);
}

TEST(prefill_pace_follows_a_machine_that_changes) {
  auto pace = measured(512, 4, 100, 1);
  for (int i = 0; i < 100; ++i) {
    pace.record({.generating = 4}, 4, 0, 50);
    pace.record({.generating = 4}, 4, 16, 50 + 16 * 2);
  }
  CHECK_EQ(tokens(pace, 4, 1), 20u);
  auto odd = measured(512, 4, 100, 1);
  odd.record({.generating = 4}, 4, 0, 100000); // one hiccup is not the machine
  const size_t after = tokens(odd, 4, 1);
  for (int i = 0; i < 100; ++i)
    odd.record({.generating = 4}, 4, 0, 100);
  CHECK(after > 80 && tokens(odd, 4, 1) == 80);
}

TEST(prefill_pace_lets_prompts_go_on_by_any_clock) {
  // Steps that took no time, less time than without prompts, or very long: prompts go on after some steps.
  std::mt19937_64 random(3);
  for (int round = 0; round < 200; ++round) {
    const size_t most = pick<size_t>(random, 1, 600);
    PrefillPace pace(most);
    for (int step = 0; step < 100; ++step) {
      const double times[] = {0, 1e-6, 0.5, 40, 1e7};
      Demand demand = demand_of(random() % 30, random() % 30, random() % 3 * 800);
      demand.disturbed = random() % (demand.generating + 1);
      pace.record(demand, random() % (demand.generating + 1), random() % 3 ? random() % 600 : 0,
                  times[random() % 5]);
      const size_t budget = pace.budget(demand).prompt_tokens;
      CHECK(budget <= most);
      if (demand.generating == 0) CHECK_EQ(budget, most);
    }
    const Demand lasting = demand_of(4, 1, 2000);
    for (int i = 0; i < 300; ++i) // the clock is right from now on
      pace.record(lasting, 4, 0, 10);
    pace.record(lasting, 0, 10, 1e9); // but for once
    size_t waited = 0;
    for (; pace.budget(lasting).prompt_tokens == 0; ++waited) {
      CHECK(waited < PrefillPace::longest_wait); // whatever it was, the wait has an end
      pace.record(lasting, 4, 0, 10);
    }
  }
}
