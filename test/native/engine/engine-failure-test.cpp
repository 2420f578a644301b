// An engine with a decoder that fails.

#include "check.h"
#include "engine/engine-fixture.h"

#include <algorithm>
#include <optional>

using namespace verbatim;
using namespace support;

namespace {

constexpr DecodeStatus temporary[] = {DecodeStatus::NoSlot, DecodeStatus::OutOfMemory, DecodeStatus::Failed};

bool begins(FakeDecoder::Batch batch, const Request& request) {
  return std::ranges::any_of(batch, [&](const BatchToken& token) {
    return token.position == 0 && token.token == request.first_token();
  });
}

std::vector<Run> submit_all(EngineFixture& fixture, const std::vector<Request>& requests) {
  std::vector<Run> runs;
  for (const auto& request : requests)
    runs.push_back(fixture.submit(request));
  return runs;
}

} // namespace

TEST(engine_hides_a_failure_that_comes_once) {
  const auto requests = several(6);
  for (const DecodeStatus failure : temporary)
    for (const int when : {1, 2, 3, 10, 30}) {
      EngineFixture fixture({4, 1000, 32});
      int decodes = 0;
      Gate gate; // all are there before the first batch: a single token that fails alone is given up
      fixture.decoder.script = [&](auto) {
        gate.pass();
        return ++decodes == when ? failure : DecodeStatus::Ok;
      };
      const auto runs = submit_all(fixture, requests);
      gate.open();
      check_undisturbed(requests, runs);
      fixture.finish();
      CHECK(fixture.decoder.decodes >= when);
    }
}

TEST(engine_hides_failures_that_come_often) {
  const auto requests = several(6, 24);
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    EngineFixture fixture({4, 1000, 32});
    std::mt19937_64 random(seed);
    bool failed = false; // never a batch of one token twice: that would be final
    fixture.decoder.script = [&](auto) {
      failed = !failed && random() % 4 == 0;
      return failed ? temporary[random() % 3] : DecodeStatus::Ok;
    };
    // A single token that fails alone is given up, so the script spares those.
    auto script = fixture.decoder.script;
    fixture.decoder.script = [&, script](FakeDecoder::Batch batch) {
      return batch.size() == 1 ? DecodeStatus::Ok : script(batch);
    };
    check_undisturbed(requests, submit_all(fixture, requests));
    fixture.finish();
  }
}

TEST(engine_finds_the_size_of_batch_that_memory_allows) {
  // Every larger batch fails, always: the engine must not come back to the same failure for ever.
  for (const size_t possible : {1, 5, 20}) {
    const auto requests = several(6, 16);
    EngineFixture fixture({4, 1000, 64});
    int failures = 0;
    fixture.decoder.script = [&](FakeDecoder::Batch batch) {
      if (batch.size() <= possible) return DecodeStatus::Ok;
      ++failures;
      return DecodeStatus::OutOfMemory;
    };
    check_undisturbed(requests, submit_all(fixture, requests));
    fixture.finish();
    CHECK(failures > 0);
    CHECK(failures < 60);
  }
}

TEST(engine_evicts_before_it_gives_up_for_want_of_memory) {
  // The first generates and the second is still read in when the cells run out: a batch of one token,
  // which cannot be halved.
  const std::vector<Request> requests = {
      {.number = 0, .prompt_size = 10, .max_tokens = 280, .context_size = 301},
      {.number = 1, .prompt_size = 150, .max_tokens = 20, .context_size = 301}};
  EngineFixture fixture({2, 301, 2});
  int failures = 0;
  fixture.decoder.script = [&](FakeDecoder::Batch batch) {
    if (batch.size() > 1 || fixture.decoder.sequences() < 2) return DecodeStatus::Ok;
    ++failures;
    return DecodeStatus::OutOfMemory;
  };
  Gate gate; // both are there before the first batch
  auto script = fixture.decoder.script;
  fixture.decoder.script = [&, script](FakeDecoder::Batch batch) {
    gate.pass();
    return script(batch);
  };
  const auto runs = submit_all(fixture, requests);
  gate.open();
  check_undisturbed(requests, runs);
  fixture.finish();
  CHECK(failures > 0);
}

