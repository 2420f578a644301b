// Speculation changes nothing but the number of batches.

#include "check.h"
#include "engine/engine-fixture.h"

using namespace verbatim;
using namespace support;

namespace {

const Tokens alphabet = [] {
  Tokens tokens(5);
  for (size_t i = 0; i < tokens.size(); ++i)
    tokens[i] = letter_a + static_cast<Token>(i);
  return tokens;
}();

/// A prompt that repeats itself for a while.
Tokens periodic(const Tokens& period, size_t size) {
  Tokens tokens(size);
  for (size_t i = 0; i < size; ++i)
    tokens[i] = period[i % period.size()];
  return tokens;
}

/// A text that goes on in the same way.
std::function<Token(const Tokens&)> repeating(const Tokens& period) {
  return [period](const Tokens& history) { return period[history.size() % period.size()]; };
}

struct Result {
  Inference::Result outcome;
  int decodes;
};

Result generate(Request request, const std::function<Token(const Tokens&)>& next, bool prompt_lookup) {
  EngineFixture fixture;
  fixture.decoder.next = next;
  request.prompt_size = request.prompt().size();
  request.prompt_lookup = prompt_lookup;
  Result result{fixture.submit(request).result(), 0};
  fixture.finish();
  result.decodes = fixture.decoder.decodes;
  return result;
}

/// Checks that drafts do not change the result, and returns the batches it took with them.
Result check_same(const Request& request, const std::function<Token(const Tokens&)>& next) {
  const auto plain = generate(request, next, false);
  auto speculative = generate(request, next, true);
  CHECK_EQ(speculative.outcome.text, plain.outcome.text);
  CHECK(speculative.outcome.tokens == plain.outcome.tokens);
  CHECK_EQ(*speculative.outcome.finish_reason, *plain.outcome.finish_reason);
  CHECK_EQ(speculative.outcome.logprobs.size(), plain.outcome.logprobs.size());
  for (size_t i = 0; i < plain.outcome.logprobs.size(); ++i)
    CHECK_EQ(speculative.outcome.logprobs[i].chosen.logprob, plain.outcome.logprobs[i].chosen.logprob);
  CHECK(speculative.outcome.tokens.size() <= request.max_tokens);
  CHECK_EQ(plain.outcome.timings.drafted_tokens, 0u);
  const auto& timings = speculative.outcome.timings;
  CHECK(timings.accepted_tokens <= timings.drafted_tokens);
  // Each batch yields one token, and one more for each drafted token that was accepted.
  CHECK_EQ(plain.decodes - speculative.decodes, static_cast<int>(timings.accepted_tokens));
  return speculative;
}

} // namespace

TEST(engine_drafts_most_of_a_repetitive_text) {
  Request request{.max_tokens = 200, .logprobs = 2};
  request.own_prompt = periodic(alphabet, 20);
  const auto result = check_same(request, repeating(alphabet));
  CHECK(result.outcome.timings.accepted_tokens > 150);
  CHECK(result.decodes < 30);
}

TEST(engine_drafts_for_greedy_and_sampled_requests) {
  uint32_t accepted = 0, drafted = 0;
  for (const double temperature : {0.0, 0.5, 1.0})
    for (size_t number = 0; number < 6; ++number) {
      Request request{.number = number, .max_tokens = 80, .temperature = temperature, .logprobs = 0};
      request.own_prompt = periodic(alphabet, 10 + number);
      // Repetitions with mistakes: some drafts are accepted, some in part, some not at all.
      const auto next = [](const Tokens& history) {
        const bool odd = FakeDecoder::hash(history) % 9 == 0;
        return letter_a + static_cast<Token>(odd ? 9 : history.size() % 5);
      };
      const auto timings = check_same(request, next).outcome.timings;
      accepted += timings.accepted_tokens;
      drafted += timings.drafted_tokens;
    }
  CHECK(accepted > 100);
  CHECK(drafted > accepted + 100);
}

TEST(engine_drafts_no_further_than_it_may_generate) {
  for (uint32_t most = 1; most <= 40; ++most) {
    Request request{.max_tokens = most};
    request.own_prompt = periodic(alphabet, 20);
    const auto result = check_same(request, repeating(alphabet)).outcome;
    CHECK_EQ(result.tokens.size(), most);
    CHECK_EQ(*result.finish_reason, FinishReason::Length);

    request.context_size = 20 + most;
    request.max_tokens = 1000;
    const auto full = check_same(request, repeating(alphabet)).outcome;
    CHECK_EQ(full.tokens.size(), most);
    CHECK_EQ(*full.finish_reason, FinishReason::Context);
  }
}

