#pragma once

// A decoder without a model: the next token is a function of the tokens before it. Fails on demand, and
// records every breach of the contract in decoder.h.

#include "engine/decoder.h"
#include "engine/scheduler.h"
#include "support.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <vector>

namespace support {

using Tokens = std::vector<Token>;

/// Returns `size` tokens that no other `kind` begins with.
inline Tokens text(Token kind, size_t size) {
  Tokens tokens(size);
  for (size_t i = 0; i < size; ++i)
    tokens[i] = (1009 * kind + static_cast<Token>(i)) % 50000;
  return tokens;
}
inline Tokens operator+(Tokens a, const Tokens& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

class FakeDecoder : public Decoder {
 public:
  using Batch = std::span<const BatchToken>;
  struct Limits {
    int32_t sequences = 8;
    size_t cells = 100000;
    size_t batch_tokens = 64;
    bool recurrent = false; ///< a failed batch harms all sequences

    SchedulerLimits scheduler() const {
      return {{.running = sequences,
               .cells = cells,
               .idle_cells = cells / 4,
               .saved_tokens = cells,
               .sharing = !recurrent},
              batch_tokens,
              static_cast<size_t>(sequences + PrefixCache::extra_ids)};
    }
  };

  explicit FakeDecoder(Limits limits) : limits_(limits), logits_(static_cast<size_t>(gpt2().size()), -100) {}

  /// Returns the status of each decode before it. May block and may throw.
  std::function<DecodeStatus(Batch)> script = [](Batch) { return DecodeStatus::Ok; };
  /// Called by synchronize(). May block and may throw.
  std::function<void()> device = [] {};
  bool can_rebuild = true, can_save = true, can_restore = true;
  /// Returns the next token; by default a letter, by the hash of all tokens so far.
  std::function<Token(const std::vector<Token>& history)> next = [](const std::vector<Token>& history) {
    return static_cast<Token>(letter_a + static_cast<Token>(hash(history) % 26));
  };

  // Read when the engine has stopped.
  std::vector<std::string> breaches;
  int32_t threads = 0;
  int decodes = 0, rebuilds = 0, shares = 0, saves = 0, restores = 0, clears_of_all = 0;
  size_t largest_batch = 0, most_cells = 0;
  std::vector<Token> admitted; ///< first token of each sequence, in the order of their begin

  DecodeStatus decode(Batch batch) override {
    ++decodes;
    expect(!broken_, "decode() on a broken context");
    expect(!damaged_, "decode() in a damaged memory");
    check(batch);
    wanted_.clear();
    DecodeStatus status;
    try {
      status = script(batch);
    } catch (...) {
      broken_ = true;
      throw;
    }
    if (status == DecodeStatus::Broken) broken_ = true;
    if (status != DecodeStatus::Ok && status != DecodeStatus::NoSlot) {
      damaged_ = limits_.recurrent;
      for (const auto& token : batch)
        unknown_.insert(token.sequence);
    }
    if (status != DecodeStatus::Ok) return status;
    synchronized_ = false;
    for (size_t i = 0; i < batch.size(); ++i) {
      if (batch[i].position == 0) admitted.push_back(batch[i].token);
      put(batch[i].sequence, batch[i].position, batch[i].token);
      if (batch[i].wants_logits) wanted_[i] = tokens(batch[i].sequence);
    }
    most_cells = std::max(most_cells, used());
    expect(used() <= limits_.cells, "more cells than there are");
    return DecodeStatus::Ok;
  }

  void synchronize() override {
    try {
      device();
    } catch (...) {
      broken_ = true;
      throw;
    }
    synchronized_ = true;
  }

  const float* logits(size_t batch_index) override {
    expect(!broken_, "logits() of a broken context");
    expect(synchronized_, "logits() before synchronize()");
    const auto wanted = wanted_.find(batch_index);
    if (wanted == wanted_.end()) throw std::runtime_error("no logits were asked for");
    // Only the few logits that differ from the rest are written each time.
    for (const Token token : raised_)
      logits_[static_cast<size_t>(token)] = -100;
    raised_ = {next(wanted->second)};
    logits_[static_cast<size_t>(raised_[0])] = 3;
    for (uint64_t i = 1; i < 6; ++i) {
      const auto other =
          static_cast<Token>(letter_a + static_cast<Token>((hash(wanted->second) >> (i * 5)) % 26));
      if (logits_[static_cast<size_t>(other)] > -100) continue;
      raised_.push_back(other);
      logits_[static_cast<size_t>(other)] = static_cast<float>(i) / 3;
    }
    return logits_.data();
  }

  void set_threads(int32_t count) override { threads = count; }

  void clear(int32_t sequence) override {
    expect(!broken_, "clear() on a broken context");
    expect(valid(sequence), "clear() of an id out of range");
    sequences_.erase(sequence);
    unknown_.erase(sequence);
  }

  void clear_all() override {
    expect(!broken_, "clear_all() on a broken context");
    sequences_.clear();
    unknown_.clear();
    damaged_ = false;
    ++clears_of_all;
  }

  void truncate(int32_t sequence, int32_t begin) override {
    expect(!broken_, "truncate() on a broken context");
    expect(valid(sequence), "truncate() of an id out of range");
    expect(sequences_[sequence].contains(begin), "truncate() where there is nothing");
    sequences_[sequence].erase(sequences_[sequence].lower_bound(begin), sequences_[sequence].end());
  }

  void share(int32_t from, int32_t to, int32_t begin, int32_t end) override {
    expect(!broken_, "share() on a broken context");
    expect(valid(from) && valid(to) && from != to, "share() with an id out of range");
    expect(!unknown_.contains(from), "cells in an unknown state are shared");
    expect(begin < end, "share() of nothing");
    for (int32_t position = begin; position < end; ++position) {
      expect(sequences_[from].contains(position), "share() of cells that are not there");
      expect(!sequences_[to].contains(position), "share() to where there is something");
      sequences_[to][position] = sequences_[from][position];
    }
    ++shares;
  }

  std::vector<uint8_t> save(int32_t sequence) override {
    expect(!broken_, "save() on a broken context");
    expect(!unknown_.contains(sequence), "cells in an unknown state are saved");
    if (!can_save) return {};
    std::vector<int32_t> data;
    for (const auto& [position, cell] : sequences_[sequence]) {
      data.push_back(position);
      data.push_back(*cell);
    }
    ++saves;
    const auto* bytes = reinterpret_cast<const uint8_t*>(data.data());
    return {bytes, bytes + data.size() * sizeof(int32_t)};
  }

  bool restore(int32_t sequence, std::span<const uint8_t> bytes) override {
    expect(!sequences_.contains(sequence) || sequences_[sequence].empty(), "restore() over something");
    expect(!bytes.empty(), "restore() of nothing");
    if (!can_restore) return false;
    std::vector<int32_t> data(bytes.size() / sizeof(int32_t));
    std::copy(bytes.begin(), bytes.end(), reinterpret_cast<uint8_t*>(data.data()));
    for (size_t i = 0; i < data.size(); i += 2)
      put(sequence, data[i], data[i + 1]);
    expect(used() <= limits_.cells, "more cells than there are");
    ++restores;
    return true;
  }

  bool rebuild() override {
    ++rebuilds;
    if (!can_rebuild) return false;
    sequences_.clear();
    unknown_.clear();
    broken_ = damaged_ = false;
    return true;
  }

  /// Counts the sequences in the cache.
  size_t sequences() const {
    return static_cast<size_t>(
        std::ranges::count_if(sequences_, [](const auto& entry) { return !entry.second.empty(); }));
  }
  /// Counts the cells in use, shared ones once.
  size_t used() const { return *used_; }

  /// Counts the cells of these sequences, shared ones once.
  size_t used(const std::vector<int32_t>& ids) const {
    std::set<const Token*> cells;
    for (const int32_t id : ids)
      if (const auto found = sequences_.find(id); found != sequences_.end())
        for (const auto& [position, cell] : found->second)
          cells.insert(cell.get());
    return cells.size();
  }
  /// Returns the tokens in the cells of a sequence, by position.
  std::vector<Token> tokens(int32_t sequence) const {
    std::vector<Token> tokens;
    if (const auto found = sequences_.find(sequence); found != sequences_.end())
      for (const auto& [position, cell] : found->second)
        tokens.push_back(*cell);
    return tokens;
  }

  /// Returns the first token of a sequence in the cache, or -1.
  Token first(int32_t sequence) const {
    const auto found = sequences_.find(sequence);
    return found == sequences_.end() || found->second.empty() ? -1 : *found->second.begin()->second;
  }

  static uint64_t hash(const std::vector<Token>& history) {
    uint64_t value = 14695981039346656037u;
    for (const Token token : history)
      value = (value ^ static_cast<uint64_t>(token)) * 1099511628211u;
    return value ^ value >> 29;
  }

 private:
  void expect(bool condition, const char* breach) {
    if (!condition) breaches.emplace_back(breach);
  }

  void check(Batch batch) {
    expect(!batch.empty(), "an empty batch");
    expect(batch.size() <= limits_.batch_tokens, "a batch over the limit");
    largest_batch = std::max(largest_batch, batch.size());
    std::map<int32_t, size_t> ends;
    for (const auto& [id, cells] : sequences_)
      ends[id] = cells.size();
    size_t wanted = 0;
    for (const auto& token : batch) {
      expect(valid(token.sequence), "a sequence id out of range");
      expect(!unknown_.contains(token.sequence), "a sequence in an unknown state goes on");
      expect(token.position == static_cast<int32_t>(ends[token.sequence]++), "positions have gaps");
      wanted += token.wants_logits;
    }
    expect(wanted <= static_cast<size_t>(limits_.sequences + PrefixCache::extra_ids), "too many outputs");
  }

  bool valid(int32_t sequence) const {
    return sequence >= 0 && sequence < limits_.sequences + PrefixCache::extra_ids;
  }

  void put(int32_t sequence, int32_t position, Token token) {
    ++*used_;
    sequences_[sequence][position] = Cell(new Token(token), [used = used_](const Token* cell) {
      --*used;
      delete cell;
    });
  }

  const Limits limits_;
  bool broken_ = false, damaged_ = false, synchronized_ = false;
  using Cell = std::shared_ptr<const Token>;
  std::shared_ptr<size_t> used_ = std::make_shared<size_t>(0);
  std::map<int32_t, std::map<int32_t, Cell>> sequences_; ///< the cache, by id and position
  std::set<int32_t> unknown_;
  std::map<size_t, std::vector<Token>> wanted_; ///< of the last batch, by index
  std::vector<float> logits_;
  std::vector<Token> raised_;
};

} // namespace support
