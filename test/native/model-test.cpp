// A whole model, the tiny one with random weights. Skipped where it has not been made: every test that
// npm runs has made it.

#include "model.h"

#include "check.h"
#include "support.h"

#include <cstdlib>
#include <filesystem>
#include <thread>

using namespace verbatim;
using namespace support;

namespace {

std::optional<std::string> tiny() {
  const char* given = std::getenv("VERBATIM_TEST_MODEL");
  const std::string path = given ? given : SOURCE_DIR "/models/generated/tiny-Q8_0.gguf";
  if (std::filesystem::exists(path)) return path;
  static const bool said = (std::cout << "skipped: no " << path << "\n").good();
  (void)said;
  return std::nullopt;
}

/// With one thread, as several that wait for each other are slow where the processor is shared.
std::shared_ptr<Model> load(const std::string& path, uint32_t max_sequences = 4, LogSink on_log = {},
                            int32_t threads = 1) {
  load_backends();
  LoadOptions options;
  options.path = path;
  options.context_size = 256;
  options.cache_size = 512;
  options.max_sequences = max_sequences;
  options.threads = threads;
  options.on_log = std::move(on_log);
  const std::atomic<bool> cancelled = false;
  return Model::load(std::move(options), [](double) {}, cancelled);
}

RenderInput saying(const std::string& text) {
  RenderInput input;
  input.messages = R"([{"role":"user","content":")" + text + R"("}])";
  return input;
}

GenerateOptions greedy(uint32_t max_tokens) {
  GenerateOptions options;
  options.sampling.temperature = 0;
  options.max_tokens = max_tokens;
  options.ignore_end_of_sequence = true;
  return options;
}

Run generate(Model& model, const std::string& text, const GenerateOptions& options) {
  Run run;
  run.inference = model.generate(saying(text), {}, options, run.listener());
  return run;
}

} // namespace

TEST(model_generates_the_same_alone_and_in_company) {
  const auto path = tiny();
  if (!path) return;
  const auto model = load(*path, 4, {}, 2);
  std::vector<Inference::Result> alone;
  for (int i = 0; i < 6; ++i) {
    alone.push_back(generate(*model, "Number " + std::to_string(i), greedy(6)).result());
    CHECK(!alone.back().error);
    CHECK_EQ(alone.back().tokens.size(), 6u);
    CHECK_EQ(*alone.back().finish_reason, FinishReason::Length);
    CHECK_EQ(model->tokenizer().detokenize(alone.back().tokens, false).empty(), alone.back().text.empty());
  }
  std::vector<Run> runs;
  for (int i = 0; i < 6; ++i)
    runs.push_back(generate(*model, "Number " + std::to_string(i), greedy(6)));
  for (size_t i = 0; i < runs.size(); ++i) {
    const auto outcome = runs[i].result();
    CHECK(!outcome.error);
    CHECK_EQ(outcome.tokens.size(), 6u);
    // Sums over other batch sizes may round otherwise; the first token stands well apart.
    CHECK_EQ(outcome.tokens[0], alone[i].tokens[0]);
  }
  const auto load = model->status();
  CHECK_EQ(load.waiting, 0u);
}

TEST(model_reports_its_sizes_and_prepares_prompts) {
  const auto path = tiny();
  if (!path) return;
  std::atomic<int> lines = 0;
  const auto model = load(*path, 3, [&](LogLevel, const std::string&) { ++lines; });
  const auto& info = model->info();
  CHECK_EQ(info.context_size, 256u);
  CHECK(info.cache_size >= 512);
  CHECK_EQ(info.max_sequences, 3u);
  CHECK(info.chat_template.has_value());
  CHECK(info.vocabulary_size > 0 && info.layers > 0);
  CHECK(lines > 0);
  const Prompt prompt = model->prepare(saying("hi"), {});
  CHECK(prompt.rendered.text.find("hi") != std::string::npos);
  CHECK_EQ(model->tokenizer().detokenize(prompt.tokens, true), prompt.rendered.text);
}

