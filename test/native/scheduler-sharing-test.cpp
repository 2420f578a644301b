// What the scheduler makes of requests that begin alike.

#include "check.h"
#include "scheduler-sharing-bench.h"

using namespace verbatim;
using namespace support;

namespace {

bool planned(const SharingBench& bench, size_t index, const Sequence& sequence, size_t begin, size_t count) {
  if (index >= bench.chunks.size()) return false;
  const Chunk& chunk = bench.chunks[index];
  return chunk.sequence == &sequence && chunk.begin == begin && chunk.count == count;
}

} // namespace

TEST(scheduler_computes_a_common_prefix_once) {
  SharingBench bench({8, 10000, 512});
  std::vector<Sequence*> sequences;
  for (Token i = 0; i < 6; ++i)
    sequences.push_back(&bench.add(text(1, 200) + text(2 + i, 10 + static_cast<size_t>(i))));
  bench.plan();
  CHECK_EQ(bench.chunks.size(), 1u);               // the others have their places, and wait
  CHECK(planned(bench, 0, *sequences[0], 0, 200)); // up to where they join
  for (size_t i = 1; i < 6; ++i) {
    CHECK(sequences[i]->id >= 0 && !sequences[i]->attached);
    CHECK_EQ(sequences[i]->leader, sequences[0]);
    CHECK_EQ(sequences[i]->follow_until, 200u);
  }
  bench.decode();
  bench.plan();
  CHECK_EQ(bench.chunks.size(), 6u); // all the ends in one batch
  for (size_t i = 0; i < 6; ++i)
    CHECK(planned(bench, i, *sequences[i], 200, 10 + i) && bench.chunks[i].reaches_end);
  bench.run();
  CHECK_EQ(bench.completed, 6);
  CHECK_EQ(bench.computed, 200u + (10 + 11 + 12 + 13 + 14 + 15) + 6 * 7);
  CHECK_EQ(bench.inferences[0]->outcome().usage.cached_tokens, 0u);
  for (size_t i = 1; i < 6; ++i)
    CHECK_EQ(bench.inferences[i]->outcome().usage.cached_tokens, 200u);
  bench.finish();
}

TEST(scheduler_computes_a_prompt_that_comes_twice_once) {
  SharingBench bench({8, 10000, 512});
  bench.add(text(1, 100));
  bench.add(text(1, 100));
  bench.plan();
  // All but the last token can be had; that one's logits are wanted by both.
  CHECK(bench.chunks.size() == 1 && bench.chunks[0].count == 99);
  bench.run();
  CHECK_EQ(bench.computed, 99u + 2 + 2 * 7);
  CHECK(bench.inferences[0]->outcome().tokens == bench.inferences[1]->outcome().tokens);
  bench.add(text(1, 100), 1); // and a third time, when both are over
  bench.run();
  CHECK_EQ(bench.computed, 99u + 2 + 2 * 7 + 1);
  bench.finish();
}

TEST(scheduler_lets_nobody_wait_for_little) {
  for (const size_t common : {31, 32}) {
    SharingBench bench({8, 10000, 512});
    bench.add(text(1, common) + text(2, 50));
    const Sequence& second = bench.add(text(1, common) + text(3, 50));
    bench.plan();
    CHECK_EQ(second.attached, common < 32);
    CHECK_EQ(bench.chunks.size(), common < 32 ? 2u : 1u);
    bench.run();
    CHECK_EQ(bench.computed, (common < 32 ? 2 : 1) * common + 2 * 50 + 2 * 7);
    bench.finish();
  }
  // What the leader has computed already is there at once: only the rest counts.
  for (const size_t rest : {31, 32}) {
    SharingBench bench({8, 10000, 64});
    bench.add(text(1, 64 + rest) + text(2, 100));
    bench.step();
    const Sequence& second = bench.add(text(1, 64 + rest) + text(3, 50));
    bench.plan();
    CHECK_EQ(second.attached, rest < 32);
    CHECK_EQ(second.computed, rest < 32 ? 64u : 0u);
    bench.run();
    bench.finish();
  }
}

