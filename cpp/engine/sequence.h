#pragma once

#include "engine/inference.h"
#include "engine/prompt-lookup.h"
#include "engine/text-stream.h"
#include "generate-options.h"
#include "prompt/tokenizer.h"
#include "sampling/sampler.h"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace verbatim {

/// A request in the engine: its tokens, its progress, its sampler and its text. Engine thread only.
class Sequence {
 public:
  /// @param context_size most tokens of the request, prompt included
  Sequence(std::shared_ptr<Inference> inference, std::vector<Token> prompt, const GenerateOptions& options,
           const Tokenizer& tokenizer, size_t context_size);

  const std::vector<Token>& tokens() const { return tokens_; } ///< prompt and output
  size_t prompt_size() const { return prompt_size_; }
  size_t pending() const { return tokens_.size() - num_computed_tokens; } ///< not yet in the KV cache
  /// True when it generates: only its newest token is pending.
  bool decoding() const { return num_computed_tokens >= prompt_size_ && pending() == 1; }
  /// Returns how many tokens may still be added.
  size_t headroom() const { return token_limit_ - tokens_.size(); }

  /// Samples the next token and appends it.
  Sampled sample(const float* logits);
  /// Gives the caller the token just appended. False when it was the last; the inference is finished then.
  bool emit(const Sampled& sampled);

  Inference& inference() { return *inference_; }

  bool reproducible() const { return reproducible_; }
  bool speculative() const { return prompt_lookup_.has_value(); }
  /// Drafts at most `limit` of the next tokens, and returns how many.
  size_t make_draft(size_t limit);
  /// Returns the tokens of the last make_draft().
  std::span<const Token> draft() const { return draft_; }
  /// Adapts the length of the next draft to how many of these were accepted.
  void record_drafts(size_t drafted, size_t accepted);

  size_t num_computed_tokens = 0; ///< tokens()[0, num_computed_tokens) are in the KV cache

  /// Owned by the scheduler.
  struct Scheduling {
    int32_t id = -1;                  ///< sequence id in the KV cache while running, else -1
    bool attached = false;            ///< started, from the prefix that was in the cache
    const Sequence* leader = nullptr; ///< running sequence whose prefix it waits for, while not attached
    size_t leader_tokens = 0;         ///< length of that prefix
    uint64_t arrival = 0;             ///< number in the order of arrival
    uint64_t admitted = 0;            ///< step at which it began to run
    uint64_t generating_since = 0;    ///< step at which it first generated; 0: not yet
    enum class Lane { Unused, Computing, Used } lane = Lane::Unused;
    /// True when its next tokens can be in a batch.
    bool computable() const { return attached && lane != Lane::Computing; }
  } scheduling;

  /// Owned by the executor: recomputed from the start once, because its logits were not numbers.
  bool recomputed = false;

 private:
  TokenLogprob token_logprob(Token token, float logprob) const;
  void finish(FinishReason reason);

  std::shared_ptr<Inference> inference_;
  const Tokenizer& tokenizer_;
  const bool ignore_end_of_sequence_;
  const bool wants_logprobs_;
  const bool reproducible_;
  const size_t max_tokens_;
  const size_t min_tokens_;
  const size_t prompt_size_;
  const size_t token_limit_;
  std::vector<Token> tokens_;
  Sampler sampler_;
  TextStream text_stream_;
  std::optional<PromptLookup> prompt_lookup_;
  std::span<const Token> draft_;
  std::string piece_, visible_;
};

} // namespace verbatim
