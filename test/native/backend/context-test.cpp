// The cells of prefixes, on a real context: those that are shared, cut, saved and restored give the
// logits of a run that nothing has happened to.

#include "check.h"
#include "tiny-model.h"

#include <cmath>

using namespace verbatim;
using namespace support;

namespace {

using Tokens = std::vector<Token>;
using Logits = std::vector<float>;

/// Rounding depends on the order of the cells. Weights and activations of 8 bits make little of small
/// differences, but where ggml sums up flash attention in 16 bits, they are not small.
struct Kind {
  ggml_type type;
  llama_flash_attn_type flash_attention;
  float tolerance; ///< of the range of the logits
};
constexpr Kind kinds[] = {{GGML_TYPE_F16, LLAMA_FLASH_ATTN_TYPE_DISABLED, 1e-3f},
                          {GGML_TYPE_Q8_0, LLAMA_FLASH_ATTN_TYPE_ENABLED, 1e-3f},
                          {GGML_TYPE_F16, LLAMA_FLASH_ATTN_TYPE_ENABLED, 3e-2f}};

class ContextFixture {
 public:
  ContextFixture(TinyModel& model, const Kind& kind)
      : model(model), tolerance(kind.tolerance),
        context(model.context({.cells = 512,
                               .sequences = 8,
                               .batch_tokens = 256,
                               .flash_attention = kind.flash_attention,
                               .kv_cache_type = kind.type})) {}

  DecodeStatus try_decode(int32_t sequence, size_t begin, std::span<const Token> tokens) {
    std::vector<BatchToken> batch;
    for (const Token token : tokens)
      batch.push_back({token, static_cast<int32_t>(begin++), sequence, false});
    batch.back().wants_logits = true;
    return context->decode(batch);
  }

  /// Computes tokens[begin, end), and returns the logits of the last.
  Logits decode(int32_t sequence, const Tokens& tokens, size_t begin, size_t end) {
    const auto status = try_decode(sequence, begin, std::span(tokens).subspan(begin, end - begin));
    CHECK(status == DecodeStatus::Ok);
    const float* logits = context->logits(end - begin - 1);
    return {logits, logits + model.vocabulary_size()};
  }

  /// Counts the free cells.
  size_t free_cells() {
    constexpr int32_t probe = 7;
    size_t count = 0;
    for (size_t more = 256; more > 0; more /= 2)
      while (try_decode(probe, count, Tokens(more, 1)) == DecodeStatus::Ok)
        count += more;
    context->clear(probe);
    return count;
  }

  TinyModel& model;
  const float tolerance;
  std::unique_ptr<Context> context;
};

/// Returns the largest difference as a part of the range.
float difference(const Logits& actual, const Logits& expected) {
  CHECK_EQ(actual.size(), expected.size());
  const auto [least, most] = std::ranges::minmax(expected);
  CHECK(most - least > 0.1f);
  float largest = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    CHECK(std::isfinite(actual[i]));
    largest = std::max(largest, std::abs(actual[i] - expected[i]));
  }
  return largest / (most - least);
}

void with_each_type(const std::function<void(ContextFixture&, std::mt19937_64&)>& body) {
  TinyModel* model = TinyModel::get();
  if (!model) return;
  for (const Kind& kind : kinds) {
    ContextFixture fixture(*model, kind);
    std::mt19937_64 random(51);
    body(fixture, random);
  }
}

} // namespace

TEST(context_gives_the_same_logits_from_shared_cells) {
  with_each_type([](ContextFixture& fixture, std::mt19937_64& random) {
    const Tokens tokens = fixture.model.random_tokens(random, 60);
    const Logits expected = fixture.decode(0, tokens, 0, 60);
    fixture.context->share(0, 1, 0, 40);
    CHECK_EQ(fixture.free_cells(), 512u - 60);
    CHECK(difference(fixture.decode(1, tokens, 40, 60), expected) < fixture.tolerance);
    fixture.context->clear(0); // the other keeps what is its own too
    fixture.context->share(1, 2, 0, 59);
    fixture.context->clear(1);
    CHECK(difference(fixture.decode(2, tokens, 59, 60), expected) < fixture.tolerance);
    CHECK_EQ(fixture.free_cells(), 512u - 60);
    fixture.context->clear(2);
    CHECK_EQ(fixture.free_cells(), 512u);
    // A test that can fail: other tokens before give other logits.
    Tokens others = fixture.model.random_tokens(random, 60);
    others.back() = tokens.back();
    CHECK(difference(fixture.decode(3, others, 0, 60), expected) > 5e-2f);
  });
}

TEST(context_gives_the_same_logits_after_truncation) {
  with_each_type([](ContextFixture& fixture, std::mt19937_64& random) {
    const Tokens tokens = fixture.model.random_tokens(random, 60);
    const Logits expected = fixture.decode(0, tokens, 0, 60);
    fixture.decode(1, tokens, 0, 40);
    fixture.context->share(1, 2, 0, 40);
    fixture.decode(1, fixture.model.random_tokens(random, 80), 40, 80); // drafts, all wrong
    fixture.context->truncate(1, 40);
    CHECK_EQ(fixture.free_cells(), 512u - 60 - 40);
    CHECK(difference(fixture.decode(1, tokens, 40, 60), expected) < fixture.tolerance);
    fixture.context->truncate(1, 20); // the cells of the other stay
    CHECK(difference(fixture.decode(2, tokens, 40, 60), expected) < fixture.tolerance);
    CHECK(difference(fixture.decode(1, tokens, 20, 60), expected) < fixture.tolerance);
  });
}

