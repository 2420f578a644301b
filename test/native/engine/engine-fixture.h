#pragma once

#include "engine/engine.h"
#include "fake-decoder.h"

#include <optional>
#include <tuple>

namespace support {

/// A request. Its prompt is made from its number, so that every request has its own text.
struct Request {
  size_t number = 0;
  size_t prompt_size = 10;
  uint32_t max_tokens = 8;
  double temperature = 0;
  std::vector<std::string> stop = {};
  bool ignore_end_of_sequence = false;
  size_t context_size = 1000;
  int32_t logprobs = -1;
  bool prompt_lookup = false, reproducible = false;
  Tokens own_prompt = {}; ///< replaces that prompt unless empty

  Tokens prompt() const {
    if (!own_prompt.empty()) return own_prompt;
    Tokens tokens(prompt_size);
    for (size_t i = 0; i < prompt_size; ++i)
      tokens[i] = first_token() + static_cast<Token>(i * (number % 7));
    return tokens;
  }
  Token first_token() const { return static_cast<Token>(1000 + number); }
};

/// An engine over a fake decoder. Call finish() at the end of each test.
class EngineFixture {
 public:
  explicit EngineFixture(FakeDecoder::Limits limits = {}) : limits_(limits), decoder(limits) {}
  ~EngineFixture() { stop(); }

  /// Starts the engine. Set the decoder's script before.
  void start() { engine_ = std::make_unique<Engine>(decoder, options(), nullptr); }
  Engine& engine() {
    if (!engine_) start();
    return *engine_;
  }
  /// Returns the engine for use in a script, which may run before start() has returned.
  Engine* running() const { return engine_.get(); }

  Engine::Options options() {
    Engine::Options options;
    options.shared.limits = limits_.scheduler();
    options.shared.recurrent = limits_.recurrent;
    options.reproducible.limits = {{.running = 1, .cells = limits_.cells, .sharing = false}, 16, 1};
    options.reproducible.fixed_batches = true;
    options.make_reproducible = [this] {
      if (refuse_reproducible) throw Error(ErrorCode::OutOfMemory, "no second context");
      auto second = std::make_unique<Second>(FakeDecoder::Limits{1, limits_.cells, 16}, decoder.breaches);
      second->next = decoder.next;
      on_second(*second);
      return second;
    };
    if (with_lane) {
      options.shared.limits.long_prompt = 30;
      options.shared.threads = 3;
      options.shared.threads_beside = 2;
      options.lane = PrefillLane::Options{.make_decoder =
                                              [this](size_t cells, std::function<bool()> should_abort) {
                                                auto aside = std::make_unique<Second>(
                                                    FakeDecoder::Limits{2, cells, 16}, decoder.breaches);
                                                on_lane(*aside, should_abort);
                                                return aside;
                                              },
                                          .on_done = {},
                                          .batch_tokens = 16,
                                          .threads = 3,
                                          .threads_beside = 1};
    }
    if (adjust) adjust(options);
    return options;
  }

  Run submit(const Request& request) {
    Run run;
    engine().submit(sequence(request, run.inference));
    return run;
  }
  void cancel(const Run& run) {
    run.inference->cancel();
    engine_->wake();
  }
  void stop() {
    if (engine_) engine_->stop();
  }
  /// Stops the engine, so that the decoder may be read.
  void finish() {
    stop();
    if (!decoder.breaches.empty())
      check::fail(__FILE__, __LINE__, "the engine breached the decoder's contract: " + decoder.breaches[0]);
    CHECK(decoder.most_cells <= limits_.cells);
    const auto load = engine_->status();
    CHECK_EQ(load.waiting + load.running + load.used_cells, 0u);
  }

  static std::unique_ptr<Sequence> sequence(const Request& request, std::shared_ptr<Inference> inference) {
    GenerateOptions options;
    options.sampling.temperature = request.temperature;
    options.sampling.seed = request.number;
    options.sampling.logprobs = request.logprobs;
    options.max_tokens = request.max_tokens;
    options.stop = request.stop;
    options.ignore_end_of_sequence = request.ignore_end_of_sequence;
    options.speculative = request.prompt_lookup ? Speculative::PromptLookup : Speculative::None;
    options.reproducible = request.reproducible;
    return std::make_unique<Sequence>(std::move(inference), request.prompt(), options, gpt2(),
                                      request.context_size);
  }

  /// Returns the text of a request that nothing disturbs. Computed once.
  static const std::string& alone(const Request& request) {
    static std::map<std::tuple<size_t, Tokens, uint32_t, double, size_t>, std::string> known;
    auto& text = known[{request.number, request.prompt(), request.max_tokens, request.temperature,
                        request.context_size}];
    if (text.empty()) {
      EngineFixture fixture({1, 100000, 4096});
      Request plain = request;
      plain.prompt_lookup = plain.reproducible = false;
      text = fixture.submit(plain).result().text;
      fixture.finish();
    }
    return text;
  }

 private:
  /// Adds its breaches to the first decoder's when it is destroyed.
  struct Second : FakeDecoder {
    Second(Limits limits, std::vector<std::string>& to) : FakeDecoder(limits), breaches_to(to) {}
    ~Second() override {
      static std::mutex mutex; // that of the lane ends on a thread of its own
      const std::lock_guard lock(mutex);
      breaches_to.insert(breaches_to.end(), breaches.begin(), breaches.end());
    }
    std::vector<std::string>& breaches_to;
  };

  const FakeDecoder::Limits limits_;

 public:
  FakeDecoder decoder;
  std::function<void(Engine::Options&)> adjust; ///< before start()
  bool refuse_reproducible = false;
  bool with_lane = false; ///< for prompts of more than 30 tokens
  /// Adjusts the lane's decoder, on the lane's thread. May throw: then there is none.
  std::function<void(FakeDecoder&, const std::function<bool()>& should_abort)> on_lane =
      [](FakeDecoder&, const std::function<bool()>&) {};
  std::function<void(FakeDecoder&)> on_second = [](FakeDecoder&) {
  }; ///< adjusts the decoder of reproducible requests

 private:
  std::unique_ptr<Engine> engine_; ///< destroyed before the decoder
};

inline std::vector<Request> several(size_t count, uint32_t max_tokens = 40) {
  std::vector<Request> requests;
  for (size_t i = 0; i < count; ++i)
    requests.push_back({i, 5 + i * 17 % 60, max_tokens - static_cast<uint32_t>(i % 5), i % 2 ? 1.0 : 0.0});
  return requests;
}

/// Checks that every request ended as it does alone.
inline void check_undisturbed(const std::vector<Request>& requests, const std::vector<Run>& runs,
                              std::optional<size_t> except = {}) {
  for (size_t i = 0; i < runs.size(); ++i) {
    if (i == except) continue;
    const auto outcome = runs[i].result();
    CHECK(!outcome.error);
    CHECK_EQ(outcome.text, EngineFixture::alone(requests[i]));
    CHECK_EQ(outcome.tokens.size(), requests[i].max_tokens);
    CHECK_EQ(outcome.usage.prompt_tokens, requests[i].prompt_size);
    CHECK_EQ(runs[i].calls(), 1);
  }
}

} // namespace support