TEST(scheduler_stops_a_leader_only_where_it_would_be_done) {
  SharingBench bench({8, 10000, 64});
  const Sequence& leader = bench.add(text(1, 100) + text(2, 200));
  const Sequence& follower = bench.add(text(1, 100) + text(3, 20));
  bench.step();
  CHECK_EQ(leader.computed, 64u);
  bench.step();
  CHECK_EQ(leader.computed, 128u); // beyond the fork: it has more to do anyway
  CHECK(!follower.attached);
  bench.plan();
  CHECK_EQ(follower.computed, 100u);
  CHECK(planned(bench, 0, leader, 128, 44)); // half, and what the short one leaves
  CHECK(planned(bench, 1, follower, 100, 20));
  bench.run();
  CHECK_EQ(bench.computed, 300u + 20 + 2 * 7);
  bench.finish();
}

TEST(scheduler_follows_along_a_chain) {
  SharingBench bench({8, 10000, 512});
  const Sequence& first = bench.add(text(1, 100) + text(2, 100));
  const Sequence& second = bench.add(text(1, 100) + text(3, 50) + text(4, 20));
  const Sequence& third = bench.add(text(1, 100) + text(3, 50) + text(5, 30));
  bench.plan();
  CHECK(planned(bench, 0, first, 0, 100) && bench.chunks.size() == 1);
  CHECK(second.leader == &first && second.follow_until == 100);
  CHECK(third.leader == &second && third.follow_until == 150); // more than the first could give
  bench.decode();
  bench.plan();
  CHECK(planned(bench, 0, first, 100, 100) && planned(bench, 1, second, 100, 50) && bench.chunks.size() == 2);
  bench.decode();
  bench.plan();
  CHECK_EQ(bench.chunks.size(), 3u);
  CHECK(planned(bench, 1, second, 150, 20) && planned(bench, 2, third, 150, 30));
  bench.run();
  CHECK_EQ(bench.computed, 200u + 70 + 30 + 3 * 7);
  bench.finish();
}

TEST(scheduler_frees_followers_of_a_leader_that_goes) {
  enum class End { Cancelled, Failed, Restarted, Preempted };
  for (const End end : {End::Cancelled, End::Failed, End::Restarted, End::Preempted}) {
    SharingBench bench({4, 10000, 64});
    Sequence& oldest = bench.add(text(9, 10), 1000);
    Sequence& leader = bench.add(text(1, 200) + text(2, 20));
    Sequence& follower = bench.add(text(1, 200) + text(3, 20));
    Sequence& last = bench.add(text(1, 200) + text(4, 20));
    bench.step();
    bench.step();
    const size_t computed = leader.computed;
    CHECK(computed > 0 && computed < 200 && follower.leader == &leader && last.leader == &leader);
    size_t lost = 0;
    switch (end) {
    case End::Cancelled: // what it has computed stays
      bench.scheduler.remove(leader, Scheduler::Cells::Keep);
      CHECK_EQ(follower.leader, nullptr);
      bench.plan();
      CHECK_EQ(follower.computed, computed);
      CHECK_EQ(last.leader, &follower); // the next in line leads
      bench.decode();
      break;
    case End::Failed:
      bench.scheduler.remove(leader, Scheduler::Cells::Discard);
      lost = computed;
      bench.plan();
      CHECK_EQ(follower.computed, 0u);
      CHECK_EQ(last.leader, &follower);
      bench.decode();
      break;
    case End::Restarted:
      bench.scheduler.restart(leader);
      lost = computed;
      bench.plan();
      CHECK(follower.leader == &leader && last.leader == &leader); // it is still the first
      bench.decode();
      break;
    case End::Preempted:
      for (int i = 0; i < 3; ++i)
        CHECK(bench.scheduler.yield_to_oldest());
      CHECK(!bench.scheduler.yield_to_oldest());
      lost = computed;
      for (const Sequence* each : {&leader, &follower, &last})
        CHECK(each->id == -1 && each->leader == nullptr && !each->attached && each->computed == 0);
      bench.scheduler.remove(oldest, Scheduler::Cells::Keep);
      bench.plan();
      CHECK(follower.leader == &leader && last.leader == &leader);
      bench.decode();
      break;
    }
    if (end != End::Preempted) bench.scheduler.remove(oldest, Scheduler::Cells::Keep);
    const size_t before = bench.computed_of[&oldest];
    const int runs = end == End::Cancelled || end == End::Failed ? 2 : 3;
    bench.run();
    CHECK_EQ(bench.completed, runs);
    CHECK_EQ(bench.computed - before, 200 + lost + static_cast<size_t>(runs) * (20 + 7));
    bench.finish();
  }
}

