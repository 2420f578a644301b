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

TEST(sampler_greedy_takes_the_lowest_of_equals_and_no_random_number) {
  Random random(6);
  SamplerOptions options;
  options.temperature = 0;
  options.top_k = 5;
  for (const SimdLevel level : levels()) {
    for (int round = 0; round < 500; ++round) {
      const size_t n = 1 + random() % 5000;
      std::vector<float> logits(n);
      for (float& logit : logits)
        logit = random() % 50 == 0 ? not_a_number : std::round(static_cast<float>(random() % 1000) / 30);
      logits[random() % n] = 40;
      logits[random() % n] = round % 2 ? 40 : infinity;
      const float highest = *std::max_element(logits.begin(), logits.end(), [](float a, float b) {
        return (std::isnan(a) ? -infinity : a) < (std::isnan(b) ? -infinity : b);
      });
      const auto expected = std::find(logits.begin(), logits.end(), highest) - logits.begin();
      Sampler sampler = make(options, logits, level);
      CHECK_EQ(sampler.sample(logits.data()).token, static_cast<Token>(expected));
    }
  }
  // -0 and 0 are equal.
  const std::vector<float> zeros = {-1, -0.0f, 0.0f};
  CHECK_EQ(make(options, zeros).sample(zeros.data()).token, 1);
}

TEST(sampler_repeats_with_its_seed_on_every_instruction_set) {
  Random random(7);
  int differing = 0;
  for (int round = 0; round < 3000; ++round) {
    const size_t n = round % 100 == 0 ? 151936 : 1 + random() % 3000;
    const std::vector<float> logits = random_logits(random, n);
    SamplerOptions options = random_options(random);
    options.repetition_penalty = round % 3 == 0 ? 1.1 : 1;
    options.logprobs = round % 4 == 0 ? 3 : -1;
    std::vector<Sampled> first;
    for (const SimdLevel level : levels()) {
      Sampler sampler = make(options, logits, level);
      std::vector<Sampled> drawn;
      for (int draw = 0; draw < 3; ++draw) {
        drawn.push_back(sampler.sample(logits.data()));
        sampler.accept(drawn.back().token);
      }
      if (first.empty()) first = drawn;
      for (size_t i = 0; i < drawn.size(); ++i) {
        CHECK_EQ(drawn[i].token, first[i].token);
        CHECK_EQ(drawn[i].logprob, first[i].logprob);
        CHECK_EQ(drawn[i].top.size(), first[i].top.size());
      }
    }
    ++options.seed;
    Sampler other = make(options, logits);
    differing += other.sample(logits.data()).token != first[0].token;
  }
  CHECK(differing > 500);
}

// Fixed for every platform: if this fails, users' seeds give other texts than before.
TEST(sampler_draws_the_same_tokens_as_ever) {
  std::mt19937_64 random(10);
  std::vector<float> logits(5000);
  for (float& logit : logits) // whole numbers over powers of two: no rounding
    logit = static_cast<float>(random() % 4096) / 256;
  SamplerOptions options;
  options.temperature = 1.5;
  options.top_p = 0.9;
  options.repetition_penalty = 1.25;
  options.seed = 42;
  Sampler sampler = make(options, logits);
  std::vector<Token> tokens;
  for (int i = 0; i < 12; ++i) {
    tokens.push_back(sampler.sample(logits.data()).token);
    sampler.accept(tokens.back());
  }
  CHECK_EQ(show(tokens), "12 values: 4159 4575 2365 1276 799 892 4834 3014 4394 4509 3292 269");
}

TEST(sampler_passes_agree_to_the_bit) {
  Random random(8);
  for (int round = 0; round < 500; ++round) {
    const size_t n = 1 + random() % chunk_size;
    const std::vector<float> logits = random_logits(random, n);
    const VectorMath& portable = *vector_math(SimdLevel::Portable);
    float maxima[lane_count], lowest;
    portable.extremes(logits.data(), n, maxima, &lowest);
    const float highest = *std::max_element(maxima, maxima + lane_count);
    const float floor = lowest + (highest - lowest) / 3;
    Buckets buckets{highest, 1 / 0.7, highest, floor};
    buckets.count = choose<int32_t>(random, {2, 77, 1024});
    if (highest > floor) buckets.per_logit = buckets.count / (static_cast<double>(highest) - floor);
    std::vector<double> lanes(lane_count), partial_sums(buckets.partial_sums());
    portable.mass(logits.data(), n, highest, 1 / 0.7, lanes.data());
    portable.histogram(logits.data(), n, buckets, partial_sums.data());
    double lane0 = 0;
    for (size_t i = 0; i < n; i += lane_count)
      lane0 += logit_weight(logits[i], highest, 1 / 0.7);
    CHECK_EQ(lanes[0], lane0);
    for (const SimdLevel level : levels()) {
      const VectorMath& math = *vector_math(level);
      float other_maxima[lane_count], other_lowest;
      math.extremes(logits.data(), n, other_maxima, &other_lowest);
      CHECK_EQ(other_lowest, lowest);
      CHECK(std::equal(maxima, maxima + lane_count, other_maxima));
      std::vector<double> other_lanes(lane_count), other_partial_sums(buckets.partial_sums());
      math.mass(logits.data(), n, highest, 1 / 0.7, other_lanes.data());
      math.histogram(logits.data(), n, buckets, other_partial_sums.data());
      CHECK(other_lanes == lanes);
      CHECK(other_partial_sums == partial_sums);
    }
  }
}

