#include "engine/scheduler.h"

#include "check.h"
#include "support.h"

#include <algorithm>
#include <map>
#include <set>

using namespace verbatim;
using support::letter_a;
using support::pick;

namespace {

/// Logits that make a greedy sampler choose 'a'.
const float* logits() {
  static const std::vector<float> all = [] {
    std::vector<float> values(static_cast<size_t>(support::gpt2().size()));
    values[letter_a] = 1;
    return values;
  }();
  return all.data();
}

/// A scheduler with a cache that records its contents and refuses mistakes. Shares no prefixes.
class Fixture : SequenceMemory {
 public:
  explicit Fixture(int32_t sequences, size_t cells)
      : limits_{.running = sequences, .cells = cells, .sharing = false},
        scheduler(*this, {limits_, 512, static_cast<size_t>(sequences)}) {}

  Sequence& add(size_t prompt_size, uint32_t max_tokens, size_t context_size = 100000) {
    GenerateOptions options;
    options.sampling.temperature = 0;
    options.max_tokens = max_tokens;
    auto inference = std::make_shared<Inference>([] {});
    auto sequence = std::make_unique<Sequence>(inference, std::vector<Token>(prompt_size, letter_a), options,
                                               support::gpt2(), context_size);
    Sequence& added = *sequence;
    scheduler.add(std::move(sequence));
    inferences.push_back(inference);
    return added;
  }

  /// Schedules a batch and checks it against the cache.
  const std::vector<Chunk>& schedule(size_t batch_tokens) {
    chunks = scheduler.schedule(batch_tokens);
    size_t tokens = 0;
    std::set<int32_t> ids;
    bool prefill = false;
    for (const auto& chunk : chunks) {
      const Sequence& sequence = *chunk.sequence;
      CHECK(chunk.count > 0);
      CHECK(sequence.scheduling.id >= 0 && sequence.scheduling.id < limits_.running);
      CHECK(ids.insert(sequence.scheduling.id).second);
      CHECK_EQ(chunk.begin, sequence.num_computed_tokens);
      CHECK_EQ(chunk.begin, cells[sequence.scheduling.id]); // positions go on where the cache ends
      CHECK(chunk.begin + chunk.count <= sequence.tokens().size());
      CHECK_EQ(chunk.reaches_end, chunk.begin + chunk.count == sequence.tokens().size());
      CHECK(!(prefill && sequence.decoding()));
      prefill = prefill || !sequence.decoding();
      tokens += chunk.count;
    }
    CHECK(tokens <= batch_tokens);
    CHECK(used() + tokens <= limits_.cells);
    CHECK_EQ(scheduler.cache().used_cells(), used());
    CHECK(!chunks.empty() || scheduler.empty());
    return chunks;
  }

  /// Computes the batch.
  void decode(double milliseconds = 1) {
    scheduler.mark_computed(chunks, milliseconds);
    for (const auto& chunk : chunks)
      cells[chunk.sequence->scheduling.id] += chunk.count;
    for (const auto& chunk : chunks)
      if (chunk.reaches_end && !chunk.sequence->emit(chunk.sequence->sample(logits()))) {
        CHECK(scheduler.remove(*chunk.sequence, CachedCells::Keep) != nullptr);
        ++completed;
      }
  }
  void step(size_t batch_tokens) {
    schedule(batch_tokens);
    decode();
  }

  size_t used() const {
    size_t sum = 0;
    for (const auto& [id, count] : cells)
      sum += count;
    return sum;
  }

 private:
  void clear(int32_t id) override {
    CHECK(id >= 0 && id < limits_.running);
    cells[id] = 0;
    ++clears;
  }
  void clear_all() override { CHECK(false); }
  void truncate(int32_t, int32_t) override { CHECK(false); }
  void share(int32_t, int32_t, int32_t, int32_t) override { CHECK(false); }
  std::vector<uint8_t> save(int32_t) override { return {}; }
  bool restore(int32_t, std::span<const uint8_t>) override { return false; }

  const PrefixCache::Limits limits_;

