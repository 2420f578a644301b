#pragma once

// A scheduler over a fake decoder: its batches are computed and checked at every step.

#include "engine/scheduler.h"
#include "fake-decoder.h"

namespace support {

class SharingFixture {
 public:
  explicit SharingFixture(FakeDecoder::Limits limits = {}) : SharingFixture(limits, limits.scheduler()) {}
  SharingFixture(FakeDecoder::Limits limits, SchedulerLimits with, PromptLane* lane = nullptr)
      : limits(limits), with(with), decoder(limits), lane(lane), scheduler(decoder, with, lane) {}

  struct Kind {
    uint32_t max_tokens = 8;
    size_t context_size = 100000;
    bool prompt_lookup = false;
  };
  Sequence& add(const Tokens& prompt, Kind kind) {
    GenerateOptions options;
    options.sampling.temperature = 0;
    options.max_tokens = kind.max_tokens;
    options.speculative = kind.prompt_lookup ? Speculative::PromptLookup : Speculative::None;
    inferences.push_back(std::make_shared<Inference>([] {}));
    auto sequence = std::make_unique<Sequence>(inferences.back(), prompt, options, gpt2(), kind.context_size);
    Sequence& added = *sequence;
    inference_of[&added] = inferences.back();
    scheduler.add(std::move(sequence));
    return added;
  }
  Sequence& add(const Tokens& prompt, uint32_t max_tokens = 8) { return add(prompt, Kind{max_tokens}); }

  const std::vector<Chunk>& schedule() {
    chunks = scheduler.schedule(limits.batch_tokens);
    size_t tokens = 0, outputs = 0;
    std::set<int32_t> ids;
    for (const auto& chunk : chunks) {
      const Sequence& sequence = *chunk.sequence;
      CHECK(chunk.count > 0);
      CHECK(sequence.scheduling.attached && ids.insert(sequence.scheduling.id).second);
      CHECK_EQ(chunk.begin, sequence.num_computed_tokens);
      CHECK(decoder.tokens(sequence.scheduling.id) ==
            Tokens(sequence.tokens().begin(),
                   sequence.tokens().begin() + static_cast<std::ptrdiff_t>(chunk.begin)));
      CHECK_EQ(chunk.reaches_end, chunk.begin + chunk.count == sequence.tokens().size());
      CHECK(chunk.drafted == 0 || (chunk.reaches_end && chunk.drafted < sequence.headroom()));
      tokens += chunk.count + chunk.drafted;
      outputs += chunk.reaches_end + chunk.drafted;
    }
    CHECK(tokens <= limits.batch_tokens);
    CHECK(outputs <= with.outputs);
    CHECK(decoder.used() + tokens <= limits.cells);
    CHECK(scheduler.running() <= static_cast<size_t>(limits.sequences));
    CHECK(!chunks.empty() || scheduler.empty() || (lane && lane->busy()));
    check_cells();
    return chunks;
  }

  /// Computes the batch.
  void decode() {
    std::vector<BatchToken> batch;
    for (const auto& chunk : chunks) {
      auto position = static_cast<int32_t>(chunk.begin);
      for (size_t i = 0; i < chunk.count; ++i)
        batch.push_back(
            {chunk.sequence->tokens()[chunk.begin + i], position++, chunk.sequence->scheduling.id, false});
      batch.back().wants_logits = chunk.reaches_end;
      for (const Token token : chunk.sequence->draft().first(chunk.drafted))
        batch.push_back({token, position++, chunk.sequence->scheduling.id, true});
      computed += chunk.count;
      computed_of[chunk.sequence] += chunk.count;
    }
    if (batch.empty()) return;
    CHECK(decoder.decode(batch) == DecodeStatus::Ok);
    decoder.synchronize();
    scheduler.mark_computed(chunks, 1);
    size_t output = 0;
    for (const auto& chunk : chunks) {
      output += chunk.count - 1;
      if (chunk.reaches_end) sample(chunk, output);
      output += chunk.drafted + 1;
    }
    check_cells();
  }

  void step() {
    schedule();
    decode();
  }
  /// Runs until all is done, and returns the number of steps.
  size_t run(size_t most = 100000) {
    size_t steps = 0;
    for (; !scheduler.empty(); ++steps) {
      CHECK(steps < most);
      step();
    }
    return steps;
  }
  /// Checks, when nothing runs, that all cells belong to idle prefixes and can be freed.
  void finish() {
    CHECK(scheduler.empty());
    CHECK_EQ(scheduler.cache().pinned_cells(), 0u);
    CHECK(decoder.used() <= with.cache.idle_cells);
    scheduler.evict_idle();
    check_cells();
    CHECK_EQ(decoder.used(), 0u);
  }

  const FakeDecoder::Limits limits;
  const SchedulerLimits with;
  FakeDecoder decoder;
  PromptLane* const lane;
  Scheduler scheduler;
  std::vector<std::shared_ptr<Inference>> inferences;
  std::map<const Sequence*, std::shared_ptr<Inference>> inference_of; ///< by address, of the newest
  std::vector<Chunk> chunks;
  size_t computed = 0;                           ///< tokens computed, without drafts
  std::map<const Sequence*, size_t> computed_of; ///< tokens computed of each sequence, without drafts
  int completed = 0;

 private:
  void sample(const Chunk& chunk, size_t output) {
    Sequence& sequence = *chunk.sequence;
    const Tokens draft(sequence.draft().begin(),
                       sequence.draft().begin() + static_cast<std::ptrdiff_t>(chunk.drafted));
    size_t right = 0;
    while (true) {
      const Tokens history = sequence.tokens();
      const bool goes_on = sequence.emit(sequence.sample(decoder.logits(output + right)));
      CHECK_EQ(sequence.tokens().back(), decoder.next(history));
      if (goes_on && right < draft.size() && sequence.tokens().back() == draft[right]) {
        ++right;
        continue;
      }
      if (chunk.drafted > 0) scheduler.accept_drafts(chunk, right);
      if (!goes_on) {
        CHECK(scheduler.remove(sequence, CachedCells::Keep) != nullptr);
        ++completed;
      }
      return;
    }
  }

  void check_cells() const {
    if (!decoder.breaches.empty()) check::fail(__FILE__, __LINE__, "breach: " + decoder.breaches[0]);
    CHECK_EQ(scheduler.cache().used_cells(), decoder.used());
    CHECK(scheduler.cache().saved_tokens() <= with.cache.saved_tokens);
  }
};

} // namespace support
