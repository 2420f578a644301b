// What the logits of a step take, and how such a measurement gets the engine for itself.

#include "check.h"
#include "engine-bench.h"
#include "logits-probe.h"

#include <thread>

using namespace verbatim;
using namespace support;

namespace {

constexpr LogitsProbeOptions small{.sequences = 4, .depth = 40, .steps = 3, .batch_tokens = 16};

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
  EngineBench bench;
  Gate gate;
  bench.decoder.script = [&](auto) { return gate.pass() ? DecodeStatus::Ok : DecodeStatus::Broken; };
  const Request before{}, after{.number = 1};
  const Run first = bench.submit(before);
  gate.await_arrival();
  std::atomic<bool> ran = false, alone = false;
  bench.engine().when_idle([&] {
    alone = first.inference->finished();
    probe_logits(bench.decoder, small);
    ran = true;
  });
  CHECK(!ran);
  gate.open();
  CHECK_EQ(first.outcome().text, EngineBench::alone(before));
  CHECK_EQ(bench.submit(after).outcome().text, EngineBench::alone(after));
  // What the first one left there was given up.
  const auto again = bench.submit({.number = 0}).outcome();
  CHECK_EQ(again.text, EngineBench::alone(before));
  bench.finish();
  CHECK(ran && alone);
}

TEST(engine_that_is_stopped_runs_a_task_at_once) {
  EngineBench bench;
  Gate gate;
  bench.decoder.script = [&](auto) { return gate.pass() ? DecodeStatus::Ok : DecodeStatus::Broken; };
  const Run run = bench.submit({});
  gate.await_arrival();
  int tasks = 0;
  bench.engine().when_idle([&] { ++tasks; });
  std::thread stopper([&] { bench.stop(); });
  gate.open();
  stopper.join();
  CHECK_EQ(tasks, 1);
  bench.engine().when_idle([&] { ++tasks; });
  CHECK_EQ(tasks, 2);
  CHECK(run.inference->finished());
  bench.finish();
}
