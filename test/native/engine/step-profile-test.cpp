// The profile of the engine's steps.

#include "check.h"
#include "engine/engine-fixture.h"

#include <numeric>
#include <thread>

using namespace verbatim;
using namespace support;

namespace {

void sleep_ms(int milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
}

/// Returns the steps of requests that all begin before the first is computed.
std::vector<StepTimes> profiled(EngineFixture& fixture, const std::vector<Request>& requests,
                                size_t most = 1000) {
  fixture.engine().profile().start(most);
  // The engine notes from the end of the turn in which it finds out.
  CHECK(!fixture.submit({.number = 99, .max_tokens = 1}).result().error);
  fixture.engine().announce();
  std::vector<Run> runs;
  for (const auto& request : requests)
    runs.push_back(fixture.submit(request));
  fixture.engine().withdraw();
  for (const auto& run : runs)
    CHECK(!run.result().error);
  fixture.stop();
  return fixture.engine().profile().take();
}

double covered(const StepTimes& step) {
  return std::accumulate(step.parts.begin(), step.parts.end(), 0.0);
}

} // namespace

TEST(step_profile_says_what_each_step_held) {
  EngineFixture fixture;
  const auto steps = profiled(
      fixture, {{.prompt_size = 20, .max_tokens = 4}, {.number = 1, .prompt_size = 30, .max_tokens = 4}});
  CHECK(steps.size() >= 4);
  size_t generated = 0, prompt_tokens = 0;
  for (const auto& step : steps) {
    CHECK(step.generating + step.prompt_tokens > 0);
    generated += step.generating;
    prompt_tokens += step.prompt_tokens;
  }
  // The first token of each comes with the end of its prompt.
  CHECK_EQ(generated, 6u);
  CHECK(prompt_tokens == 50 || prompt_tokens == 60); // with the first request's or without
  fixture.finish();
}

TEST(step_profile_times_each_part_by_itself) {
  EngineFixture fixture;
  fixture.decoder.script = [](auto) {
    sleep_ms(4);
    return DecodeStatus::Ok;
  };
  fixture.decoder.device = [] { sleep_ms(3); };
  const auto steps = profiled(fixture, {{.max_tokens = 8, .temperature = 1}});
  CHECK(steps.size() >= 7);
  for (const auto& step : steps) {
    CHECK(step.parts[StepTimes::Submit] >= 4);
    CHECK(step.parts[StepTimes::Wait] >= 3);
    for (const auto part : {StepTimes::Scheduling, StepTimes::Sampling, StepTimes::Emission})
      CHECK(step.parts[part] > 0);
    CHECK(covered(step) <= step.total + 1e-6); // no time is in two parts
  }
  fixture.finish();
}

TEST(step_profile_counts_time_without_work_as_idle_in_the_next_step) {
  EngineFixture fixture;
  fixture.engine().profile().start(1000);
  CHECK(!fixture.submit({.max_tokens = 2}).result().error);
  sleep_ms(300);
  CHECK(!fixture.submit({.number = 1, .max_tokens = 2}).result().error);
  fixture.stop();
  const auto steps = fixture.engine().profile().take();
  CHECK(std::ranges::any_of(steps, [](const auto& step) { return step.parts[StepTimes::Idle] >= 50; }));
  for (const auto& step : steps)
    CHECK(covered(step) <= step.total + 1e-6);
  fixture.finish();
}

TEST(step_profile_counts_drafted_tokens) {
  EngineFixture fixture;
  fixture.decoder.next = [](const std::vector<Token>& history) {
    return letter_a + static_cast<Token>(history.size() % 4);
  };
  const auto steps = profiled(fixture, {{.max_tokens = 60, .prompt_lookup = true}});
  size_t drafted = 0;
  for (const auto& step : steps)
    drafted += step.drafted;
  CHECK(drafted > 0);
  fixture.finish();
}

TEST(step_profile_notes_no_more_than_it_was_asked_for_and_nothing_unasked) {
  EngineFixture fixture;
  CHECK_EQ(profiled(fixture, {{.max_tokens = 50}}, 5).size(), 5u);
  CHECK(fixture.engine().profile().take().empty());
  fixture.finish();

  EngineFixture unasked;
  CHECK(!unasked.submit({.max_tokens = 5}).result().error);
  unasked.stop();
  CHECK(unasked.engine().profile().take().empty());
  unasked.finish();
}

TEST(step_profile_may_be_started_and_taken_while_the_engine_works) {
  EngineFixture fixture;
  const Run run = fixture.submit({.max_tokens = 900});
  std::thread reader([&] {
    while (!run.inference->finished()) {
      fixture.engine().profile().start(10);
      CHECK(fixture.engine().profile().take().size() <= 10);
    }
  });
  CHECK(!run.result().error);
  reader.join();
  fixture.finish();
}

TEST(engine_survives_a_device_that_fails_while_it_is_waited_for) {
  EngineFixture fixture;
  int waits = 0;
  fixture.decoder.device = [&] {
    if (++waits == 3) throw std::runtime_error("the device is lost");
  };
  const auto outcome = fixture.submit({.max_tokens = 20}).result();
  CHECK(outcome.error && outcome.error->code() == ErrorCode::DecodeFailed);
  CHECK_EQ(outcome.tokens.size(), 2u);
  const Request next{.number = 1};
  CHECK_EQ(fixture.submit(next).result().text, EngineFixture::alone(next));
  CHECK_EQ(fixture.decoder.rebuilds, 1);
  fixture.finish();
}
