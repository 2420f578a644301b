#pragma once

// A decoder without a model: the next token follows from the tokens before it. It fails when told to, and
// notes every breach of the contract in decoder.h.

#include "decoder.h"
#include "support.h"

#include <functional>
#include <map>
#include <set>
#include <stdexcept>
#include <vector>

namespace support {

class FakeDecoder : public Decoder {
 public:
  using Batch = std::span<const BatchToken>;
  struct Limits {
    int32_t sequences = 8;
    size_t cells = 100000;
    size_t batch_tokens = 64;
  };

  explicit FakeDecoder(Limits limits) : limits_(limits), logits_(static_cast<size_t>(gpt2().size()), -100) {}

  /// Called before each decode; what it returns happens. May block and may throw.
  std::function<DecodeStatus(Batch)> script = [](Batch) { return DecodeStatus::Ok; };
  bool can_rebuild = true;
  /// The token that is to follow; by default some letter, by the hash of all tokens so far.
  std::function<Token(const std::vector<Token>& history)> next = [](const std::vector<Token>& history) {
    return static_cast<Token>(letter_a + static_cast<Token>(hash(history) % 26));
  };

  // To be read when the engine has stopped.
  std::vector<std::string> breaches;
  int decodes = 0, rebuilds = 0;
  size_t largest_batch = 0, most_cells = 0;
  std::vector<Token> admitted; ///< the first token of each sequence that was begun, in order

  DecodeStatus decode(Batch batch) override {
    ++decodes;
    expect(!broken_, "decode() on a broken context");
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
    if (status != DecodeStatus::Ok && status != DecodeStatus::NoSlot)
      for (const auto& token : batch)
        unknown_.insert(token.sequence);
    if (status != DecodeStatus::Ok) return status;
    for (size_t i = 0; i < batch.size(); ++i) {
      auto& history = histories_[batch[i].sequence];
      if (history.empty()) admitted.push_back(batch[i].token);
      history.push_back(batch[i].token);
      if (batch[i].wants_logits) wanted_[i] = history;
    }
    most_cells = std::max(most_cells, used());
    expect(used() <= limits_.cells, "more cells than there are");
    return DecodeStatus::Ok;
  }

  const float* logits(size_t batch_index) override {
    expect(!broken_, "logits() of a broken context");
    const auto wanted = wanted_.find(batch_index);
    if (wanted == wanted_.end()) throw std::runtime_error("no logits were asked for");
    // Only a few of the many thousands are not alike, and only those are written each time.
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

  void clear(int32_t sequence) override {
    expect(!broken_, "clear() on a broken context");
    expect(sequence >= 0 && sequence < limits_.sequences, "clear() of an id out of range");
    histories_.erase(sequence);
    unknown_.erase(sequence);
  }

  bool rebuild() override {
    ++rebuilds;
    if (!can_rebuild) return false;
    histories_.clear();
    unknown_.clear();
    broken_ = false;
    return true;
  }

  /// How many sequences are in the cache.
  size_t sequences() const { return histories_.size(); }
  size_t used() const {
    size_t cells = 0;
    for (const auto& [id, history] : histories_)
      cells += history.size();
    return cells;
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
    for (const auto& [id, history] : histories_)
      ends[id] = history.size();
    std::set<int32_t> wants;
    for (const auto& token : batch) {
      expect(token.sequence >= 0 && token.sequence < limits_.sequences, "a sequence id out of range");
      expect(!unknown_.contains(token.sequence), "a sequence in an unknown state goes on");
      expect(token.position == static_cast<int32_t>(ends[token.sequence]++), "positions have gaps");
      expect(!wants.contains(token.sequence), "tokens after the one whose logits are wanted");
      if (token.wants_logits) wants.insert(token.sequence);
    }
  }

  const Limits limits_;
  bool broken_ = false;
  std::map<int32_t, std::vector<Token>> histories_; ///< the cache
  std::set<int32_t> unknown_;
  std::map<size_t, std::vector<Token>> wanted_; ///< of the last batch, by index
  std::vector<float> logits_;
  std::vector<Token> raised_;
};

} // namespace support
