// What the engine makes of a decoder that fails.

#include "check.h"
#include "engine-bench.h"

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

std::vector<Run> submit_all(EngineBench& bench, const std::vector<Request>& requests) {
  std::vector<Run> runs;
  for (const auto& request : requests)
    runs.push_back(bench.submit(request));
  return runs;
}

} // namespace

TEST(engine_hides_a_failure_that_passes) {
  const auto requests = several(6);
  for (const DecodeStatus failure : temporary)
    for (const int when : {1, 2, 3, 10, 30}) {
      EngineBench bench({4, 1000, 32});
      int decodes = 0;
      Gate gate; // all are there before the first batch: a single token that fails alone is given up
      bench.decoder.script = [&](auto) {
        gate.pass();
        return ++decodes == when ? failure : DecodeStatus::Ok;
      };
      const auto runs = submit_all(bench, requests);
      gate.open();
      check_undisturbed(requests, runs);
      bench.finish();
      CHECK(bench.decoder.decodes >= when);
    }
}

TEST(engine_hides_failures_that_come_often) {
  const auto requests = several(6, 24);
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    EngineBench bench({4, 1000, 32});
    std::mt19937_64 random(seed);
    bool failed = false; // never a batch of one token twice: that would be final
    bench.decoder.script = [&](auto) {
      failed = !failed && random() % 4 == 0;
      return failed ? temporary[random() % 3] : DecodeStatus::Ok;
    };
    // A single token that fails alone is given up, so the script spares those.
    auto script = bench.decoder.script;
    bench.decoder.script = [&, script](FakeDecoder::Batch batch) {
      return batch.size() == 1 ? DecodeStatus::Ok : script(batch);
    };
    check_undisturbed(requests, submit_all(bench, requests));
    bench.finish();
  }
}

