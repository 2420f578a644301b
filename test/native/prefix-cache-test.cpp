#include "prefix-cache-bench.h"

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
  CacheBench bench(roomy);
  const Tokens common = text(1, 50);
  const int32_t first = bench.start(common + text(2, 20));
  size_t known = 0;
  const int32_t second = bench.start(common + text(3, 10), &known);
  CHECK_EQ(known, 50u);
  CHECK_EQ(bench.cache.used_cells(), 80u);
  CHECK_EQ(bench.cache.pinned_cells(), 80u);
  const int32_t third = bench.start(text(1, 30), &known); // ends inside
  CHECK_EQ(known, 30u);
  CHECK_EQ(bench.cache.used_cells(), 80u);
  bench.grow(third, text(4, 5));
  bench.grow(first, text(5, 5));
  CHECK_EQ(bench.cache.used_cells(), 90u);
  bench.discard(first); // the others keep what was theirs too
  CHECK_EQ(bench.cache.used_cells(), 65u);
  bench.discard(third);
  bench.discard(second);
  CHECK_EQ(bench.cache.used_cells(), 0u);
  CHECK_EQ(bench.decoder.saves + bench.decoder.restores, 0);
}

TEST(prefix_cache_keeps_the_cells_of_finished_sequences) {
  CacheBench bench(roomy);
  bench.leave_behind(text(1, 50));
  CHECK_EQ(bench.cache.pinned_cells(), 0u);
  CHECK_EQ(bench.cache.used_cells(), 50u);
  size_t known = 0;
  const int32_t id = bench.start(text(1, 40) + text(2, 10), &known);
  CHECK_EQ(known, 40u);
  CHECK_EQ(bench.cache.pinned_cells(), 50u);
  CHECK_EQ(bench.cache.used_cells(), 60u);
  bench.retire(id);
  CHECK_EQ(bench.cache.known(text(1, 40) + text(2, 10)), 50u);
  CHECK(bench.cache.evict_all());
  CHECK(!bench.cache.evict_all());
  bench.check();
  CHECK_EQ(bench.cache.used_cells(), 0u);
  CHECK_EQ(bench.cache.saved_tokens(), 40u); // ten are not worth it
}

TEST(prefix_cache_keeps_nothing_twice) {
  CacheBench bench(roomy);
  const Tokens longer = text(1, 60), shorter = text(1, 40);
  // Side by side: neither knows of the other when it begins.
  const int32_t first = bench.start({});
  const int32_t second = bench.start({});
  bench.grow(first, longer);
  bench.grow(second, shorter);
  CHECK_EQ(bench.cache.used_cells(), 100u);
  bench.retire(first);
  bench.retire(second);
  CHECK_EQ(bench.cache.used_cells(), 60u);
  const int32_t third = bench.start(longer);
  bench.retire(third); // all of it in the cells of the first
  CHECK_EQ(bench.cache.used_cells(), 60u);
  const int32_t fourth = bench.start(longer + text(2, 1));
  bench.retire(fourth);
  CHECK_EQ(bench.cache.used_cells(), 61u);
}

TEST(prefix_cache_moves_the_oldest_idle_prefix_to_the_host) {
  CacheBench bench(with([](auto& limits) { limits.idle_cells = 100; }));
  for (const Token kind : {1, 2})
    bench.leave_behind(text(kind, 40));
  CHECK_EQ(bench.decoder.saves, 0);
  // The first is used again: now the second is the oldest.
  bench.retire(bench.start(text(1, 41)));
  CHECK_EQ(bench.cache.used_cells(), 81u);
  bench.leave_behind(text(3, 40));
  CHECK_EQ(bench.cache.saved_tokens(), 40u);
  const auto in_cells = [&](Token kind) {
    for (int32_t id = 0; id < 18; ++id)
      if (bench.decoder.first(id) == text(kind, 1)[0]) return true;
    return false;
  };
  CHECK(in_cells(1) && !in_cells(2) && in_cells(3));
  for (const Token kind : {1, 2, 3})
    CHECK_EQ(bench.cache.known(text(kind, 40)), 40u);
  const int restores = bench.decoder.restores;
  size_t known = 0;
  bench.start(text(2, 45), &known);
  CHECK_EQ(known, 40u);
  CHECK_EQ(bench.decoder.restores, restores + 1);
}

TEST(prefix_cache_drops_the_oldest_saved_prefix) {
  CacheBench bench(with([](auto& limits) {
    limits.idle_cells = 0;
    limits.saved_tokens = 100;
  }));
  for (const Token kind : {1, 2})
    bench.leave_behind(text(kind, 40));
  CHECK_EQ(bench.cache.used_cells(), 0u);
  CHECK_EQ(bench.cache.saved_tokens(), 80u);
  bench.retire(bench.start(text(1, 40))); // used again, from the host and back
  bench.leave_behind(text(3, 40));
  CHECK_EQ(bench.cache.known(text(1, 40)), 40u);
  CHECK_EQ(bench.cache.known(text(2, 40)), 0u);
  CHECK_EQ(bench.cache.known(text(3, 40)), 40u);
  bench.leave_behind(text(4, 101)); // would never fit
  CHECK_EQ(bench.cache.known(text(4, 101)), 0u);
  CHECK_EQ(bench.cache.saved_tokens(), 80u);
}