TEST(engine_works_with_a_smaller_cache_than_it_was_promised) {
  const auto requests = several(8, 30);
  EngineFixture fixture({8, 10000, 64});
  fixture.decoder.script = [&](FakeDecoder::Batch batch) {
    return fixture.decoder.used() + batch.size() > 120 ? DecodeStatus::NoSlot : DecodeStatus::Ok;
  };
  check_undisturbed(requests, submit_all(fixture, requests));
  fixture.finish();
  CHECK(fixture.decoder.most_cells > 60);
}

TEST(engine_fails_what_does_not_fit_alone) {
  auto requests = several(5, 20);
  requests[1].prompt_size = 200;
  EngineFixture fixture({4, 10000, 64});
  fixture.decoder.script = [&](FakeDecoder::Batch batch) {
    return fixture.decoder.used() + batch.size() > 150 ? DecodeStatus::NoSlot : DecodeStatus::Ok;
  };
  const auto runs = submit_all(fixture, requests);
  CHECK_EQ(runs[1].error(), ErrorCode::OutOfMemory);
  check_undisturbed(requests, runs, 1);
  fixture.finish();
}

TEST(engine_fails_only_the_request_that_cannot_be_computed) {
  for (const DecodeStatus failure : {DecodeStatus::Failed, DecodeStatus::OutOfMemory})
    for (const size_t bad : {0, 2, 5}) {
      const auto requests = several(6, 20);
      EngineFixture fixture({4, 1000, 64});
      fixture.decoder.script = [&](FakeDecoder::Batch batch) {
        return begins(batch, requests[bad]) ? failure : DecodeStatus::Ok;
      };
      const auto runs = submit_all(fixture, requests);
      CHECK_EQ(runs[bad].error(),
               failure == DecodeStatus::Failed ? ErrorCode::DecodeFailed : ErrorCode::OutOfMemory);
      check_undisturbed(requests, runs, bad);
      CHECK_EQ(runs[bad].calls(), 1);
      fixture.finish();
      CHECK(fixture.decoder.decodes < 1000);
    }
}

TEST(engine_fails_a_request_in_the_middle_of_its_text) {
  const auto requests = several(5, 30);
  for (const DecodeStatus failure : {DecodeStatus::Failed, DecodeStatus::OutOfMemory}) {
    EngineFixture fixture({4, 1000, 64});
    // Request 3 cannot get past its tenth generated token.
    const auto position = static_cast<int32_t>(requests[3].prompt_size + 9);
    fixture.decoder.script = [&](FakeDecoder::Batch batch) {
      std::set<int32_t> bad; // it may begin in this batch, or have begun in cells that were there
      for (const auto& token : batch)
        if (fixture.decoder.first(token.sequence) == requests[3].first_token() ||
            begins({&token, 1}, requests[3]))
          bad.insert(token.sequence);
      for (const auto& token : batch)
        if (bad.contains(token.sequence) && token.position == position) return failure;
      return DecodeStatus::Ok;
    };
    const auto runs = submit_all(fixture, requests);
    runs[3].await_calls(1);
    const auto outcome = runs[3].inference->result();
    CHECK(outcome.error.has_value());
    CHECK_EQ(outcome.tokens.size(), 10u); // kept, though it was computed anew again and again
    CHECK(EngineFixture::alone(requests[3]).starts_with(outcome.text));
    check_undisturbed(requests, runs, 3);
    fixture.finish();
    CHECK(fixture.decoder.decodes < 2000);
  }
}

TEST(engine_loses_its_requests_but_not_itself_when_rebuilt) {
  for (const bool throwing : {false, true}) {
    EngineFixture fixture({4, 1000, 64});
    Gate gate;
    bool breaking = true;
    fixture.decoder.script = [&](auto) {
      if (!breaking) return DecodeStatus::Ok;
      gate.pass();
      breaking = false;
      if (throwing) throw std::runtime_error("out of luck");
      return DecodeStatus::Broken;
    };
    const auto requests = several(6);
    auto runs = submit_all(fixture, {requests.begin(), requests.begin() + 5});
    gate.await_arrival();
    gate.open();
    CHECK_EQ(runs[0].error(), ErrorCode::DecodeFailed);
    CHECK(!fixture.engine().status().used_cells || !breaking);
    const Run after = fixture.submit(requests[5]);
    CHECK_EQ(after.result().text, EngineFixture::alone(requests[5]));
    fixture.finish();
    CHECK_EQ(fixture.decoder.rebuilds, 1);
  }
}

