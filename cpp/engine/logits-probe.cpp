#include "engine/logits-probe.h"

#include "base/error.h"

#include <algorithm>
#include <chrono>
#include <vector>

namespace verbatim {

namespace {

using Clock = std::chrono::steady_clock;

// Rounds of each kind alternate, so that a slow moment of the machine affects all of them.
constexpr size_t rounds = 3;

double milliseconds(Clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

double median(std::vector<double>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

LogitsProbe::Step decode(Decoder& decoder, const std::vector<BatchToken>& batch) {
  const auto begun = Clock::now();
  if (decoder.decode(batch) != DecodeStatus::Ok)
    throw Error(ErrorCode::DecodeFailed, "llama.cpp could not compute a step of the probe");
  const auto submitted = Clock::now();
  decoder.synchronize();
  return {milliseconds(submitted - begun), milliseconds(Clock::now() - submitted)};
}

void compute_prefix(Decoder& decoder, const LogitsProbeOptions& options) {
  std::vector<BatchToken> batch;
  for (size_t at = 0; at < options.depth; at += batch.size()) {
    batch.clear();
    for (size_t i = at; i < std::min(options.depth, at + options.batch_tokens); ++i)
      batch.push_back({static_cast<Token>(i % 100), static_cast<int32_t>(i), 0, false});
    decode(decoder, batch);
  }
  for (int32_t sequence = 1; sequence < options.sequences; ++sequence)
    decoder.share(0, sequence, 0, static_cast<int32_t>(options.depth));
}

struct Samples {
  int32_t outputs; ///< sequences whose logits are wanted
  std::vector<double> submit, wait;
};

void measure(Decoder& decoder, const LogitsProbeOptions& options, Samples& samples) {
  const auto depth = static_cast<int32_t>(options.depth);
  std::vector<BatchToken> batch(static_cast<size_t>(options.sequences));
  for (size_t step = 0; step < options.warm_up + options.steps; ++step) {
    for (int32_t i = 0; i < options.sequences; ++i)
      batch[static_cast<size_t>(i)] = {static_cast<Token>(i), depth + static_cast<int32_t>(step), i,
                                       i < samples.outputs};
    const auto time = decode(decoder, batch);
    if (step < options.warm_up) continue;
    samples.submit.push_back(time.submit);
    samples.wait.push_back(time.wait);
  }
  for (int32_t i = 0; i < options.sequences; ++i)
    decoder.truncate(i, depth);
}

} // namespace

LogitsProbe probe_logits(Decoder& decoder, const LogitsProbeOptions& options) {
  decoder.clear_all();
  compute_prefix(decoder, options);
  Samples all{options.sequences, {}, {}}, one{1, {}, {}}, none{0, {}, {}};
  for (size_t round = 0; round < rounds; ++round)
    for (Samples* samples : {&all, &one, &none})
      measure(decoder, options, *samples);
  decoder.clear_all();
  const auto step = [](Samples& samples) {
    return LogitsProbe::Step{median(samples.submit), median(samples.wait)};
  };
  return {step(all), step(one), step(none)};
}

} // namespace verbatim
