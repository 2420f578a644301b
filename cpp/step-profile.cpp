#include "step-profile.h"

#include <utility>

namespace verbatim {

void StepProfile::start(size_t most) {
  const std::lock_guard lock(mutex_);
  noted_.clear();
  noted_.reserve(most);
  most_ = most;
  wanted_ = true;
}

std::vector<StepTimes> StepProfile::take() {
  const std::lock_guard lock(mutex_);
  wanted_ = false;
  return std::exchange(noted_, {});
}

void StepProfile::count(size_t generating, size_t prompt_tokens, size_t drafted) {
  step_.generating += static_cast<uint32_t>(generating);
  step_.prompt_tokens += static_cast<uint32_t>(prompt_tokens);
  step_.drafted += static_cast<uint32_t>(drafted);
}

void StepProfile::end_turn() {
  if (!wanted_.load(std::memory_order_relaxed)) {
    noting_ = false;
    return;
  }
  const auto now = Clock::now();
  if (std::exchange(noting_, true)) {
    if (step_.generating + step_.prompt_tokens == 0) return;
    step_.total = std::chrono::duration<double, std::milli>(now - begun_).count();
    const std::lock_guard lock(mutex_);
    if (wanted_ && noted_.size() < most_) noted_.push_back(step_);
  }
  step_ = {};
  begun_ = now;
}

} // namespace verbatim
