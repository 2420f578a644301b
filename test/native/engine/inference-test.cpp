#include "engine/inference.h"

#include "check.h"
#include "support.h"

#include <atomic>
#include <thread>

using namespace verbatim;
using namespace support;

TEST(inference_hands_out_each_token_once) {
  Run run;
  Inference& inference = *run.inference;
  CHECK(inference.begin(5));
  inference.append("one ", 1, {});
  inference.append("two ", 2, {});
  const auto slice = inference.take(); // coalesced
  CHECK_EQ(slice.text, "one two ");
  CHECK(slice.tokens == (std::vector<Token>{1, 2}));
  CHECK(slice.logprobs.empty());
  CHECK(inference.take().empty());
  inference.append("", 3, {}); // a token without text is news too
  CHECK(!inference.take().empty());
  inference.append_text("held");
  inference.finish(FinishReason::Stop);
  CHECK_EQ(inference.take().text, "held");
  const auto outcome = inference.result();
  CHECK_EQ(outcome.text, "one two held");
  CHECK(outcome.tokens == (std::vector<Token>{1, 2, 3}));
  CHECK_EQ(*outcome.finish_reason, FinishReason::Stop);
  CHECK_EQ(outcome.usage.prompt_tokens, 5u);
  CHECK_EQ(outcome.usage.completion_tokens, 3u);
  CHECK_EQ(outcome.token_ids_sha256, token_ids_sha256(std::vector<Token>{1, 2, 3}));
  CHECK(inference.take().empty()); // moved out, yet harmless
}

TEST(inference_hands_out_logprobs_with_their_tokens) {
  Run run;
  run.inference->begin(1);
  for (Token token = 1; token <= 3; ++token) {
    run.inference->append("x", token, ChosenTokenLogprob{{token, "x", -0.5f}, {}});
    if (token == 1) run.inference->take();
  }
  const auto slice = run.inference->take();
  CHECK_EQ(slice.logprobs.size(), 2u);
  CHECK_EQ(slice.logprobs[0].chosen.token, 2);
  run.inference->finish(FinishReason::Length);
  CHECK_EQ(run.inference->result().logprobs.size(), 3u);
}

TEST(inference_calls_once_for_each_arming) {
  Run run;
  run.inference->begin(1);
  run.inference->append("a", 1, {});
  CHECK_EQ(run.calls(), 0); // nobody asked
  CHECK(!run.inference->take().empty());
  run.inference->append("b", 2, {});
  CHECK_EQ(run.calls(), 0); // there was news, so it was not armed
  run.inference->take();
  CHECK(run.inference->take().empty());
  CHECK(run.inference->take().empty()); // armed, and armed again
  run.inference->append("c", 3, {});
  CHECK_EQ(run.calls(), 1);
  run.inference->append("d", 4, {});
  CHECK_EQ(run.calls(), 1);
  run.inference->finish(FinishReason::Length);
  CHECK_EQ(run.calls(), 2); // armed or not
  run.inference->take();
  CHECK(run.inference->take().empty());
  run.inference->append("e", 5, {}); // after the end nothing happens
  run.inference->append_text("f");
  run.inference->finish(FinishReason::Stop);
  run.inference->fail(Error(ErrorCode::Internal, ""));
  run.inference->cancel();
  CHECK_EQ(run.calls(), 2);
  CHECK_EQ(run.inference->result().text, "abcd");
}

TEST(inference_is_cancelled_at_once_before_it_runs) {
  Run run;
  CHECK(!run.inference->cancelled());
  run.inference->cancel();
  CHECK(run.inference->cancelled() && run.inference->finished());
  CHECK_EQ(run.calls(), 1);
  CHECK(!run.inference->begin(1)); // the engine comes too late
  CHECK_EQ(run.inference->result().error->code(), ErrorCode::Cancelled);
}

