#include "model.h"

#include "backend/description.h"
#include "backend/memory-kind.h"
#include "base/counted.h"
#include "base/sha256.h"
#include "model-loader.h"

#include <algorithm>
#include <cstring>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace verbatim {

namespace {

// Batches of reproducible requests are smaller, because nobody shares them and others wait.
constexpr uint32_t reproducible_batch_tokens = 128;
constexpr size_t pool_threads = 2;

std::optional<std::string> metadata(const llama_model* model, const std::string& key) {
  const int32_t length = llama_model_meta_val_str(model, key.c_str(), nullptr, 0);
  if (length < 0) return std::nullopt;
  std::string value(static_cast<size_t>(length) + 1, '\0');
  llama_model_meta_val_str(model, key.c_str(), value.data(), value.size());
  value.resize(static_cast<size_t>(length));
  return value;
}

} // namespace

std::shared_ptr<Model> Model::load(LoadOptions options, const LoadProgress& progress,
                                   const std::atomic<bool>& cancelled) {
  std::shared_ptr<Model> model(new Model);
  model->options_ = std::move(options);
  ModelLoader loader(model->options_);
  model->chat_templates_.emplace(model->options_.chat_template, loader.chat_templates());
  auto loaded = loader.load(progress, cancelled, [self = model.get(), &cancelled] {
    return self->engine_ ? self->engine_->should_abort() : cancelled.load();
  });
  model->weights_ = std::move(loaded.weights);
  model->threads_ = std::move(loaded.threads);
  model->context_ = std::move(loaded.context);
  model->info_.memory = loader.memory();
  model->info_.metadata_sha256 = loader.metadata_sha256();
  // llama.cpp's own value changes with a context that has another scaling.
  model->info_.trained_context_size = loader.trained_context_size();
  model->info_.rope_scaling = loader.rope_scaling();
  model->read_metadata();
  model->create_engine(loaded.context_options);
  progress(1);
  return model;
}

Model::~Model() {
  shutdown();
}

void Model::read_metadata() {
  const llama_model* weights = weights_.get();
  const llama_vocab* vocab = llama_model_get_vocab(weights);
  tokenizer_ = std::make_unique<Tokenizer>(vocab);

  info_.path = options_.path;
  info_.description = describe(weights);
  info_.name = metadata(weights, "general.name");
  info_.architecture = metadata(weights, "general.architecture").value_or("");
  info_.parameters = llama_model_n_params(weights);
  info_.size_bytes = llama_model_size(weights);
  info_.vocabulary_size = static_cast<uint32_t>(tokenizer_->size());
  info_.layers = static_cast<uint32_t>(llama_model_n_layer(weights));
  info_.embedding_length = static_cast<uint32_t>(llama_model_n_embd(weights));

  // As transformers does: a template sees the special tokens that the model names.
  static constexpr std::pair<const char*, const char*> special_token_keys[] = {
      {"bos_token", "tokenizer.ggml.bos_token_id"},     {"eos_token", "tokenizer.ggml.eos_token_id"},
      {"unk_token", "tokenizer.ggml.unknown_token_id"}, {"sep_token", "tokenizer.ggml.seperator_token_id"},
      {"pad_token", "tokenizer.ggml.padding_token_id"}, {"cls_token", "tokenizer.ggml.cls_token_id"},
      {"mask_token", "tokenizer.ggml.mask_token_id"},
  };
  for (const auto& [name, key] : special_token_keys) {
    const auto replacement =
        std::ranges::find_if(options_.special_tokens, [&](const auto& token) { return token.first == name; });
    if (replacement != options_.special_tokens.end()) {
      if (replacement->second) info_.special_tokens.emplace_back(name, *replacement->second);
      continue;
    }
    const auto id = metadata(weights, key);
    if (!id) continue;
    const long token = std::strtol(id->c_str(), nullptr, 10);
    if (token >= 0 && token < tokenizer_->size())
      info_.special_tokens.emplace_back(name, llama_vocab_get_text(vocab, static_cast<Token>(token)));
  }

  chat_templates_->make_tokenizers(vocab);
  if (const auto* usual = chat_templates_->usual()) info_.chat_template = usual->source;
  for (const auto& [name, source] : chat_templates_->in_file())
    info_.chat_templates.emplace_back(name, sha256(source));
}

