#include "model-loader.h"

#include "backend/memory-kind.h"
#include "backend/weights.h"
#include "base/counted.h"
#include "base/sha256.h"
#include "cache/prefix-cache.h"
#include "gguf/gguf-reader.h"

#include <algorithm>

namespace verbatim {

namespace {

constexpr uint32_t default_context_limit = 8192;
// Most tokens of one decode: enough to keep the processor busy, few enough not to hold up streams for long.
constexpr uint32_t batch_tokens = 512;
// Limits of reduction, unless the options ask for more.
constexpr uint32_t least_batch_tokens = 128;
constexpr uint32_t least_context_size = 2048;

void require(bool condition, const char* option, const std::string& message) {
  if (!condition) throw Error(ErrorCode::InvalidOption, message, {{"path", option}});
}

std::string megabytes(uint64_t bytes) {
  return std::to_string((bytes + 999'999) / 1'000'000) + " MB";
}

} // namespace

ModelLoader::ModelLoader(const LoadOptions& options) : options_(options) {
  const auto metadata = GgufMetadata::read(options_.path);
  file_ = check_gguf(metadata);
  metadata_sha256_ = sha256(metadata.raw());
  chat_templates_ = verbatim::chat_templates(metadata);
  if (options_.gpu_layers != 0) placement_ = Placement::choose(options_.devices);
  require(options_.gpu_layers <= 0 || !placement_.devices().empty(), "gpuLayers",
          "gpuLayers is " + std::to_string(options_.gpu_layers) +
              ", but there is no GPU that this build can use; leave it out, or install or build the "
              "backend of the GPU");

  const uint32_t trained = file_.trained_context_length;
  rope_scaling_ = verbatim::rope_scaling(file_, options_.rope_scaling);
  const uint32_t longest = rope_scaling_ ? rope_scaling_->longest_context : trained;
  context_size_ = options_.context_size ? options_.context_size : std::min(longest, default_context_limit);
  require(context_size_ <= longest, "contextSize", too_long(context_size_, trained, rope_scaling_));
  require(!options_.cache_size || options_.cache_size >= context_size_, "cacheSize",
          "cacheSize " + std::to_string(options_.cache_size) + " is smaller than contextSize " +
              std::to_string(context_size_) + ": a single request of full length would not fit");

  require_memory_for_cells(desired_plan().cache_size);
  budgets_ = memory_budgets(placement_);
  require_memory_to_compute(16 * metadata.raw().size());
  meter_ = std::make_unique<MemoryMeter>(
      options_.path, placement_,
      [this](const llama_model* model, const MemoryPlan& plan) { return context_options(model, plan); },
      options_.on_log);
  planner_ = std::make_unique<MemoryPlanner>(planner(options_.on_out_of_memory == OnOutOfMemory::Fit));
}

/// Throws Error OutOfMemory without room for a vocabulary and graphs, for want of which llama.cpp ends the
/// process, even when it only measures.
void ModelLoader::require_memory_to_compute(uint64_t bytes) const {
  const auto& budget = budgets_.back();
  const auto [needed, free] = balance({.weights = bytes}, budget);
  if (fits({.weights = bytes}, budget)) return;
  throw Error(ErrorCode::OutOfMemory,
              "no memory to read this model: " + megabytes(needed) + " needed, " + megabytes(free) +
                  " free; free some, or raise the limits of the process",
              {{"needed_bytes", static_cast<int64_t>(needed)}});
}

MemoryPlan ModelLoader::desired_plan() const {
  const auto layers = static_cast<int32_t>(file_.layer_count) + 1;
  MemoryPlan plan;
  if (!placement_.devices().empty())
    plan.gpu_layers = options_.gpu_layers < 0 ? layers : std::min(options_.gpu_layers, layers);
  plan.cache_size = whole_blocks(options_.cache_size ? options_.cache_size : context_size_);
  plan.batch_size = std::max(batch_tokens, options_.max_sequences);
  plan.kv_cache_type = options_.kv_cache_type.value_or(GGML_TYPE_F16);
  return plan;
}

/// @param may_reduce false: only layers on GPUs may be reduced
MemoryPlanner ModelLoader::planner(bool may_reduce) const {
  const MemoryPlan plan = desired_plan();
  MemoryLimits limits{.smaller_cache_type = {},
                      .least_batch_size = plan.batch_size,
                      .least_cache_size = plan.cache_size,
                      .least_gpu_layers = std::max(0, options_.gpu_layers)};
  if (may_reduce) {
    // A quantized cache needs flash attention.
    if (!options_.kv_cache_type && options_.flash_attention != LLAMA_FLASH_ATTN_TYPE_DISABLED)
      limits.smaller_cache_type = GGML_TYPE_Q8_0;
    limits.least_batch_size = std::max(least_batch_tokens, options_.max_sequences);
    limits.least_cache_size =
        whole_blocks(options_.context_size ? context_size_ : std::min(context_size_, least_context_size));
  }
  return {plan, limits, budgets_, [this](const MemoryPlan& each) { return meter_->measure(each); }};
}

/// True when the model obviously fits on the CPU. Saves measuring, which reads the file twice.
bool ModelLoader::obviously_fits() const {
  if (!placement_.devices().empty()) return false;
  const auto plan = desired_plan();
  const auto& budget = budgets_.back();
  const uint64_t width = file_.embedding_length;
  const uint64_t cache = 4 * width * file_.layer_count * plan.cache_size * ggml_type_size(plan.kv_cache_type);
  // Activations, logits, and attention's scores of tokens and cells.
  const uint64_t compute = 256 * width * plan.batch_size + 64ULL * file_.vocab_size * options_.max_sequences +
                           256ULL * plan.cache_size * plan.batch_size;
  return !budget.address_space && 2 * (file_.tensor_bytes + cache + compute) < budget.free;
}

int32_t ModelLoader::thread_count() const {
  return options_.threads ? options_.threads : default_cpu_threads();
}

ContextOptions ModelLoader::context_options(const llama_model* model, const MemoryPlan& plan) const {
  PrefixCache::Limits cache;
  cache.running = static_cast<int32_t>(options_.max_sequences);
  cache.sharing = !why_not_shareable(model);
  ContextOptions context;
  context.cells = plan.cache_size;
  context.sequences = static_cast<uint32_t>(cache.ids());
  context.batch_tokens = plan.batch_size;
  context.threads = thread_count();
  context.flash_attention = options_.flash_attention;
  context.kv_cache_type = plan.kv_cache_type;
  context.rope_scaling = rope_scaling_;
  return context;
}

ModelWeights ModelLoader::load_weights(const MemoryPlan& plan, const LoadProgress& progress,
                                       const std::atomic<bool>& cancelled) const {
  struct Watch {
    const LoadProgress& progress;
    const std::atomic<bool>& cancelled;
  } watch{progress, cancelled};
  auto params = placement_.model_params(plan.gpu_layers);
  params.load_mode = LLAMA_LOAD_MODE_MMAP;
  params.progress_callback = [](float fraction, void* data) {
    const auto& watch = *static_cast<const Watch*>(data);
    // 1 is reported when the context exists.
    watch.progress(std::min(0.99, static_cast<double>(fraction)));
    return !watch.cancelled.load(std::memory_order_relaxed);
  };
  params.progress_callback_user_data = &watch;
  return verbatim::load_weights(options_.path, params, options_.on_log);
}

LoadedModel ModelLoader::load(const LoadProgress& progress, const std::atomic<bool>& cancelled,
                              std::function<bool()> should_abort) {
  LoadedModel loaded;
  loaded.threads = std::make_shared<CpuThreadPool>(thread_count());
  int32_t layers_of_weights = 0;
  auto plan = obviously_fits() ? planner_->take_unmeasured() : planner_->next();
  for (; plan; plan = planner_->next()) {
    try {
      if (!loaded.weights || layers_of_weights != plan->gpu_layers) {
        loaded.weights.reset();
        loaded.weights = load_weights(*plan, progress, cancelled);
        layers_of_weights = plan->gpu_layers;
      }
      loaded.context_options = context_options(loaded.weights.get(), *plan);
      loaded.context = std::make_unique<Context>(loaded.weights.get(), loaded.context_options, loaded.threads,
                                                 should_abort, &options_.on_log);
      loaded.context->warm_up(!placement_.devices().empty());
      if (cancelled) throw Error(ErrorCode::Cancelled, "loading was cancelled");
      planner_->succeeded(memory_needs(loaded.context->get(), placement_));
      return loaded;
    } catch (const Error& error) {
      if (cancelled) throw Error(ErrorCode::Cancelled, "loading was cancelled");
      loaded.context.reset();
      if (error.code() != ErrorCode::OutOfMemory) throw;
      planner_->failed(error.what());
    }
  }
  fail();
}

MemoryEstimate ModelLoader::estimate() {
  if (planner_->next()) planner_->succeeded(planner_->needs());
  return memory();
}

MemoryEstimate ModelLoader::memory() const {
  MemoryEstimate estimate;
  estimate.attempts = planner_->attempts();
  const auto& last = estimate.attempts.back();
  estimate.fits = last.outcome == MemoryAttempt::Outcome::Taken;
  estimate.plan = last.plan;
  estimate.context_size = context_size(last.plan);
  estimate.devices = device_uses(placement_, last);
  return estimate;
}

void ModelLoader::fail() const {
  const bool fit = options_.on_out_of_memory == OnOutOfMemory::Fit;
  const auto smaller = fit ? std::nullopt : planner(true).next();
  const auto& attempts = planner_->attempts();
  // The desired plan, or the last one tried.
  const auto& attempt = fit ? attempts.back() : attempts.front();
  std::string message = "this model does not fit into memory: " + attempt.reason;
  std::vector<Error::Record> devices;
  uint64_t total = 0;
  for (size_t i = 0; const auto& use : device_uses(placement_, attempt)) {
    if (i++ >= attempt.needs.size()) break; // not measured
    const auto [needed, free] = balance(use.need, use.budget);
    total += needed;
    message += "; " + use.name + ": " + megabytes(needed) + " needed, " + megabytes(free) + " free";
    devices.push_back({{"name", use.name},
                       {"needed_bytes", static_cast<int64_t>(needed)},
                       {"free_bytes", static_cast<int64_t>(free)}});
  }
  message +=
      smaller ? "; a smaller plan would: leave onOutOfMemory out, or pass its values"
              : "; use a smaller cacheSize, contextSize or kvCacheType, fewer gpuLayers, or a smaller model";
  Error::Fields fields{{"needed_bytes", static_cast<int64_t>(total)}, {"devices", std::move(devices)}};
  if (smaller)
    fields.emplace_back("would_fit", std::vector<Error::Record>{{
                                         {"gpu_layers", int64_t{smaller->gpu_layers}},
                                         {"context_size", int64_t{context_size(*smaller)}},
                                         {"cache_size", int64_t{smaller->cache_size}},
                                         {"kv_cache_type", ggml_type_name(smaller->kv_cache_type)},
                                     }});
  throw Error(ErrorCode::OutOfMemory, message, std::move(fields));
}

} // namespace verbatim
