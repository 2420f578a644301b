#include "engine/sequence.h"

#include <algorithm>

namespace verbatim {

Sequence::Sequence(std::shared_ptr<Inference> inference, std::vector<Token> prompt,
                   const GenerateOptions& options, const Tokenizer& tokenizer, size_t context_size)
    : inference_(std::move(inference)), tokenizer_(tokenizer),
      ignore_end_of_sequence_(options.ignore_end_of_sequence),
      wants_logprobs_(options.sampling.logprobs >= 0), reproducible_(options.reproducible),
      max_tokens_(options.max_tokens), min_tokens_(options.min_tokens), prompt_size_(prompt.size()),
      token_limit_(std::min(context_size, prompt.size() + options.max_tokens)), tokens_(std::move(prompt)),
      sampler_(options.sampling, tokenizer.size()), text_stream_(options.stop) {
  sampler_.accept_prompt(tokens_);
  if (options.speculative == Speculative::PromptLookup) prompt_lookup_.emplace();
}

Sampled Sequence::sample(const float* logits) {
  const bool may_end = tokens_.size() - prompt_size_ >= min_tokens_;
  auto sampled = sampler_.sample(logits, may_end ? std::span<const Token>() : tokenizer_.end_tokens());
  sampler_.accept(sampled.token);
  tokens_.push_back(sampled.token);
  return sampled;
}

bool Sequence::emit(const Sampled& sampled) {
  const Token token = sampled.token;
  std::optional<ChosenTokenLogprob> logprobs;
  if (wants_logprobs_) {
    logprobs = ChosenTokenLogprob{token_logprob(token, sampled.logprob), {}};
    for (const auto& candidate : sampled.top)
      logprobs->top.push_back(token_logprob(candidate.token, candidate.logprob));
  }

  const bool ends_turn = !ignore_end_of_sequence_ && tokenizer_.is_end_of_generation(token);
  piece_.clear();
  visible_.clear();
  if (!ends_turn) tokenizer_.append_piece(token, piece_);
  const bool stopped = text_stream_.append(piece_, visible_);
  inference_->append(visible_, token, std::move(logprobs));

  if (stopped)
    inference_->finish(FinishReason::StopString);
  else if (ends_turn)
    finish(FinishReason::Stop);
  else if (tokens_.size() < token_limit_)
    return true;
  else
    finish(tokens_.size() - prompt_size_ == max_tokens_ ? FinishReason::Length : FinishReason::Context);
  return false;
}

size_t Sequence::make_draft(size_t limit) {
  // The token sampled after the last draft token must fit too.
  draft_ = prompt_lookup_->draft(tokens_, std::min(limit, headroom() - 1));
  return draft_.size();
}

void Sequence::record_drafts(size_t drafted, size_t accepted) {
  prompt_lookup_->record(drafted, accepted);
}

TokenLogprob Sequence::token_logprob(Token token, float logprob) const {
  std::string bytes, text;
  tokenizer_.append_piece(token, bytes, true);
  Utf8Decoder decoder;
  decoder.decode(bytes, text);
  decoder.finish(text);
  return {token, std::move(text), logprob};
}

void Sequence::finish(FinishReason reason) {
  visible_.clear();
  if (text_stream_.finish(visible_)) reason = FinishReason::StopString;
  inference_->append_text(visible_);
  inference_->finish(reason);
}

} // namespace verbatim
