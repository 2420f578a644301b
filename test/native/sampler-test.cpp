#include "sampler.h"

#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <numeric>
#include <random>

#include "check.h"
#include "error.h"

using namespace verbatim;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

Sampler make(const SamplerOptions& options, const std::vector<float>& logits, SimdLevel level) {
  return Sampler(options, static_cast<int32_t>(logits.size()), *vector_math(level));
}

Sampler make(const SamplerOptions& options, const std::vector<float>& logits) {
  return Sampler(options, static_cast<int32_t>(logits.size()));
}

std::vector<SimdLevel> levels() {
  std::vector<SimdLevel> found;
  for (const SimdLevel level : {SimdLevel::Portable, SimdLevel::Avx2, SimdLevel::Avx512})
    if (vector_math(level)) found.push_back(level);
  return found;
}

// The specification, by full sorts and library functions.
struct Reference {
  std::vector<Token> tokens; // kept, by rank
  std::vector<double> weights;
};

Reference reference(std::vector<float> logits, const SamplerOptions& o, const std::vector<Token>& prompt = {},
                    const std::vector<Token>& output = {}) {
  std::map<Token, int> counts;
  for (const Token token : prompt)
    counts[token] += 0;
  for (const Token token : output)
    ++counts[token];
  for (const auto& [token, count] : counts) {
    double x = logits[static_cast<size_t>(token)];
    x = x < 0 ? x * o.repetition_penalty : x / o.repetition_penalty;
    x -= o.frequency_penalty * count + (count > 0 ? o.presence_penalty : 0);
    logits[static_cast<size_t>(token)] = static_cast<float>(x);
  }
  Reference r;
  for (size_t i = 0; i < logits.size(); ++i)
    if (logits[i] > -kInfinity) r.tokens.push_back(static_cast<Token>(i));
  const auto logit = [&](Token token) { return logits[static_cast<size_t>(token)]; };
  std::stable_sort(r.tokens.begin(), r.tokens.end(), [&](Token a, Token b) { return logit(a) > logit(b); });
  if (o.temperature == 0) {
    r.tokens.resize(1);
    r.weights = {1};
    return r;
  }
  if (o.top_k > 0 && static_cast<size_t>(o.top_k) < r.tokens.size())
    r.tokens.resize(static_cast<size_t>(o.top_k));
  const double top = logit(r.tokens[0]);
  for (const Token token : r.tokens)
    r.weights.push_back(std::exp((logit(token) - top) / o.temperature));
  const double total = std::accumulate(r.weights.begin(), r.weights.end(), 0.0);
  size_t kept = r.tokens.size();
  if (o.top_p < 1) {
    double mass = 0;
    for (size_t i = 0; i < kept; ++i)
      if ((mass += r.weights[i]) >= o.top_p * total) kept = i + 1;
  }
  while (kept > 1 && r.weights[kept - 1] < o.min_p)
    --kept;
  r.tokens.resize(kept);
  r.weights.resize(kept);
  return r;
}

template <typename T> std::string show(const std::vector<T>& values) {
  std::ostringstream text;
  text << values.size() << " values:";
  for (size_t i = 0; i < values.size() && i < 20; ++i)
    text << " " << values[i];
  return text.str();
}

std::string show(const SamplerOptions& o) {
  std::ostringstream text;
  text << "temperature " << o.temperature << " top_k " << o.top_k << " top_p " << o.top_p << " min_p "
       << o.min_p;
  return text.str();
}

using Random = std::mt19937_64;

template <typename T> T choose(Random& random, const std::vector<T>& values) {
  return values[random() % values.size()];
}

std::vector<float> random_logits(Random& random, size_t n) {
  std::vector<float> logits(n);
  const float scale = choose<float>(random, {0.0f, 0.1f, 1.0f, 3.0f, 10.0f});
  std::normal_distribution<float> normal(choose<float>(random, {0.0f, -20.0f, 15.0f}),
                                         scale > 0 ? scale : 1.0f);
  for (float& logit : logits)
    logit = scale > 0 ? normal(random) : 1.5f;
  const uint64_t shape = random() % 6;
  if (shape == 1) // ties
    for (float& logit : logits)
      logit = std::round(logit * 2) / 2;
  if (shape == 2) // masked
    for (float& logit : logits)
      if (random() % 4 == 0) logit = random() % 8 == 0 ? kNaN : -kInfinity;
  if (shape == 3) // peaked
    for (int i = 0; i < 3; ++i)
      logits[random() % n] += 15;
  if (shape == 4) // far outliers, which make a histogram of all logits useless
    for (int i = 0; i < 3; ++i)
      logits[random() % n] -= choose<float>(random, {100.0f, 1e9f, 3e38f});
  if (shape == 5) logits[random() % n] += 1000;
  logits[random() % n] = 1; // at least one is usable
  return logits;
}

