// Long prompts that are computed beside the sequences that generate: by the scheduler's plans, and in an
// engine with a lane of its own.

#include "check.h"
#include "engine-bench.h"
#include "scheduler-sharing-bench.h"

using namespace verbatim;
using namespace support;

namespace {

/// A lane that has its result when the test says so.
struct FakeLane : PromptLane {
  bool busy() const override { return job || result; }
  void start(Job started) override {
    CHECK(!busy());
    CHECK(started.begin < started.tokens.size());
    CHECK_EQ(started.prefix.empty(), started.begin == 0);
    job = std::move(started);
    ++starts;
  }
  void cancel() override {
    job.reset();
    result.reset();
    ++cancels;
  }
  std::optional<Cells> take() override { return std::exchange(result, std::nullopt); }

  /// As FakeDecoder saves them.
  void succeed() {
    std::vector<int32_t> data;
    for (size_t i = job->begin; i < job->tokens.size(); ++i) {
      data.push_back(static_cast<int32_t>(i));
      data.push_back(job->tokens[i]);
    }
    const auto* bytes = reinterpret_cast<const uint8_t*>(data.data());
    result.emplace(bytes, bytes + data.size() * sizeof(int32_t));
    job.reset();
  }
  void fail() {
    result.emplace();
    job.reset();
  }

  std::optional<Job> job;
  std::optional<Cells> result;
  int starts = 0, cancels = 0;
};

struct LaneBench : SharingBench {
  explicit LaneBench(FakeDecoder::Limits limits = {}) : SharingBench(limits, with(limits), &lane) {}
  static SchedulerLimits with(FakeDecoder::Limits limits) {
    auto with = limits.scheduler();
    with.long_prompt = 100;
    return with;
  }

  /// A request that generates.
  Sequence& stream(Token kind, uint32_t max_tokens = 1000) {
    Sequence& sequence = add(text(kind, 10), max_tokens);
    while (!sequence.decoding())
      step();
    return sequence;
  }
  bool planned(const Sequence& sequence) {
    plan();
    return std::ranges::find(chunks, &sequence, &Chunk::sequence) != chunks.end();
  }

  FakeLane lane;
};

} // namespace

TEST(lane_computes_a_long_prompt_beside_a_stream) {
  LaneBench bench;
  const Sequence& stream = bench.stream(1);
  const Sequence& newcomer = bench.add(text(2, 300), 5);
  for (int i = 0; i < 5; ++i) {
    CHECK(!bench.planned(newcomer));
    CHECK(bench.planned(stream));
    bench.decode();
  }
  CHECK_EQ(bench.lane.starts, 1);
  CHECK_EQ(bench.lane.job->begin, 0u);
  CHECK(bench.lane.job->tokens == text(2, 299)); // all but the one whose logits are wanted
  CHECK_EQ(bench.computed_of[&newcomer], 0u);
  bench.lane.succeed();
  CHECK(bench.planned(newcomer)); // SharingBench compares the cells
  CHECK(bench.planned(stream));
  bench.decode();
  CHECK_EQ(bench.computed_of[&newcomer], 1u);
  CHECK(newcomer.decoding());
  bench.run();
  CHECK_EQ(bench.lane.starts, 1);
  bench.finish();
}

TEST(lane_goes_on_from_a_known_prefix) {
  LaneBench bench;
  bench.add(text(2, 200), 3);
  bench.run();
  CHECK_EQ(bench.lane.starts, 0); // nobody generated beside it
  bench.stream(1);
  const Sequence& newcomer = bench.add(text(2, 150) + text(3, 150), 5);
  bench.step();
  CHECK_EQ(bench.lane.job->begin, 150u);
  CHECK_EQ(bench.lane.job->prefix.size(), 150 * 2 * sizeof(int32_t));
  bench.lane.succeed();
  bench.step();
  CHECK_EQ(bench.computed_of[&newcomer], 1u);
  bench.run();
  bench.finish();
}

TEST(lane_is_for_long_prompts_beside_streams) {
  LaneBench bench;
  bench.add(text(1, 300), 3);
  bench.step();
  CHECK_EQ(bench.lane.starts, 0);
  bench.run();
  bench.stream(2);
  bench.add(text(3, 100), 3); // not long enough
  bench.step();
  CHECK_EQ(bench.lane.starts, 0);
  const Sequence& third = bench.add(text(4, 300), 3); // two prompts beside one stream
  CHECK(bench.planned(third));
  CHECK_EQ(bench.lane.starts, 0);
}

