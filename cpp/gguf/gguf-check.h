#pragma once

#include "gguf/gguf-reader.h"

#include <cstdint>
#include <string>

namespace verbatim {

/// What a checked model file says of itself.
struct GgufSummary {
  /// general.architecture: "llama", "qwen2", …
  std::string architecture;
  /// general.name, empty if absent.
  std::string name;
  /// "gpt2", "llama", …: tokenizer.ggml.model.
  std::string tokenizer;
  /// Of all shards together.
  uint64_t file_bytes = 0;
  uint64_t tensor_bytes = 0;
  uint64_t tensor_count = 0;
  uint32_t shard_count = 1;
  uint32_t vocab_size = 0;
  uint32_t layer_count = 0;
  uint32_t trained_context_length = 0;
  uint32_t embedding_length = 0;
  /// 0 unless it is a mixture of experts.
  uint32_t expert_count = 0;
  bool has_chat_template = false;
  /// Positions are rows of a table: llama.cpp aborts on positions beyond trained_context_length.
  bool learned_positions = false;
};

/// Validates header, metadata, vocabulary and tensor table of a model file, and of its sibling shards when
/// it is split, so that llama.cpp can be let at it: on what is refused here, and on little else, llama.cpp
/// would abort, hang or read out of bounds. Reads only metadata, never weights, in time linear in it.
///
/// Throws Error. ModelNotFound: missing, a directory, unreadable. ModelInvalid: not a GGUF, or broken in a
/// way the message names. ModelTruncated: shorter than its tensor table says (fields expected_bytes,
/// file_bytes). ModelUnsupported: a GGUF version, architecture (field architecture) or vocabulary that this
/// llama.cpp does not have, or a model that cannot generate text.
GgufSummary check_gguf(const std::string& path);

/// The same for a file that has been read already; siblings are looked for beside metadata.path().
GgufSummary check_gguf(const GgufMetadata& metadata);

/// The vocabulary rules alone, for files which have only that. Returns the number of tokens.
uint32_t check_gguf_vocabulary(const GgufMetadata& metadata);

} // namespace verbatim