TEST(sampler_weights_match_the_library) {
  CHECK_EQ(logit_weight(3.25f, 3.25, 123), 1.0);
  CHECK_EQ(logit_weight(-infinity, 0, 1), 0.0);
  CHECK_EQ(logit_weight(not_a_number, 0, 1), 0.0);
  for (float d = 0; d > -700; d -= 0.0137f) {
    const double expected = std::exp(static_cast<double>(d));
    CHECK(std::abs(logit_weight(d, 0, 1) - expected) <=
          expected * (4e-16 + 1.5e-16 * -static_cast<double>(d)));
  }
}

TEST(sampler_logprobs_are_the_models) {
  Random random(9);
  for (int round = 0; round < 300; ++round) {
    const size_t n = choose<size_t>(random, {1, 2, 50, 3000});
    const std::vector<float> logits = random_logits(random, n);
    SamplerOptions options = random_options(random);
    options.repetition_penalty = 1.5;
    options.logprobs = choose<int32_t>(random, {0, 1, 5, 20, 10000});
    Sampler sampler = make(options, logits, choose(random, levels()));
    sampler.accept_prompt(std::vector<Token>{0});
    const Sampled sampled = sampler.sample(logits.data());
    const Reference model = reference(logits, {});
    const double total = std::accumulate(model.weights.begin(), model.weights.end(), 0.0);
    const double top = logits[static_cast<size_t>(model.tokens[0])];
    const auto logprob = [&](Token token) {
      return logits[static_cast<size_t>(token)] - top - std::log(total);
    };
    const auto near = [](double a, double b) { return std::abs(a - b) <= 1e-4 + 1e-6 * std::abs(b); };
    CHECK(near(sampled.logprob, logprob(sampled.token)));
    const size_t asked = std::min(model.tokens.size(), static_cast<size_t>(options.logprobs));
    CHECK_EQ(sampled.top.size(), asked);
    for (size_t i = 0; i < sampled.top.size(); ++i) {
      CHECK_EQ(sampled.top[i].token, model.tokens[i]);
      CHECK(near(sampled.top[i].logprob, logprob(model.tokens[i])));
    }
  }
}

TEST(sampler_takes_infinite_logits_as_certain) {
  const std::vector<float> logits = {1, infinity, not_a_number, infinity, -infinity};
  SamplerOptions options;
  options.logprobs = 5;
  Sampler sampler = make(options, logits);
  CHECK(sampler.kept(logits.data()) == (std::vector<Token>{1, 3}));
  const Sampled sampled = sampler.sample(logits.data());
  CHECK(sampled.token == 1 || sampled.token == 3);
  CHECK(std::abs(sampled.logprob - std::log(0.5f)) < 1e-6f);
  CHECK_EQ(sampled.top.size(), 2u);
}

TEST(sampler_refuses_unusable_logits_and_unknown_tokens) {
  for (const double temperature : {0.0, 1.0}) {
    SamplerOptions options;
    options.temperature = temperature;
    const std::vector<float> logits = {not_a_number, -infinity, not_a_number};
    Sampler sampler = make(options, logits);
    CHECK(thrown([&] { sampler.sample(logits.data()); }) == ErrorCode::DecodeFailed);
    CHECK(thrown([&] { sampler.accept(3); }) == ErrorCode::Internal);
    CHECK(thrown([&] { sampler.accept_prompt(std::vector<Token>{-1}); }) == ErrorCode::Internal);
  }
}

TEST(sampler_refuses_options_by_their_public_names) {
  const auto refused = [](auto change, int32_t vocab_size = 10) -> std::string {
    SamplerOptions options;
    change(options);
    try {
      Sampler(options, vocab_size);
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::InvalidOption);
      for (const auto& [name, value] : error.fields())
        if (name == "path") return std::get<std::string>(value);
    }
    return "";
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK_EQ(refused([](SamplerOptions& o) { o.temperature = -0.1; }), "temperature");
  CHECK_EQ(refused([&](SamplerOptions& o) { o.temperature = nan; }), "temperature");
  CHECK_EQ(refused([](SamplerOptions& o) { o.top_k = -1; }), "topK");
  CHECK_EQ(refused([](SamplerOptions& o) { o.top_p = 1.01; }), "topP");
  CHECK_EQ(refused([&](SamplerOptions& o) { o.top_p = nan; }), "topP");
  CHECK_EQ(refused([](SamplerOptions& o) { o.min_p = -0.01; }), "minP");
  CHECK_EQ(refused([](SamplerOptions& o) { o.repetition_penalty = 0; }), "repetitionPenalty");
  CHECK_EQ(refused([](SamplerOptions& o) { o.presence_penalty = HUGE_VAL; }), "presencePenalty");
  CHECK_EQ(refused([&](SamplerOptions& o) { o.frequency_penalty = nan; }), "frequencyPenalty");
  CHECK_EQ(refused([](SamplerOptions& o) { o.logprobs = -2; }), "logprobs");
  CHECK_EQ(refused([](SamplerOptions&) {}, 0), "vocabSize");
  CHECK_EQ(refused([](SamplerOptions& o) { o.temperature = 1e-310; }), "");
}

TEST(sampler_draws_at_extreme_temperatures) {
  for (const double temperature : {1e-310, 1e-30, 1e45, 1e308}) {
    SamplerOptions options;
    options.temperature = temperature;
    const std::vector<float> logits = {3e38f, 1, -3e38f, 2.9e38f};
    Sampler sampler = make(options, logits);
    const size_t expected = temperature < 1 ? 1 : 4;
    std::map<Token, int> counts;
    for (int i = 0; i < 200; ++i)
      ++counts[sampler.sample(logits.data()).token];
    CHECK_EQ(counts.size(), expected);
  }
}
