// Times the sampler on a large vocabulary, per distribution, setting and instruction set:
// median milliseconds per token over 200 tokens. A program of its own, not part of the tests.

#include "sampling/sampler.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <random>
#include <vector>

using namespace verbatim;

namespace {

constexpr int32_t vocabulary_size = 151936;

std::vector<float> normal_logits(float deviation, int peaks) {
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal(0, deviation);
  std::vector<float> logits(vocabulary_size);
  for (float& logit : logits)
    logit = deviation > 0 ? normal(random) : 0;
  for (int i = 0; i < peaks; ++i)
    logits[random() % logits.size()] += 15;
  return logits;
}

double median_ms(const SamplerOptions& options, int history, const std::vector<float>& logits,
                 const VectorMath& math) {
  Sampler sampler(options, vocabulary_size, math);
  std::mt19937_64 random(2);
  for (int i = 0; i < history; ++i)
    sampler.accept(static_cast<Token>(random() % vocabulary_size));
  std::vector<double> times;
  for (int i = 0; i < 200; ++i) {
    const auto start = std::chrono::steady_clock::now();
    sampler.sample(logits.data());
    times.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  std::nth_element(times.begin(), times.begin() + 100, times.end());
  return times[100];
}

} // namespace

int main() {
  const std::pair<const char*, std::vector<float>> distributions[] = {
      {"flat N(0,0.1)", normal_logits(0.1f, 0)}, {"equal", normal_logits(0, 0)},
      {"normal N(0,1)", normal_logits(1, 0)},    {"normal N(0,3)", normal_logits(3, 0)},
      {"peaked", normal_logits(1, 5)},
  };
  struct Setting {
    const char* name;
    SamplerOptions options;
    int history = 0;
  };
  std::vector<Setting> settings(7);
  settings[0].name = "greedy";
  settings[0].options.temperature = 0;
  settings[1].name = "T=1";
  for (size_t i = 2; i < settings.size(); ++i) {
    settings[i].options.temperature = 0.7;
    settings[i].options.top_p = 0.9;
  }
  settings[2].name = "T=0.7 p=0.9";
  settings[3].name = "T=0.7 p=0.9 k=40";
  settings[3].options.top_k = 40;
  settings[4].name = "T=0.7 p=0.9 min_p=0.05";
  settings[4].options.min_p = 0.05;
  settings[5].name = "T=0.7 p=0.9 penalties/1000";
  settings[5].options.repetition_penalty = 1.1;
  settings[5].options.presence_penalty = 0.1;
  settings[5].history = 1000;
  settings[6].name = "T=0.7 p=0.9 logprobs=5";
  settings[6].options.logprobs = 5;

  for (const SimdLevel level : {SimdLevel::Avx512, SimdLevel::Avx2, SimdLevel::Portable}) {
    const VectorMath* math = vector_math(level);
    if (!math) continue;
    std::printf("%-28s", math->name);
    for (const auto& distribution : distributions)
      std::printf("%15s", distribution.first);
    std::printf("\n");
    for (const Setting& setting : settings) {
      std::printf("%-28s", setting.name);
      for (const auto& distribution : distributions)
        std::printf("%15.4f", median_ms(setting.options, setting.history, distribution.second, *math));
      std::printf("\n");
    }
  }
}
