// Requests that begin alike, in an engine: whatever is shared, saved, lost or drafted, each one ends as it
// does alone.

#include "check.h"
#include "engine/engine-fixture.h"

#include <algorithm>

using namespace verbatim;
using namespace support;

namespace {

/// Random requests of a few families; those of a family begin with some of the same tokens.
std::vector<Request> families(std::mt19937_64& random, size_t count, size_t context_size) {
  std::vector<Request> requests;
  for (size_t i = 0; i < count; ++i) {
    const size_t common = pick<size_t>(random, 0, context_size / 2);
    Request request{.number = i,
                    .max_tokens = pick<uint32_t>(random, 1, 40),
                    .temperature = i % 2 ? 1.0 : 0.0,
                    .context_size = context_size,
                    .prompt_lookup = i % 3 == 0};
    request.own_prompt = text(pick<Token>(random, 1, 2), common) +
                         text(pick<Token>(random, 3, 40), pick<size_t>(random, 1, context_size / 2 - 1));
    request.prompt_size = request.own_prompt.size();
    requests.push_back(request);
  }
  return requests;
}

std::vector<Run> submit_all(EngineFixture& fixture, const std::vector<Request>& requests) {
  std::vector<Run> runs;
  for (const auto& request : requests)
    runs.push_back(fixture.submit(request));
  return runs;
}

/// Checks that a request ended as it does alone, or failed after a part of that.
void check_outcomes(const std::vector<Request>& requests, const std::vector<Run>& runs,
                    std::initializer_list<ErrorCode> allowed = {}) {
  for (size_t i = 0; i < runs.size(); ++i) {
    const auto outcome = runs[i].result();
    const auto& expected = EngineFixture::alone(requests[i]);
    CHECK_EQ(runs[i].calls(), 1);
    CHECK(outcome.usage.cached_tokens < requests[i].prompt_size);
    CHECK(outcome.timings.accepted_tokens <= outcome.timings.drafted_tokens);
    CHECK(outcome.tokens.size() <= requests[i].max_tokens);
    if (outcome.error) {
      CHECK(std::ranges::find(allowed, outcome.error->code()) != allowed.end());
      CHECK(expected.starts_with(outcome.text));
    } else {
      CHECK_EQ(outcome.text, expected);
      CHECK_EQ(outcome.usage.prompt_tokens, requests[i].prompt_size);
    }
  }
}

/// Checks that all cells left belong to idle prefixes.
void finish(EngineFixture& fixture) {
  fixture.finish();
  CHECK(fixture.decoder.used() <= fixture.options().shared.limits.cache.idle_cells);
}

} // namespace

TEST(engine_shares_prefixes_without_changing_results) {
  std::mt19937_64 random(21);
  for (const size_t cells : {200, 400, 2000})
    for (const bool saves : {true, false}) {
      EngineFixture fixture({6, cells, 48});
      fixture.decoder.can_save = saves;
      const auto requests = families(random, 30, 160);
      const auto runs = submit_all(fixture, requests);
      check_outcomes(requests, runs);
      // Again: now much of it is known.
      check_outcomes(requests, submit_all(fixture, requests));
      finish(fixture);
      CHECK(fixture.decoder.shares > 20);
      if (saves) CHECK(fixture.decoder.restores > 0);
    }
}

TEST(engine_says_how_much_of_a_prompt_was_known) {
  EngineFixture fixture;
  const auto cached = [&](const Tokens& prompt, bool reproducible = false) {
    Request request{.prompt_size = prompt.size(), .reproducible = reproducible};
    request.own_prompt = prompt;
    const auto outcome = fixture.submit(request).result();
    CHECK_EQ(outcome.usage.prompt_tokens, prompt.size());
    return outcome.usage.cached_tokens;
  };
  CHECK_EQ(cached(text(1, 100)), 0u);
  CHECK_EQ(cached(text(1, 100)), 99u);
  CHECK_EQ(cached(text(1, 60) + text(2, 10)), 60u);
  CHECK_EQ(cached(text(1, 60) + text(2, 10) + text(3, 10)), 70u);
  CHECK_EQ(cached(text(4, 100)), 0u);
  CHECK_EQ(cached(text(1, 100), true), 0u); // computed by itself, all of it
  CHECK_EQ(cached(text(1, 100), true), 0u);
  finish(fixture);
}