TEST(engine_starts_everything_over_where_a_failure_harms_all) {
  const auto requests = several(6);
  for (const DecodeStatus failure :
       {DecodeStatus::OutOfMemory, DecodeStatus::Failed, DecodeStatus::Aborted}) {
    EngineFixture fixture({.sequences = 4, .cells = 1000, .batch_tokens = 32, .recurrent = true});
    int decodes = 0;
    Gate gate;
    fixture.decoder.script = [&](auto) {
      gate.pass();
      ++decodes;
      return decodes == 3 || decodes == 12 || decodes == 40 ? failure : DecodeStatus::Ok;
    };
    const auto runs = submit_all(fixture, requests);
    gate.open();
    check_undisturbed(requests, runs);
    fixture.finish();
    CHECK_EQ(fixture.decoder.clears_of_all, 3);
  }
}

TEST(engine_gives_a_second_try_where_states_may_be_spoiled) {
  // One request spoils a state, and the memory hands it on: nobody but that one fails, and it does so for
  // good.
  EngineFixture fixture({.sequences = 3, .cells = 1000, .batch_tokens = 64, .recurrent = true});
  int spoiled = 0; // until when the logits of others are no numbers too
  fixture.decoder.next = [&](const std::vector<Token>& history) {
    if (history.front() == 1002 && history.size() > 14) {
      spoiled = fixture.decoder.clears_of_all + 1;
      throw Error(ErrorCode::DecodeFailed, "not a number");
    }
    if (fixture.decoder.clears_of_all < spoiled) throw Error(ErrorCode::DecodeFailed, "not a number");
    return static_cast<Token>(letter_a + static_cast<Token>(FakeDecoder::hash(history) % 26));
  };
  const auto requests = several(6);
  const auto runs = submit_all(fixture, requests);
  CHECK_EQ(runs[2].error(), ErrorCode::DecodeFailed);
  size_t fine = 0;
  for (const size_t i : {0, 1, 3, 4, 5}) {
    const auto outcome = runs[i].result();
    if (outcome.error) continue;
    CHECK_EQ(outcome.text, EngineFixture::alone(requests[i]));
    ++fine;
  }
  CHECK(fine >= 3); // two at most share a batch with the culprit twice
  fixture.finish();
  CHECK_EQ(fixture.decoder.clears_of_all, 2);
}

TEST(engine_interrupts_nobody_where_that_harms_others) {
  // The oldest gets half of a batch and the shortest the other: the second is left out as soon as there is a
  // third. Both of those in the batch are cancelled while it is computed.
  for (const bool recurrent : {false, true}) {
    EngineFixture fixture({.sequences = 3, .cells = 1000, .batch_tokens = 6, .recurrent = recurrent});
    Gate two, both, cancelled;
    std::optional<bool> aborts;
    fixture.decoder.script = [&](FakeDecoder::Batch batch) {
      if (!fixture.decoder.admitted.empty()) two.pass(); // the first batch has begun two requests
      if (batch.back().sequence != 2 || aborts) return DecodeStatus::Ok;
      CHECK(std::ranges::none_of(batch, [](const auto& token) { return token.sequence == 1; }));
      both.pass();
      cancelled.pass();
      aborts = fixture.running()->should_abort();
      return *aborts ? DecodeStatus::Aborted : DecodeStatus::Ok;
    };
    const Request kept{.number = 1, .prompt_size = 30};
    fixture.engine().announce(); // both are there before the first batch
    const Run first = fixture.submit({.number = 0, .prompt_size = 200});
    const Run second = fixture.submit(kept);
    fixture.engine().withdraw();
    two.await_arrival();
    const Run third = fixture.submit({.number = 2, .prompt_size = 3});
    two.open();
    both.await_arrival();
    fixture.cancel(first);
    fixture.cancel(third);
    both.open();
    cancelled.open();
    CHECK_EQ(first.error(), ErrorCode::Cancelled);
    CHECK_EQ(third.error(), ErrorCode::Cancelled);
    CHECK_EQ(second.result().text, EngineFixture::alone(kept));
    fixture.finish();
    CHECK_EQ(*aborts, !recurrent);
    CHECK_EQ(fixture.decoder.clears_of_all, 0);
  }
}

