#include "cache/prefix-cache-fixture.h"

#include <new>

using namespace verbatim;
using namespace support;

namespace {

constexpr PrefixCache::Limits roomy = {
    .running = 4, .cells = 10000, .idle_cells = 10000, .saved_tokens = 10000};

PrefixCache::Limits with(auto change) {
  auto limits = roomy;
  change(limits);
  return limits;
}

} // namespace

TEST(prefix_cache_shares_the_cells_of_whoever_runs) {
  CacheFixture fixture(roomy);
  const Tokens common = text(1, 50);
  const int32_t first = fixture.start(common + text(2, 20));
  size_t known = 0;
  const int32_t second = fixture.start(common + text(3, 10), &known);
  CHECK_EQ(known, 50u);
  CHECK_EQ(fixture.cache.used_cells(), 80u);
  CHECK_EQ(fixture.cache.pinned_cells(), 80u);
  const int32_t third = fixture.start(text(1, 30), &known); // ends inside
  CHECK_EQ(known, 30u);
  CHECK_EQ(fixture.cache.used_cells(), 80u);
  fixture.grow(third, text(4, 5));
  fixture.grow(first, text(5, 5));
  CHECK_EQ(fixture.cache.used_cells(), 90u);
  fixture.release(first, CachedCells::Discard); // the others keep what was theirs too
  CHECK_EQ(fixture.cache.used_cells(), 65u);
  fixture.release(third, CachedCells::Discard);
  fixture.release(second, CachedCells::Discard);
  CHECK_EQ(fixture.cache.used_cells(), 0u);
  CHECK_EQ(fixture.decoder.saves + fixture.decoder.restores, 0);
}

TEST(prefix_cache_keeps_the_cells_of_finished_sequences) {
  CacheFixture fixture(roomy);
  fixture.leave_behind(text(1, 50));
  CHECK_EQ(fixture.cache.pinned_cells(), 0u);
  CHECK_EQ(fixture.cache.used_cells(), 50u);
  size_t known = 0;
  const int32_t id = fixture.start(text(1, 40) + text(2, 10), &known);
  CHECK_EQ(known, 40u);
  CHECK_EQ(fixture.cache.pinned_cells(), 50u);
  CHECK_EQ(fixture.cache.used_cells(), 60u);
  fixture.release(id, CachedCells::Keep);
  CHECK_EQ(fixture.cache.num_cached_tokens(text(1, 40) + text(2, 10)), 50u);
  CHECK(fixture.cache.evict_all());
  CHECK(!fixture.cache.evict_all());
  fixture.check();
  CHECK_EQ(fixture.cache.used_cells(), 0u);
  CHECK_EQ(fixture.cache.saved_tokens(), 40u); // ten are not worth it
}

TEST(prefix_cache_keeps_nothing_twice) {
  CacheFixture fixture(roomy);
  const Tokens longer = text(1, 60), shorter = text(1, 40);
  // Side by side: neither knows of the other when it begins.
  const int32_t first = fixture.start({});
  const int32_t second = fixture.start({});
  fixture.grow(first, longer);
  fixture.grow(second, shorter);
  CHECK_EQ(fixture.cache.used_cells(), 100u);
  fixture.release(first, CachedCells::Keep);
  fixture.release(second, CachedCells::Keep);
  CHECK_EQ(fixture.cache.used_cells(), 60u);
  const int32_t third = fixture.start(longer);
  fixture.release(third, CachedCells::Keep); // all of it in the cells of the first
  CHECK_EQ(fixture.cache.used_cells(), 60u);
  const int32_t fourth = fixture.start(longer + text(2, 1));
  fixture.release(fourth, CachedCells::Keep);
  CHECK_EQ(fixture.cache.used_cells(), 61u);
}

TEST(prefix_cache_moves_the_oldest_idle_prefix_to_the_host) {
  CacheFixture fixture(with([](auto& limits) { limits.idle_cells = 100; }));
  for (const Token kind : {1, 2})
    fixture.leave_behind(text(kind, 40));
  CHECK_EQ(fixture.decoder.saves, 0);
  // The first is used again: now the second is the oldest.
  fixture.release(fixture.start(text(1, 41)), CachedCells::Keep);
  CHECK_EQ(fixture.cache.used_cells(), 81u);
  fixture.leave_behind(text(3, 40));
  CHECK_EQ(fixture.cache.saved_tokens(), 40u);
  const auto in_cells = [&](Token kind) {
    for (int32_t id = 0; id < 18; ++id)
      if (fixture.decoder.first(id) == text(kind, 1)[0]) return true;
    return false;
  };
  CHECK(in_cells(1) && !in_cells(2) && in_cells(3));
  for (const Token kind : {1, 2, 3})
    CHECK_EQ(fixture.cache.num_cached_tokens(text(kind, 40)), 40u);
  const int restores = fixture.decoder.restores;
  size_t known = 0;
  fixture.start(text(2, 45), &known);
  CHECK_EQ(known, 40u);
  CHECK_EQ(fixture.decoder.restores, restores + 1);
}

