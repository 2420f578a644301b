#pragma once

// The options of one request. Plain data, which every room may read. The values here are neutral; the
// defaults of the public API, ranges and documentation are in lib/options/generate-options.ts.

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace verbatim {

/// What to do with tools, documents and variables that the template ignores.
enum class IgnoredInputs { Allow, Refuse };

/// Input of a chat template, as transformers' apply_chat_template passes it. The caller's data are JSON
/// texts.
struct RenderInput {
  std::string messages;           ///< JSON array
  std::string tools;              ///< JSON array; empty: None
  std::string documents;          ///< JSON array; empty: None
  std::string template_variables; ///< JSON object; empty: none
  bool add_generation_prompt = true;
  int64_t now_ms = 0; ///< time that strftime_now sees, milliseconds since the epoch
  IgnoredInputs ignored_inputs = IgnoredInputs::Allow;
};

/// Texts beside the template's in which control tokens are recognised.
struct ControlTokenPolicy {
  bool anywhere = false;                  ///< also in what the caller supplied, as Transformers does
  std::vector<std::string> trusted_roles; ///< also in messages of these roles
};

/// Options of the sampler. The defaults sample from the model's own distribution.
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

enum class Speculative { None, PromptLookup };

/// Options of one generation.
struct GenerateOptions {
  SamplerOptions sampling;
  uint32_t max_tokens = std::numeric_limits<int32_t>::max();
  uint32_t min_tokens = 0; ///< the message does not end before
  std::vector<std::string> stop;
  bool ignore_end_of_sequence = false;
  bool reproducible = false; ///< compute it by itself, in batches of fixed size
  Speculative speculative = Speculative::None;
};

/// Calls visit(name, member) for each option, by its name in lib/options/.
template <typename Visit> void visit_options(RenderInput& input, const Visit& visit) {
  visit("messages", input.messages);
  visit("tools", input.tools);
  visit("documents", input.documents);
  visit("templateVariables", input.template_variables);
  visit("addGenerationPrompt", input.add_generation_prompt);
  visit("now", input.now_ms);
  visit("ignoredInputs", input.ignored_inputs);
}

template <typename Visit> void visit_options(GenerateOptions& options, const Visit& visit) {
  visit("maxTokens", options.max_tokens);
  visit("minTokens", options.min_tokens);
  visit("temperature", options.sampling.temperature);
  visit("topP", options.sampling.top_p);
  visit("topK", options.sampling.top_k);
  visit("minP", options.sampling.min_p);
  visit("repetitionPenalty", options.sampling.repetition_penalty);
  visit("presencePenalty", options.sampling.presence_penalty);
  visit("frequencyPenalty", options.sampling.frequency_penalty);
  visit("seed", options.sampling.seed);
  visit("logprobs", options.sampling.logprobs);
  visit("stop", options.stop);
  visit("ignoreEndOfSequence", options.ignore_end_of_sequence);
  visit("reproducible", options.reproducible);
  visit("speculative", options.speculative);
}

} // namespace verbatim
