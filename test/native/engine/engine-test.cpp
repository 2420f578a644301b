// The engine's ordinary life: results, ends, cancelling, stopping, many submitters.

#include "check.h"
#include "engine/engine-fixture.h"

#include <thread>

using namespace verbatim;
using namespace support;

TEST(engine_generates_what_the_decoder_says) {
  EngineFixture fixture;
  fixture.decoder.next = [](const std::vector<Token>& history) {
    return letter_a + static_cast<Token>(history.size() % 26);
  };
  const Run run = fixture.submit({.prompt_size = 3, .max_tokens = 4});
  const auto outcome = run.result();
  CHECK_EQ(outcome.text, "defg");
  CHECK_EQ(*outcome.finish_reason, FinishReason::Length);
  CHECK_EQ(outcome.usage.prompt_tokens, 3u);
  CHECK_EQ(outcome.usage.completion_tokens, 4u);
  CHECK_EQ(outcome.usage.cached_tokens, 0u);
  CHECK(outcome.logprobs.empty());
  const auto& timings = outcome.timings;
  CHECK(timings.queue_ms >= 0 && timings.prefill_ms >= 0 && timings.per_token_ms >= 0);
  CHECK(timings.first_token_ms >= timings.prefill_ms && timings.total_ms >= timings.first_token_ms);
  fixture.finish();
  CHECK_EQ(fixture.decoder.decodes, 4); // the last token is not computed
}

TEST(engine_batches_what_runs_together) {
  EngineFixture fixture({8, 100000, 64});
  Gate gate;
  fixture.decoder.script = [&](auto) { return gate.pass() ? DecodeStatus::Ok : DecodeStatus::Broken; };
  const auto requests = several(8);
  std::vector<Run> runs = {fixture.submit(requests[0])};
  gate.await_arrival();
  for (size_t i = 1; i < requests.size(); ++i)
    runs.push_back(fixture.submit(requests[i]));
  CHECK_EQ(fixture.engine().status().waiting, 7u);
  gate.open();
  check_undisturbed(requests, runs);
  fixture.finish();
  CHECK(fixture.decoder.decodes < 80); // one after the other they would take more than 300
  CHECK_EQ(fixture.decoder.admitted.size(), 8u);
  std::ranges::sort(
      fixture.decoder.admitted); // short prompts may be done before longer ones that came earlier
  for (size_t i = 0; i < requests.size(); ++i)
    CHECK_EQ(fixture.decoder.admitted[i], requests[i].first_token());
}

TEST(engine_shares_few_cells_without_changing_results) {
  for (const size_t cells : {110, 150, 400}) {
    EngineFixture fixture({4, cells, 32});
    const auto requests = several(10);
    std::vector<Run> runs;
    for (const auto& request : requests)
      runs.push_back(fixture.submit(request));
    check_undisturbed(requests, runs);
    fixture.finish();
  }
}

TEST(engine_ends_at_the_end_of_generation) {
  const auto next = [](const std::vector<Token>& history) {
    return history.size() == 13 ? end_token : letter_a;
  };
  EngineFixture fixture;
  fixture.decoder.next = next;
  const auto outcome = fixture.submit({.prompt_size = 10}).result();
  CHECK_EQ(outcome.text, "aaa");
  CHECK_EQ(outcome.tokens.back(), end_token);
  CHECK_EQ(outcome.usage.completion_tokens, 4u);
  CHECK_EQ(*outcome.finish_reason, FinishReason::Stop);
  const auto ignoring = fixture.submit({.prompt_size = 10, .ignore_end_of_sequence = true}).result();
  CHECK_EQ(ignoring.text, "aaaaaaa"); // the token itself has no text
  CHECK_EQ(ignoring.tokens.size(), 8u);
  CHECK_EQ(*ignoring.finish_reason, FinishReason::Length);
  fixture.finish();
}

TEST(engine_ends_at_limits_and_stop_strings) {
  EngineFixture fixture;
  fixture.decoder.next = [](const std::vector<Token>& history) {
    return letter_a + static_cast<Token>(history.size() % 26);
  };
  const auto full = fixture.submit({.prompt_size = 10, .max_tokens = 50, .context_size = 14}).result();
  CHECK_EQ(full.text, "klmn");
  CHECK_EQ(*full.finish_reason, FinishReason::Context);
  const auto exact = fixture.submit({.prompt_size = 10, .max_tokens = 4, .context_size = 14}).result();
  CHECK_EQ(*exact.finish_reason, FinishReason::Length);
  const auto stopped = fixture.submit({.prompt_size = 10, .max_tokens = 50, .stop = {"xyz", "pq"}}).result();
  CHECK_EQ(stopped.text, "klmno");
  CHECK_EQ(stopped.tokens.size(), 7u);
  CHECK_EQ(*stopped.finish_reason, FinishReason::StopString);
  const auto held = fixture.submit({.prompt_size = 10, .max_tokens = 2, .stop = {"lmn"}}).result();
  CHECK_EQ(held.text, "kl"); // what was held back is shown at the end
  CHECK_EQ(*held.finish_reason, FinishReason::Length);
  const auto one = fixture.submit({.prompt_size = 1, .max_tokens = 1}).result();
  CHECK_EQ(one.text, "b");
  fixture.finish();
}

