#pragma once

#include "backend/context.h"
#include "backend/device.h"
#include "backend/weights.h"
#include "memory/memory-plan.h"

#include <llama.h>

#include <string>
#include <vector>

namespace verbatim {

/// A device, and a model's use of its memory.
struct DeviceUse {
  std::string name, description, backend;
  const char* type = ""; ///< cpu, gpu or integrated-gpu
  uint64_t total = 0;
  MemoryBudget budget; ///< before loading
  MemoryNeed need;
};

/// The memory a model takes or would take.
struct MemoryEstimate {
  bool fits = true;
  MemoryPlan plan; ///< the one taken; when none fits, the last one measured
  uint32_t context_size = 0;
  std::vector<DeviceUse> devices; ///< the CPU last
  std::vector<MemoryAttempt> attempts;
};

/// Returns the devices of the placement and the CPU, with the needs and budgets of an attempt.
std::vector<DeviceUse> device_uses(const Placement& placement, const MemoryAttempt& attempt);

/// Returns the free memory of each device of the placement and, last, of the CPU.
std::vector<MemoryBudget> memory_budgets(const Placement& placement);

/// Throws Error OutOfMemory for more cells than fit into this machine's memory by llama.cpp's bookkeeping
/// alone, which is allocated and touched even where needs are only measured.
void require_memory_for_cells(uint32_t cells);

/// Returns what a context and its model take of each device of the placement and, last, of the CPU.
std::vector<MemoryNeed> memory_needs(const llama_context* context, const Placement& placement);

/// Measures the needs of a plan without allocating them: llama.cpp goes through loading with empty buffers.
class MemoryMeter {
 public:
  /// Returns the options of the context for a plan.
  using ContextFor = std::function<ContextOptions(const llama_model*, const MemoryPlan&)>;

  MemoryMeter(std::string path, Placement placement, ContextFor context_for, const LogSink& log_sink);

  /// Returns the needs of each device, the CPU last. Throws Error for what the model or a device does not
  /// support.
  std::vector<MemoryNeed> measure(const MemoryPlan& plan);

 private:
  std::vector<MemoryNeed> measure_cells(const MemoryPlan& plan, uint32_t cells) const;

  const std::string path_;
  const Placement placement_;
  const ContextFor context_for_;
  const LogSink log_sink_;
  ModelWeights model_; ///< loaded without weights
  int32_t gpu_layers_ = 0;
};

} // namespace verbatim