TEST(engine_fails_every_request_when_it_cannot_be_rebuilt) {
  for (const bool throwing : {false, true}) {
    EngineFixture fixture({4, 1000, 64});
    fixture.decoder.can_rebuild = false;
    int decodes = 0;
    fixture.decoder.script = [&](auto) {
      if (++decodes < 5) return DecodeStatus::Ok;
      if (throwing) throw std::runtime_error("out of luck");
      return DecodeStatus::Broken;
    };
    const auto runs = submit_all(fixture, several(6));
    for (const Run& run : runs)
      CHECK_EQ(run.error(), ErrorCode::DecodeFailed);
    CHECK_EQ(fixture.submit({.number = 7}).error(), ErrorCode::DecodeFailed);
    fixture.finish();
    CHECK_EQ(fixture.decoder.decodes, 5); // and nothing after it
    CHECK_EQ(fixture.decoder.rebuilds, 1);
  }
}

TEST(engine_fails_a_request_whose_logits_are_missing) {
  EngineFixture fixture({4, 1000, 64});
  Gate gate;
  fixture.decoder.script = [&](auto) { return gate.pass() ? DecodeStatus::Ok : DecodeStatus::Broken; };
  fixture.decoder.next = [](const std::vector<Token>& history) {
    if (history.front() == 1001 && history.size() > 12) throw std::runtime_error("no logits");
    return letter_a;
  };
  const auto runs = submit_all(fixture, {{.number = 0}, {.number = 1}, {.number = 2}});
  gate.open();
  CHECK_EQ(runs[1].error(), ErrorCode::Internal);
  CHECK_EQ(runs[0].result().text, "aaaaaaaa");
  CHECK_EQ(runs[2].result().text, "aaaaaaaa");
  fixture.finish();
}

TEST(engine_ends_every_request_once_whatever_the_decoder_does) {
  // Random failures of every kind, random cancels: every request ends once, in bounded time.
  for (uint64_t seed = 1; seed <= 15; ++seed) {
    std::mt19937_64 random(seed);
    const size_t context_size = 80;
    EngineFixture fixture(
        {pick<int32_t>(random, 1, 6), pick<size_t>(random, context_size, 400), pick<size_t>(random, 8, 64)});
    std::mt19937_64 dice(seed + 1000);
    fixture.decoder.script = [&](auto) {
      switch (dice() % 30) {
      case 0:
        return DecodeStatus::NoSlot;
      case 1:
        return DecodeStatus::OutOfMemory;
      case 2:
        return DecodeStatus::Failed;
      case 3:
        if (dice() % 8 == 0) throw std::runtime_error("thrown");
        return dice() % 8 == 0 ? DecodeStatus::Broken : DecodeStatus::Ok;
      }
      return DecodeStatus::Ok;
    };
    std::vector<Request> requests;
    for (size_t i = 0; i < 20; ++i)
      requests.push_back({.number = i,
                          .prompt_size = pick<size_t>(random, 1, context_size - 1),
                          .max_tokens = pick<uint32_t>(random, 1, 60),
                          .temperature = i % 2 ? 0.8 : 0,
                          .context_size = context_size});
    const auto runs = submit_all(fixture, requests);
    for (const Run& run : runs)
      if (random() % 8 == 0) fixture.cancel(run);
    for (size_t i = 0; i < runs.size(); ++i) {
      const auto outcome = runs[i].result();
      const auto& expected = EngineFixture::alone(requests[i]);
      if (!outcome.error)
        CHECK_EQ(outcome.text, expected);
      else
        CHECK(expected.starts_with(outcome.text));
      CHECK_EQ(runs[i].calls(), 1);
    }
    fixture.finish();
  }
}