TEST(lane_computes_one_prompt_after_the_other) {
  LaneBench bench;
  for (Token kind = 1; kind <= 5; ++kind)
    bench.stream(kind);
  const Sequence& first = bench.add(text(11, 200), 5);
  const Sequence& second = bench.add(text(12, 200), 5);
  CHECK(!bench.planned(first) && !bench.planned(second));
  CHECK(bench.lane.job->tokens == text(11, 199));
  bench.lane.succeed();
  CHECK(bench.planned(first) && !bench.planned(second));
  CHECK(bench.lane.job->tokens == text(12, 199));
  bench.decode();
  bench.lane.succeed();
  CHECK(bench.planned(second));
  bench.run();
  CHECK_EQ(bench.lane.starts, 2);
  bench.finish();
}

TEST(lane_that_fails_leaves_the_prompt_to_the_others) {
  LaneBench bench;
  bench.stream(1);
  const Sequence& newcomer = bench.add(text(2, 300), 5);
  bench.step();
  bench.lane.fail();
  CHECK(bench.planned(newcomer));
  bench.run();
  CHECK_EQ(bench.lane.starts, 1);
  CHECK_EQ(bench.completed, 2);
  bench.finish();
  // Nor is anything lost where the result cannot be put into cells, or the prefix not be copied.
  LaneBench poor;
  poor.decoder.can_restore = false;
  poor.stream(1);
  poor.add(text(2, 300), 5);
  poor.step();
  poor.lane.succeed();
  poor.run();
  CHECK_EQ(poor.completed, 2);
  poor.decoder.can_save = false;
  poor.stream(3);
  poor.stream(4);
  poor.add(text(3, 10) + text(5, 300), 5);
  poor.run();
  CHECK_EQ(poor.lane.starts, 1);
  poor.finish();
}

TEST(lane_is_cancelled_with_its_request) {
  LaneBench bench;
  bench.stream(1);
  const Sequence& newcomer = bench.add(text(2, 300), 5);
  bench.step();
  CHECK(bench.scheduler.remove(newcomer, Scheduler::Cells::Keep) != nullptr);
  CHECK_EQ(bench.lane.cancels, 1);
  CHECK(!bench.lane.busy());
  bench.add(text(3, 300), 5);
  bench.step();
  CHECK_EQ(bench.lane.starts, 2);
  bench.lane.succeed();
  bench.run();
  bench.finish();
}

TEST(lane_is_cancelled_where_its_request_has_to_make_room) {
  LaneBench bench({.sequences = 4, .cells = 400});
  bench.stream(1, 200);
  bench.add(text(2, 220), 5);
  bench.step();
  CHECK_EQ(bench.lane.starts, 1);
  CHECK(bench.scheduler.yield_to_oldest());
  CHECK_EQ(bench.lane.cancels, 1);
  CHECK_EQ(bench.scheduler.waiting(), 1u);
  bench.run();
  CHECK_EQ(bench.completed, 2);
  bench.finish();
}

TEST(lane_may_be_all_there_is_to_do) {
  LaneBench bench;
  bench.stream(1, 5);
  bench.add(text(2, 300), 5);
  const Sequence& follower = bench.add(text(2, 280) + text(3, 10), 5); // waits for the same tokens
  while (bench.completed == 0)
    bench.step();
  CHECK(bench.plan().empty());
  CHECK_EQ(bench.scheduler.running(), 2u);
  CHECK_EQ(bench.scheduler.waiting(), 0u); // nobody was sent away
  bench.lane.succeed();
  bench.run();
  CHECK_EQ(bench.computed_of[&follower], 10u + 4);
  CHECK_EQ(bench.completed, 3);
  bench.finish();
}

namespace {

/// Streams that generate for a while, and long prompts among them.
std::vector<Request> streams_and_long_prompts() {
  std::vector<Request> requests;
  for (size_t i = 0; i < 24; ++i)
    requests.push_back({.number = i,
                        .prompt_size = i % 4 == 3 ? 100 + 7 * i : 5 + i,
                        .max_tokens = i % 4 == 3 ? 5u : 60u,
                        .temperature = i % 2 ? 1.0 : 0.0,
                        .ignore_end_of_sequence = true});
  return requests;
}

std::vector<Run> submit(EngineBench& bench, const std::vector<Request>& requests) {
  std::vector<Run> runs;
  for (const auto& request : requests)
    runs.push_back(bench.submit(request));
  return runs;
}

/// One stream that goes on until the gate opens, and a long prompt that is in the lane.
struct Beside {
  explicit Beside(EngineBench& bench) : bench(bench) {
    bench.with_lane = true;
    stream = bench.submit(stream_request);
    newcomer = bench.submit(long_request);
  }
  EngineBench& bench;
  const Request stream_request{.number = 1, .max_tokens = 900, .ignore_end_of_sequence = true};
  const Request long_request{
      .number = 2, .prompt_size = 200, .max_tokens = 5, .ignore_end_of_sequence = true};
  Run stream, newcomer;
};

} // namespace

