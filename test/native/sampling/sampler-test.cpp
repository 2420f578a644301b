#include "base/error.h"
#include "check.h"
#include "sampling/sampler-reference.h"
#include "sampling/sampler.h"

#include <cmath>
#include <map>
#include <memory>
#include <numeric>
#include <random>

using namespace verbatim;
using namespace sampler_test;

TEST(sampler_keeps_the_reference_set) {
  Random random(1);
  for (int round = 0; round < 6000; ++round) {
    const size_t n =
        choose<size_t>(random, {1, 2, 3, 5, 15, 16, 17, 63, 64, 65, 255, 257, 1000, 1024, 1025, 3000});
    const std::vector<float> logits = random_logits(random, n);
    const SamplerOptions options = random_options(random);
    Sampler sampler = make(options, logits, choose(random, levels()));
    check_kept(sampler, logits, reference(logits, options), options);
  }
}

TEST(sampler_keeps_the_reference_set_of_large_vocabularies) {
  Random random(2);
  for (int round = 0; round < 60; ++round) {
    const std::vector<float> logits = random_logits(random, choose<size_t>(random, {32000, 151936}));
    const SamplerOptions options = random_options(random);
    Sampler sampler = make(options, logits, choose(random, levels()));
    check_kept(sampler, logits, reference(logits, options), options);
  }
}

TEST(sampler_keeps_ties_by_lower_id) {
  const std::vector<float> logits = {1, 3, 2, 3, 2, 3};
  SamplerOptions options;
  options.top_k = 2;
  CHECK(make(options, logits).kept(logits.data()) == (std::vector<Token>{1, 3}));
  options.top_k = 4;
  CHECK(make(options, logits).kept(logits.data()) == (std::vector<Token>{1, 3, 5, 2}));
  const std::vector<float> equal(10, -7.5f);
  options = {};
  options.top_p = 0.5; // five tokens reach it exactly
  CHECK(make(options, equal).kept(equal.data()) == (std::vector<Token>{0, 1, 2, 3, 4}));
  options.top_p = 0.51;
  CHECK_EQ(make(options, equal).kept(equal.data()).size(), 6u);
}

TEST(sampler_top_p_counts_what_top_k_left_and_min_p_follows) {
  // Probabilities 0.4, 0.3, 0.2, 0.1: top-k 2 leaves 4/7 and 3/7.
  const std::vector<float> logits = {std::log(0.4f), std::log(0.3f), std::log(0.2f), std::log(0.1f)};
  SamplerOptions options;
  options.top_p = 0.5;
  CHECK_EQ(make(options, logits).kept(logits.data()).size(), 2u);
  options.top_k = 2;
  CHECK_EQ(make(options, logits).kept(logits.data()).size(), 1u);
  options = {};
  options.min_p = 0.45;
  CHECK_EQ(make(options, logits).kept(logits.data()).size(), 3u);
  options.top_p = 0.65;
  CHECK_EQ(make(options, logits).kept(logits.data()).size(), 2u);
}

TEST(sampler_draws_in_proportion) {
  Random random(3);
  std::vector<float> logits(2000);
  std::normal_distribution<float> normal(0, 2);
  for (float& logit : logits)
    logit = normal(random);
  std::vector<SamplerOptions> settings(6);
  settings[1].temperature = 0.7, settings[1].top_p = 0.9;
  settings[2].temperature = 2, settings[2].top_k = 40;
  settings[3].min_p = 0.05;
  settings[4].temperature = 0.6, settings[4].top_p = 0.95, settings[4].top_k = 20, settings[4].min_p = 0.01;
  settings[5].repetition_penalty = 1.3, settings[5].presence_penalty = 0.5,
  settings[5].frequency_penalty = 0.2;
  for (size_t i = 0; i < settings.size(); ++i) {
    settings[i].seed = 100 + i;
    Sampler sampler = make(settings[i], logits);
    const std::vector<Token> prompt = {1, 2, 3, 3}, output = {3, 4, 4, 5};
    sampler.accept_prompt(prompt);
    for (const Token token : output)
      sampler.accept(token);
    std::map<Token, int> counts;
    const int draws = 100000;
    for (int draw = 0; draw < draws; ++draw)
      ++counts[sampler.sample(logits.data()).token];
    check_frequencies(reference(logits, settings[i], prompt, output), counts, draws);
  }
}

TEST(sampler_draws_equal_logits_evenly) {
  const std::vector<float> logits(64, 2.0f);
  SamplerOptions options;
  options.top_p = 0.75;
  Sampler sampler = make(options, logits);
  std::map<Token, int> counts;
  for (int draw = 0; draw < 100000; ++draw)
    ++counts[sampler.sample(logits.data()).token];
  CHECK_EQ(counts.size(), 48u);
  check_frequencies(reference(logits, options), counts, 100000);
}

TEST(sampler_draws_by_the_documented_generator) {
  Random random(4);
  for (int round = 0; round < 300; ++round) {
    const std::vector<float> logits = random_logits(random, 500);
    const SamplerOptions options = random_options(random);
    const Reference expected = reference(logits, options);
    const double total = std::accumulate(expected.weights.begin(), expected.weights.end(), 0.0);
    std::mt19937_64 generator(options.seed);
    Sampler sampler = make(options, logits);
    for (int draw = 0; draw < 20; ++draw) {
      const double mark = static_cast<double>(generator() >> 11) / 9007199254740992.0 * total;
      size_t i = 0;
      for (double mass = expected.weights[0]; mass <= mark && i + 1 < expected.tokens.size();)
        mass += expected.weights[++i];
      CHECK_EQ(sampler.sample(logits.data()).token, expected.tokens[i]);
    }
  }
}

