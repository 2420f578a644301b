#pragma once

#include "backend/context.h"
#include "base/task-pool.h"
#include "engine/engine.h"
#include "engine/logits-probe.h"
#include "load-options.h"
#include "memory/memory-measure.h"
#include "prompt/chat-templates.h"
#include "prompt/prompt.h"
#include "prompt/tokenizer.h"

#include <llama.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace verbatim {

struct ModelInfo {
  std::string path, description, architecture;
  std::optional<std::string> name;
  uint64_t parameters = 0, size_bytes = 0;
  uint32_t vocabulary_size = 0, layers = 0, embedding_length = 0, trained_context_size = 0;
  uint32_t context_size = 0, cache_size = 0, max_sequences = 0, batch_size = 0;
  uint32_t max_queue = 0, prefix_cache_size = 0;
  std::optional<std::string> no_prefix_sharing; ///< the reason when requests cannot share prefixes
  int32_t threads = 0;
  std::optional<std::string> chat_template;
  std::vector<std::pair<std::string, std::string>> chat_templates; ///< names and hashes of those in the file
  std::optional<RopeScaling> rope_scaling;                         ///< none: a model without RoPE
  std::string metadata_sha256;                                     ///< of the file up to the weights
  SpecialTokenTexts special_tokens;
  MemoryEstimate memory; ///< what it takes
};

/// A loaded model: weights, context, engine thread, and the pool that renders and tokenizes.
class Model {
 public:
  /// Loads a model and blocks until it is ready. Throws Error: Cancelled when `cancelled` becomes true.
  static std::shared_ptr<Model> load(LoadOptions options, const LoadProgress& progress,
                                     const std::atomic<bool>& cancelled);
  ~Model();

  const ModelInfo& info() const { return info_; }
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  EngineStatus status() const { return engine_->status(); }

  /// Renders and tokenizes. Throws Error. Thread-safe.
  Prompt prepare(const RenderInput& input, const ControlTokenPolicy& policy) const;

  /// Starts a request. Failures end the inference; nothing is thrown.
  std::shared_ptr<Inference> generate(RenderInput input, ControlTokenPolicy policy, GenerateOptions options,
                                      Inference::Listener listener);
  void cancel(Inference& inference);

  /// Returns the profile of the engine's steps, for benchmarks.
  StepProfile& step_profile() { return engine_->profile(); }
  /// Runs a task as Engine::when_idle() does, for probe_logits().
  void when_idle(Engine::IdleTask task) { engine_->when_idle(std::move(task)); }
  /// Measures the cost of logits. Throws Error, and sets `decoder` to null when it is broken.
  LogitsProbe probe_logits(Decoder*& decoder, LogitsProbeOptions options) const;

  /// Runs a task on the pool; after shutdown(), at once on the caller's thread.
  void post(std::function<void()> task);
  /// Throws Error Disposed after shutdown().
  void require_alive() const;

  /// Cancels every request, waits for the threads, and frees all memory. Idempotent; any thread but the
  /// model's own.
  void shutdown();

 private:
  Model() = default;
  void read_metadata();
  void create_engine(const ContextOptions& context);
  void size_cache(PrefixCache::Limits& limits);
  void start(const std::shared_ptr<Inference>& inference, const RenderInput& input,
             const ControlTokenPolicy& policy, const GenerateOptions& options);

  LoadOptions options_;
  ModelInfo info_;
  ModelWeights weights_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::optional<ChatTemplates> chat_templates_;
  std::shared_ptr<CpuThreadPool> threads_;
  std::unique_ptr<Context> context_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<TaskPool> pool_;
  std::shared_ptr<std::atomic<size_t>> in_progress_ = std::make_shared<std::atomic<size_t>>(0);
  std::atomic<bool> disposed_ = false;
  std::once_flag shutdown_once_;
};

} // namespace verbatim
