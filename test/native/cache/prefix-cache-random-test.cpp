// Thousands of random operations on a prefix cache; after each one it is compared with what the decoder
// holds.

#include "cache/prefix-cache-fixture.h"

using namespace verbatim;
using namespace support;

namespace {

class RandomCache : public CacheFixture {
 public:
  RandomCache(PrefixCache::Limits limits, uint64_t seed) : CacheFixture(limits), random_(seed) {}

  void step() {
    switch (random_() % 12) {
    case 0:
    case 1:
    case 2:
      begin();
      break;
    case 3:
    case 4:
    case 5:
      with_any([&](int32_t id) { extend(id, continuation(8)); });
      break;
    case 6:
      with_any([&](int32_t id) { draft(id); });
      break;
    case 7:
    case 8:
      with_any([&](int32_t id) { end(id); });
      break;
    case 9:
      with_any([&](int32_t id) { lose(id); });
      break;
    case 10:
      cache.make_room(pick<size_t>(random_, 0, limits.cells));
      check();
      break;
    default:
      if (random_() % 8 == 0) cache.evict_all();
      check();
    }
  }

  void finish() {
    while (!running.empty())
      end(running.begin()->first);
    cache.evict_all();
    check();
    CHECK_EQ(decoder.used(), 0u);
    CHECK_EQ(decoder.sequences(), 0u);
    check_host();
    if (!limits.sharing || !decoder.can_save || limits.saved_tokens > limits.cells) return;
    // All that was saved makes way for something new: nothing is counted that is not there.
    const Tokens all = text(40, limits.saved_tokens);
    release(start(all), CachedCells::Offload);
    CHECK_EQ(cache.num_cached_tokens(all), all.size());
    CHECK_EQ(cache.saved_tokens(), all.size());
    CHECK_EQ(cache.num_cached_tokens(texts_.back()), 0u);
  }

  int begun = 0, shared = 0;

 private:
  void with_any(auto&& body) {
    if (running.empty()) return;
    body(std::next(running.begin(), pick<std::ptrdiff_t>(random_, 0, std::ssize(running) - 1))->first);
  }

  /// Makes tokens of few kinds, so that many texts begin alike and are long enough to be worth saving.
  Tokens continuation(size_t most) {
    Tokens tokens(pick<size_t>(random_, 1, most));
    const Token kind = pick<Token>(random_, 1, 3);
    for (Token& token : tokens)
      token = random_() % 50 == 0 ? 9 : kind;
    return tokens;
  }

  void begin() {
    if (std::ssize(running) == limits.running) return;
    Tokens tokens;
    if (!texts_.empty() && random_() % 8) {
      tokens = texts_[random_() % texts_.size()];
      tokens.resize(pick<size_t>(random_, 0, tokens.size()));
    }
    tokens = tokens + continuation(random_() % 2 ? 60 : 5);
    const int32_t id = cache.acquire();
    CHECK(id >= 0 && !running.contains(id));
    CHECK(decoder.tokens(id).empty());
    running[id] = {};
    check();
    compute(id, tokens);
  }

  /// From what is known of it to its end, as far as there is room.
  void compute(int32_t id, const Tokens& tokens) {
    const size_t known = attach(id, tokens);
    if (!limits.sharing) CHECK_EQ(known, 0u);
    ++begun;
    shared += known > 0;
    extend(id, {tokens.begin() + static_cast<std::ptrdiff_t>(known), tokens.end()});
    if (std::ssize(texts_) < 40)
      texts_.push_back(tokens);
    else
      texts_[random_() % 40] = tokens;
  }

  void extend(int32_t id, Tokens tokens) {
    while (!tokens.empty()) { // in batches
      const size_t count = pick<size_t>(random_, 1, tokens.size());
      if (!grow(id, {tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(count)})) return;
      tokens.erase(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(count));
    }
  }

  void draft(int32_t id) {
    const Tokens tokens = continuation(8);
    if (!limits.sharing || cache.free_cells() < tokens.size()) return;
    CHECK(decode(id, tokens) == DecodeStatus::Ok);
    const auto right = pick<std::ptrdiff_t>(random_, 0, std::ssize(tokens));
    const Tokens kept(tokens.begin(), tokens.begin() + right);
    cache.append(id, kept);
    running[id] = running[id] + kept;
    if (right < std::ssize(tokens)) cache.cut_drafts(id, running[id].size());
    check();
  }

