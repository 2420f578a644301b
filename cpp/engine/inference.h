#pragma once

#include "base/error.h"
#include "base/token-hash.h"
#include "base/token.h"
#include "prompt/prompt-digest.h"

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace verbatim {

enum class FinishReason {
  Stop,       ///< The model ended its turn.
  Length,     ///< max_tokens is reached.
  StopString, ///< A stop string is complete.
  Context,    ///< The context is full.
};

const char* finish_reason_name(FinishReason reason);

/// A token and the natural logarithm of its probability at a place of the output, in the model's own
/// distribution: before penalties and temperature.
struct TokenLogprob {
  Token token;
  std::string text; ///< whole UTF-8; control tokens by their names
  float logprob;
};

struct ChosenTokenLogprob {
  TokenLogprob chosen;
  std::vector<TokenLogprob> top; ///< the most likely tokens there, by falling probability
};

struct Usage {
  uint32_t prompt_tokens = 0;
  uint32_t cached_tokens = 0; ///< prompt tokens that were in the cache
  uint32_t completion_tokens = 0;
};

/// Milliseconds, by a monotonic clock.
struct Timings {
  double queue_ms = 0;          ///< from the call until it runs, rendering included
  double prefill_ms = 0;        ///< from the start of the run until the first token
  double first_token_ms = 0;    ///< from the call until the first token
  double per_token_ms = 0;      ///< mean interval between the tokens after the first
  double total_ms = 0;          ///< from the call until the end
  uint32_t drafted_tokens = 0;  ///< computed ahead, with speculation
  uint32_t accepted_tokens = 0; ///< drafted tokens that were then sampled
};

/// A request as its caller sees it. The engine writes, the caller reads from another thread. Unread text
/// coalesces, so a slow reader costs no more memory than the whole text.
class Inference {
 public:
  using Clock = std::chrono::steady_clock;
  /// Called from any thread: at the end, and once when there is news after a take() that was empty.
  using Listener = std::function<void()>;

  /// @param on_end called once, at the end, before the listener
  explicit Inference(
      Listener listener, std::function<void()> on_end = [] {})
      : listener_(std::move(listener)), on_end_(std::move(on_end)) {}

  // ---- for the caller ----

  struct Delta {
    std::string text;
    std::vector<Token> tokens;
    std::vector<ChosenTokenLogprob> logprobs;
    bool empty() const { return text.empty() && tokens.empty(); }
  };
  struct Output {
    std::string text;
    std::vector<Token> tokens;
    std::vector<ChosenTokenLogprob> logprobs;
    Usage usage;
    Timings timings;
  };
  struct Result : Output {
    std::optional<FinishReason> finish_reason; ///< none when the run failed or was cancelled
    std::optional<Error> error;
    PromptDigest prompt;
    std::string token_ids_sha256;
  };

  /// Returns what was generated since the last call. When that is empty and the run goes on, the listener is
  /// called at the next news.
  Delta take();

  /// Cancels. A run that has not begun ends at once, a running one at the next step.
  void cancel();

  bool finished() const;

  /// Copies the output so far, of one moment. Takes nothing from take() and result().
  Output snapshot() const;

  /// Moves the whole result out. Call once, after the end.
  Result result();

  // ---- for the engine ----

  void describe_prompt(PromptDigest digest);
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }
  /// Marks the run as running. False when it has ended already.
  bool begin(uint32_t prompt_tokens);
  void append(std::string_view text, Token token, std::optional<ChosenTokenLogprob> logprobs);
  /// Appends text that was held back until the end.
  void append_text(std::string_view text);
  /// Sets Usage::cached_tokens at the first call. A preempted request finds its own prompt in the cache
  /// later.
  void set_cached_tokens(uint32_t count);
  void add_drafts(uint32_t drafted, uint32_t accepted);
  void finish(FinishReason reason);
  void fail(Error error);

 private:
  void end(std::unique_lock<std::mutex> lock, std::optional<FinishReason> reason, std::optional<Error> error);
  void notify(std::unique_lock<std::mutex> lock);
  /// Counts and times `output` as of `now`. Requires the lock.
  void measure(Output& output, Clock::time_point now) const;

  const Listener listener_;
  const std::function<void()> on_end_;
  std::atomic<bool> cancelled_ = false;

  mutable std::mutex mutex_;
  bool running_ = false;
  bool cached_tokens_known_ = false;
  bool finished_ = false;
  bool armed_ = false;
  Result result_;
  TokenHash token_hash_;
  size_t taken_text_ = 0, taken_tokens_ = 0;
  Clock::time_point called_ = Clock::now(), begun_, first_token_, last_token_;
};

} // namespace verbatim