TEST(inference_leaves_cancelling_to_the_engine_while_it_runs) {
  Run run;
  CHECK(run.inference->begin(1));
  CHECK(run.inference->begin(1)); // taken up again
  run.inference->cancel();
  CHECK(run.inference->cancelled() && !run.inference->finished());
  CHECK_EQ(run.calls(), 0);
  run.inference->append("a", 1, {});
  run.inference->fail(Error(ErrorCode::Cancelled, "cancelled"));
  const auto outcome = run.result();
  CHECK_EQ(outcome.text, "a");
  CHECK(!outcome.finish_reason);
}

TEST(inference_may_be_used_by_its_own_listener) {
  std::shared_ptr<Inference> inference;
  std::string text;
  int calls = 0;
  inference = std::make_shared<Inference>([&] {
    ++calls;
    for (auto slice = inference->take(); !slice.empty(); slice = inference->take())
      text += slice.text;
    if (inference->finished()) text += inference->result().usage.completion_tokens == 2 ? "." : "?";
  });
  inference->begin(1);
  inference->take();
  inference->append("a", 1, {});
  inference->append("b", 2, {});
  inference->finish(FinishReason::Stop);
  CHECK_EQ(text, "ab.");
  CHECK_EQ(calls, 3);
}

TEST(inference_loses_nothing_between_two_threads) {
  // The reader sleeps until it is called, as the binding does: a lost call would leave it asleep.
  for (int round = 0; round < 200; ++round) {
    std::mutex mutex;
    std::condition_variable called;
    int calls = 0, heard = 0, armings = 0;
    Inference inference([&] {
      const std::lock_guard lock(mutex);
      ++calls;
      called.notify_one();
    });
    inference.begin(1);
    constexpr Token tokens = 200;
    std::thread writer([&] {
      std::mt19937_64 random(static_cast<uint64_t>(round));
      for (Token token = 0; token < tokens; ++token) {
        inference.append("x", token, {});
        if (random() % 8 == 0) std::this_thread::yield();
      }
      inference.finish(FinishReason::Length);
    });
    std::vector<Token> read;
    bool lost = false;
    while (!lost) {
      const bool finished = inference.finished();
      const auto slice = inference.take();
      read.insert(read.end(), slice.tokens.begin(), slice.tokens.end());
      if (!slice.empty()) continue;
      if (finished) break;
      ++armings;
      std::unique_lock lock(mutex);
      lost = !called.wait_for(lock, patience, [&] { return calls > heard; });
      heard = calls;
    }
    writer.join();
    CHECK(!lost);
    CHECK_EQ(read.size(), static_cast<size_t>(tokens));
    for (Token token = 0; token < tokens; ++token)
      CHECK_EQ(read[static_cast<size_t>(token)], token);
    CHECK(calls <= armings + 1);
    CHECK(calls >= 1);
  }
}

TEST(inference_snapshots_take_nothing_and_change_nothing) {
  Run run;
  Inference& inference = *run.inference;
  const auto waiting = inference.snapshot();
  CHECK(waiting.text.empty() && waiting.tokens.empty() && waiting.logprobs.empty());
  CHECK_EQ(waiting.usage.prompt_tokens, 0u);
  CHECK_EQ(waiting.timings.queue_ms, waiting.timings.total_ms); // it has only waited
  inference.begin(5);
  inference.set_cached_tokens(2);
  CHECK(inference.take().empty()); // armed
  inference.snapshot();
  inference.append("one ", 1, ChosenTokenLogprob{{1, "one ", -0.5f}, {}});
  CHECK_EQ(run.calls(), 1); // still armed then
  inference.append("two ", 2, ChosenTokenLogprob{{2, "two ", -0.5f}, {}});
  for (int i = 0; i < 2; ++i) {
    const auto running = inference.snapshot();
    CHECK_EQ(running.text, "one two ");
    CHECK(running.tokens == (std::vector<Token>{1, 2}));
    CHECK_EQ(running.logprobs.size(), 2u);
    CHECK_EQ(running.usage.prompt_tokens, 5u);
    CHECK_EQ(running.usage.cached_tokens, 2u);
    CHECK_EQ(running.usage.completion_tokens, 2u);
    CHECK(running.timings.total_ms >= running.timings.first_token_ms);
  }
  CHECK_EQ(inference.take().text, "one two ");
  CHECK_EQ(inference.snapshot().text, "one two "); // what was taken counts too
  inference.append_text("held");
  inference.finish(FinishReason::Stop);
  const auto ended = inference.snapshot();
  CHECK_EQ(inference.take().text, "held");
  const auto outcome = inference.result();
  CHECK_EQ(ended.text, outcome.text);
  CHECK(ended.tokens == outcome.tokens);
  CHECK_EQ(ended.timings.total_ms, outcome.timings.total_ms); // the time of the end, not of the call
  CHECK_EQ(outcome.token_ids_sha256, token_ids_sha256(std::vector<Token>{1, 2}));
  CHECK_EQ(run.calls(), 2);
}