TEST(sampler_penalties_match_the_reference) {
  Random random(5);
  for (int round = 0; round < 2000; ++round) {
    const size_t n = choose<size_t>(random, {1, 3, 100, 1500, 5000});
    const std::vector<float> logits = random_logits(random, n);
    SamplerOptions options = random_options(random);
    options.repetition_penalty = choose<double>(random, {0.5, 1, 1.1, 2});
    options.presence_penalty = choose<double>(random, {-1, 0, 0, 0.5, 2});
    options.frequency_penalty = choose<double>(random, {-0.3, 0, 0, 0.7});
    if (round % 5 == 0) options.temperature = 0;
    Sampler sampler = make(options, logits, choose(random, levels()));
    std::vector<Token> prompt(random() % 200), output(random() % 200);
    for (Token& token : prompt)
      token = static_cast<Token>(random() % n);
    for (Token& token : output)
      token = static_cast<Token>(random() % n);
    const size_t half = output.size() / 2; // a prompt in two parts, with output between them
    sampler.accept_prompt(std::span(prompt).first(prompt.size() / 2));
    for (size_t i = 0; i < half; ++i)
      sampler.accept(output[i]);
    sampler.accept_prompt(std::span(prompt).subspan(prompt.size() / 2));
    for (size_t i = half; i < output.size(); ++i)
      sampler.accept(output[i]);
    check_kept(sampler, logits, reference(logits, options, prompt, output), options);
  }
}

TEST(sampler_penalties_distinguish_prompt_and_output) {
  const std::vector<float> logits = {2, 1.9f, -1, -1.1f};
  SamplerOptions options;
  options.temperature = 0;
  options.presence_penalty = 0.5;
  options.frequency_penalty = 0.1;
  Sampler output_only = make(options, logits);
  output_only.accept_prompt(std::vector<Token>{0, 0, 0});
  CHECK_EQ(output_only.sample(logits.data()).token, 0);
  output_only.accept(0);
  CHECK_EQ(output_only.sample(logits.data()).token, 1);
  output_only.accept(1); // 2 - 0.6 against 1.9 - 0.6
  CHECK_EQ(output_only.sample(logits.data()).token, 0);
  output_only.accept(0); // 2 - 0.7 against 1.9 - 0.6: equal but for rounding
  output_only.accept(0);
  CHECK_EQ(output_only.sample(logits.data()).token, 1);

  options = {};
  options.temperature = 0;
  options.repetition_penalty = 1.2;
  Sampler both = make(options, logits);
  both.accept_prompt(std::vector<Token>{0});
  CHECK_EQ(both.sample(logits.data()).token, 1);
  const std::vector<float> negative = {-1, -1.1f};
  Sampler lowered = make(options, negative);
  lowered.accept_prompt(std::vector<Token>{0}); // -1 * 1.2, not -1 / 1.2
  CHECK_EQ(lowered.sample(negative.data()).token, 1);
}

TEST(sampler_excludes_tokens_as_if_they_were_impossible) {
  Random random(11);
  for (int round = 0; round < 2000; ++round) {
    auto logits = random_logits(random, 20 + random() % 3000);
    SamplerOptions options = random_options(random);
    options.temperature = random() % 4 == 0 ? 0 : options.temperature;
    options.repetition_penalty = random() % 2 ? 1 : 1.3;
    options.presence_penalty = random() % 2 ? 0 : -2.5;
    options.logprobs = 2;
    std::vector<Token> excluded, prompt;
    for (Token token = 0; static_cast<size_t>(token) < logits.size(); ++token) {
      if (random() % 7 == 0) excluded.push_back(token);
      if (random() % 5 == 0) prompt.push_back(token);
    }
    if (round % 10 == 0) excluded.push_back(static_cast<Token>(logits.size()) - 1);
    excluded.erase(std::unique(excluded.begin(), excluded.end()), excluded.end());
    auto impossible = logits;
    for (const Token token : excluded)
      impossible[static_cast<size_t>(token)] = -infinity;
    if (std::ranges::none_of(impossible, [](float logit) { return logit > -infinity; })) continue;

    Sampler excluding = make(options, logits), reference = make(options, logits);
    for (Sampler* sampler : {&excluding, &reference}) {
      sampler->accept_prompt(prompt);
      sampler->accept(prompt.empty() ? 0 : prompt.front());
    }
    CHECK_EQ(show(excluding.kept(logits.data(), excluded)), show(reference.kept(impossible.data())));
    for (int draw = 0; draw < 3; ++draw) {
      const Sampled sampled = excluding.sample(logits.data(), excluded);
      CHECK_EQ(sampled.token, reference.sample(impossible.data()).token);
      CHECK(!std::ranges::binary_search(excluded, sampled.token));
    }
  }
}

TEST(sampler_reports_the_models_own_probabilities_of_excluded_tokens) {
  const std::vector<float> logits = {5, 1, 0};
  SamplerOptions options;
  options.logprobs = 1;
  Sampler sampler = make(options, logits);
  const std::vector<Token> excluded = {0};
  const Sampled sampled = sampler.sample(logits.data(), excluded);
  CHECK(sampled.token != 0);
  CHECK_EQ(sampled.top.front().token, 0);
}

TEST(sampler_fails_where_every_possible_token_is_excluded) {
  const std::vector<float> logits = {5, 1, -infinity};
  Sampler sampler = make({}, logits);
  const std::vector<Token> excluded = {0, 1};
  CHECK(thrown([&] { sampler.sample(logits.data(), excluded); }) == ErrorCode::DecodeFailed);
}
