// The scheduler with requests that begin alike.

#include "check.h"
#include "engine/scheduler-sharing-fixture.h"

using namespace verbatim;
using namespace support;

namespace {

bool scheduled(const SharingFixture& fixture, size_t index, const Sequence& sequence, size_t begin,
               size_t count) {
  if (index >= fixture.chunks.size()) return false;
  const Chunk& chunk = fixture.chunks[index];
  return chunk.sequence == &sequence && chunk.begin == begin && chunk.count == count;
}

} // namespace

TEST(scheduler_computes_a_common_prefix_once) {
  SharingFixture fixture({8, 10000, 512});
  std::vector<Sequence*> sequences;
  for (Token i = 0; i < 6; ++i)
    sequences.push_back(&fixture.add(text(1, 200) + text(2 + i, 10 + static_cast<size_t>(i))));
  fixture.schedule();
  CHECK_EQ(fixture.chunks.size(), 1u);                 // the others have their places, and wait
  CHECK(scheduled(fixture, 0, *sequences[0], 0, 200)); // up to where they join
  for (size_t i = 1; i < 6; ++i) {
    CHECK(sequences[i]->scheduling.id >= 0 && !sequences[i]->scheduling.attached);
    CHECK_EQ(sequences[i]->scheduling.leader, sequences[0]);
    CHECK_EQ(sequences[i]->scheduling.leader_tokens, 200u);
  }
  fixture.decode();
  fixture.schedule();
  CHECK_EQ(fixture.chunks.size(), 6u); // all the ends in one batch
  for (size_t i = 0; i < 6; ++i)
    CHECK(scheduled(fixture, i, *sequences[i], 200, 10 + i) && fixture.chunks[i].reaches_end);
  fixture.run();
  CHECK_EQ(fixture.completed, 6);
  CHECK_EQ(fixture.computed, 200u + (10 + 11 + 12 + 13 + 14 + 15) + 6 * 7);
  CHECK_EQ(fixture.inferences[0]->result().usage.cached_tokens, 0u);
  for (size_t i = 1; i < 6; ++i)
    CHECK_EQ(fixture.inferences[i]->result().usage.cached_tokens, 200u);
  fixture.finish();
}

TEST(scheduler_computes_a_prompt_that_comes_twice_once) {
  SharingFixture fixture({8, 10000, 512});
  fixture.add(text(1, 100));
  fixture.add(text(1, 100));
  fixture.schedule();
  // All but the last token can be had; that one's logits are wanted by both.
  CHECK(fixture.chunks.size() == 1 && fixture.chunks[0].count == 99);
  fixture.run();
  CHECK_EQ(fixture.computed, 99u + 2 + 2 * 7);
  CHECK(fixture.inferences[0]->result().tokens == fixture.inferences[1]->result().tokens);
  fixture.add(text(1, 100), 1); // and a third time, when both are over
  fixture.run();
  CHECK_EQ(fixture.computed, 99u + 2 + 2 * 7 + 1);
  fixture.finish();
}

TEST(scheduler_lets_nobody_wait_for_fewer_than_32_common_tokens) {
  for (const size_t common : {31, 32}) {
    SharingFixture fixture({8, 10000, 512});
    fixture.add(text(1, common) + text(2, 50));
    const Sequence& second = fixture.add(text(1, common) + text(3, 50));
    fixture.schedule();
    CHECK_EQ(second.scheduling.attached, common < 32);
    CHECK_EQ(fixture.chunks.size(), common < 32 ? 2u : 1u);
    fixture.run();
    CHECK_EQ(fixture.computed, (common < 32 ? 2 : 1) * common + 2 * 50 + 2 * 7);
    fixture.finish();
  }
  // What the leader has computed already is there at once: only the rest counts.
  for (const size_t rest : {31, 32}) {
    SharingFixture fixture({8, 10000, 64});
    fixture.add(text(1, 64 + rest) + text(2, 100));
    fixture.step();
    const Sequence& second = fixture.add(text(1, 64 + rest) + text(3, 50));
    fixture.schedule();
    CHECK_EQ(second.scheduling.attached, rest < 32);
    CHECK_EQ(second.num_computed_tokens, rest < 32 ? 64u : 0u);
    fixture.run();
    fixture.finish();
  }
}

