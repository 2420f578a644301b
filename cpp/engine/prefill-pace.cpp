#include "engine/prefill-pace.h"

#include <algorithm>

namespace verbatim {

namespace {

// Above 0, which means unknown, whatever the clock says.
constexpr double shortest_step_ms = 1e-6;

void blend(double& mean, double value) {
  mean = mean == 0 ? value : mean + (value - mean) / 8;
}

} // namespace

double PrefillPace::generation_ms(size_t generating) const {
  // The time of the nearest known number of sequences: it grows slowly with them.
  for (size_t distance = 0; distance < generation_ms_.size() + generating; ++distance) {
    const size_t more = generating + distance;
    if (more < generation_ms_.size() && generation_ms_[more] > 0) return generation_ms_[more];
    if (distance > generating) continue;
    const size_t fewer = generating - distance;
    if (fewer < generation_ms_.size() && generation_ms_[fewer] > 0) return generation_ms_[fewer];
  }
  return 0;
}

double PrefillPace::share(const Demand& demand) {
  return 2 * demand.prefilling >= demand.disturbed ? share_of_many : share_of_few;
}

PrefillPace::Budget PrefillPace::budget(const Demand& demand) const {
  if (demand.disturbed == 0) return {most_};
  const double step = generation_ms(demand.generating);
  if (step == 0) return {0};                                       // a step without prompts will tell
  if (prompt_token_ms_ == 0) return {std::min<size_t>(most_, 64)}; // nothing is known yet
  if (debt_ms_ > 0) return {0};
  const auto affordable = static_cast<size_t>(share(demand) * step / prompt_token_ms_);
  if (demand.depth < deep) return {std::clamp(affordable, std::min(fewest, most_), most_)};
  const size_t pieces = std::max<size_t>(1, affordable / deep_piece);
  return {std::min(pieces * deep_piece, most_), true};
}

void PrefillPace::record(const Demand& demand, size_t generated, size_t prompt_tokens, double milliseconds) {
  if (prompt_tokens == 0) {
    if (generation_ms_.size() <= generated) generation_ms_.resize(generated + 1);
    blend(generation_ms_[generated], std::max(milliseconds, shortest_step_ms));
  }
  const double generation = generated == 0 ? 0 : generation_ms(generated);
  if (prompt_tokens > 0 && (generated == 0 || generation > 0)) {
    // Timers are not exact: what is added is never nothing.
    const double added = std::max(milliseconds - generation, milliseconds / 16);
    blend(prompt_token_ms_, added / static_cast<double>(prompt_tokens));
    debt_ms_ += added;
  }
  if (demand.disturbed == 0 || demand.prefilling == 0)
    debt_ms_ = 0; // no stream to repay, or no prompt that owes
  else {
    const double step = share(demand) * generation_ms(demand.generating);
    if (generated > 0) debt_ms_ -= step;
    debt_ms_ = std::clamp(debt_ms_, 0.0, static_cast<double>(longest_wait - 1) * step);
  }
}

} // namespace verbatim