TEST(engine_stops_inside_a_draft) {
  // At each place of a draft.
  for (uint32_t at = 1; at <= 30; ++at) {
    Request request{.max_tokens = 100};
    request.own_prompt = periodic(alphabet, 20);
    const auto next = [&](const Tokens& history) {
      return history.size() == 20 + at ? end_token : repeating(alphabet)(history);
    };
    const auto result = check_same(request, next).outcome; // here no draft foresaw it
    CHECK_EQ(*result.finish_reason, FinishReason::Stop);
    CHECK_EQ(result.tokens.size(), at + 1);

    // Here it did: the end has its place in the period.
    Tokens period = text(1, at);
    for (size_t i = 0; i < period.size(); ++i)
      period[i] = letter_a + static_cast<Token>(i % 26);
    period.push_back(end_token);
    request.own_prompt = periodic(period, 2 * period.size());
    const auto foreseen = check_same(request, repeating(period)).outcome;
    CHECK_EQ(*foreseen.finish_reason, FinishReason::Stop);
    CHECK_EQ(foreseen.tokens.size(), at + 1);
    request.ignore_end_of_sequence = true;
    CHECK_EQ(check_same(request, repeating(period)).outcome.tokens.size(), 100u);
  }
}

TEST(engine_completes_stop_strings_inside_a_draft) {
  Tokens letters(26);
  for (size_t i = 0; i < letters.size(); ++i)
    letters[i] = letter_a + static_cast<Token>(i);
  for (char first = 'a'; first <= 'x'; ++first) {
    Request request{.max_tokens = 100};
    request.own_prompt = periodic(letters, 52);
    const std::string stop = {first, static_cast<char>(first + 1), static_cast<char>(first + 2)};
    request.stop = {stop, "never"};
    const auto result = check_same(request, repeating(letters)).outcome;
    CHECK_EQ(*result.finish_reason, FinishReason::StopString);
    CHECK(result.text.find(stop) == std::string::npos);
    CHECK_EQ(result.text.size(), static_cast<size_t>(first - 'a'));
    CHECK_EQ(result.tokens.size(), result.text.size() + 3);
  }
}

TEST(engine_gives_the_same_text_when_many_draft_at_once) {
  // More drafts than one batch and its outputs hold, few cells, and requests that do not draft.
  EngineFixture fixture({8, 600, 24});
  fixture.decoder.next = repeating(alphabet);
  std::vector<Run> runs;
  for (size_t i = 0; i < 24; ++i) {
    Request request{.number = i, .max_tokens = 60, .prompt_lookup = i % 4 != 0};
    request.own_prompt = Tokens(1, static_cast<Token>(1000 + i)) + periodic(alphabet, 10 + i);
    request.context_size = 200;
    runs.push_back(fixture.submit(request));
  }
  uint32_t accepted = 0;
  for (size_t i = 0; i < runs.size(); ++i) {
    const auto outcome = runs[i].result();
    CHECK(!outcome.error);
    std::string expected;
    for (size_t at = 0; at < 60; ++at)
      expected += static_cast<char>('a' + (11 + i + at) % 5);
    CHECK_EQ(outcome.text, expected);
    CHECK_EQ(outcome.timings.drafted_tokens > 0, i % 4 != 0);
    accepted += outcome.timings.accepted_tokens;
  }
  CHECK(accepted > 100);
  fixture.finish();
}

TEST(engine_gives_the_same_text_when_drafts_fail) {
  std::mt19937_64 random(31);
  for (int round = 0; round < 10; ++round) {
    EngineFixture fixture({4, 400, 32});
    fixture.decoder.next = repeating(alphabet);
    std::mt19937_64 dice(random());
    fixture.decoder.script = [&](FakeDecoder::Batch batch) {
      constexpr DecodeStatus failures[] = {DecodeStatus::NoSlot, DecodeStatus::OutOfMemory,
                                           DecodeStatus::Failed};
      return batch.size() == 1 || dice() % 6 ? DecodeStatus::Ok : failures[dice() % 3];
    };
    std::vector<Run> runs;
    for (size_t i = 0; i < 12; ++i) {
      Request request{.number = i, .max_tokens = 50, .context_size = 200, .prompt_lookup = true};
      request.own_prompt = periodic(alphabet, 20 + i);
      runs.push_back(fixture.submit(request));
    }
    for (size_t i = 0; i < runs.size(); ++i) {
      const auto outcome = runs[i].result();
      CHECK(!outcome.error);
      CHECK_EQ(outcome.tokens.size(), 50u);
      for (size_t at = 0; at < 50; ++at)
        CHECK_EQ(outcome.tokens[at], alphabet[(20 + i + at) % 5]);
    }
    fixture.finish();
  }
}
