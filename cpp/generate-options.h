#pragma once

// What one request asks for. Plain data, which every room may read.

#include <cstdint>
#include <string>
#include <vector>

namespace verbatim {

/// What a template is rendered with, as transformers' apply_chat_template passes it. The caller's data
/// are JSON texts.
struct RenderInput {
  std::string messages;           ///< JSON array
  std::string tools;              ///< JSON array; empty: None
  std::string documents;          ///< JSON array; empty: None
  std::string template_variables; ///< JSON object; empty: none
  bool add_generation_prompt = true;
  int64_t now_ms = 0; ///< what strftime_now sees, milliseconds since the epoch
};

/// Where control tokens may be recognised.
struct ControlTokenPolicy {
  bool anywhere = false; ///< also in what the caller supplied, as Transformers does
  /// Indices of messages whose content may spell control tokens too, ascending.
  std::vector<uint32_t> trusted_messages;
};

/// How to sample. The defaults sample from the model's own distribution.
struct SamplerOptions {
  double temperature = 1;        ///< logits are divided by it; 0: the most likely token, ties by lower id
  int32_t top_k = 0;             ///< keep the k most likely tokens; 0: all
  double top_p = 1;              ///< keep the fewest most likely tokens whose mass reaches this, at least one
  double min_p = 0;              ///< keep tokens at least this likely relative to the most likely
  double repetition_penalty = 1; ///< for tokens of the prompt and the output (CTRL: Keskar et al. 2019)
  double presence_penalty = 0;   ///< subtracted from the logits of tokens of the output, once
  double frequency_penalty = 0;  ///< subtracted from the logits of tokens of the output, per occurrence
  uint64_t seed = 0;             ///< same seed and logits: same tokens, on any processor
  int32_t logprobs = -1;         ///< -1: none; n: of the sampled token and of the n most likely
};

/// How one request is to be continued. The defaults of the public API live in TypeScript.
struct GenerateOptions {
  SamplerOptions sampling;
  uint32_t max_tokens = 512;
  std::vector<std::string> stop;
  bool ignore_end_of_sequence = false;
  bool prompt_lookup = false; ///< speculate by PromptLookup
  bool reproducible = false;  ///< compute it by itself, in batches of fixed size
};

} // namespace verbatim