TEST(engine_finds_the_size_of_batch_that_memory_allows) {
  // Every larger batch fails, always: the engine must not come back to the same failure for ever.
  for (const size_t possible : {1, 5, 20}) {
    const auto requests = several(6, 16);
    EngineBench bench({4, 1000, 64});
    int failures = 0;
    bench.decoder.script = [&](FakeDecoder::Batch batch) {
      if (batch.size() <= possible) return DecodeStatus::Ok;
      ++failures;
      return DecodeStatus::OutOfMemory;
    };
    check_undisturbed(requests, submit_all(bench, requests));
    bench.finish();
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
  EngineBench bench({2, 301, 2});
  int failures = 0;
  bench.decoder.script = [&](FakeDecoder::Batch batch) {
    if (batch.size() > 1 || bench.decoder.sequences() < 2) return DecodeStatus::Ok;
    ++failures;
    return DecodeStatus::OutOfMemory;
  };
  Gate gate; // both are there before the first batch
  auto script = bench.decoder.script;
  bench.decoder.script = [&, script](FakeDecoder::Batch batch) {
    gate.pass();
    return script(batch);
  };
  const auto runs = submit_all(bench, requests);
  gate.open();
  check_undisturbed(requests, runs);
  bench.finish();
  CHECK(failures > 0);
}

TEST(engine_lives_with_a_smaller_cache_than_it_was_promised) {
  const auto requests = several(8, 30);
  EngineBench bench({8, 10000, 64});
  bench.decoder.script = [&](FakeDecoder::Batch batch) {
    return bench.decoder.used() + batch.size() > 120 ? DecodeStatus::NoSlot : DecodeStatus::Ok;
  };
  check_undisturbed(requests, submit_all(bench, requests));
  bench.finish();
  CHECK(bench.decoder.most_cells > 60);
}

TEST(engine_fails_what_does_not_fit_alone) {
  auto requests = several(5, 20);
  requests[1].prompt_size = 200;
  EngineBench bench({4, 10000, 64});
  bench.decoder.script = [&](FakeDecoder::Batch batch) {
    return bench.decoder.used() + batch.size() > 150 ? DecodeStatus::NoSlot : DecodeStatus::Ok;
  };
  const auto runs = submit_all(bench, requests);
  CHECK_EQ(runs[1].error(), ErrorCode::OutOfMemory);
  check_undisturbed(requests, runs, 1);
  bench.finish();
}

TEST(engine_fails_only_the_request_that_cannot_be_computed) {
  for (const DecodeStatus failure : {DecodeStatus::Failed, DecodeStatus::OutOfMemory})
    for (const size_t bad : {0, 2, 5}) {
      const auto requests = several(6, 20);
      EngineBench bench({4, 1000, 64});
      bench.decoder.script = [&](FakeDecoder::Batch batch) {
        return begins(batch, requests[bad]) ? failure : DecodeStatus::Ok;
      };
      const auto runs = submit_all(bench, requests);
      CHECK_EQ(runs[bad].error(),
               failure == DecodeStatus::Failed ? ErrorCode::DecodeFailed : ErrorCode::OutOfMemory);
      check_undisturbed(requests, runs, bad);
      CHECK_EQ(runs[bad].calls(), 1);
      bench.finish();
      CHECK(bench.decoder.decodes < 1000);
    }
}

TEST(engine_fails_a_request_in_the_middle_of_its_text) {
  const auto requests = several(5, 30);
  for (const DecodeStatus failure : {DecodeStatus::Failed, DecodeStatus::OutOfMemory}) {
    EngineBench bench({4, 1000, 64});
    // Request 3 cannot get past its tenth generated token.
    const auto position = static_cast<int32_t>(requests[3].prompt_size + 9);
    bench.decoder.script = [&](FakeDecoder::Batch batch) {
      std::set<int32_t> bad; // it may begin in this batch, or have begun in cells that were there
      for (const auto& token : batch)
        if (bench.decoder.first(token.sequence) == requests[3].first_token() ||
            begins({&token, 1}, requests[3]))
          bad.insert(token.sequence);
      for (const auto& token : batch)
        if (bad.contains(token.sequence) && token.position == position) return failure;
      return DecodeStatus::Ok;
    };
    const auto runs = submit_all(bench, requests);
    runs[3].await_calls(1);
    const auto outcome = runs[3].inference->outcome();
    CHECK(outcome.error.has_value());
    CHECK_EQ(outcome.tokens.size(), 10u); // kept, though it was computed anew again and again
    CHECK(EngineBench::alone(requests[3]).starts_with(outcome.text));
    check_undisturbed(requests, runs, 3);
    bench.finish();
    CHECK(bench.decoder.decodes < 2000);
  }
}

TEST(engine_loses_its_requests_but_not_itself_when_rebuilt) {
  for (const bool throwing : {false, true}) {
    EngineBench bench({4, 1000, 64});
    Gate gate;
    bool breaking = true;
    bench.decoder.script = [&](auto) {
      if (!breaking) return DecodeStatus::Ok;
      gate.pass();
      breaking = false;
      if (throwing) throw std::runtime_error("out of luck");
      return DecodeStatus::Broken;
    };
    const auto requests = several(6);
    auto runs = submit_all(bench, {requests.begin(), requests.begin() + 5});
    gate.await_arrival();
    gate.open();
    CHECK_EQ(runs[0].error(), ErrorCode::DecodeFailed);
    CHECK(!bench.engine().load().used_cells || !breaking);
    const Run after = bench.submit(requests[5]);
    CHECK_EQ(after.outcome().text, EngineBench::alone(requests[5]));
    bench.finish();
    CHECK_EQ(bench.decoder.rebuilds, 1);
  }
}

TEST(engine_starts_everything_over_where_a_failure_harms_all) {
  const auto requests = several(6);
  for (const DecodeStatus failure :
       {DecodeStatus::OutOfMemory, DecodeStatus::Failed, DecodeStatus::Aborted}) {
    EngineBench bench({.sequences = 4, .cells = 1000, .batch_tokens = 32, .recurrent = true});
    int decodes = 0;
    Gate gate;
    bench.decoder.script = [&](auto) {
      gate.pass();
      ++decodes;
      return decodes == 3 || decodes == 12 || decodes == 40 ? failure : DecodeStatus::Ok;
    };
    const auto runs = submit_all(bench, requests);
    gate.open();
    check_undisturbed(requests, runs);
    bench.finish();
    CHECK_EQ(bench.decoder.clears_of_all, 3);
  }
}

TEST(engine_gives_a_second_try_where_states_may_be_spoiled) {
  // One request spoils a state, and the memory hands it on: nobody but that one fails, and it does so for
  // good.
  EngineBench bench({.sequences = 3, .cells = 1000, .batch_tokens = 64, .recurrent = true});
  int spoiled = 0; // until when the logits of others are no numbers too
  bench.decoder.next = [&](const std::vector<Token>& history) {
    if (history.front() == 1002 && history.size() > 14) {
      spoiled = bench.decoder.clears_of_all + 1;
      throw Error(ErrorCode::DecodeFailed, "not a number");
    }
    if (bench.decoder.clears_of_all < spoiled) throw Error(ErrorCode::DecodeFailed, "not a number");
    return static_cast<Token>(letter_a + static_cast<Token>(FakeDecoder::hash(history) % 26));
  };
  const auto requests = several(6);
  const auto runs = submit_all(bench, requests);
  CHECK_EQ(runs[2].error(), ErrorCode::DecodeFailed);
  size_t fine = 0;
  for (const size_t i : {0, 1, 3, 4, 5}) {
    const auto outcome = runs[i].outcome();
    if (outcome.error) continue;
    CHECK_EQ(outcome.text, EngineBench::alone(requests[i]));
    ++fine;
  }
  CHECK(fine >= 3); // two at most share a batch with the culprit twice
  bench.finish();
  CHECK_EQ(bench.decoder.clears_of_all, 2);
}

TEST(engine_interrupts_nobody_where_that_harms_others) {
  // The oldest gets half of a batch and the shortest the other: the second is left out as soon as there is a
  // third. Both of those in the batch are cancelled while it is computed.
  for (const bool recurrent : {false, true}) {
    EngineBench bench({.sequences = 3, .cells = 1000, .batch_tokens = 6, .recurrent = recurrent});
    Gate two, both, cancelled;
    std::optional<bool> aborts;
    bench.decoder.script = [&](FakeDecoder::Batch batch) {
      if (!bench.decoder.admitted.empty()) two.pass(); // the first batch has begun two requests
      if (batch.back().sequence != 2 || aborts) return DecodeStatus::Ok;
      CHECK(std::ranges::none_of(batch, [](const auto& token) { return token.sequence == 1; }));
      both.pass();
      cancelled.pass();
      aborts = bench.running()->should_abort();
      return *aborts ? DecodeStatus::Aborted : DecodeStatus::Ok;
    };
    const Request kept{.number = 1, .prompt_size = 30};
    bench.engine().announce(); // both are there before the first batch
    const Run first = bench.submit({.number = 0, .prompt_size = 200});
    const Run second = bench.submit(kept);
    bench.engine().withdraw();
    two.await_arrival();
    const Run third = bench.submit({.number = 2, .prompt_size = 3});
    two.open();
    both.await_arrival();
    bench.cancel(first);
    bench.cancel(third);
    both.open();
    cancelled.open();
    CHECK_EQ(first.error(), ErrorCode::Cancelled);
    CHECK_EQ(third.error(), ErrorCode::Cancelled);
    CHECK_EQ(second.outcome().text, EngineBench::alone(kept));
    bench.finish();
    CHECK_EQ(*aborts, !recurrent);
    CHECK_EQ(bench.decoder.clears_of_all, 0);
  }
}

TEST(engine_says_so_when_it_cannot_be_rebuilt) {
  for (const bool throwing : {false, true}) {
    EngineBench bench({4, 1000, 64});
    bench.decoder.can_rebuild = false;
    int decodes = 0;
    bench.decoder.script = [&](auto) {
      if (++decodes < 5) return DecodeStatus::Ok;
      if (throwing) throw std::runtime_error("out of luck");
      return DecodeStatus::Broken;
    };
    const auto runs = submit_all(bench, several(6));
    for (const Run& run : runs)
      CHECK_EQ(run.error(), ErrorCode::DecodeFailed);
    CHECK_EQ(bench.submit({.number = 7}).error(), ErrorCode::DecodeFailed);
    bench.finish();
    CHECK_EQ(bench.decoder.decodes, 5); // and nothing after it
    CHECK_EQ(bench.decoder.rebuilds, 1);
  }
}

TEST(engine_fails_a_request_whose_logits_are_missing) {
  EngineBench bench({4, 1000, 64});
  Gate gate;
  bench.decoder.script = [&](auto) { return gate.pass() ? DecodeStatus::Ok : DecodeStatus::Broken; };
  bench.decoder.next = [](const std::vector<Token>& history) {
    if (history.front() == 1001 && history.size() > 12) throw std::runtime_error("no logits");
    return letter_a;
  };
  const auto runs = submit_all(bench, {{.number = 0}, {.number = 1}, {.number = 2}});
  gate.open();
  CHECK_EQ(runs[1].error(), ErrorCode::Internal);
  CHECK_EQ(runs[0].outcome().text, "aaaaaaaa");
  CHECK_EQ(runs[2].outcome().text, "aaaaaaaa");
  bench.finish();
}

TEST(engine_survives_any_script) {
  // Random failures of every kind, random cancels: every request ends once, in bounded time.
  for (uint64_t seed = 1; seed <= 15; ++seed) {
    std::mt19937_64 random(seed);
    const size_t context_size = 80;
    EngineBench bench(
        {pick<int32_t>(random, 1, 6), pick<size_t>(random, context_size, 400), pick<size_t>(random, 8, 64)});
    std::mt19937_64 dice(seed + 1000);
    bench.decoder.script = [&](auto) {
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
    const auto runs = submit_all(bench, requests);
    for (const Run& run : runs)
      if (random() % 8 == 0) bench.cancel(run);
    for (size_t i = 0; i < runs.size(); ++i) {
      const auto outcome = runs[i].outcome();
      const auto& expected = EngineBench::alone(requests[i]);
      if (!outcome.error)
        CHECK_EQ(outcome.text, expected);
      else
        CHECK(expected.starts_with(outcome.text));
      CHECK_EQ(runs[i].calls(), 1);
    }
    bench.finish();
  }
}
