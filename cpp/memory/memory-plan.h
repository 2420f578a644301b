#pragma once

#include <ggml.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace verbatim {

/// What decides how much memory a model takes, beside the model itself.
struct MemoryPlan {
  int32_t gpu_layers = 0; ///< of the model's layers and its output, which counts as one
  uint32_t cache_size = 0;
  uint32_t batch_size = 0;
  ggml_type kv_cache_type = GGML_TYPE_F16;

  bool operator==(const MemoryPlan&) const = default;
};

/// Bytes that a model takes on one device.
struct MemoryNeed {
  uint64_t weights = 0; ///< that are copied there
  uint64_t mapped = 0;  ///< weights that stay in the file, which the system can drop and read again
  uint64_t cache = 0;
  uint64_t compute = 0; ///< intermediate results

  uint64_t allocated() const { return weights + cache + compute; }
};

/// What a device has for it.
struct MemoryBudget {
  uint64_t free = 0;
  uint64_t margin = 0; ///< of that is left alone
  /// Of the process's address space, mapped weights included. None: not limited.
  std::optional<uint64_t> address_space;
};

/// What decides whether a need can be met: bytes needed, the margin included, and bytes that there are. Of
/// the address space where that is what is short.
struct MemoryBalance {
  uint64_t needed, free;
};
MemoryBalance balance(const MemoryNeed& need, const MemoryBudget& budget);
bool fits(const MemoryNeed& need, const MemoryBudget& budget);

/// How far a plan may be reduced, in this order: the type of the cache, the batch, the cells, the layers.
struct MemoryLimits {
  std::optional<ggml_type> smaller_cache_type; ///< none: the type stays
  uint32_t least_batch_size = 0;
  uint32_t least_cache_size = 0;
  int32_t least_gpu_layers = 0;
};

/// One plan, and what came of it.
struct MemoryAttempt {
  enum class Outcome {
    Taken,
    TooLarge, ///< needs more than there is, by computation
    Failed,   ///< an allocation failed
    Unusable, ///< the model or the device cannot do this
  };
  MemoryPlan plan;
  std::vector<MemoryNeed> needs; ///< of each device; empty where nothing was computed
  std::vector<MemoryBudget> budgets;
  Outcome outcome = Outcome::TooLarge;
  std::string reason; ///< in words, unless it was taken
};

/// Finds plans that fit, the largest first.
class MemoryPlanner {
 public:
  /// What a plan needs of each device, the order of which stays. Throws Error for what cannot be done.
  using Measure = std::function<std::vector<MemoryNeed>(const MemoryPlan&)>;

  MemoryPlanner(MemoryPlan desired, MemoryLimits limits, std::vector<MemoryBudget> budgets, Measure measure);

  /// The largest plan that is no larger than the last one and fits by computation. None: not even the
  /// smallest.
  std::optional<MemoryPlan> next();
  /// Takes the wish without computing it: for a model that is tiny beside the memory there is.
  MemoryPlan take_unmeasured();

  /// What the plan that was handed out last needs; empty where that was not computed.
  const std::vector<MemoryNeed>& needs() const { return needs_; }
  /// What came of it.
  void succeeded(std::vector<MemoryNeed> needs);
  void failed(const std::string& reason);

  /// Everything that was computed or tried, in order.
  const std::vector<MemoryAttempt>& attempts() const { return attempts_; }

 private:
  /// Takes one step down without touching the layers. False at the last.
  bool reduce();
  /// Computes it and notes it down.
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
