#pragma once

// Shared by native tests: vocabularies, inferences that can be awaited, gates between threads.

#include "backend/backend.h"
#include "check.h"
#include "engine/inference.h"
#include "prompt/tokenizer.h"

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>

namespace support {

using namespace verbatim;

/// Longest wait, long enough for a slow machine under a sanitizer.
constexpr auto patience = std::chrono::seconds(120);

inline void load_backends() {
  verbatim::load_backends(VERBATIM_OUTPUT_DIR); // the folder of this binary
}

/// Returns a vocabulary of llama.cpp's own tests, such as "qwen2". Loaded once.
inline const llama_vocab* vocabulary(const std::string& name) {
  struct Free {
    void operator()(llama_model* model) const { llama_model_free(model); }
  };
  static std::map<std::string, std::unique_ptr<llama_model, Free>> models;
  auto& model = models[name];
  if (!model) {
    load_backends();
    auto params = llama_model_default_params();
    params.vocab_only = true;
    const std::string path = LLAMA_CPP_DIR "/models/ggml-vocab-" + name + ".gguf";
    model.reset(llama_model_load_from_file(path.c_str(), params));
    if (!model) throw std::runtime_error("cannot load " + path);
  }
  return llama_model_get_vocab(model.get());
}

/// Returns a small vocabulary, for tests that must be fast.
inline const Tokenizer& gpt2() {
  static const Tokenizer tokenizer(vocabulary("gpt-2"));
  return tokenizer;
}

/// In gpt-2 the tokens 0 … 255 are the single bytes, the printable ones first.
constexpr Token byte_token(unsigned byte) {
  if (byte >= 33 && byte <= 126) return static_cast<Token>(byte - 33);
  if (byte >= 161 && byte <= 172) return static_cast<Token>(byte - 161 + 94);
  if (byte >= 174) return static_cast<Token>(byte - 174 + 106);
  if (byte <= 32) return static_cast<Token>(byte + 188);
  return static_cast<Token>(byte == 173 ? 255 : byte - 127 + 221);
}
constexpr Token letter_a = byte_token('a');
constexpr Token end_token = 50256; // <|endoftext|>

/// Stops a thread until another opens it.
class Gate {
 public:
  /// Waits for open(). False when nobody opened in time.
  bool pass() {
    std::unique_lock lock(mutex_);
    ++arrived_;
    changed_.notify_all();
    return changed_.wait_for(lock, patience, [this] { return open_; });
  }
  void await_arrival(int count = 1) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, patience, [&] { return arrived_ >= count; }))
      throw std::runtime_error("nobody arrived at the gate");
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  int arrived() {
    const std::lock_guard lock(mutex_);
    return arrived_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int arrived_ = 0;
  bool open_ = false;
};

/// An inference that can be awaited. Counts the calls of its listener.
class Run {
 public:
  Run() { inference = std::make_shared<Inference>(listener()); }
  /// Returns a listener for an inference made elsewhere.
  Inference::Listener listener() {
    return [state = state_] {
      const std::lock_guard lock(state->mutex);
      ++state->calls;
      state->changed.notify_all();
    };
  }
  int calls() const {
    const std::lock_guard lock(state_->mutex);
    return state_->calls;
  }
  void await_calls(int count) const {
    std::unique_lock lock(state_->mutex);
    if (!state_->changed.wait_for(lock, patience, [&] { return state_->calls >= count; }))
      throw std::runtime_error("the listener was not called");
  }
  /// Waits for the end: take() is not called, so it is the listener's only call.
  Inference::Result result() const {
    await_calls(1);
    if (!inference->finished()) throw std::runtime_error("the listener was called before the end");
    return inference->result();
  }
  ErrorCode error() const {
    const auto end = result();
    if (!end.error) throw std::runtime_error("the run did not fail: " + end.text);
    return end.error->code();
  }

  std::shared_ptr<Inference> inference;

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    int calls = 0;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

/// Returns the code of the Error that a callable throws.
template <typename Callable> ErrorCode thrown_code(Callable&& callable) {
  try {
    callable();
  } catch (const Error& error) {
    return error.code();
  }
  throw std::runtime_error("nothing was thrown");
}

template <typename Number> Number pick(std::mt19937_64& random, Number low, Number high) {
  return low + static_cast<Number>(random() % static_cast<uint64_t>(high - low + 1));
}

} // namespace support

namespace verbatim {

inline std::ostream& operator<<(std::ostream& out, ErrorCode code) {
  return out << error_code_name(code);
}
inline std::ostream& operator<<(std::ostream& out, FinishReason reason) {
  return out << finish_reason_name(reason);
}

} // namespace verbatim