TEST(engine_with_a_lane_gives_what_one_without_gives) {
  EngineBench bench({.sequences = 8, .cells = 1500});
  bench.with_lane = true;
  std::atomic<int> lent = 0;
  bench.on_lane = [&](FakeDecoder&, const auto&) { ++lent; };
  const auto requests = streams_and_long_prompts();
  check_undisturbed(requests, submit(bench, requests));
  CHECK(lent > 0);
  bench.finish();
}

TEST(engine_with_a_lane_that_fails_gives_the_same) {
  for (const int kind : {0, 1, 2, 3}) {
    EngineBench bench({.sequences = 8, .cells = 1500});
    bench.with_lane = true;
    bench.on_lane = [&](FakeDecoder& decoder, const auto&) {
      if (kind == 0) throw Error(ErrorCode::OutOfMemory, "no context");
      if (kind == 1) decoder.script = [](auto) { return DecodeStatus::Failed; };
      if (kind == 2) decoder.script = [](auto) -> DecodeStatus { throw std::bad_alloc(); };
      if (kind == 3) decoder.can_save = false;
    };
    const auto requests = streams_and_long_prompts();
    check_undisturbed(requests, submit(bench, requests));
    bench.finish();
  }
}

TEST(engine_cancels_a_request_in_the_lane) {
  EngineBench bench;
  Gate gate;
  bool aborted = false;
  bench.on_lane = [&](FakeDecoder& decoder, const std::function<bool()>& should_abort) {
    decoder.script = [&, should_abort](auto) {
      gate.pass();
      aborted = should_abort();
      return DecodeStatus::Aborted;
    };
  };
  Beside beside(bench);
  gate.await_arrival();
  bench.cancel(beside.newcomer);
  CHECK_EQ(beside.newcomer.error(), ErrorCode::Cancelled); // at once, whatever the lane does
  gate.open();
  CHECK_EQ(beside.stream.outcome().text, EngineBench::alone(beside.stream_request));
  bench.finish();
  CHECK(aborted);
}

TEST(engine_stops_with_a_request_in_the_lane) {
  EngineBench bench;
  Gate gate;
  bench.on_lane = [&](FakeDecoder& decoder, const std::function<bool()>& should_abort) {
    decoder.script = [&, should_abort](auto) {
      gate.pass();
      while (!should_abort())
        std::this_thread::yield();
      return DecodeStatus::Aborted;
    };
  };
  Beside beside(bench);
  gate.await_arrival();
  gate.open();
  bench.finish();
  CHECK_EQ(beside.newcomer.error(), ErrorCode::Disposed);
}

TEST(engine_waits_for_the_lane_alone) {
  EngineBench bench;
  Gate gate;
  bench.on_lane = [&](FakeDecoder& decoder, const auto&) {
    decoder.script = [&](auto) {
      gate.pass();
      return DecodeStatus::Ok;
    };
  };
  Beside beside(bench);
  gate.await_arrival();
  beside.stream.outcome(); // ends meanwhile
  const Request last{.number = 3, .max_tokens = 1};
  CHECK_EQ(bench.submit(last).outcome().text, EngineBench::alone(last)); // nor does the lane hold up others
  gate.open();
  CHECK_EQ(beside.newcomer.outcome().text, EngineBench::alone(beside.long_request));
  bench.finish();
  CHECK_EQ(bench.decoder.threads, 3);
}

TEST(lane_has_fewer_threads_beside_others) {
  std::vector<int32_t> threads;
  Gate done;
  PrefillLane* self = nullptr;
  PrefillLane lane({.make_decoder =
                        [&](size_t cells, const auto&) {
                          auto decoder = std::make_unique<FakeDecoder>(FakeDecoder::Limits{2, cells, 16});
                          decoder->script = [&, raw = decoder.get()](auto) {
                            threads.push_back(raw->threads);
                            self->set_beside(threads.size() < 3);
                            return DecodeStatus::Ok;
                          };
                          return decoder;
                        },
                    .on_done = [&] { done.pass(); },
                    .batch_tokens = 16,
                    .threads = 4,
                    .threads_beside = 1},
                   nullptr);
  self = &lane;
  lane.set_beside(true);
  lane.start({text(1, 70), 0, {}});
  done.await_arrival();
  CHECK(lane.busy());
  const auto cells = lane.take();
  CHECK(cells && cells->size() == 70 * 2 * sizeof(int32_t));
  CHECK(!lane.busy());
  CHECK(threads == std::vector<int32_t>({1, 1, 1, 4, 4}));
  done.open();
}
