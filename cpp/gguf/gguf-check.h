#pragma once

#include "gguf/gguf-reader.h"
#include "load-options.h"

#include <cstdint>

namespace verbatim {

/// The rotation of queries and keys by their positions, as llama.cpp takes it from a file.
struct GgufRope {
  RopeScalingType type = RopeScalingType::Linear;
  float factor = 1;
  float frequency_base = 10'000;
  std::optional<uint32_t> original_context_length;
  float extrapolation_factor = 1, attention_factor = 1, beta_fast = 32, beta_slow = 1; ///< of Yarn
  /// The file has a tensor with a factor for each frequency, which apply besides.
  bool frequency_factors = false;
};

/// Sizes of a checked model, by which its memory is planned.
struct GgufSummary {
  uint64_t tensor_bytes = 0; ///< of all shards together
  uint32_t vocab_size = 0;
  uint32_t layer_count = 0;
  uint32_t trained_context_length = 0;
  uint32_t embedding_length = 0;
  std::optional<GgufRope> rope; ///< none: no positions, or learned ones
};

/// Validates metadata, vocabulary and tensor table of a model, and of the sibling shards beside
/// metadata.path() when it is split, so that llama.cpp can be let at it: on what is refused here, and on
/// little else, llama.cpp would abort, hang or read out of bounds. Never reads weights; takes time linear in
/// the metadata.
///
/// Throws Error. ModelInvalid: broken in a way the message names. ModelUnsupported: an architecture (field
/// architecture) or vocabulary that this llama.cpp does not have, or a model that cannot generate text. For
/// shards also what GgufMetadata::read() throws.
GgufSummary check_gguf(const GgufMetadata& metadata);

/// Applies the vocabulary rules alone, for files that have nothing else. Returns the number of tokens.
uint32_t check_gguf_vocabulary(const GgufMetadata& metadata);

} // namespace verbatim
