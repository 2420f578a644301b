// The cost of logits, and tasks that have the engine for themselves.

#include "check.h"
#include "engine/engine-fixture.h"
#include "engine/logits-probe.h"

#include <thread>

using namespace verbatim;
using namespace support;

namespace {

constexpr LogitsProbeOptions small{.sequences = 4, .depth = 40, .steps = 3, .batch_tokens = 16};

/// Waits until a task has run, at most half a minute.
void await(const std::atomic<bool>& ran) {
  for (int waits = 0; !ran && waits < 30000; ++waits)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  CHECK(ran);
}

} // namespace

TEST(logits_probe_decodes_the_same_step_with_all_one_and_no_logits) {
  FakeDecoder decoder({8, 1000, 16});
  std::vector<size_t> outputs;
  decoder.script = [&](auto batch) {
    if (batch[0].position >= static_cast<int32_t>(small.depth)) {
      CHECK_EQ(batch.size(), 4u);
      outputs.push_back(static_cast<size_t>(std::ranges::count_if(batch, &BatchToken::wants_logits)));
      if (outputs.back() == 1) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return DecodeStatus::Ok;
  };
  bool waited = false;
  decoder.device = [&] { waited = true; };
  const auto probe = probe_logits(decoder, small);
  CHECK(probe.one.submit >= 2);
  CHECK(probe.all.submit > 0 && probe.none.submit > 0 && waited);
  for (const size_t count : {0u, 1u, 4u})
    CHECK_EQ(static_cast<size_t>(std::ranges::count(outputs, count)), 3 * (small.warm_up + small.steps));
  CHECK_EQ(decoder.used(), 0u);
  CHECK(decoder.most_cells <= small.cells());
  CHECK(decoder.breaches.empty());
}

TEST(logits_probe_says_that_a_decode_failed) {
  FakeDecoder decoder({8, 1000, 16});
  decoder.script = [](auto) { return DecodeStatus::OutOfMemory; };
  CHECK_THROWS(probe_logits(decoder, small));
}

TEST(engine_runs_a_task_alone_and_goes_on_with_an_empty_cache) {
  EngineFixture fixture;
  Gate gate;
  fixture.decoder.script = [&](auto) { return gate.pass() ? DecodeStatus::Ok : DecodeStatus::Broken; };
  const Request before{}, after{.number = 1};
  const Run first = fixture.submit(before);
  gate.await_arrival();
  std::atomic<bool> ran = false, alone = false;
  fixture.engine().when_idle([&](Decoder* decoder) {
    alone = first.inference->finished();
    if (decoder) probe_logits(*decoder, small);
    return ran = true;
  });
  CHECK(!ran);
  gate.open();
  CHECK_EQ(first.result().text, EngineFixture::alone(before));
  CHECK_EQ(fixture.submit(after).result().text, EngineFixture::alone(after));
  await(ran);
  CHECK(alone);
  // The cells that the others left were given up.
  const auto again = fixture.submit(before).result();
  CHECK_EQ(again.text, EngineFixture::alone(before));
  CHECK_EQ(again.usage.cached_tokens, 0u);
  fixture.finish();
}

TEST(engine_runs_a_task_after_the_only_request_was_cancelled) {
  EngineFixture fixture;
  Gate gate;
  fixture.decoder.script = [&](auto) { return gate.pass() ? DecodeStatus::Ok : DecodeStatus::Broken; };
  const Run run = fixture.submit({.max_tokens = 900});
  gate.await_arrival();
  std::atomic<bool> ran = false;
  fixture.engine().when_idle([&](Decoder*) { return ran = true; });
  fixture.cancel(run);
  gate.open();
  await(ran);
  fixture.finish();
}

TEST(engine_runs_a_task_after_requests_that_are_being_prepared) {
  EngineFixture fixture;
  fixture.engine().announce();
  std::atomic<bool> ran = false, last = false;
  Run run;
  fixture.engine().when_idle([&](Decoder*) {
    last = run.inference->finished();
    return ran = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  CHECK(!ran);
  fixture.engine().submit(EngineFixture::sequence({}, run.inference));
  fixture.engine().withdraw();
  await(ran);
  CHECK(last);
  CHECK(!run.result().error);

  // Nothing comes of what was being prepared.
  ran = false;
  fixture.engine().announce();
  fixture.engine().when_idle([&](Decoder*) { return ran = true; });
  fixture.engine().withdraw();
  await(ran);
  fixture.finish();
}

TEST(engine_builds_its_decoder_anew_after_a_task_that_broke_it) {
  EngineFixture fixture;
  std::atomic<bool> ran = false;
  fixture.engine().when_idle([&](Decoder*) {
    ran = true;
    return false;
  });
  const Request request{};
  CHECK_EQ(fixture.submit(request).result().text, EngineFixture::alone(request));
  await(ran);
  fixture.stop();
  CHECK_EQ(fixture.decoder.rebuilds, 1);
  fixture.finish();
}

TEST(engine_without_a_decoder_tells_a_task_so) {
  EngineFixture fixture;
  fixture.decoder.can_rebuild = false;
  fixture.decoder.script = [](auto) { return DecodeStatus::Broken; };
  CHECK(fixture.submit({}).result().error.has_value());
  std::atomic<bool> ran = false, without = false;
  fixture.engine().when_idle([&](Decoder* decoder) {
    without = decoder == nullptr;
    return ran = true;
  });
  await(ran);
  CHECK(without);
  fixture.finish();
}

TEST(engine_that_is_stopped_runs_a_task_at_once) {
  EngineFixture fixture;
  Gate gate;
  fixture.decoder.script = [&](auto) {
    gate.pass();
    while (!fixture.running()->should_abort()) // until it is stopped
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return DecodeStatus::Aborted;
  };
  const Run run = fixture.submit({});
  gate.await_arrival();
  int tasks = 0;
  const auto task = [&](Decoder* decoder) {
    tasks += decoder == nullptr ? 1 : 100;
    return true;
  };
  fixture.engine().when_idle(task);
  gate.open();
  fixture.stop();
  CHECK_EQ(tasks, 1);
  fixture.engine().when_idle(task);
  CHECK_EQ(tasks, 2);
  CHECK(run.inference->finished());
  fixture.finish();
}
