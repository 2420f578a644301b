// Long prompts computed beside the sequences that generate, in the scheduler and in an engine.

#include "check.h"
#include "engine/engine-fixture.h"
#include "engine/scheduler-sharing-fixture.h"

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
  std::optional<SavedCells> take() override { return std::exchange(result, std::nullopt); }

  /// Returns cells as FakeDecoder::save() does.
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
  std::optional<SavedCells> result;
  int starts = 0, cancels = 0;
};

struct LaneFixture : SharingFixture {
  explicit LaneFixture(FakeDecoder::Limits limits = {}) : SharingFixture(limits, with(limits), &lane) {}
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
  bool scheduled(const Sequence& sequence) {
    schedule();
    return std::ranges::find(chunks, &sequence, &Chunk::sequence) != chunks.end();
  }

  FakeLane lane;
};

} // namespace

TEST(lane_computes_a_long_prompt_beside_a_stream) {
  LaneFixture fixture;
  const Sequence& stream = fixture.stream(1);
  const Sequence& newcomer = fixture.add(text(2, 300), 5);
  for (int i = 0; i < 5; ++i) {
    CHECK(!fixture.scheduled(newcomer));
    CHECK(fixture.scheduled(stream));
    fixture.decode();
  }
  CHECK_EQ(fixture.lane.starts, 1);
  CHECK_EQ(fixture.lane.job->begin, 0u);
  CHECK(fixture.lane.job->tokens == text(2, 299)); // all but the one whose logits are wanted
  CHECK_EQ(fixture.computed_of[&newcomer], 0u);
  fixture.lane.succeed();
  CHECK(fixture.scheduled(newcomer)); // SharingFixture compares the cells
  CHECK(fixture.scheduled(stream));
  fixture.decode();
  CHECK_EQ(fixture.computed_of[&newcomer], 1u);
  CHECK(newcomer.decoding());
  fixture.run();
  CHECK_EQ(fixture.lane.starts, 1);
  fixture.finish();
}

TEST(lane_goes_on_from_a_known_prefix) {
  LaneFixture fixture;
  fixture.add(text(2, 200), 3);
  fixture.run();
  CHECK_EQ(fixture.lane.starts, 0); // nobody generated beside it
  fixture.stream(1);
  const Sequence& newcomer = fixture.add(text(2, 150) + text(3, 150), 5);
  fixture.step();
  CHECK_EQ(fixture.lane.job->begin, 150u);
  CHECK_EQ(fixture.lane.job->prefix.size(), 150 * 2 * sizeof(int32_t));
  fixture.lane.succeed();
  fixture.step();
  CHECK_EQ(fixture.computed_of[&newcomer], 1u);
  fixture.run();
  fixture.finish();
}

TEST(lane_takes_only_long_prompts_beside_streams) {
  LaneFixture fixture;
  fixture.add(text(1, 300), 3);
  fixture.step();
  CHECK_EQ(fixture.lane.starts, 0);
  fixture.run();
  fixture.stream(2);
  fixture.add(text(3, 100), 3); // not long enough
  fixture.step();
  CHECK_EQ(fixture.lane.starts, 0);
  const Sequence& third = fixture.add(text(4, 300), 3); // two prompts beside one stream
  CHECK(fixture.scheduled(third));
  CHECK_EQ(fixture.lane.starts, 0);
}

TEST(lane_computes_one_prompt_after_the_other) {
  LaneFixture fixture;
  for (Token kind = 1; kind <= 5; ++kind)
    fixture.stream(kind);
  const Sequence& first = fixture.add(text(11, 200), 5);
  const Sequence& second = fixture.add(text(12, 200), 5);
  CHECK(!fixture.scheduled(first) && !fixture.scheduled(second));
  CHECK(fixture.lane.job->tokens == text(11, 199));
  fixture.lane.succeed();
  CHECK(fixture.scheduled(first) && !fixture.scheduled(second));
  CHECK(fixture.lane.job->tokens == text(12, 199));
  fixture.decode();
  fixture.lane.succeed();
  CHECK(fixture.scheduled(second));
  fixture.run();
  CHECK_EQ(fixture.lane.starts, 2);
  fixture.finish();
}

TEST(lane_that_fails_leaves_the_prompt_to_the_others) {
  LaneFixture fixture;
  fixture.stream(1);
  const Sequence& newcomer = fixture.add(text(2, 300), 5);
  fixture.step();
  fixture.lane.fail();
  CHECK(fixture.scheduled(newcomer));
  fixture.run();
  CHECK_EQ(fixture.lane.starts, 1);
  CHECK_EQ(fixture.completed, 2);
  fixture.finish();
  // Nor is anything lost where the result cannot be put into cells, or the prefix not be copied.
  LaneFixture poor;
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
  LaneFixture fixture;
  fixture.stream(1);
  const Sequence& newcomer = fixture.add(text(2, 300), 5);
  fixture.step();
  CHECK(fixture.scheduler.remove(newcomer, CachedCells::Keep) != nullptr);
  CHECK_EQ(fixture.lane.cancels, 1);
  CHECK(!fixture.lane.busy());
  fixture.add(text(3, 300), 5);
  fixture.step();
  CHECK_EQ(fixture.lane.starts, 2);
  fixture.lane.succeed();
  fixture.run();
  fixture.finish();
}

