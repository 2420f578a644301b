#pragma once

#include <ggml.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace verbatim {

/// The choices that decide how much memory a model takes.
struct MemoryPlan {
  int32_t gpu_layers = 0; ///< layers on GPUs, the output counted as one
  uint32_t cache_size = 0;
  uint32_t batch_size = 0;
  ggml_type kv_cache_type = GGML_TYPE_F16;

  bool operator==(const MemoryPlan&) const = default;
};

/// Bytes that a model needs of one device.
struct MemoryNeed {
  uint64_t weights = 0; ///< copied there
  uint64_t mapped = 0;  ///< weights that stay in the mapped file, which the system can drop and read again
  uint64_t cache = 0;
  uint64_t compute = 0; ///< intermediate results

  uint64_t allocated() const { return weights + cache + compute; }
};

/// Bytes that a device has for a model.
struct MemoryBudget {
  uint64_t free = 0;
  uint64_t margin = 0; ///< part of `free` that is left unused
  /// Free address space of the process, which mapped weights take too. None: not limited.
  std::optional<uint64_t> address_space;
};

/// Bytes needed (with margin) and bytes free, of the scarcer of memory and address space.
struct MemoryBalance {
  uint64_t needed, free;
};
MemoryBalance balance(const MemoryNeed& need, const MemoryBudget& budget);
bool fits(const MemoryNeed& need, const MemoryBudget& budget);

/// Limits to which a plan may be reduced, in this order: cache type, batch, cells, layers.
struct MemoryLimits {
  std::optional<ggml_type> smaller_cache_type; ///< none: the type stays
  uint32_t least_batch_size = 0;
  uint32_t least_cache_size = 0;
  int32_t least_gpu_layers = 0;
};

/// A plan that was tried, and its outcome.
struct MemoryAttempt {
  enum class Outcome {
    Taken,
    TooLarge, ///< needs more than there is, by measure
    Failed,   ///< an allocation failed
    Unusable, ///< not supported by the model or a device
  };
  MemoryPlan plan;
  std::vector<MemoryNeed> needs; ///< of each device; empty: not measured
  std::vector<MemoryBudget> budgets;
  Outcome outcome = Outcome::TooLarge;
  std::string reason; ///< empty when taken
};

/// Finds plans that fit, the largest first.
class MemoryPlanner {
 public:
  /// Returns the needs of each device, always in the same order. Throws Error for what is not supported.
  using Measure = std::function<std::vector<MemoryNeed>(const MemoryPlan&)>;

  MemoryPlanner(MemoryPlan desired, MemoryLimits limits, std::vector<MemoryBudget> budgets, Measure measure);

  /// Returns the largest plan that fits by measure and has not been handed out. None: not even the smallest
  /// fits.
  std::optional<MemoryPlan> next();
  /// Returns the desired plan without measuring it: for a model that is tiny beside the free memory.
  MemoryPlan take_unmeasured();

  /// Returns the needs of the plan handed out last; empty: not measured.
  const std::vector<MemoryNeed>& needs() const { return needs_; }
  /// Records that the plan handed out last was taken.
  void succeeded(std::vector<MemoryNeed> needs);
  /// Records that the plan handed out last failed to load.
  void failed(const std::string& reason);

  /// Returns all plans measured or tried, in order.
  const std::vector<MemoryAttempt>& attempts() const { return attempts_; }

 private:
  /// Reduces the plan by one step, layers excepted. False at the smallest.
  bool reduce();
  /// Measures a plan, and records it as an attempt unless it fits.
  bool measured_to_fit(const MemoryPlan& plan);

  MemoryPlan plan_;
  MemoryLimits limits_;
  const std::vector<MemoryBudget> budgets_;
  const Measure measure_;
  bool handed_out_ = false;
  std::vector<MemoryNeed> needs_;
  std::vector<MemoryAttempt> attempts_;
};

} // namespace verbatim