TEST(prefix_cache_drops_copies_of_what_is_in_cells_first) {
  CacheBench bench(with([](auto& limits) {
    limits.idle_cells = 0;
    limits.saved_tokens = 100;
  }));
  bench.leave_behind(text(1, 40));
  bench.retire_to_host(bench.start(text(2, 40))); // gave its place away, and is to go on later
  const int32_t id = bench.start(text(1, 40));    // from the host, where a copy stays
  CHECK_EQ(bench.cache.saved_tokens(), 80u);
  bench.leave_behind(text(3, 40));
  CHECK_EQ(bench.cache.known(text(2, 40)), 40u);
  CHECK_EQ(bench.cache.known(text(3, 40)), 40u);
  CHECK_EQ(bench.cache.saved_tokens(), 80u);
  bench.leave_behind(text(4, 40)); // nothing is left that is in cells too
  CHECK_EQ(bench.cache.known(text(2, 40)), 0u);
  CHECK_EQ(bench.cache.known(text(4, 40)), 40u);
  bench.retire(id);
  CHECK_EQ(bench.cache.known(text(1, 40)), 40u);
}

TEST(prefix_cache_restores_a_part_of_what_was_saved) {
  for (const size_t part : {15, 16, 40, 85}) {
    CacheBench bench(with([](auto& limits) { limits.idle_cells = 0; }));
    bench.leave_behind(text(1, 100));
    CHECK_EQ(bench.cache.saved_tokens(), 100u);
    size_t known = 0;
    const int32_t id = bench.start(text(1, part) + text(2, 30), &known);
    CHECK_EQ(known, part < 16 ? 0 : part);      // less is sooner computed than copied
    CHECK_EQ(bench.cache.saved_tokens(), 100u); // in two pieces now
    size_t all = 0;
    const int32_t other = bench.start(text(1, 100), &all);
    CHECK_EQ(all, 100u);
    CHECK_EQ(bench.cache.used_cells(), part < 16 ? 100 + part + 30 : 130);
    bench.retire(id);
    bench.retire(other);
    CHECK_EQ(bench.cache.used_cells(), 0u);
    CHECK_EQ(bench.cache.known(text(1, 100)), 100u);
    CHECK_EQ(bench.cache.known(text(1, part) + text(2, 30)), part + 30);
  }
}

TEST(prefix_cache_saves_only_what_nobody_else_holds) {
  CacheBench bench(roomy);
  const int32_t running = bench.start(text(1, 50));
  bench.retire_to_host(bench.start(text(1, 50) + text(2, 20)));
  CHECK_EQ(bench.cache.saved_tokens(), 20u);
  CHECK_EQ(bench.cache.used_cells(), 50u);
  size_t known = 0;
  bench.start(text(1, 50) + text(2, 20), &known);
  CHECK_EQ(known, 70u);
  CHECK_EQ(bench.cache.used_cells(), 70u);
  bench.discard(running);
  CHECK_EQ(bench.cache.used_cells(), 70u);
}

TEST(prefix_cache_forgets_what_came_after_a_lost_part) {
  CacheBench bench(roomy);
  bench.start(text(1, 50));
  bench.retire_to_host(bench.start(text(1, 50) + text(2, 20)));
  bench.discard(bench.running.begin()->first); // its 50 may be wrong, and without them the 20 are of no use
  CHECK_EQ(bench.cache.known(text(1, 50) + text(2, 20)), 0u);
  CHECK_EQ(bench.cache.saved_tokens(), 0u);
  CHECK_EQ(bench.cache.used_cells(), 0u);
}

TEST(prefix_cache_leaves_no_gap_where_data_was_dropped) {
  // A prefix in two saved pieces is brought back. A neighbour takes a part of the first piece, whose data is
  // dropped therefore; then the sequence fails, and its cells go. The second piece is still saved.
  CacheBench bench(roomy);
  const int32_t stem = bench.start(text(1, 100));
  bench.retire_to_host(bench.start(text(1, 100) + text(2, 50)));
  bench.retire_to_host(stem);
  CHECK_EQ(bench.cache.saved_tokens(), 150u);
  const int32_t id = bench.start(text(1, 100) + text(2, 50));
  const int32_t neighbour = bench.start(text(1, 40));
  CHECK_EQ(bench.cache.saved_tokens(), 50u);
  bench.discard(id);
  CHECK_EQ(bench.cache.known(text(1, 100) + text(2, 50)), 40u);
  size_t known = 0;
  bench.start(text(1, 100) + text(2, 50), &known);
  CHECK_EQ(known, 40u);
  bench.discard(neighbour);
}