void Model::create_engine(const ContextOptions& context) {
  info_.threads = context.threads;
  info_.context_size = info_.memory.context_size;
  info_.cache_size = context_->cells(); // llama.cpp rounds up
  info_.max_sequences = options_.max_sequences;
  info_.max_queue = options_.max_queue;
  info_.batch_size = context.batch_tokens;

  info_.no_prefix_sharing = why_not_shareable(weights_.get());
  PrefixCache::Limits cache;
  cache.running = static_cast<int32_t>(options_.max_sequences);
  cache.sharing = !info_.no_prefix_sharing;
  const auto should_abort = [this] { return engine_->should_abort(); };

  Engine::Options engine;
  size_cache(cache);
  engine.shared.limits = {cache, info_.batch_size, context.sequences};
  engine.shared.threads = info_.threads;
  engine.shared.recurrent = engine.reproducible.recurrent = has_recurrent_state(weights_.get());

  const auto cells_beside = [this](size_t cells) {
    const auto count = static_cast<uint32_t>(cells);
    return info_.rope_scaling ? info_.rope_scaling->cells_beside(count, info_.cache_size) : count;
  };
  ContextOptions alone = context;
  alone.cells = cells_beside(info_.context_size);
  alone.sequences = 1;
  alone.batch_tokens = reproducible_batch_tokens;
  engine.reproducible.limits = {
      {.running = 1, .cells = info_.context_size, .sharing = false}, alone.batch_tokens, 1};
  engine.reproducible.fixed_batches = true;
  engine.make_reproducible = [this, alone, should_abort] {
    return std::make_unique<Context>(weights_.get(), alone, threads_, should_abort, &options_.on_log);
  };
  if (cache.sharing && info_.memory.devices.size() == 1) { // the CPU alone
    PrefillLane::Options lane;
    lane.batch_tokens = context.batch_tokens;
    lane.threads = info_.threads;
    lane.threads_beside = std::max(1, info_.threads / 2);
    engine.shared.threads_beside = std::max(1, info_.threads - lane.threads_beside);
    lane.make_decoder = [this, context, cells_beside](size_t cells, std::function<bool()> abort) {
      ContextOptions aside = context;
      aside.cells = cells_beside(cells);
      aside.sequences = 2;
      const auto threads = std::make_shared<CpuThreadPool>(aside.threads);
      return std::make_unique<Context>(weights_.get(), aside, threads, std::move(abort), &options_.on_log);
    };
    engine.lane = std::move(lane);
  }
  engine_ = std::make_unique<Engine>(*context_, std::move(engine), &options_.on_log);
  pool_ = std::make_unique<TaskPool>(pool_threads);
}

void Model::size_cache(PrefixCache::Limits& limits) {
  limits.cells = info_.cache_size;
  if (!limits.sharing) return;
  // Every step reads the weights and the idle cells. The cells may take 1/64 of the time.
  const size_t cheap = info_.size_bytes / 64 /
                       std::max<size_t>(1, cell_bytes(weights_.get(), info_.memory.plan.kv_cache_type));
  limits.saved_tokens = options_.prefix_cache_size.value_or(info_.cache_size);
  limits.idle_cells =
      std::min({limits.saved_tokens, size_t{info_.cache_size / 2}, std::max<size_t>(512, cheap)});
  info_.prefix_cache_size = static_cast<uint32_t>(limits.saved_tokens);
}

Prompt Model::prepare(const RenderInput& input, const ControlTokenPolicy& policy) const {
  return make_prompt(chat_templates_->select(!input.tools.empty()), info_.special_tokens, input, policy);
}

