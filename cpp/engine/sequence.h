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
  size_t pending() const { return tokens_.size() - computed; } ///< tokens still to be decoded
  /// Only the newest token is to be decoded: one step of generation rather than prefill.
  bool decoding() const { return computed >= prompt_size_ && pending() == 1; }
  /// The most tokens it may still add.
  size_t headroom() const { return token_limit_ - tokens_.size(); }

  /// Chooses the next token from the logits of the last one, and adds it.
  Sampled sample(const float* logits);
  /// Tells the caller of the token that was just added. False when that was the end: the inference is
  /// finished then.
  bool emit(const Sampled& sampled);

  Inference& inference() { return *inference_; }

  bool reproducible() const { return reproducible_; }
  bool speculates() const { return prompt_lookup_.has_value(); }
  /// Guesses at most so many of the tokens to come; how many there are in draft().
  size_t propose(size_t limit);
  std::span<const Token> draft() const { return draft_; }
  /// So many of the guesses were right.
  void learn(size_t drafted, size_t right);

  bool tried_again = false; ///< from the start, because its logits were no numbers: the executor's

  // The scheduler's part.
  size_t computed = 0;              ///< tokens()[0, computed) are in the KV cache
  int32_t id = -1;                  ///< the sequence id in the KV cache while running, else -1
  bool attached = false;            ///< it has begun, from what was in the cache
  const Sequence* leader = nullptr; ///< the running sequence whose cells it waits for, while not attached
  size_t follow_until = 0;          ///< it begins when the leader has computed this many tokens
  uint64_t arrival = 0;
  uint64_t admitted = 0;         ///< the step at which it was let in
  uint64_t generating_since = 0; ///< the step at which it first generated, 0 before
  enum class Lane { Unused, Computing, Used } lane = Lane::Unused; ///< whether its prompt is computed aside
  /// Its next tokens can be in a batch.
  bool computable() const { return attached && lane != Lane::Computing; }

 private:
  LikelyToken likely(Token token, float logprob) const;
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
