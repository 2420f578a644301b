// Models whose memory can be neither shared nor cut, on real contexts: recurrent, hybrid, with a sliding
// window.

#include "backend/memory-kind.h"
#include "check.h"
#include "engine/executor.h"
#include "greedy-check.h"
#include "tiny-model.h"

using namespace verbatim;
using namespace support;

namespace {

using Tokens = std::vector<Token>;
using Batch = std::span<const BatchToken>;

ContextOptions exact(uint32_t cells, uint32_t sequences, uint32_t batch_tokens) {
  ContextOptions options;
  options.cells = cells;
  options.sequences = sequences;
  options.batch_tokens = batch_tokens;
  options.flash_attention = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  options.kv_cache_type = GGML_TYPE_F32;
  return options;
}

/// A context that can be interrupted after a number of operations.
struct FailingContext : Context {
  using Context::Context;
  DecodeStatus decode(Batch batch) override {
    operations = fail_after(batch);
    const auto status = Context::decode(batch);
    operations = 0;
    aborts += status == DecodeStatus::Aborted;
    return status;
  }
  std::function<int(Batch)> fail_after = [](Batch) { return 0; }; ///< 0: it goes through
  int operations = 0;
  int aborts = 0;
};

std::unique_ptr<FailingContext> failing_context(TinyModel& model, const ContextOptions& options) {
  const auto self = std::make_shared<FailingContext*>(nullptr);
  auto context = model.context<FailingContext>(
      options, [self] { return *self && (*self)->operations > 0 && --(*self)->operations == 0; });
  *self = context.get();
  return context;
}

struct Asked {
  Tokens prompt;
  uint32_t max_tokens;
};

std::shared_ptr<Inference> add(Executor& executor, TinyModel& model, const Asked& asked,
                               size_t context_size) {
  GenerateOptions options;
  options.sampling.temperature = 0;
  options.max_tokens = asked.max_tokens;
  options.ignore_end_of_sequence = true;
  auto inference = std::make_shared<Inference>([] {});
  executor.add(std::make_unique<Sequence>(inference, asked.prompt, options, model.tokenizer(), context_size));
  return inference;
}

struct Part {
  int32_t id;
  const Tokens& tokens;
  size_t begin, end;
};

std::vector<BatchToken> batch_of(const std::vector<Part>& parts) {
  std::vector<BatchToken> batch;
  for (const Part& part : parts) {
    for (size_t i = part.begin; i < part.end; ++i)
      batch.push_back({part.tokens[i], static_cast<int32_t>(i), part.id, false});
    batch.back().wants_logits = true;
  }
  return batch;
}

} // namespace

TEST(memory_kind_says_why_cells_cannot_be_shared) {
  for (TinyModel* model : TinyModel::special()) {
    const bool window = model->path.find("cohere2") != std::string::npos;
    const auto reason = why_not_shareable(model->weights());
    CHECK(reason);
    CHECK(reason->find(window ? "sliding window" : "recurrent") != std::string::npos);
    CHECK_EQ(has_recurrent_state(model->weights()), !window);
  }
  if (TinyModel* plain = TinyModel::get()) {
    CHECK(!why_not_shareable(plain->weights()));
    CHECK(!has_recurrent_state(plain->weights()));
  }
}

TEST(context_computes_the_same_after_an_interrupted_batch_is_cleared) {
  // llama.cpp puts the states of a batch side by side and moves others out of the way. Interrupted, it has
  // moved them on paper only: states of sequences that were not in the batch are wrong, and so are those of
  // sequences that begin later, in states that count as zeroed.
  for (TinyModel* model : TinyModel::special()) {
    std::mt19937_64 random(83);
    const Tokens a = model->random_tokens(random, 12), b = model->random_tokens(random, 12);
    std::vector<float> expected;
    bool interrupted = true;
    for (int operations = 0; interrupted; operations += 1 + operations / 8) {
      const auto context = failing_context(*model, exact(512, 4, 64));
      // Not in the order of their ids.
      for (const int32_t id : {0, 2, 3, 1})
        CHECK(context->decode(batch_of({{id, a, 0, 10}})) == DecodeStatus::Ok);
      context->clear(2);
      context->fail_after = [&](Batch) { return operations; };
      const auto status = context->decode(batch_of({{0, a, 10, 12}, {1, a, 10, 12}}));
      interrupted = operations == 0 || status == DecodeStatus::Aborted;
      context->fail_after = [](Batch) { return 0; };
      context->clear_all();
      CHECK(context->decode(batch_of({{0, b, 0, 12}, {2, a, 0, 12}, {3, b, 0, 4}})) == DecodeStatus::Ok);
      const float* logits = context->logits(23);
      const std::vector<float> found(logits, logits + model->vocabulary_size());
      if (operations == 0) expected = found;
      CHECK(found == expected);
    }
  }
}

