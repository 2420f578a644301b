#include "engine/step-profile.h"

#include <utility>

namespace verbatim {

void StepProfile::start(size_t most) {
  const std::lock_guard lock(mutex_);
  noted_.clear();
  most_ = most;
  wanted_ = ++starts_;
}

std::vector<StepTimes> StepProfile::take() {
  const std::lock_guard lock(mutex_);
  wanted_ = 0;
  return std::exchange(noted_, {});
}

void StepProfile::count(size_t generating, size_t prompt_tokens, size_t drafted) {
  step_.generating += static_cast<uint32_t>(generating);
  step_.prompt_tokens += static_cast<uint32_t>(prompt_tokens);
  step_.drafted += static_cast<uint32_t>(drafted);
}

void StepProfile::end_turn() {
  const uint64_t wanted = wanted_.load(std::memory_order_relaxed);
  if (wanted == 0) {
    noting_ = 0;
    return;
  }
  const auto now = Clock::now();
  if (std::exchange(noting_, wanted) == wanted) {
    if (step_.generating + step_.prompt_tokens == 0) return;
    step_.total = std::chrono::duration<double, std::milli>(now - begun_).count();
    const std::lock_guard lock(mutex_);
    if (wanted_ == wanted && noted_.size() < most_) noted_.push_back(step_);
  }
  step_ = {};
  begun_ = now;
}

} // namespace verbatim