TEST(scheduler_admits_by_the_cells_that_are_new) {
  SharingBench bench({8, 300, 512});
  for (Token i = 0; i < 6; ++i)
    bench.add(text(1, 200) + text(2 + i, 5), 4);
  bench.step();
  CHECK_EQ(bench.scheduler.running(), 6u); // alone each would take 205 and its growth
  CHECK_EQ(bench.run(), 4u);
  bench.finish();

  SharingBench apart({8, 300, 512});
  for (Token i = 0; i < 3; ++i)
    apart.add(text(2 + i, 5) + text(1, 200), 4);
  apart.step();
  CHECK_EQ(apart.scheduler.running(), 1u);
  apart.run();
  apart.finish();
}

TEST(scheduler_admits_beside_idle_prefixes_as_if_they_were_not_there) {
  SharingBench bench({4, 400, 512}); // 100 of them idle
  for (Token i = 1; i <= 5; ++i) {
    bench.add(text(i, 80), 4);
    bench.run();
  }
  CHECK(bench.decoder.used() > 0);
  for (Token i = 1; i <= 5; ++i) // all of them
    CHECK_EQ(bench.scheduler.cache().known(text(i, 80)), 80u);
  bench.add(text(6, 190), 4);
  bench.add(text(7, 190), 4);
  bench.step();
  CHECK_EQ(bench.scheduler.running(), 2u);
  bench.run();
  bench.finish();
}

TEST(scheduler_brings_preempted_sequences_back_from_the_host) {
  const FakeDecoder::Limits limits{4, 256, 64};
  auto with = limits.scheduler();
  with.cache.saved_tokens = 1000;
  SharingBench bench(limits, with);
  const Sequence& first = bench.add(text(1, 20), 200);
  const Sequence& second = bench.add(text(2, 20), 150);
  while (first.id < 0 || second.id < 0 || !second.decoding())
    bench.step();
  while (second.id >= 0)
    bench.step();
  CHECK(second.tokens().size() > 80);
  CHECK_EQ(bench.scheduler.cache().saved_tokens(), second.tokens().size() - 1);
  bench.run();
  CHECK_EQ(bench.completed, 2);
  CHECK_EQ(bench.computed, 20u + 199 + 20 + 149); // nothing twice
  CHECK(bench.decoder.restores > 0);
  CHECK_EQ(bench.inferences[1]->outcome().usage.cached_tokens, 0u); // its own tokens do not count
  bench.finish();
}

TEST(scheduler_lets_no_long_prompt_block_short_ones) {
  SharingBench bench({8, 100000, 64});
  const Sequence& large = bench.add(text(1, 999) + text(2, 999) + text(3, 999), 1);
  bench.step();
  const Sequence& small = bench.add(text(4, 20), 100);
  bench.plan();
  CHECK(planned(bench, 1, small, 0, 20)); // at once
  CHECK(planned(bench, 0, large, 64, 44));
  bench.decode();
  // A flood of short ones does not starve it either: half of what prompts get is its own.
  size_t steps = 0;
  for (Token kind = 5; !bench.inferences[0]->finished(); ++kind, ++steps) {
    CHECK(steps < 400);
    bench.add(text(kind, 60), 1);
    const size_t before = large.computed;
    bench.plan();
    size_t prompts = 0;
    for (const auto& chunk : bench.chunks)
      prompts += chunk.sequence->decoding() ? 0 : chunk.count;
    bench.decode();
    if (!bench.inferences[0]->finished()) CHECK(large.computed - before >= prompts / 2);
  }
  CHECK(bench.completed > 20); // and it does not block them
  bench.run();
  bench.finish();
}
