#include "memory/memory-plan.h"

#include "base/error.h"

#include <algorithm>

namespace verbatim {

MemoryBalance balance(const MemoryNeed& need, const MemoryBudget& budget) {
  const uint64_t allocated = need.allocated() + budget.margin;
  const uint64_t mapped_too = allocated + need.mapped;
  if (budget.address_space && mapped_too > *budget.address_space) return {mapped_too, *budget.address_space};
  return {allocated, budget.free};
}

bool fits(const MemoryNeed& need, const MemoryBudget& budget) {
  const auto [needed, free] = balance(need, budget);
  return needed <= free;
}

MemoryPlanner::MemoryPlanner(MemoryPlan desired, MemoryLimits limits, std::vector<MemoryBudget> budgets,
                             Measure measure)
    : plan_(desired), limits_(limits), budgets_(std::move(budgets)), measure_(std::move(measure)) {
}

std::optional<MemoryPlan> MemoryPlanner::next() {
  // A plan that was handed out before has failed.
  bool untried = !handed_out_;
  for (MemoryPlan before = plan_; untried || reduce(); before = plan_) {
    untried = false;
    if (measured_to_fit(plan_)) {
      handed_out_ = true;
      return plan_;
    }
    if (attempts_.back().outcome != MemoryAttempt::Outcome::Unusable) continue;
    // Not every model can have a smaller type of cache; the other steps are possible with all.
    limits_.smaller_cache_type.reset();
    plan_ = before;
  }
  // Nothing is left to reduce but the layers. Fewer of them never need more memory on a GPU.
  int32_t most = plan_.gpu_layers - 1;
  if (handed_out_) most = plan_.gpu_layers - std::max(1, plan_.gpu_layers / 8);
  std::optional<MemoryPlan> found;
  for (int32_t least = limits_.least_gpu_layers; least <= most;) {
    MemoryPlan plan = plan_;
    plan.gpu_layers = least + (most - least + 1) / 2;
    if (measured_to_fit(plan)) {
      found = plan;
      least = plan.gpu_layers + 1;
    } else {
      most = plan.gpu_layers - 1;
    }
  }
  if (!found) return std::nullopt;
  plan_ = *found;
  handed_out_ = true;
  return found;
}

MemoryPlan MemoryPlanner::take_unmeasured() {
  handed_out_ = true;
  return plan_;
}

void MemoryPlanner::succeeded(std::vector<MemoryNeed> needs) {
  attempts_.push_back({plan_, std::move(needs), budgets_, MemoryAttempt::Outcome::Taken, ""});
}

void MemoryPlanner::failed(const std::string& reason) {
  attempts_.push_back({plan_, needs_, budgets_, MemoryAttempt::Outcome::Failed, reason});
}

bool MemoryPlanner::reduce() {
  if (limits_.smaller_cache_type && plan_.kv_cache_type != *limits_.smaller_cache_type) {
    plan_.kv_cache_type = *limits_.smaller_cache_type;
    return true;
  }
  for (auto [value, least] : {std::pair{&plan_.batch_size, limits_.least_batch_size},
                              std::pair{&plan_.cache_size, limits_.least_cache_size}}) {
    if (*value <= least) continue;
    *value = std::max(*value / 2, least);
    return true;
  }
  return false;
}

bool MemoryPlanner::measured_to_fit(const MemoryPlan& plan) {
  MemoryAttempt attempt{plan, {}, budgets_, MemoryAttempt::Outcome::TooLarge, ""};
  bool fit = false;
  try {
    attempt.needs = measure_(plan);
    fit = true;
    for (size_t i = 0; i < attempt.needs.size(); ++i)
      fit = fit && fits(attempt.needs[i], budgets_[i]);
    attempt.reason = "it needs more memory than there is";
  } catch (const Error& error) {
    // An unsupported desired plan is the caller's error; an unsupported smaller one is passed over.
    const bool too_large = error.code() == ErrorCode::OutOfMemory;
    if (attempts_.empty() && !too_large) throw;
    attempt.outcome = too_large ? MemoryAttempt::Outcome::TooLarge : MemoryAttempt::Outcome::Unusable;
    attempt.reason = error.what();
  }
  if (fit)
    needs_ = std::move(attempt.needs);
  else
    attempts_.push_back(std::move(attempt));
  return fit;
}

} // namespace verbatim