TEST(engine_joins_characters_that_tokens_split) {
  EngineFixture fixture;
  const std::string bytes = "\xf0\x9f\xa6\x84 \xe2\x82";
  fixture.decoder.next = [&](const std::vector<Token>& history) {
    const size_t at = history.size() - 10;
    return at < bytes.size() ? byte_token(static_cast<unsigned char>(bytes[at])) : end_token;
  };
  const auto outcome = fixture.submit({.prompt_size = 10, .max_tokens = 50}).result();
  CHECK_EQ(outcome.text, "\xf0\x9f\xa6\x84 \xef\xbf\xbd"); // cut short: U+FFFD
  CHECK_EQ(outcome.tokens.size(), 8u);
  const auto limited = fixture.submit({.prompt_size = 10, .max_tokens = 3}).result();
  CHECK_EQ(limited.text, "\xef\xbf\xbd");
  fixture.finish();
}

TEST(engine_reports_logprobs_of_every_token) {
  EngineFixture fixture;
  const auto outcome = fixture.submit({.max_tokens = 5, .logprobs = 3}).result();
  CHECK_EQ(outcome.logprobs.size(), 5u);
  for (size_t i = 0; i < 5; ++i) {
    CHECK_EQ(outcome.logprobs[i].chosen.token, outcome.tokens[i]);
    CHECK_EQ(outcome.logprobs[i].chosen.text, outcome.text.substr(i, 1));
    CHECK_EQ(outcome.logprobs[i].top.size(), 3u);
    CHECK_EQ(outcome.logprobs[i].top[0].token, outcome.tokens[i]); // greedy
    CHECK(outcome.logprobs[i].chosen.logprob < 0);
  }
  fixture.finish();
}

TEST(engine_cancels_in_every_state) {
  // 1: the prompt's first batch is computed. 3: its second. 6: tokens are generated.
  for (const int when : {1, 2, 6}) {
    EngineFixture fixture({1, 100000, 8});
    Gate gate;
    int decodes = 0;
    fixture.decoder.script = [&](auto) {
      if (++decodes == when && !gate.pass()) return DecodeStatus::Broken;
      return DecodeStatus::Ok;
    };
    const Run run = fixture.submit({.prompt_size = 16, .max_tokens = 1000000});
    gate.await_arrival();
    const Run queued = fixture.submit({.number = 1});
    const Run next = fixture.submit({.number = 2});
    fixture.cancel(queued);
    CHECK_EQ(queued.error(), ErrorCode::Cancelled); // at once, the engine is busy
    fixture.cancel(run);
    CHECK(!run.inference->finished()); // it is held by the engine
    gate.open();
    run.await_calls(1);
    const auto outcome = run.inference->result();
    CHECK_EQ(outcome.error->code(), ErrorCode::Cancelled);
    CHECK(!outcome.finish_reason);
    // The batch that was being computed still counts; none comes after it.
    CHECK_EQ(outcome.tokens.size(), static_cast<size_t>(std::max(0, when - 1)));
    CHECK_EQ(outcome.text.size(), outcome.tokens.size());
    CHECK_EQ(next.result().text, EngineFixture::alone({.number = 2}));
    fixture.cancel(run); // too late: nothing
    fixture.finish();
    CHECK_EQ(fixture.decoder.admitted.size(), 2u); // the queued one was never computed
    CHECK_EQ(run.calls() + queued.calls() + next.calls(), 3);
  }
}

TEST(engine_takes_requests_while_it_ends_others) {
  // Submitted after the engine has looked for new ones, and before it goes to sleep.
  EngineFixture fixture;
  Gate gate;
  fixture.decoder.script = [&](auto) { return gate.pass() ? DecodeStatus::Ok : DecodeStatus::Broken; };
  const Run second;
  auto first = std::make_shared<Inference>(
      [&] { fixture.engine().submit(EngineFixture::sequence({.number = 2}, second.inference)); });
  fixture.engine().submit(EngineFixture::sequence({.max_tokens = 1000000}, first));
  gate.await_arrival();
  first->cancel();
  gate.open();
  CHECK_EQ(second.result().text, EngineFixture::alone({.number = 2}));
  fixture.finish();
}

TEST(engine_aborts_a_decode_that_serves_nobody) {
  EngineFixture fixture({2, 100000, 64});
  Gate gate;
  bool aborting = false;
  fixture.decoder.script = [&](auto) {
    gate.pass();
    if (!aborting) return DecodeStatus::Ok;
    while (!fixture.running()->should_abort())
      std::this_thread::yield();
    aborting = false;
    return DecodeStatus::Aborted;
  };
  const Run first = fixture.submit({.number = 1, .max_tokens = 1000000});
  gate.await_arrival(); // first is alone in the batch
  CHECK(!fixture.engine().should_abort());
  const Run second = fixture.submit({.number = 2, .max_tokens = 30});
  first.inference->cancel();
  CHECK(fixture.engine().should_abort()); // second is not in this batch
  aborting = true;
  fixture.engine().wake();
  gate.open();
  CHECK_EQ(first.error(), ErrorCode::Cancelled);
  CHECK_EQ(second.result().text, EngineFixture::alone({.number = 2, .max_tokens = 30}));
  fixture.finish();
}

