// Memory plans for made-up devices.

#include "memory/memory-plan.h"

#include "base/error.h"
#include "check.h"

#include <numeric>

using namespace verbatim;

namespace {

constexpr uint64_t megabyte = 1'000'000;
constexpr int32_t layers = 32;

/// 100 MB a layer, and cells of 100 KB in F16: 32 layers and 8192 cells take 3200 + 820 MB, and batches of
/// 512 50 MB.
struct FakeModel {
  uint64_t layer_bytes = 100 * megabyte;
  uint64_t cell_bytes = 100'000;
  uint64_t token_bytes = 100'000;
  int measured = 0;

  /// Returns the needs of one GPU and the CPU.
  std::vector<MemoryNeed> need(const MemoryPlan& plan) {
    ++measured;
    const uint64_t cache = plan.cache_size * cell_bytes / (plan.kv_cache_type == GGML_TYPE_Q8_0 ? 2 : 1);
    const auto on_gpu = static_cast<uint64_t>(plan.gpu_layers);
    MemoryNeed gpu, cpu;
    gpu.weights = on_gpu * layer_bytes;
    gpu.cache = cache * on_gpu / layers;
    gpu.compute = plan.batch_size * token_bytes;
    cpu.mapped = (layers - on_gpu) * layer_bytes;
    cpu.cache = cache - gpu.cache;
    return {gpu, cpu};
  }
};

const MemoryPlan desired{
    .gpu_layers = layers, .cache_size = 8192, .batch_size = 512, .kv_cache_type = GGML_TYPE_F16};
const MemoryLimits limits{.smaller_cache_type = GGML_TYPE_Q8_0,
                          .least_batch_size = 128,
                          .least_cache_size = 2048,
                          .least_gpu_layers = 0};

MemoryPlanner planner(FakeModel& model, uint64_t gpu_megabytes, MemoryLimits within = limits) {
  const MemoryBudget gpu{.free = gpu_megabytes * megabyte, .margin = 100 * megabyte, .address_space = {}};
  const MemoryBudget cpu{.free = 8000 * megabyte, .margin = 64 * megabyte, .address_space = {}};
  return {desired, within, {gpu, cpu}, [&](const MemoryPlan& plan) { return model.need(plan); }};
}

using Outcome = MemoryAttempt::Outcome;

} // namespace

TEST(memory_plan_takes_what_is_desired_where_it_fits) {
  FakeModel model;
  auto plans = planner(model, 5000);
  CHECK(plans.next() == desired);
  plans.succeeded(model.need(desired));
  CHECK_EQ(plans.attempts().size(), 1u);
  CHECK(plans.attempts()[0].outcome == Outcome::Taken);
  CHECK_EQ(plans.attempts()[0].needs[0].weights, 3200 * megabyte);
}

TEST(memory_plan_fits_with_the_margin_and_in_the_address_space) {
  const MemoryNeed need{.weights = 10, .mapped = 50, .cache = 20, .compute = 30};
  CHECK_EQ(need.allocated(), 60u);
  CHECK(fits(need, {.free = 65, .margin = 5, .address_space = {}}));
  CHECK(!fits(need, {.free = 64, .margin = 5, .address_space = {}}));
  CHECK(fits(need, {.free = 65, .margin = 5, .address_space = 115}));
  CHECK(!fits(need, {.free = 65, .margin = 5, .address_space = 114}));
}

TEST(memory_plan_reduces_type_then_batch_then_cells_then_layers) {
  // 3200 + 100 (margin) leave the rest for cache and batch.
  const auto chosen = [](uint64_t gpu_megabytes) {
    FakeModel model;
    return planner(model, gpu_megabytes).next();
  };
  auto expected = desired;
  CHECK(chosen(4171) == expected); // 819.2 + 51.2
  expected.kv_cache_type = GGML_TYPE_Q8_0;
  CHECK(chosen(4170) == expected);
  CHECK(chosen(3761) == expected); // 409.6 + 51.2
  expected.batch_size = 256;
  CHECK(chosen(3760) == expected);
  expected.batch_size = 128;
  CHECK(chosen(3724) == expected); // 409.6 + 12.8
  expected.cache_size = 4096;
  CHECK(chosen(3722) == expected);
  expected.cache_size = 2048;
  CHECK(chosen(3416) == expected); // 102.4 + 12.8
  expected.gpu_layers = 31;
  CHECK(chosen(3415) == expected);
  expected.gpu_layers = 1;
  CHECK(chosen(220) == expected);
  expected.gpu_layers = 0;
  CHECK(chosen(115) == expected); // the batch and the margin
  CHECK(!chosen(110));
}

TEST(memory_plan_keeps_what_was_asked_for) {
  FakeModel model;
  auto within = limits;
  within.smaller_cache_type.reset();
  within.least_batch_size = 512;
  within.least_cache_size = 8192;
  within.least_gpu_layers = layers;
  auto plans = planner(model, 4000, within);
  CHECK(!plans.next());
  CHECK_EQ(plans.attempts().size(), 1u);
  CHECK(plans.attempts()[0].outcome == Outcome::TooLarge);
  CHECK(plans.attempts()[0].plan == desired);
}

TEST(memory_plan_goes_on_after_a_failure_and_remembers_it) {
  FakeModel model;
  auto plans = planner(model, 5000);
  auto plan = plans.next();
  std::vector<MemoryPlan> tried;
  while (plan) {
    tried.push_back(*plan);
    plans.failed("no such luck");
    plan = plans.next();
  }
  // Type, twice the batch, twice the cells, and then layers down to none.
  CHECK(tried.front() == desired);
  CHECK_EQ(tried[5].cache_size, 2048u);
  CHECK_EQ(tried[5].gpu_layers, layers);
  CHECK_EQ(tried[6].gpu_layers, 28);
  CHECK_EQ(tried.back().gpu_layers, 0);
  for (size_t i = 1; i < tried.size(); ++i)
    CHECK(!(tried[i] == tried[i - 1]));
  CHECK_EQ(plans.attempts().size(), tried.size());
  for (const auto& attempt : plans.attempts()) {
    CHECK(attempt.outcome == Outcome::Failed);
    CHECK_EQ(attempt.reason, "no such luck");
  }
}

TEST(memory_plan_measures_few_times_however_many_layers) {
  FakeModel model;
  auto plans = planner(model, 1000);
  CHECK(plans.next().has_value());
  CHECK(model.measured < 14); // six before the layers, and a binary search
}

TEST(memory_plan_passes_over_what_cannot_be_done_but_says_so_of_the_desired_plan) {
  FakeModel model;
  const MemoryBudget budget{.free = 500 * megabyte, .margin = 0, .address_space = {}};
  const auto no_quantized_cache = [&](const MemoryPlan& plan) {
    if (plan.kv_cache_type == GGML_TYPE_Q8_0) throw Error(ErrorCode::InvalidOption, "not with this model");
    return model.need(plan);
  };
  MemoryPlan small = desired;
  small.gpu_layers = 0;
  MemoryPlanner plans(small, limits, {budget, budget}, no_quantized_cache);
  auto expected = small;
  expected.batch_size = 128;
  expected.cache_size = 4096;
  CHECK(plans.next() == expected);
  CHECK(plans.attempts()[0].outcome == Outcome::TooLarge);
  CHECK(plans.attempts()[1].outcome == Outcome::Unusable);
  CHECK_EQ(plans.attempts()[1].reason, "not with this model");

  small.kv_cache_type = GGML_TYPE_Q8_0;
  MemoryPlanner asked_for(small, limits, {budget, budget}, no_quantized_cache);
  CHECK_THROWS(asked_for.next());
}
