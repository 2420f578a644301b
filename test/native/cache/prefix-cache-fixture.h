#pragma once

// A prefix cache over a fake decoder, checked against the tokens that each running sequence must hold.

#include "cache/prefix-cache.h"
#include "fake-decoder.h"

namespace support {

class CacheFixture {
 public:
  explicit CacheFixture(PrefixCache::Limits limits)
      : limits(limits), decoder({limits.running, limits.cells, limits.cells}), cache(decoder, limits) {}

  /// Starts a sequence with these tokens; `known` gets how many of them were cached.
  int32_t start(const Tokens& tokens, size_t* known = nullptr) {
    const int32_t id = cache.acquire();
    CHECK(id >= 0 && !running.contains(id));
    CHECK(decoder.tokens(id).empty());
    running[id] = {};
    const size_t attached = attach(id, tokens);
    if (known) *known = attached;
    CHECK(grow(id, {tokens.begin() + static_cast<std::ptrdiff_t>(attached), tokens.end()}));
    return id;
  }

  size_t attach(int32_t id, const Tokens& tokens) {
    const size_t expected = cache.num_cached_tokens(tokens);
    const size_t attached = cache.attach(id, tokens);
    CHECK(attached <= expected);
    running[id].assign(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(attached));
    check();
    return attached;
  }

  /// Computes more tokens. False when there is no room.
  bool grow(int32_t id, const Tokens& tokens) {
    if (tokens.empty()) return true;
    cache.make_room(tokens.size());
    check();
    if (cache.free_cells() < tokens.size()) return false;
    CHECK(decode(id, tokens) == DecodeStatus::Ok);
    cache.append(id, tokens);
    running[id] = running[id] + tokens;
    check();
    return true;
  }

  /// Puts tokens into cells without telling the cache.
  DecodeStatus decode(int32_t id, const Tokens& tokens) {
    std::vector<BatchToken> batch;
    auto position = static_cast<int32_t>(running[id].size());
    for (const Token token : tokens)
      batch.push_back({token, position++, id, false});
    return decoder.decode(batch);
  }

  void release(int32_t id, CachedCells cells) {
    cache.release(id, cells);
    running.erase(id);
    check_idle();
  }
  void clear(int32_t id) {
    cache.clear(id);
    running[id] = {};
    check();
  }

  /// Leaves a finished sequence behind.
  void leave_behind(const Tokens& tokens) { release(start(tokens), CachedCells::Keep); }

  void check() const {
    if (!decoder.breaches.empty()) check::fail(__FILE__, __LINE__, "breach: " + decoder.breaches[0]);
    std::vector<int32_t> ids;
    for (const auto& [id, tokens] : running) {
      CHECK(decoder.tokens(id) == tokens);
      ids.push_back(id);
    }
    CHECK_EQ(cache.used_cells(), decoder.used());
    CHECK_EQ(cache.pinned_cells(), decoder.used(ids));
    CHECK_EQ(cache.free_cells(), limits.cells - decoder.used());
    CHECK(cache.saved_tokens() <= limits.saved_tokens);
  }
  void check_idle() const {
    check();
    CHECK(cache.used_cells() - cache.pinned_cells() <= limits.idle_cells);
  }

  /// Evicts all idle prefixes, and returns how many of the tokens are in host memory.
  size_t saved_of(const Tokens& tokens) {
    cache.evict_all();
    check();
    return cache.num_cached_tokens(tokens);
  }

  const PrefixCache::Limits limits;
  FakeDecoder decoder;
  PrefixCache cache;
  std::map<int32_t, Tokens> running; ///< tokens in the cells of each
};

} // namespace support