TEST(executor_restarts_those_outside_an_interrupted_batch) {
  for (TinyModel* model : TinyModel::special()) {
    std::mt19937_64 random(84);
    constexpr size_t context_size = 128;
    const auto context = failing_context(*model, exact(512, 3, 6));
    StepProfile profile;
    Executor executor(*context,
                      {.limits = {{.running = 3, .cells = 512, .sharing = false}, 6, 3},
                       .recurrent = has_recurrent_state(model->weights())},
                      profile);
    // The oldest gets half of each batch, and the shortest the other: the second is left out as soon as there
    // is a third, and llama.cpp moves its state out from between the two.
    const std::vector<Asked> asked = {{model->random_tokens(random, 100), 8},
                                      {model->random_tokens(random, 11), 8},
                                      {model->random_tokens(random, 3), 8}};
    context->fail_after = [&](Batch batch) {
      const bool both = batch.front().sequence == 0 && batch.back().sequence == 2;
      const bool second = std::ranges::any_of(batch, [](const auto& token) { return token.sequence == 1; });
      constexpr int operations[] = {1, 3, 12, 30};
      return both && !second && context->aborts < 4 ? operations[context->aborts] : 0;
    };
    std::vector<std::shared_ptr<Inference>> inferences;
    for (const Asked& each : asked) {
      if (inferences.size() == 2)
        for (int steps = 0; steps < 2; ++steps)
          executor.step();
      inferences.push_back(add(executor, *model, each, context_size));
    }
    while (executor.step()) {
    }
    CHECK_EQ(context->aborts, 4);
    const auto alone = model->context(exact(context_size, 1, context_size));
    for (size_t i = 0; i < asked.size(); ++i)
      CHECK(check_greedy(*alone, model->vocabulary_size(), asked[i].prompt, inferences[i]->result().tokens,
                         1e-3f) >= 6);
  }
}

TEST(executor_computes_the_same_where_nothing_is_shared) {
  // Many requests, preemptions for want of cells, and computations that fail in the middle.
  for (TinyModel* model : TinyModel::special()) {
    constexpr uint32_t context_size = 192; // more than the sliding window of 64
    constexpr int32_t running = 6;
    constexpr float near = 4e-3f; // the shape of the batches differs, and 8 bits round coarsely
    std::mt19937_64 random(82);
    const auto context = failing_context(*model, exact(256, running, 32));
    context->fail_after = [&](Batch) { return random() % 12 ? 0 : pick<int>(random, 1, 90); };
    StepProfile profile;
    Executor executor(*context,
                      // so few that somebody has to give way, however the pace of the prompts is
                      {.limits = {{.running = running, .cells = 200, .sharing = false}, 32, running},
                       .recurrent = has_recurrent_state(model->weights())},
                      profile);
    std::vector<Asked> asked(40);
    std::vector<std::shared_ptr<Inference>> inferences;
    for (auto& each : asked) {
      each = {model->random_tokens(random, pick<size_t>(random, 1, 70)), pick<uint32_t>(random, 1, 30)};
      if (inferences.size() % 3 == 0) each.max_tokens = 110; // more than is kept free for them
      inferences.push_back(add(executor, *model, each, context_size));
    }
    int preemptions = 0;
    for (size_t waiting = executor.scheduler().waiting(); executor.step();
         waiting = executor.scheduler().waiting())
      preemptions += executor.scheduler().waiting() > waiting;
    CHECK(context->aborts > 20);
    CHECK(preemptions > 0);
    const auto& cache = executor.scheduler().cache();
    CHECK_EQ(cache.used_cells() + cache.saved_tokens(), 0u);

    const auto alone = model->context(exact(context_size, 1, context_size));
    size_t steps = 0, compared = 0;
    for (size_t i = 0; i < asked.size(); ++i) {
      const auto outcome = inferences[i]->result();
      CHECK(!outcome.error);
      CHECK_EQ(outcome.tokens.size(), asked[i].max_tokens);
      CHECK_EQ(outcome.usage.cached_tokens, 0u);
      steps += outcome.tokens.size();
      compared += check_greedy(*alone, model->vocabulary_size(), asked[i].prompt, outcome.tokens, near);
    }
    CHECK(compared * 10 > steps * 8);
  }
}

TEST(context_of_a_window_model_has_a_cell_for_each_token) {
  // As many as there are cells fit, by one sequence or by several; nothing is refused before.
  for (TinyModel* model : TinyModel::special()) {
    if (has_recurrent_state(model->weights())) continue;
    std::mt19937_64 random(85);
    const auto context = model->context(exact(1024, 4, 256));
    CHECK_EQ(context->cells(), 1024u);
    const Tokens tokens = model->random_tokens(random, 1024);
    for (size_t begin = 0; begin < 1024; begin += 256)
      CHECK(context->decode(batch_of({{0, tokens, begin, begin + 256}})) == DecodeStatus::Ok);
    context->clear(0);
    for (size_t begin = 0; begin < 256; begin += 64)
      CHECK(context->decode(batch_of({{0, tokens, begin, begin + 64},
                                      {1, tokens, begin, begin + 64},
                                      {2, tokens, begin, begin + 64},
                                      {3, tokens, begin, begin + 64}})) == DecodeStatus::Ok);
    CHECK(context->decode(batch_of({{0, tokens, 256, 257}})) == DecodeStatus::NoSlot);
    context->clear(3);
    CHECK(context->decode(batch_of({{0, tokens, 256, 512}})) == DecodeStatus::Ok);
  }
}