TEST(scheduler_stops_a_leader_only_where_it_would_be_done) {
  SharingFixture fixture({8, 10000, 64});
  const Sequence& leader = fixture.add(text(1, 100) + text(2, 200));
  const Sequence& follower = fixture.add(text(1, 100) + text(3, 20));
  fixture.step();
  CHECK_EQ(leader.num_computed_tokens, 64u);
  fixture.step();
  CHECK_EQ(leader.num_computed_tokens, 128u); // beyond the fork: it has more to do anyway
  CHECK(!follower.scheduling.attached);
  fixture.schedule();
  CHECK_EQ(follower.num_computed_tokens, 100u);
  CHECK(scheduled(fixture, 0, leader, 128, 44)); // half, and what the short one leaves
  CHECK(scheduled(fixture, 1, follower, 100, 20));
  fixture.run();
  CHECK_EQ(fixture.computed, 300u + 20 + 2 * 7);
  fixture.finish();
}

TEST(scheduler_lets_a_follower_lead_others) {
  SharingFixture fixture({8, 10000, 512});
  const Sequence& first = fixture.add(text(1, 100) + text(2, 100));
  const Sequence& second = fixture.add(text(1, 100) + text(3, 50) + text(4, 20));
  const Sequence& third = fixture.add(text(1, 100) + text(3, 50) + text(5, 30));
  fixture.schedule();
  CHECK(scheduled(fixture, 0, first, 0, 100) && fixture.chunks.size() == 1);
  CHECK(second.scheduling.leader == &first && second.scheduling.leader_tokens == 100);
  CHECK(third.scheduling.leader == &second &&
        third.scheduling.leader_tokens == 150); // more than the first could give
  fixture.decode();
  fixture.schedule();
  CHECK(scheduled(fixture, 0, first, 100, 100) && scheduled(fixture, 1, second, 100, 50) &&
        fixture.chunks.size() == 2);
  fixture.decode();
  fixture.schedule();
  CHECK_EQ(fixture.chunks.size(), 3u);
  CHECK(scheduled(fixture, 1, second, 150, 20) && scheduled(fixture, 2, third, 150, 30));
  fixture.run();
  CHECK_EQ(fixture.computed, 200u + 70 + 30 + 3 * 7);
  fixture.finish();
}

TEST(scheduler_frees_followers_of_a_leader_that_goes) {
  enum class End { Cancelled, Failed, Restarted, Preempted };
  for (const End end : {End::Cancelled, End::Failed, End::Restarted, End::Preempted}) {
    SharingFixture fixture({4, 10000, 64});
    Sequence& oldest = fixture.add(text(9, 10), 1000);
    Sequence& leader = fixture.add(text(1, 200) + text(2, 20));
    Sequence& follower = fixture.add(text(1, 200) + text(3, 20));
    Sequence& last = fixture.add(text(1, 200) + text(4, 20));
    fixture.step();
    fixture.step();
    const size_t computed = leader.num_computed_tokens;
    CHECK(computed > 0 && computed < 200 && follower.scheduling.leader == &leader &&
          last.scheduling.leader == &leader);
    size_t lost = 0;
    switch (end) {
    case End::Cancelled: // what it has computed stays
      fixture.scheduler.remove(leader, CachedCells::Keep);
      CHECK_EQ(follower.scheduling.leader, nullptr);
      fixture.schedule();
      CHECK_EQ(follower.num_computed_tokens, computed);
      CHECK_EQ(last.scheduling.leader, &follower); // the next in line leads
      fixture.decode();
      break;
    case End::Failed:
      fixture.scheduler.remove(leader, CachedCells::Discard);
      lost = computed;
      fixture.schedule();
      CHECK_EQ(follower.num_computed_tokens, 0u);
      CHECK_EQ(last.scheduling.leader, &follower);
      fixture.decode();
      break;
    case End::Restarted:
      fixture.scheduler.restart(leader);
      lost = computed;
      fixture.schedule();
      CHECK(follower.scheduling.leader == &leader &&
            last.scheduling.leader == &leader); // it is still the first
      fixture.decode();
      break;
    case End::Preempted:
      for (int i = 0; i < 3; ++i)
        CHECK(fixture.scheduler.preempt_and_hold());
      CHECK(!fixture.scheduler.preempt_and_hold());
      lost = computed;
      for (const Sequence* each : {&leader, &follower, &last})
        CHECK(each->scheduling.id == -1 && each->scheduling.leader == nullptr && !each->scheduling.attached &&
              each->num_computed_tokens == 0);
      fixture.scheduler.remove(oldest, CachedCells::Keep);
      fixture.schedule();
      CHECK(follower.scheduling.leader == &leader && last.scheduling.leader == &leader);
      fixture.decode();
      break;
    }
    if (end != End::Preempted) fixture.scheduler.remove(oldest, CachedCells::Keep);
    const size_t before = fixture.computed_of[&oldest];
    const int runs = end == End::Cancelled || end == End::Failed ? 2 : 3;
    fixture.run();
    CHECK_EQ(fixture.completed, runs);
    CHECK_EQ(fixture.computed - before, 200 + lost + static_cast<size_t>(runs) * (20 + 7));
    fixture.finish();
  }
}