 public:
  std::map<int32_t, size_t> cells; ///< in use, by sequence id
  int clears = 0, completed = 0;
  std::vector<std::shared_ptr<Inference>> inferences;
  std::vector<Chunk> chunks;
  Scheduler scheduler;
};

} // namespace

TEST(scheduler_has_nothing_to_do_when_empty) {
  Fixture fixture(2, 100);
  CHECK(fixture.schedule(10).empty());
  CHECK(fixture.scheduler.empty());
  CHECK(!fixture.scheduler.preempt_and_hold());
}

TEST(scheduler_prefills_in_order_of_arrival_within_the_budget) {
  Fixture fixture(4, 1000);
  Sequence& first = fixture.add(7, 5);
  Sequence& second = fixture.add(7, 5);
  const auto& chunks = fixture.schedule(10);
  CHECK_EQ(chunks.size(), 2u);
  CHECK(chunks[0].sequence == &first && chunks[0].count == 7 && chunks[0].reaches_end);
  CHECK(chunks[1].sequence == &second && chunks[1].count == 3 && !chunks[1].reaches_end);
  CHECK_EQ(first.scheduling.id, 0);
  CHECK_EQ(second.scheduling.id, 1);
}

TEST(scheduler_decodes_before_it_prefills) {
  Fixture fixture(4, 1000);
  Sequence& first = fixture.add(3, 5);
  fixture.step(10);
  Sequence& second = fixture.add(20, 5);
  Sequence& third = fixture.add(2, 5);
  auto chunks = fixture.schedule(10);
  CHECK_EQ(chunks.size(), 3u);
  CHECK(chunks[0].sequence == &first && chunks[0].count == 1);
  CHECK(chunks[1].sequence == &second && chunks[1].count == 7);
  CHECK(chunks[2].sequence == &third && chunks[2].count == 2); // a short one is not held up by a long one
  fixture.decode();
  chunks = fixture.schedule(10);
  CHECK_EQ(chunks.size(), 3u);
  CHECK(chunks[0].sequence == &first && chunks[1].sequence == &third && chunks[1].count == 1);
  CHECK(chunks[2].sequence == &second && chunks[2].begin == 7 && chunks[2].count == 8);
}

TEST(scheduler_computes_prompts_that_come_together_in_whole_batches) {
  Fixture fixture(6, 100000);
  // 10 ms for a step, and 1 ms for each token of a prompt: how many of those it computed.
  const auto timed_step = [&fixture] {
    size_t prompt_tokens = 0;
    for (const Chunk& chunk : fixture.schedule(512))
      if (!chunk.sequence->decoding()) prompt_tokens += chunk.count;
    fixture.decode(10 + static_cast<double>(prompt_tokens));
    return prompt_tokens;
  };
  for (int i = 0; i < 4; ++i)
    fixture.add(300, 1000);
  CHECK_EQ(timed_step(), 512u);
  CHECK(timed_step() > 500); // the first generates beside them
  CHECK(timed_step() > 150); // the rest
  CHECK_EQ(timed_step(), 0u);
  CHECK_EQ(fixture.chunks.size(), 4u);

  fixture.add(300, 1000); // all four were there before: as much as 0.8 steps, sooner or later
  size_t tokens = 0;
  for (int i = 0; i < 20; ++i) {
    const size_t computed = timed_step();
    CHECK(computed <= 10);
    tokens += computed;
  }
  CHECK(tokens > 80);
  fixture.add(300, 1000); // now two wait for four
  CHECK(timed_step() > 100);
}

TEST(scheduler_admits_no_more_sequences_than_ids) {
  Fixture fixture(2, 10000);
  for (int i = 0; i < 3; ++i)
    fixture.add(2, 3);
  fixture.step(100);
  CHECK_EQ(fixture.scheduler.running(), 2u);
  CHECK_EQ(fixture.scheduler.waiting(), 1u);
  fixture.step(100);
  fixture.step(100); // both end
  CHECK_EQ(fixture.completed, 2);
  const auto& chunks = fixture.schedule(100);
  CHECK_EQ(chunks.size(), 1u);
  CHECK(chunks[0].sequence->scheduling.id == 0 || chunks[0].sequence->scheduling.id == 1); // used again
  CHECK_EQ(fixture.clears, 2);
}