  void end(int32_t id) {
    switch (random_() % 4) {
    case 0:
      return release(id, CachedCells::Discard);
    case 1:
      return release(id, CachedCells::Offload);
    default:
      return release(id, CachedCells::Keep);
    }
  }

  /// A computation fails; the sequence is begun anew, or the whole context is.
  void lose(int32_t id) {
    const bool broken = random_() % 20 == 0;
    decoder.script = [&](auto) { return broken ? DecodeStatus::Broken : DecodeStatus::Failed; };
    decode(id, {1});
    decoder.script = [](auto) { return DecodeStatus::Ok; };
    if (!broken) {
      const Tokens tokens = running[id];
      clear(id);
      if (random_() % 2) compute(id, tokens);
      return;
    }
    decoder.rebuild();
    cache.reset(true);
    for (auto& [each, tokens] : running)
      tokens.clear();
    check_host();
    while (!running.empty())
      release(running.begin()->first, CachedCells::Discard);
  }

  /// Checks that all tokens counted as cached can be had, if there is room for them.
  void check_host() {
    if (!limits.sharing || !decoder.can_restore) return;
    for (const Tokens& tokens : texts_) {
      const size_t known = cache.num_cached_tokens(tokens);
      if (known > limits.cells / 2) continue;
      const int32_t id = cache.acquire();
      const size_t attached = cache.attach(id, tokens);
      CHECK(attached <= known && attached + 16 > known); // fewer than 16 are not worth copying
      CHECK(decoder.tokens(id) ==
            Tokens(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(attached)));
      cache.release(id, CachedCells::Discard);
    }
    check();
  }

  std::mt19937_64 random_;
  std::vector<Tokens> texts_;
};

void try_limits(PrefixCache::Limits limits, bool can_save = true, bool can_restore = true) {
  int begun = 0, shared = 0;
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    RandomCache fixture(limits, seed);
    fixture.decoder.can_save = can_save;
    fixture.decoder.can_restore = can_restore;
    for (int step = 0; step < 1000; ++step)
      fixture.step();
    fixture.finish();
    begun += fixture.begun;
    shared += fixture.shared;
  }
  CHECK(begun > 400);
  if (limits.sharing) CHECK(shared > begun / 4);
}

constexpr PrefixCache::Limits usual = {.running = 4, .cells = 1000, .idle_cells = 300, .saved_tokens = 500};

} // namespace

TEST(prefix_cache_survives_random_use) {
  try_limits(usual);
}

TEST(prefix_cache_survives_random_use_of_many_sequences) {
  try_limits({.running = 12, .cells = 3000, .idle_cells = 3000, .saved_tokens = 3000});
}

TEST(prefix_cache_survives_random_use_of_one_sequence) {
  try_limits({.running = 1, .cells = 200, .idle_cells = 200, .saved_tokens = 200});
}

TEST(prefix_cache_survives_random_use_with_few_cells) {
  try_limits({.running = 4, .cells = 150, .idle_cells = 100, .saved_tokens = 1000});
}

TEST(prefix_cache_survives_random_use_without_idle_cells) {
  try_limits({.running = 4, .cells = 1000, .idle_cells = 0, .saved_tokens = 500});
}

TEST(prefix_cache_survives_random_use_without_host_memory) {
  try_limits({.running = 4, .cells = 1000, .idle_cells = 300, .saved_tokens = 0});
}

TEST(prefix_cache_survives_random_use_with_little_host_memory) {
  try_limits({.running = 4, .cells = 400, .idle_cells = 100, .saved_tokens = 60});
}

TEST(prefix_cache_survives_random_use_without_saving) {
  try_limits(usual, false);
}

TEST(prefix_cache_survives_random_use_without_restoring) {
  try_limits(usual, true, false);
}

TEST(prefix_cache_survives_random_use_without_sharing) {
  auto limits = usual;
  limits.sharing = false;
  try_limits(limits);
}