TEST(prefix_cache_drops_the_oldest_saved_prefix) {
  CacheFixture fixture(with([](auto& limits) {
    limits.idle_cells = 0;
    limits.saved_tokens = 100;
  }));
  for (const Token kind : {1, 2})
    fixture.leave_behind(text(kind, 40));
  CHECK_EQ(fixture.cache.used_cells(), 0u);
  CHECK_EQ(fixture.cache.saved_tokens(), 80u);
  fixture.release(fixture.start(text(1, 40)), CachedCells::Keep); // used again, from the host and back
  fixture.leave_behind(text(3, 40));
  CHECK_EQ(fixture.cache.num_cached_tokens(text(1, 40)), 40u);
  CHECK_EQ(fixture.cache.num_cached_tokens(text(2, 40)), 0u);
  CHECK_EQ(fixture.cache.num_cached_tokens(text(3, 40)), 40u);
  fixture.leave_behind(text(4, 101)); // would never fit
  CHECK_EQ(fixture.cache.num_cached_tokens(text(4, 101)), 0u);
  CHECK_EQ(fixture.cache.saved_tokens(), 80u);
}

TEST(prefix_cache_drops_copies_of_what_is_in_cells_first) {
  CacheFixture fixture(with([](auto& limits) {
    limits.idle_cells = 0;
    limits.saved_tokens = 100;
  }));
  fixture.leave_behind(text(1, 40));
  fixture.release(fixture.start(text(2, 40)),
                  CachedCells::Offload);         // gave its place away, and is to go on later
  const int32_t id = fixture.start(text(1, 40)); // from the host, where a copy stays
  CHECK_EQ(fixture.cache.saved_tokens(), 80u);
  fixture.leave_behind(text(3, 40));
  CHECK_EQ(fixture.cache.num_cached_tokens(text(2, 40)), 40u);
  CHECK_EQ(fixture.cache.num_cached_tokens(text(3, 40)), 40u);
  CHECK_EQ(fixture.cache.saved_tokens(), 80u);
  fixture.leave_behind(text(4, 40)); // nothing is left that is in cells too
  CHECK_EQ(fixture.cache.num_cached_tokens(text(2, 40)), 0u);
  CHECK_EQ(fixture.cache.num_cached_tokens(text(4, 40)), 40u);
  fixture.release(id, CachedCells::Keep);
  CHECK_EQ(fixture.cache.num_cached_tokens(text(1, 40)), 40u);
}

TEST(prefix_cache_restores_a_part_of_what_was_saved) {
  for (const size_t part : {15, 16, 40, 85}) {
    CacheFixture fixture(with([](auto& limits) { limits.idle_cells = 0; }));
    fixture.leave_behind(text(1, 100));
    CHECK_EQ(fixture.cache.saved_tokens(), 100u);
    size_t known = 0;
    const int32_t id = fixture.start(text(1, part) + text(2, 30), &known);
    CHECK_EQ(known, part < 16 ? 0 : part);        // less is sooner computed than copied
    CHECK_EQ(fixture.cache.saved_tokens(), 100u); // in two pieces now
    size_t all = 0;
    const int32_t other = fixture.start(text(1, 100), &all);
    CHECK_EQ(all, 100u);
    CHECK_EQ(fixture.cache.used_cells(), part < 16 ? 100 + part + 30 : 130);
    fixture.release(id, CachedCells::Keep);
    fixture.release(other, CachedCells::Keep);
    CHECK_EQ(fixture.cache.used_cells(), 0u);
    CHECK_EQ(fixture.cache.num_cached_tokens(text(1, 100)), 100u);
    CHECK_EQ(fixture.cache.num_cached_tokens(text(1, part) + text(2, 30)), part + 30);
  }
}