TEST(lane_is_cancelled_when_its_request_has_to_make_room) {
  LaneFixture fixture({.sequences = 4, .cells = 400});
  fixture.stream(1, 200);
  fixture.add(text(2, 220), 5);
  fixture.step();
  CHECK_EQ(fixture.lane.starts, 1);
  CHECK(fixture.scheduler.preempt_and_hold());
  CHECK_EQ(fixture.lane.cancels, 1);
  CHECK_EQ(fixture.scheduler.waiting(), 1u);
  fixture.run();
  CHECK_EQ(fixture.completed, 2);
  fixture.finish();
}

TEST(lane_keeps_its_request_running_when_nothing_else_is_to_do) {
  LaneFixture fixture;
  fixture.stream(1, 5);
  fixture.add(text(2, 300), 5);
  const Sequence& follower = fixture.add(text(2, 280) + text(3, 10), 5); // waits for the same tokens
  while (fixture.completed == 0)
    fixture.step();
  CHECK(fixture.schedule().empty());
  CHECK_EQ(fixture.scheduler.running(), 2u);
  CHECK_EQ(fixture.scheduler.waiting(), 0u); // nobody was sent away
  fixture.lane.succeed();
  fixture.run();
  CHECK_EQ(fixture.computed_of[&follower], 10u + 4);
  CHECK_EQ(fixture.completed, 3);
  fixture.finish();
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

std::vector<Run> submit(EngineFixture& fixture, const std::vector<Request>& requests) {
  std::vector<Run> runs;
  for (const auto& request : requests)
    runs.push_back(fixture.submit(request));
  return runs;
}

/// One stream that goes on until the gate opens, and a long prompt that is in the lane.
struct Beside {
  explicit Beside(EngineFixture& fixture) : fixture(fixture) {
    fixture.with_lane = true;
    stream = fixture.submit(stream_request);
    newcomer = fixture.submit(long_request);
  }
  EngineFixture& fixture;
  const Request stream_request{.number = 1, .max_tokens = 900, .ignore_end_of_sequence = true};
  const Request long_request{
      .number = 2, .prompt_size = 200, .max_tokens = 5, .ignore_end_of_sequence = true};
  Run stream, newcomer;
};

} // namespace

TEST(engine_with_a_lane_gives_what_one_without_gives) {
  EngineFixture fixture({.sequences = 8, .cells = 1500});
  fixture.with_lane = true;
  std::atomic<int> lent = 0;
  fixture.on_lane = [&](FakeDecoder&, const auto&) { ++lent; };
  const auto requests = streams_and_long_prompts();
  check_undisturbed(requests, submit(fixture, requests));
  CHECK(lent > 0);
  fixture.finish();
}

TEST(engine_with_a_lane_that_fails_gives_the_same) {
  for (const int kind : {0, 1, 2, 3}) {
    EngineFixture fixture({.sequences = 8, .cells = 1500});
    fixture.with_lane = true;
    fixture.on_lane = [&](FakeDecoder& decoder, const auto&) {
      if (kind == 0) throw Error(ErrorCode::OutOfMemory, "no context");
      if (kind == 1) decoder.script = [](auto) { return DecodeStatus::Failed; };
      if (kind == 2) decoder.script = [](auto) -> DecodeStatus { throw std::bad_alloc(); };
      if (kind == 3) decoder.can_save = false;
    };
    const auto requests = streams_and_long_prompts();
    check_undisturbed(requests, submit(fixture, requests));
    fixture.finish();
  }
}

TEST(engine_cancels_a_request_in_the_lane) {
  EngineFixture fixture;
  Gate gate;
  bool aborted = false;
  fixture.on_lane = [&](FakeDecoder& decoder, const std::function<bool()>& should_abort) {
    decoder.script = [&, should_abort](auto) {
      gate.pass();
      aborted = should_abort();
      return DecodeStatus::Aborted;
    };
  };
  Beside beside(fixture);
  gate.await_arrival();
  fixture.cancel(beside.newcomer);
  CHECK_EQ(beside.newcomer.error(), ErrorCode::Cancelled); // at once, whatever the lane does
  gate.open();
  CHECK_EQ(beside.stream.result().text, EngineFixture::alone(beside.stream_request));
  fixture.finish();
  CHECK(aborted);
}

TEST(engine_stops_with_a_request_in_the_lane) {
  EngineFixture fixture;
  Gate gate;
  fixture.on_lane = [&](FakeDecoder& decoder, const std::function<bool()>& should_abort) {
    decoder.script = [&, should_abort](auto) {
      gate.pass();
      while (!should_abort())
        std::this_thread::yield();
      return DecodeStatus::Aborted;
    };
  };
  Beside beside(fixture);
  gate.await_arrival();
  gate.open();
  fixture.finish();
  CHECK_EQ(beside.newcomer.error(), ErrorCode::Disposed);
}

TEST(engine_waits_when_only_the_lane_computes) {
  EngineFixture fixture;
  Gate gate;
  fixture.on_lane = [&](FakeDecoder& decoder, const auto&) {
    decoder.script = [&](auto) {
      gate.pass();
      return DecodeStatus::Ok;
    };
  };
  Beside beside(fixture);
  gate.await_arrival();
  beside.stream.result(); // ends meanwhile
  const Request last{.number = 3, .max_tokens = 1};
  CHECK_EQ(fixture.submit(last).result().text,
           EngineFixture::alone(last)); // nor does the lane hold up others
  gate.open();
  CHECK_EQ(beside.newcomer.result().text, EngineFixture::alone(beside.long_request));
  fixture.finish();
  CHECK_EQ(fixture.decoder.threads, 3);
}

TEST(lane_uses_fewer_threads_beside_others) {
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