TEST(engine_does_not_abort_what_serves_somebody) {
  EngineFixture fixture({2, 100000, 64});
  Gate alone, together;
  fixture.decoder.script = [&](FakeDecoder::Batch batch) {
    alone.pass();
    if (batch.front().sequence != batch.back().sequence) together.pass();
    return DecodeStatus::Ok;
  };
  const Run first = fixture.submit({.number = 1, .max_tokens = 1000000});
  alone.await_arrival();
  const Run second = fixture.submit({.number = 2, .max_tokens = 30});
  alone.open();
  together.await_arrival();
  first.inference->cancel();
  CHECK(!fixture.engine().should_abort());
  second.inference->cancel();
  CHECK(fixture.engine().should_abort());
  together.open();
  fixture.engine().wake();
  CHECK_EQ(first.error(), ErrorCode::Cancelled);
  CHECK_EQ(second.error(), ErrorCode::Cancelled);
  fixture.finish();
}

TEST(engine_stops_in_every_state) {
  EngineFixture idle;
  idle.engine();
  idle.stop();
  idle.stop(); // again: nothing
  CHECK_EQ(idle.submit({}).error(), ErrorCode::Disposed);
  idle.engine().wake();
  idle.finish();

  for (const int when : {1, 2, 9}) { // in prefill, and while generating
    EngineFixture fixture({1, 100000, 8});
    Gate gate;
    int decodes = 0;
    fixture.decoder.script = [&](auto) {
      if (++decodes < when) return DecodeStatus::Ok;
      gate.pass();
      while (!fixture.running()->should_abort()) // stop() makes it true
        std::this_thread::yield();
      return DecodeStatus::Aborted;
    };
    const Run running = fixture.submit({.prompt_size = 16, .max_tokens = 1000000});
    gate.await_arrival();
    const Run waiting = fixture.submit({.number = 1});
    gate.open();
    fixture.stop();
    CHECK_EQ(running.error(), ErrorCode::Disposed);
    CHECK_EQ(waiting.error(), ErrorCode::Disposed);
    CHECK_EQ(fixture.submit({.number = 2}).error(), ErrorCode::Disposed);
    fixture.finish();
  }
}

TEST(engine_is_stopped_by_its_destructor) {
  FakeDecoder decoder({});
  Run run;
  {
    EngineFixture fixture;
    Engine engine(decoder, fixture.options(), nullptr);
    engine.submit(EngineFixture::sequence({.max_tokens = 1000000}, run.inference));
  }
  CHECK_EQ(run.error(), ErrorCode::Disposed);
}

TEST(engine_serves_many_threads) {
  EngineFixture fixture({8, 2000, 128});
  fixture.engine();
  const auto requests = several(64, 20);
  std::vector<Run> runs(requests.size());
  std::vector<std::thread> threads;
  for (size_t thread = 0; thread < 8; ++thread)
    threads.emplace_back([&, thread] {
      for (size_t i = thread; i < requests.size(); i += 8) {
        fixture.engine().submit(EngineFixture::sequence(requests[i], runs[i].inference));
        fixture.engine().status();
      }
    });
  for (auto& thread : threads)
    thread.join();
  check_undisturbed(requests, runs);
  fixture.finish();
}

TEST(engine_survives_cancels_and_a_stop_at_any_moment) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 20; ++round) {
    EngineFixture fixture({4, 500, 32});
    fixture.engine();
    const auto requests = several(24, 30);
    std::vector<Run> runs(requests.size());
    std::vector<std::thread> threads;
    for (size_t thread = 0; thread < 3; ++thread)
      threads.emplace_back([&, thread, seed = random()] {
        std::mt19937_64 own(seed);
        for (size_t i = thread; i < requests.size(); i += 3) {
          fixture.engine().submit(EngineFixture::sequence(requests[i], runs[i].inference));
          if (own() % 3 == 0) fixture.cancel(runs[own() % 2 ? i : thread]);
          if (own() % 4 == 0) std::this_thread::sleep_for(std::chrono::microseconds(own() % 500));
        }
      });
    if (round % 2) {
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000));
      fixture.stop();
    }
    for (auto& thread : threads)
      thread.join();
    for (size_t i = 0; i < runs.size(); ++i) {
      const auto outcome = runs[i].result(); // every one ends
      if (!outcome.error) {
        CHECK_EQ(outcome.text, EngineFixture::alone(requests[i]));
      } else if (outcome.error->code() != ErrorCode::Cancelled) {
        CHECK_EQ(outcome.error->code(), ErrorCode::Disposed);
        CHECK(round % 2);
      }
      CHECK_EQ(runs[i].calls(), 1);
    }
    fixture.finish();
  }
}
