// Random requests that begin alike, and random misfortunes: every step is checked, and all of them end.

#include "check.h"
#include "engine/scheduler-sharing-fixture.h"

using namespace verbatim;
using namespace support;

namespace {

struct Setting {
  FakeDecoder::Limits limits;
  double idle = 0.25, saved = 1; ///< of the cells
  bool can_save = true, can_restore = true;
};

class Stress {
 public:
  Stress(Setting setting, uint64_t seed)
      : random_(seed), setting_(setting), fixture(setting.limits, with(setting)) {
    fixture.decoder.can_save = setting.can_save;
    fixture.decoder.can_restore = setting.can_restore;
    // Text that repeats itself now and then, so that some drafts are accepted.
    fixture.decoder.next = [](const Tokens& history) {
      const bool repeats = history.front() % 2;
      return static_cast<Token>(
          letter_a + static_cast<Token>(repeats ? history.size() % 5 : FakeDecoder::hash(history) % 26));
    };
  }

  void run(int steps) {
    for (int step = 0; step < steps; ++step) {
      if (fixture.scheduler.waiting() < 12 && random_() % 3 == 0) arrive();
      fixture.schedule();
      if (fixture.chunks.empty() || !disturb()) fixture.decode();
      forget_finished();
    }
    size_t rest = 0;
    for (; !fixture.scheduler.empty(); ++rest) {
      CHECK(rest < 20000);
      fixture.step();
    }
    CHECK_EQ(fixture.completed + removed_, static_cast<int>(fixture.inferences.size()));
    fixture.finish();
  }

 private:
  static SchedulerLimits with(const Setting& setting) {
    auto with = setting.limits.scheduler();
    const auto cells = static_cast<double>(setting.limits.cells);
    with.cache.idle_cells = static_cast<size_t>(setting.idle * cells);
    with.cache.saved_tokens = static_cast<size_t>(setting.saved * cells);
    return with;
  }

  void arrive() {
    const size_t context_size = setting_.limits.cells;
    const size_t longest = context_size / 2;
    const size_t common = random_() % 4 ? pick<size_t>(random_, 0, longest) : 0;
    const Token family = pick<Token>(random_, 1, 3);
    Tokens prompt = support::text(family, common);
    if (random_() % 3 == 0 && common > 40) // families have branches
      for (size_t i = common / 2; i < common; ++i)
        ++prompt[i];
    prompt = prompt + support::text(pick<Token>(random_, 4, 40), pick<size_t>(random_, 1, longest - 1));
    const auto most = pick<uint32_t>(random_, 1, 60);
    live_.push_back(&fixture.add(prompt, {most, context_size, random_() % 2 == 0}));
    needed += prompt.size() + most - 1;
  }

  /// Does to a batch what a failure or a cancelling caller does. False when nothing happened.
  bool disturb() {
    Sequence& victim = *fixture.chunks[random_() % fixture.chunks.size()].sequence;
    switch (random_() % 60) {
    case 0:
      fixture.scheduler.preempt_and_hold();
      return true;
    case 1:
      for (const auto& chunk : fixture.chunks)
        fixture.scheduler.restart(*chunk.sequence);
      return true;
    case 2:
      return remove(victim, CachedCells::Keep);
    case 3:
      return remove(victim, CachedCells::Discard);
    case 4: // whoever waits may be cancelled too
      return remove(*live_[random_() % live_.size()], CachedCells::Keep);
    case 5:
      fixture.scheduler.evict_idle();
      return true;
    default:
      return false;
    }
  }

  bool remove(Sequence& sequence, CachedCells cells) {
    std::erase(live_, &sequence);
    CHECK(fixture.scheduler.remove(sequence, cells) != nullptr);
    ++removed_;
    return true;
  }

  void forget_finished() {
    std::erase_if(live_, [&](Sequence* each) { return fixture.inference_of.at(each)->finished(); });
  }

  std::mt19937_64 random_;
  const Setting setting_;
  std::vector<Sequence*> live_;
  int removed_ = 0;

 public:
  size_t needed = 0; ///< tokens to compute if nothing were shared or lost
  SharingFixture fixture;
};

void survive(Setting setting) {
  size_t computed = 0, needed = 0;
  int shares = 0, restores = 0;
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    Stress stress(setting, seed);
    stress.run(400);
    computed += stress.fixture.computed;
    needed += stress.needed;
    shares += stress.fixture.decoder.shares;
    restores += stress.fixture.decoder.restores;
  }
  CHECK(needed > 5000);
  CHECK(computed < needed); // more was shared than lost
  CHECK(shares > 10);
  CHECK_EQ(restores > 10, setting.saved > 0 && setting.can_save && setting.can_restore);
}

} // namespace

TEST(scheduler_survives_random_sharing) {
  survive({{4, 400, 64}});
}

TEST(scheduler_survives_random_sharing_of_many) {
  survive({{16, 3000, 128}});
}

TEST(scheduler_survives_random_sharing_of_few_cells) {
  survive({{8, 120, 32}, 1});
}

TEST(scheduler_survives_random_sharing_in_small_batches) {
  survive({{4, 300, 3}});
}

TEST(scheduler_survives_random_sharing_without_idle_prefixes) {
  survive({{6, 500, 64}, 0});
}

TEST(scheduler_survives_random_sharing_without_host_memory) {
  survive({{6, 500, 64}, 0.25, 0});
  survive({{6, 500, 64}, 0.25, 1, false});
  survive({{6, 500, 64}, 0.25, 1, true, false});
}
