#include "prefill-pace.h"

#include <algorithm>

namespace verbatim {

namespace {

void blend(double& mean, double value) {
  mean = mean == 0 ? value : mean + (value - mean) / 8;
}

} // namespace

double PrefillPace::generation_ms(size_t generating) const {
  // Of the nearest number that is known: the time grows slowly with it.
  for (size_t distance = 0; distance < generation_ms_.size() + generating; ++distance) {
    const size_t more = generating + distance;
    if (more < generation_ms_.size() && generation_ms_[more] > 0) return generation_ms_[more];
    if (distance > generating) continue;
    const size_t fewer = generating - distance;
    if (fewer < generation_ms_.size() && generation_ms_[fewer] > 0) return generation_ms_[fewer];
  }
  return 0;
}

size_t PrefillPace::budget(size_t generating, size_t prefilling) const {
  if (generating == 0) return most_;
  const double step = generation_ms(generating);
  if (step == 0 || prompt_token_ms_ == 0) return std::min<size_t>(most_, 64); // nothing is known yet
  const double share =
      std::max(least_share, static_cast<double>(prefilling) / static_cast<double>(generating));
  return std::clamp(static_cast<size_t>(share * step / prompt_token_ms_), std::min(fewest, most_), most_);
}

void PrefillPace::record(size_t generating, size_t prompt_tokens, double milliseconds) {
  if (prompt_tokens == 0) {
    if (generation_ms_.size() <= generating) generation_ms_.resize(generating + 1);
    blend(generation_ms_[generating], milliseconds);
    return;
  }
  const double generation = generating == 0 ? 0 : generation_ms(generating);
  if (generating > 0 && generation == 0) return;
  blend(prompt_token_ms_,
        std::max(milliseconds - generation, milliseconds / 16) / static_cast<double>(prompt_tokens));
}

} // namespace verbatim