TEST(model_refuses_what_does_not_fit) {
  const auto path = tiny();
  if (!path) return;
  const auto model = load(*path);
  std::string words;
  for (int i = 0; i < 400; ++i)
    words += "word ";
  CHECK_EQ(generate(*model, words, greedy(1)).error(), ErrorCode::ContextOverflow);
  CHECK_EQ(generate(*model, "\",", greedy(1)).error(), ErrorCode::InvalidMessages); // not JSON
  auto options = greedy(1);
  options.sampling.top_p = 7;
  CHECK_EQ(generate(*model, "hi", options).error(), ErrorCode::InvalidOption);
  const auto full = generate(*model, "hi", greedy(100000)).result();
  CHECK_EQ(*full.finish_reason, FinishReason::Context);
  CHECK_EQ(full.usage.prompt_tokens + full.usage.completion_tokens, 256u);
}

TEST(model_cancels_runs_and_goes_on) {
  const auto path = tiny();
  if (!path) return;
  const auto model = load(*path, 2);
  for (int round = 0; round < 10; ++round) {
    std::vector<Run> runs;
    for (int i = 0; i < 4; ++i)
      runs.push_back(generate(*model, "Long", greedy(200)));
    std::this_thread::sleep_for(std::chrono::milliseconds(round));
    for (const Run& run : runs)
      model->cancel(*run.inference);
    for (const Run& run : runs)
      CHECK_EQ(run.error(), ErrorCode::Cancelled);
  }
  CHECK_EQ(generate(*model, "Short", greedy(3)).result().tokens.size(), 3u);
}

TEST(model_shutdown_ends_every_request_in_flight) {
  const auto path = tiny();
  if (!path) return;
  for (int round = 0; round < 4; ++round) {
    const auto model = load(*path, 2);
    std::vector<Run> runs;
    for (int i = 0; i < 6; ++i)
      runs.push_back(generate(*model, "Long", greedy(200)));
    std::atomic<int> posted = 0;
    std::thread late([&] {
      for (int i = 0; i < 20; ++i) {
        runs[0].inference->cancelled();
        model->post([&] { ++posted; });
        model->cancel(*runs[1].inference);
      }
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(3 * round));
    std::thread other([&] { model->shutdown(); });
    model->shutdown(); // from two threads at once
    other.join();
    late.join();
    CHECK_EQ(posted.load(), 20); // tasks run, if only on the caller's thread
    for (const Run& run : runs) {
      const ErrorCode code = run.error();
      CHECK(code == ErrorCode::Disposed || code == ErrorCode::Cancelled);
    }
    CHECK_EQ(generate(*model, "After", greedy(1)).error(), ErrorCode::Disposed);
    CHECK_EQ(thrown_code([&] { model->require_alive(); }), ErrorCode::Disposed);
    CHECK_EQ(model->status().running, 0u);
  }
}

TEST(model_load_can_be_cancelled) {
  const auto path = tiny();
  if (!path) return;
  load_backends();
  LoadOptions options;
  options.path = *path;
  std::atomic<bool> cancelled = false;
  double last = -1;
  int calls = 0;
  const auto progress = [&](double fraction) {
    CHECK(fraction >= last && fraction < 1);
    last = fraction;
    ++calls;
    cancelled = true;
  };
  CHECK_EQ(thrown_code([&] { Model::load(options, progress, cancelled); }), ErrorCode::Cancelled);
  CHECK_EQ(calls, 1); // nothing is loaded after it
}

TEST(model_load_reports_progress_and_errors) {
  const auto path = tiny();
  if (!path) return;
  load_backends();
  const std::atomic<bool> cancelled = false;
  const auto attempt = [&](auto change) {
    LoadOptions options;
    options.path = *path;
    options.context_size = 256;
    change(options);
    return thrown_code([&] { Model::load(options, [](double) {}, cancelled); });
  };
  CHECK_EQ(attempt([](LoadOptions& o) { o.path += ".missing"; }), ErrorCode::ModelNotFound);
  CHECK_EQ(attempt([](LoadOptions& o) { o.path = SOURCE_DIR "/package.json"; }), ErrorCode::ModelInvalid);
  CHECK_EQ(attempt([](LoadOptions& o) { o.cache_size = 128; }), ErrorCode::InvalidOption);
  CHECK_EQ(attempt([](LoadOptions& o) { o.context_size = 1u << 30; }), ErrorCode::InvalidOption);
  CHECK_EQ(attempt([](LoadOptions& o) { o.chat_template.source = "{% if"; }), ErrorCode::TemplateSyntax);

  LoadOptions options;
  options.path = *path;
  std::vector<double> fractions;
  Model::load(options, [&](double fraction) { fractions.push_back(fraction); }, cancelled);
  CHECK(std::ranges::is_sorted(fractions));
  CHECK_EQ(fractions.back(), 1.0);
}