std::shared_ptr<Inference> Model::generate(RenderInput input, ControlTokenPolicy policy,
                                           GenerateOptions options, Inference::Listener listener) {
  auto inference = std::make_shared<Inference>(std::move(listener), [count = in_progress_] { --*count; });
  if ((*in_progress_)++ >= static_cast<size_t>(info_.max_sequences) + info_.max_queue) {
    inference->fail(
        Error(ErrorCode::QueueFull,
              (info_.max_queue == 0 ? "maxQueue is 0, so no request may wait"
                                    : counted(info_.max_queue, "request") + " may wait, and so many do") +
                  "; try again later, or load the model with a larger maxQueue or maxSequences",
              {{"max_queue", static_cast<int64_t>(info_.max_queue)}}));
    return inference;
  }
  engine_->announce();
  post([this, inference, input = std::move(input), policy = std::move(policy), options = std::move(options)] {
    try {
      start(inference, input, policy, options);
    } catch (const Error& error) {
      inference->fail(error);
    } catch (const std::bad_alloc&) {
      inference->fail(Error(ErrorCode::OutOfMemory, "no memory to prepare this request"));
    } catch (const std::exception& error) {
      inference->fail(Error(ErrorCode::Internal, error.what()));
    }
    engine_->withdraw();
  });
  return inference;
}

void Model::start(const std::shared_ptr<Inference>& inference, const RenderInput& input,
                  const ControlTokenPolicy& policy, const GenerateOptions& options) {
  require_alive();
  if (inference->cancelled()) return;
  if (options.speculative != Speculative::None && info_.no_prefix_sharing)
    throw Error(ErrorCode::InvalidOption,
                "speculative needs a cache that can be cut at any token, and " + *info_.no_prefix_sharing,
                {{"path", "speculative"}});
  auto prompt = prepare(input, policy);
  inference->describe_prompt(std::move(prompt.digest));
  const size_t tokens = prompt.tokens.size();
  if (tokens == 0)
    throw Error(ErrorCode::TemplateRender, "the chat template rendered these messages to an empty prompt");
  if (tokens > info_.context_size)
    throw Error(ErrorCode::ContextOverflow,
                "the prompt has " + counted(tokens, "token") + ", " +
                    std::to_string(tokens - info_.context_size) + " more than contextSize " +
                    std::to_string(info_.context_size) +
                    "; shorten the messages or load the model with a larger contextSize",
                {{"prompt_tokens", static_cast<int64_t>(tokens)},
                 {"context_size", static_cast<int64_t>(info_.context_size)},
                 {"overflow_by", static_cast<int64_t>(tokens - info_.context_size)}});
  if (tokens == info_.context_size) { // fits, but leaves no room for output
    inference->begin(static_cast<uint32_t>(tokens));
    inference->finish(FinishReason::Context);
    return;
  }
  engine_->submit(std::make_unique<Sequence>(inference, std::move(prompt.tokens), options, *tokenizer_,
                                             info_.context_size));
}

void Model::cancel(Inference& inference) {
  inference.cancel();
  if (!disposed_) engine_->wake();
}

LogitsProbe Model::probe_logits(Decoder*& decoder, LogitsProbeOptions options) const {
  require_alive();
  if (!decoder) throw Error(ErrorCode::DecodeFailed, "the model's context was lost to an earlier failure");
  if (info_.no_prefix_sharing)
    throw Error(ErrorCode::InvalidOption, "logits are not measured here: " + *info_.no_prefix_sharing);
  options.batch_tokens = info_.batch_size;
  if (options.sequences < 1 || static_cast<uint32_t>(options.sequences) > info_.max_sequences ||
      options.depth < 1 || options.steps < 1 || options.cells() > info_.cache_size)
    throw Error(ErrorCode::InvalidOption, "a probe of this size does not fit into this model's cache");
  try {
    return verbatim::probe_logits(*decoder, options);
  } catch (...) {
    decoder = nullptr;
    require_alive(); // it was interrupted
    throw;
  }
}

void Model::post(std::function<void()> task) {
  auto shared = std::make_shared<std::function<void()>>(std::move(task));
  if (!pool_->post([shared] { (*shared)(); })) (*shared)();
}

void Model::require_alive() const {
  if (disposed_) throw Error(ErrorCode::Disposed, "the model was disposed");
}

void Model::shutdown() {
  std::call_once(shutdown_once_, [this] {
    disposed_ = true;
    if (pool_) pool_->stop(); // queued requests fail with Disposed
    if (engine_) engine_->stop();
    context_.reset();
    threads_.reset();
    weights_.reset();
#ifdef __GLIBC__
    // A vocabulary is hundreds of thousands of small allocations, and glibc keeps what is freed in the arenas
    // of other threads: without this every model loaded would leave some megabytes behind.
    malloc_trim(0);
#endif
  });
}

} // namespace verbatim
