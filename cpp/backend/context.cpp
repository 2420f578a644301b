#include "backend/context.h"

#include "base/counted.h"
#include "base/error.h"

#include <algorithm>

namespace verbatim {

Context::Context(llama_model* model, const ContextOptions& options, std::shared_ptr<CpuThreadPool> threads,
                 std::function<bool()> should_abort, const LogSink* log_sink)
    : model_(model), options_(options), should_abort_(std::move(should_abort)), log_sink_(log_sink),
      thread_count_(options.threads) {
  if (threads) threads_.push_back(std::move(threads));
  create();
}

Context::~Context() {
  const LogScope log_scope(log_sink_);
  context_.reset();
}

void Context::create() {
  auto params = llama_context_default_params();
  // llama.cpp rounds up too, but takes the number before that for the most tokens of a batch, and aborts the
  // process at a larger one.
  params.n_ctx = whole_blocks(options_.cells);
  params.n_batch = options_.batch_tokens;
  params.n_ubatch = options_.batch_tokens;
  params.n_seq_max = options_.sequences;
  params.n_outputs_max = options_.sequences; // llama.cpp reserves a row of logits for each id anyway
  params.n_threads = thread_count_;
  params.n_threads_batch = thread_count_;
  params.flash_attn_type = options_.flash_attention;
  params.type_k = options_.kv_cache_type;
  params.type_v = options_.kv_cache_type;
  params.kv_unified = true;
  if (options_.rope_scaling) options_.rope_scaling->apply(params);
  // Layers with a sliding window get as many cells as the others: with fewer, llama.cpp would refuse batches
  // for which the scheduler has counted cells.
  params.swa_full = true;
  params.abort_callback = [](void* data) {
    const auto& self = *static_cast<const Context*>(data);
    return self.abort_at_once_ || self.should_abort_();
  };
  params.abort_callback_data = this;

  // The reason is only ever in the log.
  std::string last_error;
  const LogSink sink = [&](LogLevel level, const std::string& line) {
    if (level == LogLevel::Error) last_error = line;
    if (log_sink_ && *log_sink_) (*log_sink_)(level, line);
  };
  try {
    const LogScope log_scope(&sink);
    context_.reset(llama_init_from_model(model_, params));
  } catch (const std::exception& error) {
    last_error = error.what();
  }
  if (!context_) {
    const bool memory = last_error.find("alloc") != std::string::npos || last_error.empty();
    throw Error(memory ? ErrorCode::OutOfMemory : ErrorCode::InvalidOption,
                "llama.cpp could not create a context with " + counted(options_.cells, "cell") +
                    (last_error.empty() ? "" : ": " + last_error) +
                    (memory ? "; use a smaller cacheSize, contextSize or kvCacheType" : ""),
                memory ? Error::Fields{} : Error::Fields{{"path", "options"}});
  }
  if (!threads_.empty()) attach_threads();
}

void Context::warm_up(bool on_gpu) {
  uint32_t most = llama_n_batch(context_.get());
  // Learned positions end at the trained length.
  if (!options_.rope_scaling) most = std::min(most, static_cast<uint32_t>(llama_model_n_ctx_train(model_)));
  for (const uint32_t size : {most, 1U}) {
    std::vector<BatchToken> batch;
    for (uint32_t i = 0; i < size; ++i)
      batch.push_back({0, static_cast<int32_t>(i), 0, i + 1 == size});
    // The CPU's backend allocates before it computes the first node, and asks after it.
    abort_at_once_ = !on_gpu && size > 1;
    const auto status = decode(batch);
    if (status == DecodeStatus::Ok) synchronize();
    const bool aborted = status == DecodeStatus::Aborted; // as wanted, or because the load was cancelled
    abort_at_once_ = false;
    clear_all();
    if (status != DecodeStatus::Ok && !aborted)
      throw Error(ErrorCode::OutOfMemory,
                  "llama.cpp has loaded the model, but cannot compute a batch of " + std::to_string(size));
  }
}

void Context::attach_threads() {
  const auto pool = std::ranges::find(threads_, thread_count_, [](const auto& each) { return each->size(); });
  if ((*pool)->get()) llama_attach_threadpool(context_.get(), (*pool)->get(), (*pool)->get());
}

void Context::set_threads(int32_t threads) {
  if (threads == thread_count_) return;
  const auto same_size = [threads](const auto& each) { return each->size() == threads; };
  try {
    if (std::ranges::none_of(threads_, same_size))
      threads_.push_back(std::make_shared<CpuThreadPool>(threads));
  } catch (const Error&) {
    return; // slower beside others than it could be
  }
  thread_count_ = threads;
  llama_set_n_threads(context_.get(), threads, threads);
  attach_threads();
}

bool Context::rebuild() {
  context_.reset();
  try {
    create();
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

DecodeStatus Context::decode(std::span<const BatchToken> batch) {
  const size_t size = batch.size();
  tokens_.resize(size);
  positions_.resize(size);
  sequence_counts_.assign(size, 1);
  sequence_ids_.resize(size);
  sequence_id_pointers_.resize(size);
  wants_logits_.resize(size);
  for (size_t i = 0; i < size; ++i) {
    tokens_[i] = batch[i].token;
    positions_[i] = batch[i].position;
    sequence_ids_[i] = batch[i].sequence;
    sequence_id_pointers_[i] = &sequence_ids_[i];
    wants_logits_[i] = batch[i].wants_logits ? 1 : 0;
  }
  // llama.cpp calls an interrupt an error in its log, whoever wanted it.
  std::vector<std::pair<LogLevel, std::string>> lines;
  const LogSink keep = [&](LogLevel level, const std::string& line) { lines.emplace_back(level, line); };
  const DecodeStatus status = [&] {
    const LogScope log_scope(&keep);
    return compute(static_cast<int32_t>(size));
  }();
  if (status != DecodeStatus::Aborted && log_sink_ && *log_sink_)
    for (const auto& [level, line] : lines)
      (*log_sink_)(level, line);
  return status;
}

DecodeStatus Context::compute(int32_t size) {
  try {
    const int32_t code = llama_decode(context_.get(), {size, tokens_.data(), nullptr, positions_.data(),
                                                       sequence_counts_.data(), sequence_id_pointers_.data(),
                                                       wants_logits_.data()});
    switch (code) {
    case 0:
      return DecodeStatus::Ok;
    case 1:
      return DecodeStatus::NoSlot;
    case 2:
      return DecodeStatus::Aborted;
    case -2:
      return DecodeStatus::OutOfMemory;
    default:
      return DecodeStatus::Failed;
    }
  } catch (const std::exception&) {
    // llama_decode is a C function that lets C++ exceptions through; the context is unusable then.
    return DecodeStatus::Broken;
  }
}

void Context::synchronize() {
  llama_synchronize(context_.get());
}

const float* Context::logits(size_t batch_index) {
  const float* logits = llama_get_logits_ith(context_.get(), static_cast<int32_t>(batch_index));
  if (!logits) throw Error(ErrorCode::DecodeFailed, "llama.cpp computed no logits for this request");
  return logits;
}

void Context::clear(int32_t sequence) {
  llama_memory_seq_rm(llama_get_memory(context_.get()), sequence, -1, -1);
}

void Context::clear_all() {
  llama_memory_clear(llama_get_memory(context_.get()), true);
}

void Context::truncate(int32_t sequence, int32_t begin) {
  llama_memory_seq_rm(llama_get_memory(context_.get()), sequence, begin, -1);
}

void Context::share(int32_t from, int32_t to, int32_t begin, int32_t end) {
  llama_memory_seq_cp(llama_get_memory(context_.get()), from, to, begin, end);
}

std::vector<uint8_t> Context::save(int32_t sequence) {
  std::vector<uint8_t> data(llama_state_seq_get_size(context_.get(), sequence));
  if (llama_state_seq_get_data(context_.get(), data.data(), data.size(), sequence) != data.size())
    data.clear();
  return data;
}

bool Context::restore(int32_t sequence, std::span<const uint8_t> data) {
  // Returns how many bytes it has read: 0 when it fails, as much as there is when there is nothing.
  if (!data.empty() &&
      llama_state_seq_set_data(context_.get(), data.data(), data.size(), sequence) == data.size())
    return true;
  clear(sequence);
  return false;
}

} // namespace verbatim
