#include "prefill-pace.h"

#include "check.h"
#include "support.h"

using namespace verbatim;
using support::pick;

namespace {

/// A machine on which a step that only generates takes `step` ms and each prompt token adds `token` ms.
PrefillPace measured(size_t most, size_t generating, double step, double token) {
  PrefillPace pace(most);
  for (int i = 0; i < 100; ++i) {
    pace.record(generating, 0, step);
    pace.record(generating, 16, step + 16 * token);
  }
  return pace;
}

} // namespace

TEST(prefill_pace_gives_everything_where_nobody_generates) {
  PrefillPace pace(512);
  CHECK_EQ(pace.budget(0, 1), 512u);
  pace.record(0, 512, 1e6);
  pace.record(3, 0, 1);
  CHECK_EQ(pace.budget(0, 20), 512u);
}

TEST(prefill_pace_is_careful_while_it_knows_nothing) {
  PrefillPace pace(512);
  CHECK_EQ(pace.budget(1, 1), 64u);
  CHECK_EQ(PrefillPace(32).budget(1, 1), 32u);
  pace.record(1, 0, 10);
  CHECK_EQ(pace.budget(1, 1), 64u); // what a prompt token takes is not known yet
  PrefillPace mixed(512);
  mixed.record(2, 100, 50); // which part of it the prompt took cannot be told
  mixed.record(2, 0, 10);
  CHECK_EQ(mixed.budget(2, 1), 64u);
}

TEST(prefill_pace_gives_prompts_a_share_of_the_time) {
  // 100 ms for a step, 1 ms for a prompt token.
  const auto pace = measured(512, 4, 100, 1);
  CHECK_EQ(pace.budget(4, 1), 60u); // at least least_share
  CHECK_EQ(pace.budget(4, 2), 60u);
  CHECK_EQ(pace.budget(4, 3), 75u); // by their number
  CHECK_EQ(pace.budget(4, 4), 100u);
  CHECK_EQ(pace.budget(4, 8), 200u);
  CHECK_EQ(pace.budget(4, 1000), 512u);
}

TEST(prefill_pace_keeps_between_its_bounds) {
  CHECK_EQ(measured(512, 1, 1, 10).budget(1, 1), PrefillPace::fewest); // slow prompts still go on
  CHECK_EQ(measured(100, 1, 1000, 0.1).budget(1, 1), 100u);
  CHECK_EQ(measured(4, 1, 1, 10).budget(1, 1), 4u); // fewer than the fewest
}

TEST(prefill_pace_knows_the_nearest_number_of_streams) {
  PrefillPace pace(512);
  pace.record(0, 10, 10); // 1 ms for each token
  pace.record(2, 0, 100);
  pace.record(6, 0, 200);
  CHECK_EQ(pace.budget(1, 0), 60u);
  CHECK_EQ(pace.budget(2, 0), 60u);
  CHECK_EQ(pace.budget(3, 0), 60u);
  CHECK_EQ(pace.budget(4, 0), 120u); // as far from both: rather the larger
  CHECK_EQ(pace.budget(5, 0), 120u);
  CHECK_EQ(pace.budget(500, 0), 120u);
}

TEST(prefill_pace_follows_a_machine_that_changes) {
  auto pace = measured(512, 4, 100, 1);
  for (int i = 0; i < 100; ++i) {
    pace.record(4, 0, 50);
    pace.record(4, 16, 50 + 16 * 2);
  }
  CHECK_EQ(pace.budget(4, 4), 25u);
  auto odd = measured(512, 4, 100, 1);
  odd.record(4, 0, 100000); // one hiccup is not the machine
  const size_t after = odd.budget(4, 4);
  for (int i = 0; i < 100; ++i)
    odd.record(4, 0, 100);
  CHECK(after > 100 && odd.budget(4, 4) == 100);
}

TEST(prefill_pace_survives_any_clock) {
  // A step that took no time, less time than without prompts, or very long.
  std::mt19937_64 random(3);
  for (int round = 0; round < 200; ++round) {
    const size_t most = pick<size_t>(random, 1, 600);
    PrefillPace pace(most);
    for (int step = 0; step < 100; ++step) {
      const double times[] = {0, 1e-6, 0.5, 40, 1e7};
      pace.record(random() % 20, random() % 3 ? random() % 600 : 0, times[random() % 5]);
      const size_t generating = random() % 30, prefilling = random() % 30;
      const size_t budget = pace.budget(generating, prefilling);
      CHECK(budget >= std::min(PrefillPace::fewest, most) && budget <= most);
      if (generating == 0) CHECK_EQ(budget, most);
    }
  }
}