TEST(prefix_cache_saves_only_what_nobody_else_holds) {
  CacheFixture fixture(roomy);
  const int32_t running = fixture.start(text(1, 50));
  fixture.release(fixture.start(text(1, 50) + text(2, 20)), CachedCells::Offload);
  CHECK_EQ(fixture.cache.saved_tokens(), 20u);
  CHECK_EQ(fixture.cache.used_cells(), 50u);
  size_t known = 0;
  fixture.start(text(1, 50) + text(2, 20), &known);
  CHECK_EQ(known, 70u);
  CHECK_EQ(fixture.cache.used_cells(), 70u);
  fixture.release(running, CachedCells::Discard);
  CHECK_EQ(fixture.cache.used_cells(), 70u);
}

TEST(prefix_cache_forgets_what_came_after_a_lost_part) {
  CacheFixture fixture(roomy);
  fixture.start(text(1, 50));
  fixture.release(fixture.start(text(1, 50) + text(2, 20)), CachedCells::Offload);
  fixture.release(fixture.running.begin()->first,
                  CachedCells::Discard); // its 50 may be wrong, and without them the 20 are of no use
  CHECK_EQ(fixture.cache.num_cached_tokens(text(1, 50) + text(2, 20)), 0u);
  CHECK_EQ(fixture.cache.saved_tokens(), 0u);
  CHECK_EQ(fixture.cache.used_cells(), 0u);
}

TEST(prefix_cache_leaves_no_gap_where_data_was_dropped) {
  // A prefix in two saved pieces is brought back. A neighbour takes a part of the first piece, whose data is
  // dropped therefore; then the sequence fails, and its cells go. The second piece is still saved.
  CacheFixture fixture(roomy);
  const int32_t stem = fixture.start(text(1, 100));
  fixture.release(fixture.start(text(1, 100) + text(2, 50)), CachedCells::Offload);
  fixture.release(stem, CachedCells::Offload);
  CHECK_EQ(fixture.cache.saved_tokens(), 150u);
  const int32_t id = fixture.start(text(1, 100) + text(2, 50));
  const int32_t neighbour = fixture.start(text(1, 40));
  CHECK_EQ(fixture.cache.saved_tokens(), 50u);
  fixture.release(id, CachedCells::Discard);
  CHECK_EQ(fixture.cache.num_cached_tokens(text(1, 100) + text(2, 50)), 40u);
  size_t known = 0;
  fixture.start(text(1, 100) + text(2, 50), &known);
  CHECK_EQ(known, 40u);
  fixture.release(neighbour, CachedCells::Discard);
}

TEST(prefix_cache_makes_room_without_touching_who_runs) {
  CacheFixture fixture(with([](auto& limits) { limits.cells = limits.idle_cells = 100; }));
  fixture.leave_behind(text(1, 30));
  fixture.leave_behind(text(2, 30));
  const int32_t id = fixture.start(text(3, 40));
  CHECK_EQ(fixture.cache.free_cells(), 0u);
  fixture.cache.make_room(1);
  fixture.check();
  CHECK_EQ(fixture.cache.free_cells(), 30u); // the older one
  fixture.cache.make_room(1000);
  fixture.check();
  CHECK_EQ(fixture.cache.free_cells(), 60u);
  CHECK(!fixture.grow(id, text(4, 61)));
  CHECK(fixture.grow(id, text(4, 60)));
  fixture.cache.make_room(1);
  fixture.check();
  // A restored prefix needs room too, and makes it.
  fixture.release(id, CachedCells::Discard);
  const int32_t large = fixture.start(text(5, 50));
  fixture.release(fixture.start(text(6, 40)), CachedCells::Keep);
  size_t known = 0;
  fixture.start(text(1, 30), &known);
  CHECK_EQ(known, 30u);
  // Where there is none, it is computed: nothing is known of what cannot be had.
  CHECK_EQ(fixture.cache.attach(fixture.cache.acquire(), text(6, 40)), 0u);
  fixture.release(large, CachedCells::Discard);
}

