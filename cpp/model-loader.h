#pragma once

#include "backend/context.h"
#include "backend/device.h"
#include "backend/rope-scaling.h"
#include "gguf/gguf-chat-templates.h"
#include "gguf/gguf-check.h"
#include "load-options.h"
#include "memory/memory-measure.h"
#include "memory/memory-plan.h"

#include <atomic>
#include <memory>
#include <string>
#include <vector>

namespace verbatim {

struct LoadedModel {
  ModelWeights weights;
  std::shared_ptr<CpuThreadPool> threads;
  std::unique_ptr<Context> context; ///< warmed up
  ContextOptions context_options;
};

/// Finds a plan that fits into memory, and loads weights and context by it.
class ModelLoader {
 public:
  /// Checks file and options. The options must outlive the loaded model. Throws Error.
  explicit ModelLoader(const LoadOptions& options);

  /// Loads the model. Throws Error: OutOfMemory when no plan fits, Cancelled when `cancelled` becomes true.
  /// @param should_abort asked while the context computes
  LoadedModel load(const LoadProgress& progress, const std::atomic<bool>& cancelled,
                   std::function<bool()> should_abort);

  /// Returns what load() would take, without loading anything.
  MemoryEstimate estimate();

  /// Returns what load() took, or what estimate() found.
  MemoryEstimate memory() const;
  /// Returns the most tokens of one request by a plan.
  uint32_t context_size(const MemoryPlan& plan) const { return std::min(context_size_, plan.cache_size); }
  const std::string& metadata_sha256() const { return metadata_sha256_; }
  const std::vector<NamedChatTemplate>& chat_templates() const { return chat_templates_; }
  uint32_t trained_context_size() const { return file_.trained_context_length; }
  /// Returns the scaling in effect; none for a model without RoPE.
  const std::optional<RopeScaling>& rope_scaling() const { return rope_scaling_; }

 private:
  void require_memory_to_compute(uint64_t bytes) const;
  MemoryPlan desired_plan() const;
  MemoryPlanner planner(bool may_reduce) const;
  bool obviously_fits() const;
  int32_t thread_count() const;
  ContextOptions context_options(const llama_model* model, const MemoryPlan& plan) const;
  ModelWeights load_weights(const MemoryPlan& plan, const LoadProgress& progress,
                            const std::atomic<bool>& cancelled) const;
  [[noreturn]] void fail() const;

  const LoadOptions& options_;
  std::string metadata_sha256_;
  std::vector<NamedChatTemplate> chat_templates_;
  GgufSummary file_;
  Placement placement_;
  std::vector<MemoryBudget> budgets_; ///< before loading
  std::optional<RopeScaling> rope_scaling_;
  uint32_t context_size_ = 0;
  std::unique_ptr<MemoryMeter> meter_;
  std::unique_ptr<MemoryPlanner> planner_;
};

} // namespace verbatim