TEST(scheduler_admits_by_cells_with_room_to_grow) {
  Fixture fixture(8, 300);
  fixture.add(100, 1000);
  fixture.add(100, 1000); // 200 and 2 * 64 to grow are too many
  Sequence& small = fixture.add(1, 1);
  fixture.step(512);
  CHECK_EQ(fixture.scheduler.running(), 1u);
  CHECK_EQ(small.scheduling.id, -1); // would fit, but nobody overtakes

  Fixture modest(8, 300);
  modest.add(100, 20);
  modest.add(100, 20); // 200 and 2 * 20
  modest.step(512);
  CHECK_EQ(modest.scheduler.running(), 2u);
}

TEST(scheduler_lets_a_sequence_alone_fill_the_cache) {
  Fixture fixture(4, 50);
  fixture.add(49, 1000, 50);
  for (int i = 0; i < 100 && fixture.completed == 0; ++i)
    fixture.step(16);
  CHECK_EQ(fixture.completed, 1);
  CHECK(fixture.inferences[0]->result().finish_reason == FinishReason::Context);
}

TEST(scheduler_preempts_the_newest_and_keeps_what_it_generated) {
  Fixture fixture(4, 256);
  Sequence& first = fixture.add(20, 200);
  Sequence& second = fixture.add(20, 200);
  while (second.scheduling.id != 1 || !second.decoding())
    fixture.step(64);
  while (second.scheduling.id >= 0) {
    CHECK(first.scheduling.id == 0);
    fixture.step(64);
  }
  const size_t generated = second.tokens().size() - 20;
  CHECK(generated > 64); // it had more than its reserve
  CHECK_EQ(second.num_computed_tokens, 0u);
  CHECK_EQ(fixture.clears, 1);
  CHECK_EQ(fixture.scheduler.waiting(), 1u);
  Sequence& third = fixture.add(1, 1);
  while (!fixture.inferences[0]->finished()) {
    fixture.step(64);
    CHECK(fixture.inferences[0]->finished() ||
          third.scheduling.id == -1); // does not overtake the preempted one
  }
  fixture.schedule(64);
  CHECK_EQ(second.tokens().size() - 20, generated);
  CHECK(fixture.chunks[0].sequence == &second && fixture.chunks[0].begin == 0);
  fixture.decode();
  while (!fixture.scheduler.empty())
    fixture.step(64);
  CHECK_EQ(fixture.completed, 3);
  CHECK_EQ(fixture.inferences[1]->result().tokens.size(), 200u);
}

TEST(scheduler_prefills_into_no_more_cells_than_are_left) {
  Fixture fixture(2, 300);
  Sequence& growing = fixture.add(10, 280, 300);
  Sequence& slow = fixture.add(150, 280, 300);
  while (!growing.decoding())
    fixture.step(2);
  while (fixture.used() < 298) // both by one, until little is left
    fixture.step(2);
  CHECK(!slow.decoding());
  fixture.step(50);
  CHECK(fixture.used() <= 300);
  while (!fixture.scheduler.empty())
    fixture.step(50);
  CHECK_EQ(fixture.completed, 2);
}

TEST(scheduler_returns_preempted_sequences_to_their_place) {
  Fixture fixture(2, 10000);
  Sequence& first = fixture.add(4, 100);
  Sequence& second = fixture.add(4, 100);
  Sequence& third = fixture.add(4, 100);
  Sequence& fourth = fixture.add(4, 100);
  fixture.step(100);
  CHECK(fixture.scheduler.preempt_and_hold());
  CHECK(first.scheduling.id >= 0 && second.scheduling.id == -1 && third.scheduling.id == -1);
  fixture.step(100);
  CHECK(second.scheduling.id == -1 && third.scheduling.id == -1); // holds
  CHECK(!fixture.scheduler.preempt_and_hold());
  fixture.scheduler.remove(first, CachedCells::Keep);
  fixture.step(100);
  CHECK(second.scheduling.id >= 0 && third.scheduling.id >= 0 && fourth.scheduling.id == -1);
  CHECK_EQ(fixture.chunks[0].sequence, &second);
}