TEST(prefix_cache_never_runs_out_of_ids) {
  CacheFixture fixture(with([](auto& limits) { limits.running = 3; }));
  for (Token round = 0; round < 20; ++round) {
    std::vector<int32_t> ids;
    for (Token i = 1; i <= 3; ++i)
      ids.push_back(fixture.start(text(3 * round + i, 20)));
    for (const int32_t id : ids)
      fixture.release(id, CachedCells::Keep);
  }
  CHECK(fixture.decoder.sequences() >= 14); // idle, as many as there are ids
  for (Token kind = 1; kind <= 60; ++kind)
    CHECK_EQ(fixture.cache.num_cached_tokens(text(kind, 20)),
             20u); // all of them, the older ones in host memory
  CacheFixture unshared(with([](auto& limits) { limits.sharing = false; }));
  for (int round = 0; round < 10; ++round)
    for (const int32_t id : {unshared.start(text(1, 9)), unshared.start(text(1, 9)), unshared.start({})})
      unshared.release(id, CachedCells::Keep);
  CHECK_EQ(unshared.decoder.shares, 0);
}

TEST(prefix_cache_gives_back_the_cells_of_refused_drafts) {
  CacheFixture fixture(roomy);
  const int32_t id = fixture.start(text(1, 20));
  const int32_t other = fixture.start(text(1, 20));
  CHECK(fixture.decode(id, text(2, 8)) == DecodeStatus::Ok);
  fixture.cache.append(id, text(2, 3));
  fixture.cache.cut_drafts(id, 23);
  fixture.running[id] = text(1, 20) + text(2, 3);
  fixture.check();
  fixture.release(id, CachedCells::Keep);
  fixture.release(other, CachedCells::Keep);
  CHECK_EQ(fixture.cache.used_cells(), 23u);
}

TEST(prefix_cache_works_where_saving_or_restoring_fails) {
  for (const int what : {0, 1, 2}) {
    struct Poor : FakeDecoder {
      using FakeDecoder::FakeDecoder;
      std::vector<uint8_t> save(int32_t) override { throw std::bad_alloc(); }
    };
    CacheFixture fixture(roomy);
    fixture.decoder.can_save = what != 0;
    fixture.decoder.can_restore = what != 1;
    fixture.leave_behind(text(1, 50));
    CHECK_EQ(fixture.saved_of(text(1, 50)), what == 0 ? 0u : 50u);
    size_t known = 0;
    fixture.start(text(1, 50), &known);
    CHECK_EQ(known, what == 2 ? 50u : 0u);
    if (what != 2) continue;
    Poor poor({4, 1000, 1000});
    PrefixCache cache(poor, roomy);
    const int32_t id = cache.acquire();
    const std::vector<BatchToken> batch(1, {5, 0, id, false});
    poor.decode(batch);
    for (int32_t position = 1; position < 40; ++position)
      poor.decode(std::vector<BatchToken>{{5, position, id, false}});
    cache.append(id, Tokens(40, 5));
    cache.release(id, CachedCells::Offload);
    CHECK_EQ(cache.num_cached_tokens(Tokens(40, 5)), 0u);
    CHECK_EQ(poor.used(), 0u);
    CHECK(poor.breaches.empty());
  }
}

TEST(prefix_cache_knows_nothing_after_a_reset) {
  for (const bool usable : {true, false}) {
    CacheFixture fixture(with([](auto& limits) { limits.idle_cells = 60; }));
    fixture.leave_behind(text(1, 50));
    fixture.leave_behind(text(2, 50));
    const int32_t id = fixture.start(text(2, 70));
    fixture.decoder.script = [](auto) { return DecodeStatus::Broken; };
    CHECK(fixture.decode(id, {1}) == DecodeStatus::Broken);
    if (usable) fixture.decoder.rebuild();
    fixture.cache.reset(usable);
    CHECK_EQ(fixture.cache.used_cells() + fixture.cache.pinned_cells() + fixture.cache.saved_tokens(), 0u);
    for (const Token kind : {1, 2})
      CHECK_EQ(fixture.cache.num_cached_tokens(text(kind, 50)), 0u);
    fixture.cache.release(id, CachedCells::Discard);
    const int32_t next = fixture.cache.acquire();
    CHECK_EQ(fixture.cache.attach(next, text(2, 50)), 0u);
    fixture.cache.clear(next);
    fixture.cache.release(next, CachedCells::Offload);
    CHECK(!fixture.cache.evict_all());
    CHECK(fixture.decoder.breaches.empty()); // a broken context is not touched
    if (!usable) continue;
    fixture.running.clear();
    fixture.decoder.script = [](auto) { return DecodeStatus::Ok; };
    fixture.leave_behind(text(2, 30));
    CHECK_EQ(fixture.cache.num_cached_tokens(text(2, 50)), 30u);
  }
}
