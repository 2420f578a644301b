#pragma once

#include "backend/context.h"
#include "base/worker-pool.h"
#include "engine/engine.h"
#include "engine/logits-probe.h"
#include "load-options.h"
#include "memory/memory-measure.h"
#include "prompt/chat-template.h"
#include "prompt/prompt-tokenizer.h"
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
  std::optional<std::string> no_prefix_sharing; ///< the reason, where requests cannot share prefixes
  int32_t threads = 0;
  std::optional<std::string> chat_template;
  std::string metadata_sha256; ///< of everything in the file before the weights
  SpecialTokenTexts special_tokens;
  MemoryEstimate memory; ///< what it takes, and how that was found
};

/// A loaded model: weights, context, engine thread, and the pool that renders and tokenizes.
class Model {
 public:
  /// Blocks until the model is ready. Throws Error; Cancelled when `cancelled` becomes true meanwhile.
  static std::shared_ptr<Model> load(LoadOptions options, const LoadProgress& progress,
                                     const std::atomic<bool>& cancelled);
  ~Model();

  const ModelInfo& info() const { return info_; }
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  EngineStatus status() const { return engine_->status(); }

  /// Renders and tokenizes. Throws Error. Thread-safe.
  Prompt prepare(const RenderInput& input, const ControlTokenPolicy& policy) const;

  /// Starts a run. Never throws: what goes wrong ends the inference.
  std::shared_ptr<Inference> generate(RenderInput input, ControlTokenPolicy policy, GenerateOptions options,
                                      Inference::Listener listener);
  void cancel(Inference& inference);

  /// Where the time of the engine's steps goes: for benchmarks.
  StepProfile& step_profile() { return engine_->profile(); }
  /// See Engine::when_idle(): for probe_logits().
  void when_idle(Engine::IdleTask task) { engine_->when_idle(std::move(task)); }
  /// What the logits of a step of so many sequences take, after so many tokens. Throws Error.
  /// Sets the decoder to null where it is not as good as before.
  LogitsProbe probe_logits(Decoder*& decoder, LogitsProbeOptions options) const;

  /// Runs a task on the pool. After shutdown() it runs at once, on the caller's thread.
  void post(std::function<void()> task);
  /// Throws Error Disposed after shutdown().
  void require_alive() const;

  /// Cancels every run, waits for the threads, frees all memory. Idempotent, blocking; from any thread
  /// but the model's own.
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
  std::unique_ptr<PromptTokenizer> prompt_tokenizer_;
  std::unique_ptr<ChatTemplate> chat_template_;
  std::optional<Error> template_error_; ///< the model's own template does not parse
  std::shared_ptr<CpuThreadPool> threads_;
  std::unique_ptr<Context> context_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<WorkerPool> pool_;
  std::shared_ptr<std::atomic<size_t>> in_progress_ = std::make_shared<std::atomic<size_t>>(0);
  std::atomic<bool> disposed_ = false;
  std::once_flag shutdown_once_;
};

} // namespace verbatim