TEST(scheduler_holds_admission_until_a_running_one_ends) {
  Fixture fixture(3, 10000);
  Sequence& first = fixture.add(4, 100);
  Sequence& second = fixture.add(4, 100);
  Sequence& third = fixture.add(4, 100);
  fixture.step(100);
  CHECK(fixture.scheduler.preempt_and_hold());
  Sequence& fourth = fixture.add(4, 100);
  fixture.scheduler.remove(fourth, CachedCells::Keep); // waiting: frees nothing
  fixture.step(100);
  CHECK_EQ(third.scheduling.id, -1);
  fixture.scheduler.remove(second, CachedCells::Keep);
  fixture.step(100);
  CHECK(first.scheduling.id >= 0 && third.scheduling.id >= 0);
}

TEST(scheduler_restarts_a_sequence_without_its_cells) {
  Fixture fixture(2, 1000);
  Sequence& sequence = fixture.add(10, 100);
  fixture.step(6);
  fixture.scheduler.restart(sequence);
  CHECK_EQ(fixture.used(), 0u);
  CHECK_EQ(sequence.scheduling.id, 0);
  fixture.schedule(6);
  CHECK_EQ(fixture.chunks[0].begin, 0u);
}

TEST(scheduler_removes_waiting_and_running_sequences_once) {
  Fixture fixture(1, 1000);
  Sequence& running = fixture.add(5, 10);
  Sequence& waiting = fixture.add(5, 10);
  fixture.step(100);
  CHECK(fixture.scheduler.remove(waiting, CachedCells::Keep).get() == &waiting);
  CHECK_EQ(fixture.clears, 0); // it had no cells
  const auto removed = fixture.scheduler.remove(running, CachedCells::Keep);
  CHECK(removed.get() == &running);
  CHECK_EQ(removed->scheduling.id, -1);
  CHECK_EQ(fixture.clears, 1);
  CHECK(fixture.scheduler.remove(running, CachedCells::Keep) == nullptr);
  CHECK_EQ(fixture.clears, 1);
  CHECK(fixture.scheduler.empty());
}

TEST(scheduler_survives_thousands_of_random_steps) {
  std::mt19937_64 random(4);
  for (int round = 0; round < 8; ++round) {
    const size_t cells = pick<size_t>(random, 20, 400);
    const size_t context_size = pick<size_t>(random, 10, cells);
    const size_t most_tokens = pick<size_t>(random, 1, 64);
    Fixture fixture(pick<int32_t>(random, 1, 8), cells);
    std::vector<Sequence*> sequences;
    int removed = 0;
    for (int step = 0; step < 300; ++step) {
      if (random() % 4 == 0)
        sequences.push_back(&fixture.add(pick<size_t>(random, 1, context_size - 1),
                                         pick<uint32_t>(random, 1, 100), context_size));
      fixture.schedule(pick<size_t>(random, 1, most_tokens));
      if (!fixture.chunks.empty()) {
        Sequence& victim = *fixture.chunks[random() % fixture.chunks.size()].sequence;
        switch (random() % 40) {
        case 0: // the cache says no
          fixture.scheduler.preempt_and_hold();
          continue;
        case 1: // the batch is lost
          for (const auto& chunk : fixture.chunks)
            fixture.scheduler.restart(*chunk.sequence);
          continue;
        case 2: // cancelled
          fixture.scheduler.remove(victim, CachedCells::Keep);
          ++removed;
          continue;
        }
      }
      fixture.decode();
    }
    // From here on undisturbed: everything ends, in bounded time.
    size_t steps = 0;
    for (; !fixture.scheduler.empty(); ++steps) {
      CHECK(steps < 100000);
      fixture.step(most_tokens);
    }
    CHECK_EQ(fixture.completed + removed, static_cast<int>(sequences.size()));
    CHECK_EQ(fixture.used(), 0u);
  }
}