TEST(prefix_cache_makes_room_without_touching_who_runs) {
  CacheBench bench(with([](auto& limits) { limits.cells = limits.idle_cells = 100; }));
  bench.leave_behind(text(1, 30));
  bench.leave_behind(text(2, 30));
  const int32_t id = bench.start(text(3, 40));
  CHECK_EQ(bench.cache.free_cells(), 0u);
  bench.cache.make_room(1);
  bench.check();
  CHECK_EQ(bench.cache.free_cells(), 30u); // the older one
  bench.cache.make_room(1000);
  bench.check();
  CHECK_EQ(bench.cache.free_cells(), 60u);
  CHECK(!bench.grow(id, text(4, 61)));
  CHECK(bench.grow(id, text(4, 60)));
  bench.cache.make_room(1);
  bench.check();
  // A restored prefix needs room too, and makes it.
  bench.discard(id);
  const int32_t large = bench.start(text(5, 50));
  bench.retire(bench.start(text(6, 40)));
  size_t known = 0;
  bench.start(text(1, 30), &known);
  CHECK_EQ(known, 30u);
  // Where there is none, it is computed: nothing is known of what cannot be had.
  CHECK_EQ(bench.cache.attach(bench.cache.acquire(), text(6, 40)), 0u);
  bench.discard(large);
}

TEST(prefix_cache_never_runs_out_of_ids) {
  CacheBench bench(with([](auto& limits) { limits.running = 3; }));
  for (Token round = 0; round < 20; ++round) {
    std::vector<int32_t> ids;
    for (Token i = 1; i <= 3; ++i)
      ids.push_back(bench.start(text(3 * round + i, 20)));
    for (const int32_t id : ids)
      bench.retire(id);
  }
  CHECK(bench.decoder.sequences() >= 14); // idle, as many as there are ids
  for (Token kind = 1; kind <= 60; ++kind)
    CHECK_EQ(bench.cache.known(text(kind, 20)), 20u); // all of them, the older ones in host memory
  CacheBench unshared(with([](auto& limits) { limits.sharing = false; }));
  for (int round = 0; round < 10; ++round)
    for (const int32_t id : {unshared.start(text(1, 9)), unshared.start(text(1, 9)), unshared.start({})})
      unshared.retire(id);
  CHECK_EQ(unshared.decoder.shares, 0);
}

TEST(prefix_cache_cuts_drafts) {
  CacheBench bench(roomy);
  const int32_t id = bench.start(text(1, 20));
  const int32_t other = bench.start(text(1, 20));
  CHECK(bench.decode(id, text(2, 8)) == DecodeStatus::Ok);
  bench.cache.append(id, text(2, 3));
  bench.cache.cut_drafts(id, 23);
  bench.running[id] = text(1, 20) + text(2, 3);
  bench.check();
  bench.retire(id);
  bench.retire(other);
  CHECK_EQ(bench.cache.used_cells(), 23u);
}

TEST(prefix_cache_lives_without_saving_or_restoring) {
  for (const int what : {0, 1, 2}) {
    struct Poor : FakeDecoder {
      using FakeDecoder::FakeDecoder;
      std::vector<uint8_t> save(int32_t) override { throw std::bad_alloc(); }
    };
    CacheBench bench(roomy);
    bench.decoder.can_save = what != 0;
    bench.decoder.can_restore = what != 1;
    bench.leave_behind(text(1, 50));
    CHECK_EQ(bench.saved_of(text(1, 50)), what == 0 ? 0u : 50u);
    size_t known = 0;
    bench.start(text(1, 50), &known);
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
    cache.retire_to_host(id);
    CHECK_EQ(cache.known(Tokens(40, 5)), 0u);
    CHECK_EQ(poor.used(), 0u);
    CHECK(poor.breaches.empty());
  }
}

TEST(prefix_cache_starts_over) {
  for (const bool usable : {true, false}) {
    CacheBench bench(with([](auto& limits) { limits.idle_cells = 60; }));
    bench.leave_behind(text(1, 50));
    bench.leave_behind(text(2, 50));
    const int32_t id = bench.start(text(2, 70));
    bench.decoder.script = [](auto) { return DecodeStatus::Broken; };
    CHECK(bench.decode(id, {1}) == DecodeStatus::Broken);
    if (usable) bench.decoder.rebuild();
    bench.cache.reset(usable);
    CHECK_EQ(bench.cache.used_cells() + bench.cache.pinned_cells() + bench.cache.saved_tokens(), 0u);
    for (const Token kind : {1, 2})
      CHECK_EQ(bench.cache.known(text(kind, 50)), 0u);
    bench.cache.discard(id);
    const int32_t next = bench.cache.acquire();
    CHECK_EQ(bench.cache.attach(next, text(2, 50)), 0u);
    bench.cache.clear(next);
    bench.cache.retire_to_host(next);
    CHECK(!bench.cache.evict_all());
    CHECK(bench.decoder.breaches.empty()); // a broken context is not touched
    if (!usable) continue;
    bench.running.clear();
    bench.decoder.script = [](auto) { return DecodeStatus::Ok; };
    bench.leave_behind(text(2, 30));
    CHECK_EQ(bench.cache.known(text(2, 50)), 30u);
  }
}
