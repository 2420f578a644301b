#pragma once

#include "backend/context.h"
#include "backend/device.h"
#include "backend/weights.h"
#include "memory/memory-plan.h"

#include <llama.h>

#include <string>
#include <vector>

namespace verbatim {

/// A device, and what a model takes of it.
struct DeviceUse {
  std::string name, description, backend;
  const char* type = ""; ///< cpu, gpu or integrated-gpu
  uint64_t total = 0;
  MemoryBudget budget; ///< before loading
  MemoryNeed need;
};

/// How a model fits into memory.
struct MemoryEstimate {
  bool fits = true;
  MemoryPlan plan; ///< that was taken; where none fits, the last one that was computed
  uint32_t context_size = 0;
  std::vector<DeviceUse> devices; ///< the CPU is the last one
  std::vector<MemoryAttempt> attempts;
};

/// The devices of the placement and the CPU, with the needs and budgets of an attempt.
std::vector<DeviceUse> device_uses(const Placement& placement, const MemoryAttempt& attempt);

/// What there is on each device of the placement, in its order, and at the end on the CPU.
std::vector<MemoryBudget> memory_budgets(const Placement& placement);

/// Refuses more cells than this machine could ever keep account of: llama.cpp touches memory for each of them
/// until the system ends the process. Throws Error OutOfMemory.
void require_memory_for_cells(uint32_t cells);

/// What a context and its model take there.
std::vector<MemoryNeed> memory_needs(const llama_context* context, const Placement& placement);

/// Computes needs without allocating them: llama.cpp goes through the motions of loading with buffers of no
/// size.
class MemoryMeter {
 public:
  /// The context that a plan would be given.
  using ContextFor = std::function<ContextOptions(const llama_model*, const MemoryPlan&)>;

  MemoryMeter(std::string path, Placement placement, ContextFor context_for, const LogSink& log_sink);

  /// Throws Error for what this model or these devices cannot do.
  std::vector<MemoryNeed> measure(const MemoryPlan& plan);

 private:
  std::vector<MemoryNeed> measure_cells(const MemoryPlan& plan, uint32_t cells) const;

  const std::string path_;
  const Placement placement_;
  const ContextFor context_for_;
  const LogSink log_sink_;
  ModelWeights model_; ///< without weights
  int32_t gpu_layers_ = 0;
};

} // namespace verbatim
