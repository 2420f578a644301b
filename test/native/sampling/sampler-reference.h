#pragma once

// The reference of the sampler's tests: the specification, by full sorts and library functions.

#include "base/error.h"
#include "check.h"
#include "sampling/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <random>

namespace sampler_test {

using namespace verbatim;

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

inline Sampler make(const SamplerOptions& options, const std::vector<float>& logits, SimdLevel level) {
  return Sampler(options, static_cast<int32_t>(logits.size()), *vector_math(level));
}

inline Sampler make(const SamplerOptions& options, const std::vector<float>& logits) {
  return Sampler(options, static_cast<int32_t>(logits.size()));
}

inline std::vector<SimdLevel> levels() {
  std::vector<SimdLevel> found;
  for (const SimdLevel level : {SimdLevel::Portable, SimdLevel::Avx2, SimdLevel::Avx512})
    if (vector_math(level)) found.push_back(level);
  return found;
}

// The tokens that the specification keeps.
struct Reference {
  std::vector<Token> tokens; // kept, by rank
  std::vector<double> weights;
};

inline Reference reference(std::vector<float> logits, const SamplerOptions& o,
                           const std::vector<Token>& prompt = {}, const std::vector<Token>& output = {}) {
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
    if (logits[i] > -infinity) r.tokens.push_back(static_cast<Token>(i));
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

inline std::string show(const SamplerOptions& o) {
  std::ostringstream text;
  text << "temperature " << o.temperature << " top_k " << o.top_k << " top_p " << o.top_p << " min_p "
       << o.min_p;
  return text.str();
}

using Random = std::mt19937_64;

template <typename T> T choose(Random& random, const std::vector<T>& values) {
  return values[random() % values.size()];
}

inline std::vector<float> random_logits(Random& random, size_t n) {
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
      if (random() % 4 == 0) logit = random() % 8 == 0 ? not_a_number : -infinity;
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

inline SamplerOptions random_options(Random& random) {
  SamplerOptions o;
  o.temperature = choose<double>(random, {0.01, 0.3, 0.7, 1, 1, 2, 100});
  o.top_k = choose<int32_t>(random, {0, 0, 1, 2, 20, 50, 1000, 100000});
  o.top_p = choose<double>(random, {1, 0, 1e-9, 0.1, 0.5, 0.777, 0.9, 0.9, 0.95, 0.999, 0.999999});
  o.min_p = choose<double>(random, {0, 0, 0, 1e-12, 0.0123, 0.1, 0.5, 1});
  o.seed = random();
  return o;
}

inline void check_kept(Sampler& sampler, const std::vector<float>& logits, const Reference& expected,
                       const SamplerOptions& options) {
  const std::vector<Token> actual = sampler.kept(logits.data());
  if (actual == expected.tokens) return;
  check::fail(__FILE__, __LINE__,
              "kept " + show(actual) + "\n  expected " + show(expected.tokens) + "\n  with " + show(options) +
                  " of " + std::to_string(logits.size()));
}

// Pearson's statistic against the upper 1e-6 quantile (Wilson and Hilferty's approximation): tokens
// expected fewer than 5 times are counted together.
inline void check_frequencies(const Reference& expected, const std::map<Token, int>& counts, int draws) {
  const double total = std::accumulate(expected.weights.begin(), expected.weights.end(), 0.0);
  double statistic = 0, rest_expected = 0, rest_counted = 0;
  int terms = 0, seen = 0;
  const auto add = [&](double wanted, double counted) {
    statistic += (counted - wanted) * (counted - wanted) / wanted;
    ++terms;
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
  if (terms < 2) return;
  const double k = terms - 1, t = 2 / (9 * k);
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

} // namespace sampler_test
