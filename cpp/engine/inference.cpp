#include "engine/inference.h"

#include <utility>

namespace verbatim {

namespace {

double milliseconds(Inference::Clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

} // namespace

const char* finish_reason_name(FinishReason reason) {
  switch (reason) {
  case FinishReason::Stop:
    return "stop";
  case FinishReason::Length:
    return "length";
  case FinishReason::StopString:
    return "stop-string";
  case FinishReason::Context:
    return "context";
  }
  return "stop";
}

Inference::Slice Inference::take() {
  const std::lock_guard lock(mutex_);
  Slice slice;
  slice.text = outcome_.text.substr(taken_text_);
  slice.tokens.assign(outcome_.tokens.begin() + static_cast<std::ptrdiff_t>(taken_tokens_),
                      outcome_.tokens.end());
  if (!outcome_.logprobs.empty())
    slice.logprobs.assign(outcome_.logprobs.begin() + static_cast<std::ptrdiff_t>(taken_tokens_),
                          outcome_.logprobs.end());
  taken_text_ = outcome_.text.size();
  taken_tokens_ = outcome_.tokens.size();
  armed_ = slice.empty() && !finished_;
  return slice;
}

void Inference::cancel() {
  cancelled_.store(true, std::memory_order_relaxed);
  std::unique_lock lock(mutex_);
  if (!running_) end(std::move(lock), std::nullopt, Error(ErrorCode::Cancelled, "the run was cancelled"));
}

bool Inference::finished() const {
  const std::lock_guard lock(mutex_);
  return finished_;
}

Inference::Outcome Inference::outcome() {
  const std::lock_guard lock(mutex_);
  taken_text_ = taken_tokens_ = 0;
  return std::exchange(outcome_, {});
}

void Inference::describe_prompt(PromptDigest digest) {
  const std::lock_guard lock(mutex_);
  if (!finished_) outcome_.prompt = std::move(digest);
}

bool Inference::begin(uint32_t prompt_tokens) {
  const std::lock_guard lock(mutex_);
  if (finished_) return false;
  if (running_) return true; // taken up again after it had to give its place away
  running_ = true;
  begun_ = Clock::now();
  outcome_.usage.prompt_tokens = prompt_tokens;
  return true;
}

void Inference::append(std::string_view text, Token token, std::optional<Logprobs> logprobs) {
  std::unique_lock lock(mutex_);
  if (finished_) return;
  last_token_ = Clock::now();
  if (outcome_.tokens.empty()) first_token_ = last_token_;
  outcome_.tokens.push_back(token);
  token_hash_.add(token);
  outcome_.text.append(text);
  if (logprobs) outcome_.logprobs.push_back(std::move(*logprobs));
  announce(std::move(lock));
}

void Inference::append_text(std::string_view text) {
  const std::lock_guard lock(mutex_);
  if (!finished_) outcome_.text.append(text);
}

void Inference::set_cached_tokens(uint32_t count) {
  const std::lock_guard lock(mutex_);
  if (!std::exchange(cached_tokens_known_, true)) outcome_.usage.cached_tokens = count;
}

void Inference::add_drafts(uint32_t drafted, uint32_t accepted) {
  const std::lock_guard lock(mutex_);
  outcome_.timings.drafted_tokens += drafted;
  outcome_.timings.accepted_tokens += accepted;
}

void Inference::finish(FinishReason reason) {
  end(std::unique_lock(mutex_), reason, std::nullopt);
}

void Inference::fail(Error error) {
  end(std::unique_lock(mutex_), std::nullopt, std::move(error));
}

void Inference::end(std::unique_lock<std::mutex> lock, std::optional<FinishReason> reason,
                    std::optional<Error> error) {
  if (finished_) return;
  finished_ = true;
  on_end_();
  const auto now = Clock::now();
  auto& tokens = outcome_.tokens;
  auto& timings = outcome_.timings;
  outcome_.finish_reason = reason;
  outcome_.error = std::move(error);
  outcome_.usage.completion_tokens = static_cast<uint32_t>(tokens.size());
  outcome_.token_ids_sha256 = token_hash_.finish();
  timings.queue_ms = milliseconds((running_ ? begun_ : now) - called_);
  if (!tokens.empty()) {
    timings.prefill_ms = milliseconds(first_token_ - begun_);
    timings.first_token_ms = milliseconds(first_token_ - called_);
    if (tokens.size() > 1)
      timings.per_token_ms =
          milliseconds(last_token_ - first_token_) / static_cast<double>(tokens.size() - 1);
  }
  timings.total_ms = milliseconds(now - called_);
  armed_ = true;
  announce(std::move(lock));
}

void Inference::announce(std::unique_lock<std::mutex> lock) {
  if (!armed_) return;
  armed_ = false;
  lock.unlock(); // the listener may call back
  listener_();
}

} // namespace verbatim
