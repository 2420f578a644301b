#pragma once

#include "backend/cpu-threads.h"
#include "backend/rope-scaling.h"
#include "base/log.h"
#include "engine/decoder.h"

#include <llama.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace verbatim {

struct ContextOptions {
  uint32_t cells = 0;        ///< of the KV cache, shared by all sequences
  uint32_t sequences = 1;    ///< sequence ids, and most logits of one decode
  uint32_t batch_tokens = 0; ///< most tokens of one decode
  int32_t threads = 1;
  llama_flash_attn_type flash_attention = LLAMA_FLASH_ATTN_TYPE_AUTO;
  ggml_type kv_cache_type = GGML_TYPE_F16;
  std::optional<RopeScaling> rope_scaling{}; ///< none: as the file has it
};

/// Cells of a block, which llama.cpp's caches are made of.
constexpr uint32_t cell_block = 256;
/// Rounds up to whole blocks.
constexpr uint32_t whole_blocks(uint32_t cells) {
  return (cells + cell_block - 1) / cell_block * cell_block;
}

/// A llama_context with one KV cache that all sequences share. Used by one thread at a time.
class Context : public Decoder {
 public:
  /// Throws Error OutOfMemory, or InvalidOption for an option that the model does not support.
  /// @param threads contexts may share them if no two compute at the same time; null for one that never
  /// computes
  /// @param should_abort asked by the CPU backend while it computes
  Context(llama_model* model, const ContextOptions& options, std::shared_ptr<CpuThreadPool> threads,
          std::function<bool()> should_abort, const LogSink* log_sink);
  ~Context() override;

  DecodeStatus decode(std::span<const BatchToken> batch) override;
  void synchronize() override;
  const float* logits(size_t batch_index) override;
  void set_threads(int32_t threads) override;
  void clear(int32_t sequence) override;
  void clear_all() override;
  void truncate(int32_t sequence, int32_t begin) override;
  void share(int32_t from, int32_t to, int32_t begin, int32_t end) override;
  std::vector<uint8_t> save(int32_t sequence) override;
  bool restore(int32_t sequence, std::span<const uint8_t> data) override;
  bool rebuild() override;

  /// Computes a full batch and a single token, so that llama.cpp allocates now what the first requests would
  /// make it allocate. On the CPU alone, the batch is interrupted after its first node. Throws Error
  /// OutOfMemory.
  void warm_up(bool on_gpu);

  uint32_t cells() const { return llama_n_ctx(context_.get()); }
  const llama_context* get() const { return context_.get(); }

 private:
  struct Free {
    void operator()(llama_context* context) const { llama_free(context); }
  };
  void create();
  /// Decodes the batch in the arrays below.
  DecodeStatus compute(int32_t size);
  void attach_threads();

  llama_model* const model_;
  const ContextOptions options_;
  const std::function<bool()> should_abort_;
  bool abort_at_once_ = false;
  const LogSink* const log_sink_;
  /// One pool of each size in use, because idle threads of a pool spin. Declared before the context, to
  /// outlive it.
  std::vector<std::shared_ptr<CpuThreadPool>> threads_;
  int32_t thread_count_;
  std::unique_ptr<llama_context, Free> context_;

  // The arrays of a llama_batch, reused.
  std::vector<llama_token> tokens_;
  std::vector<llama_pos> positions_;
  std::vector<int32_t> sequence_counts_;
  std::vector<llama_seq_id> sequence_ids_;
  std::vector<llama_seq_id*> sequence_id_pointers_;
  std::vector<int8_t> wants_logits_;
};

} // namespace verbatim