TEST(context_gives_the_same_logits_from_restored_cells) {
  with_each_type([](ContextFixture& fixture, std::mt19937_64& random) {
    const Tokens tokens = fixture.model.random_tokens(random, 60);
    const Logits expected = fixture.decode(0, tokens, 0, 60);
    // Save two pieces of different sequences, as a cache that was split has them; restore them to other
    // cells.
    std::vector<std::vector<uint8_t>> pieces;
    for (const auto& [begin, end] : {std::pair{0, 25}, {25, 59}}) {
      fixture.context->share(0, 6, begin, end);
      pieces.push_back(fixture.context->save(6));
      fixture.context->clear(6);
      CHECK(!pieces.back().empty());
    }
    fixture.decode(1, fixture.model.random_tokens(random, 100), 0, 100);
    fixture.context->clear(0);
    fixture.decode(2, fixture.model.random_tokens(random, 13), 0, 13); // into some of those that are free now
    for (int32_t position = 0; const auto& piece : pieces) {
      CHECK(fixture.context->restore(5, piece));
      fixture.context->share(5, 3, position, position ? 59 : 25);
      fixture.context->clear(5);
      position = 25;
    }
    CHECK_EQ(fixture.free_cells(), 512u - 100 - 13 - 59);
    CHECK(difference(fixture.decode(3, tokens, 59, 60), expected) < fixture.tolerance);
  });
}

TEST(context_refuses_to_restore_damaged_data) {
  with_each_type([](ContextFixture& fixture, std::mt19937_64& random) {
    const Tokens tokens = fixture.model.random_tokens(random, 60);
    const Logits expected = fixture.decode(0, tokens, 0, 60);
    const auto data = fixture.context->save(0);
    CHECK(data.size() > 60 * 64);
    CHECK(!fixture.context->restore(1, {}));
    for (const size_t size :
         {size_t(1), size_t(4), size_t(8), size_t(13), data.size() / 2, data.size() - 1}) {
      CHECK(!fixture.context->restore(1, std::span(data).first(size)));
      CHECK_EQ(fixture.free_cells(), 512u - 60); // nothing is left of it
    }
    auto wrong = data;
    wrong[0] ^= 1;
    CHECK(!fixture.context->restore(1, wrong));
    auto longer = data;
    longer.push_back(0);
    CHECK(!fixture.context->restore(1, longer));
    CHECK_EQ(fixture.free_cells(), 512u - 60);
    CHECK(fixture.context->restore(1, data));
    fixture.context->truncate(1, 59);
    CHECK(difference(fixture.decode(1, tokens, 59, 60), expected) < fixture.tolerance);
  });
}

TEST(context_restores_only_where_there_is_room) {
  with_each_type([](ContextFixture& fixture, std::mt19937_64& random) {
    const Tokens tokens = fixture.model.random_tokens(random, 200);
    fixture.decode(0, tokens, 0, 200);
    const auto data = fixture.context->save(0);
    fixture.decode(1, tokens, 0, 150);
    CHECK(!fixture.context->restore(2, data)); // 162 are free
    CHECK_EQ(fixture.free_cells(), 162u);
    fixture.context->truncate(1, 100);
    CHECK(fixture.context->restore(2, data));
    CHECK_EQ(fixture.free_cells(), 12u);
    // No room is no harm: the sequence goes on when there is some.
    CHECK(fixture.try_decode(2, 200, Tokens(13, 1)) == DecodeStatus::NoSlot);
    CHECK(fixture.try_decode(2, 200, Tokens(12, 1)) == DecodeStatus::Ok);
    CHECK(fixture.try_decode(2, 212, Tokens(1, 1)) == DecodeStatus::NoSlot);
    fixture.context->clear(0);
    CHECK(fixture.try_decode(2, 212, Tokens(1, 1)) == DecodeStatus::Ok);
  });
}

TEST(context_starts_over_when_rebuilt) {
  with_each_type([](ContextFixture& fixture, std::mt19937_64& random) {
    const Tokens tokens = fixture.model.random_tokens(random, 60);
    const Logits expected = fixture.decode(0, tokens, 0, 60);
    fixture.decode(1, tokens, 0, 60);
    CHECK(fixture.context->rebuild());
    CHECK_EQ(fixture.free_cells(), 512u);
    CHECK(difference(fixture.decode(0, tokens, 0, 60), expected) < fixture.tolerance);
  });
}

TEST(context_is_empty_after_the_warm_up) {
  auto models = TinyModel::special();
  models.push_back(TinyModel::get());
  for (auto* model : models) {
    if (!model) continue;
    const auto context = model->context({.cells = 256, .sequences = 2, .batch_tokens = 64});
    for (const bool whole : {false, true}) {
      context->warm_up(whole);
      CHECK_EQ(llama_memory_seq_pos_max(llama_get_memory(context->get()), 0), -1);
    }
    // A batch larger than the cache is cut to it.
    model->context({.cells = 256, .sequences = 1, .batch_tokens = 512})->warm_up(true);
  }
}

TEST(context_warm_up_is_cut_short_by_who_cancels_the_load) {
  auto* model = TinyModel::get();
  if (!model) return;
  const auto context =
      model->context({.cells = 256, .sequences = 1, .batch_tokens = 64}, [] { return true; });
  context->warm_up(true);
  CHECK_EQ(llama_memory_seq_pos_max(llama_get_memory(context->get()), 0), -1);
}