TEST(inference_snapshots_of_many_threads_are_whole) {
  for (int round = 0; round < 20; ++round) {
    Inference inference([] {});
    inference.begin(1);
    constexpr Token tokens = 500;
    std::atomic<int> torn = 0, backwards = 0;
    std::vector<std::thread> readers;
    for (int reader = 0; reader < 4; ++reader)
      readers.emplace_back([&] {
        size_t seen = 0;
        while (seen < tokens) {
          const auto output = inference.snapshot();
          const size_t count = output.tokens.size();
          if (output.text.size() != 2 * count || output.logprobs.size() != count ||
              output.usage.completion_tokens != count)
            ++torn;
          if (count < seen) ++backwards;
          seen = count;
        }
      });
    size_t taken = 0;
    for (Token token = 0; token < tokens; ++token) {
      inference.append("xy", token, ChosenTokenLogprob{{token, "xy", -1.0f}, {}});
      taken += inference.take().tokens.size();
    }
    for (auto& reader : readers)
      reader.join();
    CHECK_EQ(torn.load(), 0);
    CHECK_EQ(backwards.load(), 0);
    CHECK_EQ(taken, static_cast<size_t>(tokens));
  }
}

TEST(inference_ends_once_whoever_is_first) {
  for (int round = 0; round < 500; ++round) {
    Run run;
    std::thread canceller([&] { run.inference->cancel(); });
    std::thread disposer([&] { run.inference->fail(Error(ErrorCode::Disposed, "disposed")); });
    const bool begun = run.inference->begin(1);
    run.inference->append("a", 1, {});
    run.inference->finish(FinishReason::Stop);
    canceller.join();
    disposer.join();
    CHECK_EQ(run.calls(), 1);
    const auto outcome = run.inference->result();
    CHECK(outcome.finish_reason.has_value() != outcome.error.has_value());
    CHECK(begun || outcome.error.has_value());
  }
}

TEST(inference_times_queue_prefill_and_tokens) {
  Run run;
  const auto pause = [] { std::this_thread::sleep_for(std::chrono::milliseconds(4)); };
  pause();
  run.inference->begin(3);
  pause();
  run.inference->append("a", 1, {});
  pause();
  run.inference->append("b", 2, {});
  pause();
  run.inference->append("c", 3, {});
  pause();
  run.inference->set_cached_tokens(2);
  run.inference->finish(FinishReason::Stop);
  const auto outcome = run.inference->result();
  const auto& timings = outcome.timings;
  CHECK(timings.queue_ms >= 4);
  CHECK(timings.prefill_ms >= 4);
  CHECK(timings.per_token_ms >= 4);
  CHECK(std::abs(timings.first_token_ms - timings.queue_ms - timings.prefill_ms) < 0.01);
  CHECK(timings.total_ms >= timings.first_token_ms + 2 * timings.per_token_ms + 4 - 0.01);
  CHECK_EQ(outcome.usage.cached_tokens, 2u);

  Run refused;
  refused.inference->fail(Error(ErrorCode::Disposed, "disposed"));
  const auto none = refused.inference->result().timings;
  CHECK_EQ(none.queue_ms, none.total_ms);
  CHECK_EQ(none.prefill_ms + none.first_token_ms + none.per_token_ms, 0.0);
}
