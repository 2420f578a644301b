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

Inference::Delta Inference::take() {
  const std::lock_guard lock(mutex_);
  Delta delta;
  delta.text = result_.text.substr(taken_text_);
  delta.tokens.assign(result_.tokens.begin() + static_cast<std::ptrdiff_t>(taken_tokens_),
                      result_.tokens.end());
  if (!result_.logprobs.empty())
    delta.logprobs.assign(result_.logprobs.begin() + static_cast<std::ptrdiff_t>(taken_tokens_),
                          result_.logprobs.end());
  taken_text_ = result_.text.size();
  taken_tokens_ = result_.tokens.size();
  armed_ = delta.empty() && !finished_;
  return delta;
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

Inference::Output Inference::snapshot() const {
  const std::lock_guard lock(mutex_);
  Output output = result_;
  if (!finished_) measure(output, Clock::now());
  return output;
}

Inference::Result Inference::result() {
  const std::lock_guard lock(mutex_);
  taken_text_ = taken_tokens_ = 0;
  return std::exchange(result_, {});
}

void Inference::describe_prompt(PromptDigest digest) {
  const std::lock_guard lock(mutex_);
  if (!finished_) result_.prompt = std::move(digest);
}

bool Inference::begin(uint32_t prompt_tokens) {
  const std::lock_guard lock(mutex_);
  if (finished_) return false;
  if (running_) return true; // again, after it was preempted
  running_ = true;
  begun_ = Clock::now();
  result_.usage.prompt_tokens = prompt_tokens;
  return true;
}

void Inference::append(std::string_view text, Token token, std::optional<ChosenTokenLogprob> logprobs) {
  std::unique_lock lock(mutex_);
  if (finished_) return;
  last_token_ = Clock::now();
  if (result_.tokens.empty()) first_token_ = last_token_;
  result_.tokens.push_back(token);
  token_hash_.add(token);
  result_.text.append(text);
  if (logprobs) result_.logprobs.push_back(std::move(*logprobs));
  notify(std::move(lock));
}

void Inference::append_text(std::string_view text) {
  const std::lock_guard lock(mutex_);
  if (!finished_) result_.text.append(text);
}

void Inference::set_cached_tokens(uint32_t count) {
  const std::lock_guard lock(mutex_);
  if (!std::exchange(cached_tokens_known_, true)) result_.usage.cached_tokens = count;
}

void Inference::add_drafts(uint32_t drafted, uint32_t accepted) {
  const std::lock_guard lock(mutex_);
  result_.timings.drafted_tokens += drafted;
  result_.timings.accepted_tokens += accepted;
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
  result_.finish_reason = reason;
  result_.error = std::move(error);
  result_.token_ids_sha256 = token_hash_.finish();
  measure(result_, Clock::now());
  armed_ = true;
  notify(std::move(lock));
}

void Inference::measure(Output& output, Clock::time_point now) const {
  const size_t count = output.tokens.size();
  auto& timings = output.timings;
  output.usage.completion_tokens = static_cast<uint32_t>(count);
  timings.queue_ms = milliseconds((running_ ? begun_ : now) - called_);
  if (count > 0) {
    timings.prefill_ms = milliseconds(first_token_ - begun_);
    timings.first_token_ms = milliseconds(first_token_ - called_);
  }
  if (count > 1)
    timings.per_token_ms = milliseconds(last_token_ - first_token_) / static_cast<double>(count - 1);
  timings.total_ms = milliseconds(now - called_);
}

void Inference::notify(std::unique_lock<std::mutex> lock) {
  if (!armed_) return;
  armed_ = false;
  lock.unlock(); // the listener may call back
  listener_();
}

} // namespace verbatim