SamplerOptions random_options(Random& random) {
  SamplerOptions o;
  o.temperature = choose<double>(random, {0.01, 0.3, 0.7, 1, 1, 2, 100});
  o.top_k = choose<int32_t>(random, {0, 0, 1, 2, 20, 50, 1000, 100000});
  o.top_p = choose<double>(random, {1, 0, 1e-9, 0.1, 0.5, 0.777, 0.9, 0.9, 0.95, 0.999, 0.999999});
  o.min_p = choose<double>(random, {0, 0, 0, 1e-12, 0.0123, 0.1, 0.5, 1});
  o.seed = random();
  return o;
}

void check_kept(Sampler& sampler, const std::vector<float>& logits, const Reference& expected,
                const SamplerOptions& options) {
  const std::vector<Token> actual = sampler.kept(logits.data());
  if (actual == expected.tokens) return;
  check::fail(__FILE__, __LINE__,
              "kept " + show(actual) + "\n  expected " + show(expected.tokens) + "\n  with " + show(options) +
                  " of " + std::to_string(logits.size()));
}

// Pearson's statistic against the upper 1e-6 quantile (Wilson and Hilferty's approximation): tokens
// expected fewer than 5 times are counted together.
void check_frequencies(const Reference& expected, const std::map<Token, int>& counts, int draws) {
  const double total = std::accumulate(expected.weights.begin(), expected.weights.end(), 0.0);
  double statistic = 0, rest_expected = 0, rest_counted = 0;
  int cells = 0, seen = 0;
  const auto add = [&](double wanted, double counted) {
    statistic += (counted - wanted) * (counted - wanted) / wanted;
    ++cells;
  };
  for (size_t i = 0; i < expected.tokens.size(); ++i) {
    const auto found = counts.find(expected.tokens[i]);
    const int counted = found == counts.end() ? 0 : found->second;
    const double wanted = expected.weights[i] / total * draws;
    seen += counted;
    if (wanted >= 5) {
      add(wanted, counted);
    } else {
      rest_expected += wanted;
      rest_counted += counted;
    }
  }
  if (rest_expected >= 5) add(rest_expected, rest_counted);
  CHECK_EQ(seen, draws); // nothing outside the kept set
  if (cells < 2) return;
  const double k = cells - 1, t = 2 / (9 * k);
  const double limit = k * std::pow(1 - t + 4.75 * std::sqrt(t), 3);
  if (statistic > limit)
    check::fail(__FILE__, __LINE__,
                "chi-square " + std::to_string(statistic) + " > " + std::to_string(limit));
}

template <typename Body> ErrorCode thrown(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::Disposed; // never thrown by the sampler
}

} // namespace

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

