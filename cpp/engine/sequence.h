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

/// One request as the engine sees it: its tokens, how many of them are in the KV cache, and the state of
/// its sampler and text. Used by the engine thread only.
class Sequence {
 public:
  /// `context_size`: the most tokens this request may occupy, prompt included.
  Sequence(std::shared_ptr<Inference> inference, std::vector<Token> prompt, const GenerateOptions& options,
           const Tokenizer& tokenizer, size_t context_size);

  const std::vector<Token>& tokens() const { return tokens_; } ///< the prompt and what was generated
  size_t prompt_size() const { return prompt_size_; }
  size_t pending() const { return tokens_.size() - num_computed_tokens; } ///< tokens still to be decoded
  /// Only the newest token is to be decoded: one step of generation rather than prefill.
  bool decoding() const { return num_computed_tokens >= prompt_size_ && pending() == 1; }
  /// The most tokens it may still add.
  size_t headroom() const { return token_limit_ - tokens_.size(); }

  /// Chooses the next token from the logits of the last one, and adds it.
  Sampled sample(const float* logits);
  /// Tells the caller of the token that was just added. False when that was the end: the inference is
  /// finished then.
  bool emit(const Sampled& sampled);

  Inference& inference() { return *inference_; }

  bool reproducible() const { return reproducible_; }
  bool speculative() const { return prompt_lookup_.has_value(); }
  /// Guesses at most so many of the tokens to come; how many there are in draft().
  size_t make_draft(size_t limit);
  std::span<const Token> draft() const { return draft_; }
  /// So many of the guesses were accepted.
  void record_drafts(size_t drafted, size_t accepted);

  size_t num_computed_tokens = 0; ///< tokens()[0, num_computed_tokens) are in the KV cache

  /// Owned by the scheduler.
  struct Schedule {
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
  } schedule;

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
  const size_t prompt_size_;
  const size_t token_limit_;
  std::vector<Token> tokens_;
  Sampler sampler_;
  TextStream text_stream_;
  std::optional<PromptLookup> prompt_lookup_;
  std::span<const Token> draft_;
  std::string piece_, visible_; // reused from token to token
};

} // namespace verbatim
