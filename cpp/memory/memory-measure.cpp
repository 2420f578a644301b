#include "memory/memory-measure.h"

#include "base/counted.h"
#include "base/error.h"
#include "memory/host-memory.h"

// Not yet part of llama.cpp's public interface.
#include <llama-ext.h>

#include <algorithm>

namespace verbatim {

namespace {

// For CUDA's pools and cuBLAS; llama.cpp's tools leave as much.
constexpr uint64_t gpu_margin = 1ULL << 30;
// For the stacks, tables and strings of this process.
constexpr uint64_t host_margin = 64ULL << 20;
// For the threads: stacks of 64 MiB, and an arena of the allocator for each.
constexpr uint64_t address_space_of_threads = 640ULL << 20;
// Size of an entry of llama.cpp's llama_kv_cells, besides keys and values.
constexpr uint64_t bytes_per_cell = 52;

} // namespace

std::vector<DeviceUse> device_uses(const Placement& placement, const MemoryAttempt& attempt) {
  auto devices = placement.devices();
  devices.push_back(ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU));
  std::vector<DeviceUse> uses;
  for (size_t i = 0; i < devices.size(); ++i) {
    ggml_backend_dev_props properties{};
    ggml_backend_dev_get_props(devices[i], &properties);
    const bool is_cpu = properties.type == GGML_BACKEND_DEVICE_TYPE_CPU;
    const bool is_integrated = properties.type == GGML_BACKEND_DEVICE_TYPE_IGPU;
    uses.push_back({.name = properties.name,
                    .description = properties.description,
                    .backend = ggml_backend_reg_name(ggml_backend_dev_backend_reg(devices[i])),
                    .type = is_cpu          ? "cpu"
                            : is_integrated ? "integrated-gpu"
                                            : "gpu",
                    .total = properties.memory_total,
                    .budget = i < attempt.budgets.size() ? attempt.budgets[i] : MemoryBudget{},
                    .need = i < attempt.needs.size() ? attempt.needs[i] : MemoryNeed{}});
  }
  return uses;
}

std::vector<MemoryBudget> memory_budgets(const Placement& placement) {
  std::vector<MemoryBudget> budgets;
  for (const auto device : placement.devices()) {
    size_t free = 0, total = 0;
    ggml_backend_dev_memory(device, &free, &total);
    budgets.push_back(
        {.free = free, .margin = std::min<uint64_t>(gpu_margin, total / 8), .address_space = {}});
  }
  auto host = host_memory();
  if (host.address_space) *host.address_space -= std::min(*host.address_space, address_space_of_threads);
  budgets.push_back({.free = host.free, .margin = host_margin, .address_space = host.address_space});
  return budgets;
}

void require_memory_for_cells(uint32_t cells) {
  const uint64_t needed = cells * bytes_per_cell;
  const uint64_t limit = host_memory().limit;
  if (needed <= limit) return;
  throw Error(ErrorCode::OutOfMemory,
              "a cache of " + counted(cells, "cell") + " needs more than " + counted(needed, "byte") +
                  " of memory, and the most there can be is " + counted(limit, "byte") +
                  "; use a smaller cacheSize or contextSize",
              {{"needed_bytes", static_cast<int64_t>(needed)}});
}

std::vector<MemoryNeed> memory_needs(const llama_context* context, const Placement& placement) {
  const auto& devices = placement.devices();
  std::vector<MemoryNeed> needs(devices.size() + 1);
  for (const auto& [type, memory] : llama_get_memory_breakdown(context)) {
    const bool is_host = ggml_backend_buft_is_host(type);
    const auto device = std::ranges::find(devices, ggml_backend_buft_get_device(type));
    // Weights in another order than the file's are a copy, on the CPU too.
    MemoryNeed& need = is_host || device == devices.end()
                           ? needs.back()
                           : needs[static_cast<size_t>(device - devices.begin())];
    (is_host ? need.mapped : need.weights) += memory.model;
    need.cache += memory.context;
    need.compute += memory.compute;
  }
  return needs;
}

MemoryMeter::MemoryMeter(std::string path, Placement placement, ContextFor context_for,
                         const LogSink& log_sink)
    : path_(std::move(path)), placement_(std::move(placement)), context_for_(std::move(context_for)),
      log_sink_(log_sink) {
}

std::vector<MemoryNeed> MemoryMeter::measure(const MemoryPlan& plan) {
  if (!model_ || gpu_layers_ != plan.gpu_layers) {
    auto params = placement_.model_params(plan.gpu_layers);
    params.no_alloc = true;
    params.load_mode = LLAMA_LOAD_MODE_NONE;
    model_.reset();
    model_ = load_weights(path_, params, log_sink_);
    gpu_layers_ = plan.gpu_layers;
  }
  // llama.cpp allocates its bookkeeping of the cells even with no_alloc; needs are linear in the cells.
  constexpr uint32_t most_cells = 1U << 20;
  if (plan.cache_size <= most_cells) return measure_cells(plan, plan.cache_size);
  auto needs = measure_cells(plan, most_cells);
  const auto half = measure_cells(plan, most_cells / 2);
  const double steps = (static_cast<double>(plan.cache_size) - most_cells) / (most_cells / 2.0);
  for (size_t i = 0; i < needs.size(); ++i)
    for (const auto part : {&MemoryNeed::cache, &MemoryNeed::compute})
      needs[i].*part += static_cast<uint64_t>(steps * static_cast<double>(needs[i].*part - half[i].*part));
  return needs;
}

std::vector<MemoryNeed> MemoryMeter::measure_cells(const MemoryPlan& plan, uint32_t cells) const {
  auto options = context_for_(model_.get(), plan);
  options.cells = cells;
  const Context context(model_.get(), options, nullptr, [] { return false; }, &log_sink_);
  return memory_needs(context.get(), placement_);
}

} // namespace verbatim