TEST(sampler_draw_follows_the_documented_generator) {
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
        logit = random() % 50 == 0 ? kNaN : std::round(static_cast<float>(random() % 1000) / 30);
      logits[random() % n] = 40;
      logits[random() % n] = round % 2 ? 40 : kInfinity;
      const float highest = *std::max_element(logits.begin(), logits.end(), [](float a, float b) {
        return (std::isnan(a) ? -kInfinity : a) < (std::isnan(b) ? -kInfinity : b);
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

TEST(sampler_passes_agree_to_the_bit) {
  Random random(8);
  for (int round = 0; round < 500; ++round) {
    const size_t n = 1 + random() % kChunk;
    const std::vector<float> logits = random_logits(random, n);
    const VectorMath& portable = *vector_math(SimdLevel::Portable);
    float maxima[kLanes], lowest;
    portable.extremes(logits.data(), n, maxima, &lowest);
    const float highest = *std::max_element(maxima, maxima + kLanes);
    const float floor = lowest + (highest - lowest) / 3;
    Buckets buckets{highest, 1 / 0.7, highest, floor};
    buckets.count = choose<int32_t>(random, {2, 77, 1024});
    if (highest > floor) buckets.per_logit = buckets.count / (static_cast<double>(highest) - floor);
    std::vector<double> lanes(kLanes), cells(buckets.cells());
    portable.mass(logits.data(), n, highest, 1 / 0.7, lanes.data());
    portable.histogram(logits.data(), n, buckets, cells.data());
    double lane0 = 0;
    for (size_t i = 0; i < n; i += kLanes)
      lane0 += logit_weight(logits[i], highest, 1 / 0.7);
    CHECK_EQ(lanes[0], lane0);
    for (const SimdLevel level : levels()) {
      const VectorMath& math = *vector_math(level);
      float other_maxima[kLanes], other_lowest;
      math.extremes(logits.data(), n, other_maxima, &other_lowest);
      CHECK_EQ(other_lowest, lowest);
      CHECK(std::equal(maxima, maxima + kLanes, other_maxima));
      std::vector<double> other_lanes(kLanes), other_cells(buckets.cells());
      math.mass(logits.data(), n, highest, 1 / 0.7, other_lanes.data());
      math.histogram(logits.data(), n, buckets, other_cells.data());
      CHECK(other_lanes == lanes);
      CHECK(other_cells == cells);
    }
  }
}

TEST(sampler_weights_match_the_library) {
  CHECK_EQ(logit_weight(3.25f, 3.25, 123), 1.0);
  CHECK_EQ(logit_weight(-kInfinity, 0, 1), 0.0);
  CHECK_EQ(logit_weight(kNaN, 0, 1), 0.0);
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
  const std::vector<float> logits = {1, kInfinity, kNaN, kInfinity, -kInfinity};
  SamplerOptions options;
  options.logprobs = 5;
  Sampler sampler = make(options, logits);
  CHECK(sampler.kept(logits.data()) == (std::vector<Token>{1, 3}));
  const Sampled sampled = sampler.sample(logits.data());
  CHECK(sampled.token == 1 || sampled.token == 3);
  CHECK(std::abs(sampled.logprob - std::log(0.5f)) < 1e-6f);
  CHECK_EQ(sampled.top.size(), 2u);
}

TEST(sampler_refuses_unusable_logits_and_options) {
  for (const double temperature : {0.0, 1.0}) {
    SamplerOptions options;
    options.temperature = temperature;
    const std::vector<float> logits = {kNaN, -kInfinity, kNaN};
    Sampler sampler = make(options, logits);
    CHECK(thrown([&] { sampler.sample(logits.data()); }) == ErrorCode::DecodeFailed);
    CHECK(thrown([&] { sampler.accept(3); }) == ErrorCode::Internal);
    CHECK(thrown([&] { sampler.accept_prompt(std::vector<Token>{-1}); }) == ErrorCode::Internal);
  }
  const auto refused = [](auto change) {
    SamplerOptions options;
    change(options);
    return thrown([&] { Sampler(options, 10); }) == ErrorCode::InvalidOption;
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(refused([](SamplerOptions& o) { o.temperature = -0.1; }));
  CHECK(refused([&](SamplerOptions& o) { o.temperature = nan; }));
  CHECK(refused([](SamplerOptions& o) { o.top_k = -1; }));
  CHECK(refused([](SamplerOptions& o) { o.top_p = 1.01; }));
  CHECK(refused([&](SamplerOptions& o) { o.top_p = nan; }));
  CHECK(refused([](SamplerOptions& o) { o.min_p = -0.01; }));
  CHECK(refused([](SamplerOptions& o) { o.repetition_penalty = 0; }));
  CHECK(refused([](SamplerOptions& o) { o.presence_penalty = HUGE_VAL; }));
  CHECK(refused([&](SamplerOptions& o) { o.frequency_penalty = nan; }));
  CHECK(refused([](SamplerOptions& o) { o.logprobs = -2; }));
  CHECK(thrown([] { Sampler({}, 0); }) == ErrorCode::InvalidOption);
  CHECK(!refused([](SamplerOptions& o) { o.temperature = 1e-310; }));
}

TEST(sampler_survives_extreme_settings) {
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
