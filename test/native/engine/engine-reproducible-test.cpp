// Requests that are computed by themselves, on a decoder of their own.

#include "check.h"
#include "engine/engine-fixture.h"

#include <thread>

using namespace verbatim;
using namespace support;

namespace {

/// The sizes of the batches of each request on the second decoder, by its first token. To be read when the
/// engine has stopped.
struct Batches {
  std::map<Token, std::vector<std::vector<size_t>>> of;
  Token current = -1;

  void record(FakeDecoder::Batch batch) {
    if (batch.front().position == 0) of[current = batch.front().token].emplace_back();
    of[current].back().push_back(batch.size());
  }
};

std::vector<Request> reproducible(size_t count) {
  auto requests = several(count);
  for (auto& request : requests)
    request.reproducible = true;
  return requests;
}

} // namespace

TEST(engine_computes_reproducible_requests_by_themselves) {
  EngineFixture fixture({8, 1000, 64});
  Batches batches;
  int decodes = 0;
  fixture.on_second = [&](FakeDecoder& second) {
    second.script = [&](FakeDecoder::Batch batch) {
      ++decodes;
      batches.record(batch);
      for (const auto& token : batch)
        CHECK_EQ(token.sequence, 0); // a breach is thrown: the engine fails its requests then
      return DecodeStatus::Ok;
    };
  };
  const auto requests = reproducible(10);
  std::vector<Run> runs;
  for (const auto& request : requests)
    runs.push_back(fixture.submit(request));
  check_undisturbed(requests, runs);
  fixture.finish();
  CHECK_EQ(fixture.decoder.decodes, 0);
  CHECK(decodes > 300);
  for (const auto& request : requests) {
    const auto& sizes = batches.of.at(request.first_token());
    CHECK_EQ(sizes.size(), 1u);
    size_t prompt = 0;
    for (const size_t size : sizes[0])
      prompt += size > 1 ? size : 0;
    CHECK(prompt + 1 >= request.prompt_size); // in batches of 16, then token by token
  }
}