TEST(scheduler_admits_by_the_cells_that_are_new) {
  SharingFixture fixture({8, 300, 512});
  for (Token i = 0; i < 6; ++i)
    fixture.add(text(1, 200) + text(2 + i, 5), 4);
  fixture.step();
  CHECK_EQ(fixture.scheduler.running(), 6u); // alone each would take 205 and its growth
  CHECK_EQ(fixture.run(), 4u);
  fixture.finish();

  SharingFixture apart({8, 300, 512});
  for (Token i = 0; i < 3; ++i)
    apart.add(text(2 + i, 5) + text(1, 200), 4);
  apart.step();
  CHECK_EQ(apart.scheduler.running(), 1u);
  apart.run();
  apart.finish();
}

TEST(scheduler_admits_beside_idle_prefixes_as_if_they_were_not_there) {
  SharingFixture fixture({4, 400, 512}); // 100 of them idle
  for (Token i = 1; i <= 5; ++i) {
    fixture.add(text(i, 80), 4);
    fixture.run();
  }
  CHECK(fixture.decoder.used() > 0);
  for (Token i = 1; i <= 5; ++i) // all of them
    CHECK_EQ(fixture.scheduler.cache().num_cached_tokens(text(i, 80)), 80u);
  fixture.add(text(6, 190), 4);
  fixture.add(text(7, 190), 4);
  fixture.step();
  CHECK_EQ(fixture.scheduler.running(), 2u);
  fixture.run();
  fixture.finish();
}

TEST(scheduler_brings_preempted_sequences_back_from_the_host) {
  const FakeDecoder::Limits limits{4, 256, 64};
  auto with = limits.scheduler();
  with.cache.saved_tokens = 1000;
  SharingFixture fixture(limits, with);
  const Sequence& first = fixture.add(text(1, 20), 200);
  const Sequence& second = fixture.add(text(2, 20), 150);
  while (first.scheduling.id < 0 || second.scheduling.id < 0 || !second.decoding())
    fixture.step();
  while (second.scheduling.id >= 0)
    fixture.step();
  CHECK(second.tokens().size() > 80);
  CHECK_EQ(fixture.scheduler.cache().saved_tokens(), second.tokens().size() - 1);
  fixture.run();
  CHECK_EQ(fixture.completed, 2);
  CHECK_EQ(fixture.computed, 20u + 199 + 20 + 149); // nothing twice
  CHECK(fixture.decoder.restores > 0);
  CHECK_EQ(fixture.inferences[1]->result().usage.cached_tokens, 0u); // its own tokens do not count
  fixture.finish();
}

TEST(scheduler_lets_no_long_prompt_block_short_ones) {
  SharingFixture fixture({8, 100000, 64});
  const Sequence& large = fixture.add(text(1, 999) + text(2, 999) + text(3, 999), 1);
  fixture.step();
  const Sequence& small = fixture.add(text(4, 20), 100);
  fixture.schedule();
  CHECK(scheduled(fixture, 1, small, 0, 20)); // at once
  CHECK(scheduled(fixture, 0, large, 64, 44));
  fixture.decode();
  // A flood of short ones does not starve it either: half of what prompts get is its own.
  size_t steps = 0;
  for (Token kind = 5; !fixture.inferences[0]->finished(); ++kind, ++steps) {
    CHECK(steps < 400);
    fixture.add(text(kind, 60), 1);
    const size_t before = large.num_computed_tokens;
    fixture.schedule();
    size_t prompts = 0;
    for (const auto& chunk : fixture.chunks)
      prompts += chunk.sequence->decoding() ? 0 : chunk.count;
    fixture.decode();
    if (!fixture.inferences[0]->finished()) CHECK(large.num_computed_tokens - before >= prompts / 2);
  }
  CHECK(fixture.completed > 20); // and it does not block them
  fixture.run();
  fixture.finish();
}