TEST(engine_goes_on_from_the_answer_of_an_earlier_request) {
  // A conversation: each prompt holds the last one and its answer.
  EngineFixture fixture;
  Tokens conversation = text(1, 40);
  for (Token turn = 0; turn < 5; ++turn) {
    Request request{.number = 1, .prompt_size = conversation.size(), .max_tokens = 10};
    request.own_prompt = conversation;
    const auto outcome = fixture.submit(request).result();
    CHECK_EQ(outcome.text, EngineFixture::alone(request));
    // All that was computed: the prompt but for what is new in it, the answer but for its last token.
    if (turn > 0) CHECK_EQ(outcome.usage.cached_tokens, conversation.size() - 6);
    conversation = conversation + outcome.tokens + text(2 + turn, 5);
  }
  finish(fixture);
}

TEST(engine_shares_prefixes_through_failures) {
  std::mt19937_64 random(22);
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    EngineFixture fixture({pick<int32_t>(random, 1, 6), pick<size_t>(random, 160, 500), 48});
    std::mt19937_64 dice(seed);
    const uint64_t rarity = pick<uint64_t>(random, 6, 40);
    fixture.decoder.script = [&](FakeDecoder::Batch batch) {
      if (batch.size() == 1 || dice() % rarity) return DecodeStatus::Ok; // one token alone would be final
      constexpr DecodeStatus failures[] = {DecodeStatus::NoSlot, DecodeStatus::OutOfMemory,
                                           DecodeStatus::Failed};
      return failures[dice() % 3];
    };
    const auto requests = families(random, 24, 150);
    const auto runs = submit_all(fixture, requests);
    for (const Run& run : runs)
      if (seed % 2 && random() % 8 == 0) fixture.cancel(run);
    if (seed % 2)
      check_outcomes(requests, runs, {ErrorCode::Cancelled});
    else
      check_outcomes(requests, runs);
    finish(fixture);
  }
}

TEST(engine_shares_prefixes_after_its_context_was_lost) {
  std::mt19937_64 random(23);
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    EngineFixture fixture({4, pick<size_t>(random, 160, 500), 48});
    std::mt19937_64 dice(seed);
    fixture.decoder.script = [&](auto) {
      if (dice() % 40 == 0) throw std::runtime_error("thrown");
      return dice() % 40 ? DecodeStatus::Ok : DecodeStatus::Broken;
    };
    const auto requests = families(random, 24, 150);
    check_outcomes(requests, submit_all(fixture, requests), {ErrorCode::DecodeFailed});
    fixture.engine().wake();
    fixture.finish();
    CHECK(fixture.decoder.rebuilds > 0);
  }
}

TEST(engine_computes_a_prefix_once_for_requests_that_come_together) {
  EngineFixture fixture({8, 100000, 64});
  Gate gate;
  size_t computed = 0;
  fixture.decoder.script = [&](FakeDecoder::Batch batch) {
    computed += batch.size();
    return gate.pass() ? DecodeStatus::Ok : DecodeStatus::Broken;
  };
  const Run before = fixture.submit({.number = 49, .prompt_size = 1, .max_tokens = 1});
  gate.await_arrival();
  std::vector<Request> requests;
  for (Token i = 0; i < 8; ++i) {
    Request request{.number = static_cast<size_t>(i), .prompt_size = 210, .max_tokens = 5};
    request.own_prompt = text(1, 200) + text(2 + i, 10);
    requests.push_back(request);
  }
  const auto runs = submit_all(fixture, requests);
  gate.open();
  check_outcomes(requests, runs);
  before.result();
  finish(fixture);
  CHECK_EQ(computed, 1u + 200 + 8 * (10 + 4));
}

TEST(engine_survives_cancels_of_whoever_leads) {
  std::mt19937_64 random(24);
  for (int round = 0; round < 30; ++round) {
    EngineFixture fixture({4, 1000, 16}); // many small batches, so that cancels come in the middle of prompts
    std::vector<Request> requests;
    for (Token i = 0; i < 12; ++i) {
      Request request{.number = static_cast<size_t>(i), .max_tokens = 5, .context_size = 300};
      request.own_prompt = text(1, 150) + text(2 + i % 3, 50) + text(9 + i, 10);
      request.prompt_size = request.own_prompt.size();
      requests.push_back(request);
    }
    const auto runs = submit_all(fixture, requests);
    for (size_t i = 0; i + 1 < runs.size(); ++i) {
      if (random() % 2) std::this_thread::sleep_for(std::chrono::microseconds(random() % 200));
      fixture.cancel(runs[i]);
    }
    CHECK_EQ(runs.back().result().text, EngineFixture::alone(requests.back()));
    check_outcomes({requests.begin(), requests.end() - 1}, {runs.begin(), runs.end() - 1},
                   {ErrorCode::Cancelled});
    finish(fixture);
  }
}