TEST(engine_repeats_a_reproducible_request_batch_by_batch) {
  // 50 times, beside others that come, go, fail and draft; some of its own batches fail too.
  EngineFixture fixture({8, 1000, 64});
  Batches batches;
  std::mt19937_64 dice(41), own(42);
  fixture.decoder.script = [&](FakeDecoder::Batch batch) {
    return batch.size() > 1 && dice() % 20 == 0 ? DecodeStatus::OutOfMemory : DecodeStatus::Ok;
  };
  int since = 0; // a second failure before it has got on would be final
  fixture.on_second = [&](FakeDecoder& second) {
    second.script = [&](FakeDecoder::Batch batch) {
      batches.record(batch);
      if (++since < 10 || own() % 40) return DecodeStatus::Ok;
      since = 0;
      return own() % 2 ? DecodeStatus::OutOfMemory : DecodeStatus::Failed;
    };
  };
  const Request request{
      .number = 3, .prompt_size = 50, .max_tokens = 20, .temperature = 1, .reproducible = true};
  auto others = several(16);
  std::vector<Run> runs, beside;
  for (size_t i = 0; i < 50; ++i) {
    runs.push_back(fixture.submit(request));
    others[i % 16].prompt_lookup = i % 2;
    if (i < 16) beside.push_back(fixture.submit(others[i]));
  }
  const auto first = runs[0].result();
  CHECK_EQ(first.text, EngineFixture::alone(request));
  for (size_t i = 1; i < runs.size(); ++i) {
    const auto outcome = runs[i].result();
    CHECK(!outcome.error);
    CHECK(outcome.tokens == first.tokens);
    CHECK_EQ(outcome.usage.cached_tokens, 0u);
  }
  check_undisturbed(others, beside);
  fixture.finish();
  // Nobody else's failure, and none of its own, ever makes a batch smaller. After a failure the request is
  // begun anew, and what it has generated is a part of its prompt then.
  CHECK(batches.of[request.first_token()].size() > 50);
  int whole = 0;
  for (const auto& sizes : batches.of[request.first_token()]) {
    CHECK_EQ(sizes[0], 16u);
    whole +=
        sizes == std::vector<size_t>{16, 16, 16, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  }
  CHECK(whole > 10);
}

TEST(engine_works_without_a_second_decoder) {
  for (const bool typed : {true, false}) {
    EngineFixture fixture;
    fixture.refuse_reproducible = typed;
    if (!typed) fixture.on_second = [](FakeDecoder&) { throw std::bad_alloc(); };
    const auto requests = several(4);
    std::vector<Run> runs;
    for (const auto& request : requests)
      runs.push_back(fixture.submit(request));
    for (size_t i = 0; i < 3; ++i)
      CHECK_EQ(fixture.submit({.number = i, .reproducible = true}).error(),
               typed ? ErrorCode::OutOfMemory : ErrorCode::Internal);
    check_undisturbed(requests, runs);
    // It is tried again each time.
    fixture.refuse_reproducible = false;
    fixture.on_second = [](FakeDecoder&) {};
    CHECK_EQ(fixture.submit({.number = 7, .reproducible = true}).result().text,
             EngineFixture::alone({.number = 7}));
    fixture.finish();
  }
}

TEST(engine_takes_turns_between_its_decoders) {
  EngineFixture fixture;
  Gate first, second;
  int on_second = 0;
  fixture.decoder.script = [&](auto) { return first.pass() ? DecodeStatus::Ok : DecodeStatus::Broken; };
  fixture.on_second = [&](FakeDecoder& decoder) {
    decoder.script = [&](auto) {
      if (++on_second == 3) second.pass();
      return DecodeStatus::Ok;
    };
  };
  const Run shared = fixture.submit({.number = 1, .max_tokens = 1000000, .context_size = 90000});
  first.await_arrival();
  const Run alone = fixture.submit({.number = 2, .max_tokens = 20, .reproducible = true});
  first.open();
  second.await_arrival(); // reached while the other generates
  CHECK(!shared.inference->finished() && !alone.inference->finished());
  const auto load = fixture.engine().status();
  CHECK_EQ(load.running, 2u);
  second.open();
  CHECK_EQ(alone.result().text, EngineFixture::alone({.number = 2, .max_tokens = 20}));
  CHECK(!shared.inference->finished()); // it had its turns meanwhile
  fixture.cancel(shared);
  CHECK(shared.result().tokens.size() > 10);
  fixture.finish();
}

TEST(engine_cancels_and_aborts_reproducible_requests) {
  EngineFixture fixture;
  Gate gate;
  bool aborting = true;
  fixture.on_second = [&](FakeDecoder& second) {
    second.script = [&](auto) {
      if (!aborting) return DecodeStatus::Ok;
      gate.pass();
      while (!fixture.running()->should_abort())
        std::this_thread::yield();
      aborting = false;
      return DecodeStatus::Aborted;
    };
  };
  const Run cancelled = fixture.submit({.number = 1, .reproducible = true});
  gate.await_arrival();
  const Run queued = fixture.submit({.number = 2, .reproducible = true});
  const Run next = fixture.submit({.number = 3, .reproducible = true});
  fixture.cancel(queued);
  CHECK_EQ(queued.error(), ErrorCode::Cancelled); // at once
  fixture.cancel(cancelled);
  gate.open();
  CHECK_EQ(cancelled.error(), ErrorCode::Cancelled);
  CHECK_EQ(next.result().text, EngineFixture::alone({.number = 3}));
  fixture.finish();
}

TEST(engine_loses_only_the_context_that_broke) {
  for (const bool throwing : {true, false}) {
    EngineFixture fixture;
    bool breaking = true;
    fixture.on_second = [&](FakeDecoder& second) {
      second.script = [&](auto) {
        if (!std::exchange(breaking, false)) return DecodeStatus::Ok;
        if (throwing) throw std::runtime_error("out of luck");
        return DecodeStatus::Broken;
      };
    };
    const auto requests = several(4);
    std::vector<Run> runs;
    for (const auto& request : requests)
      runs.push_back(fixture.submit(request));
    CHECK_EQ(fixture.submit({.number = 7, .reproducible = true}).error(), ErrorCode::DecodeFailed);
    CHECK_EQ(fixture.submit({.number = 7, .reproducible = true}).result().text,
             EngineFixture::alone({.number = 7}));
    check_undisturbed(requests, runs);
    fixture.finish();
    CHECK_EQ(fixture.decoder.rebuilds, 0);
  }
}

TEST(engine_stops_in_the_middle_of_reproducible_requests) {
  for (const int when : {1, 2, 9}) {
    EngineFixture fixture;
    Gate gate;
    int decodes = 0;
    fixture.on_second = [&](FakeDecoder& second) {
      second.script = [&](auto) {
        if (++decodes < when) return DecodeStatus::Ok;
        gate.pass();
        while (!fixture.running()->should_abort()) // stop() makes it true
          std::this_thread::yield();
        return DecodeStatus::Aborted;
      };
    };
    std::vector<Run> runs;
    for (size_t i = 0; i < 6; ++i)
      runs.push_back(fixture.submit({.number = i,
                                     .prompt_size = 20,
                                     .max_tokens = 100000,
                                     .context_size = 90000,
                                     .reproducible = i % 2 == 0}));
    gate.await_arrival();
    gate.open();
    fixture.stop();
    for (const Run& run : runs)
      CHECK_EQ(run.error(), ErrorCode::Disposed);
    CHECK_EQ(fixture.submit({.reproducible = true}).error(), ErrorCode::Disposed);
    fixture.finish();
  }
}

TEST(engine_survives_a_stop_at_any_moment_of_both_kinds) {
  std::mt19937_64 random(43);
  for (int round = 0; round < 20; ++round) {
    EngineFixture fixture({4, 500, 32});
    fixture.engine();
    auto requests = several(20, 30);
    std::vector<Run> runs(requests.size());
    std::thread submitter([&] {
      for (size_t i = 0; i < requests.size(); ++i) {
        requests[i].reproducible = i % 3 == 0;
        requests[i].prompt_lookup = i % 2 == 0;
        fixture.engine().submit(EngineFixture::sequence(requests[i], runs[i].inference));
        if (i % 5 == 4) fixture.cancel(runs[i - 1]);
      }
    });
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 4000));
    fixture.stop();
    submitter.join();
    for (size_t i = 0; i < runs.size(); ++i) {
      const auto outcome = runs[i].result();
      const auto& expected = EngineFixture::alone(requests[i]);
      CHECK(outcome.error ? expected.starts_with(outcome.text) : outcome.text == expected);
      CHECK_EQ(runs[i].calls(), 1);
    }
    fixture.finish();
  }
}
