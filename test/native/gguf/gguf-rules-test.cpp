// The rules for architecture, hyper-parameters and vocabulary. LLAMA_CPP_DIR, a definition or an environment
// variable, adds llama.cpp's own vocabularies.

#include "gguf/gguf-file.h"

#include <cmath>
#include <cstdlib>

using namespace gguf_test;
using verbatim::check_gguf_vocabulary;
using verbatim::GgufMetadata;

namespace {

void unsupported(const std::string& part, const std::function<void(File&)>& change,
                 const std::string& name = "llama") {
  expect(ErrorCode::ModelUnsupported, part, change, name);
}

/// Sets an integer of the model's architecture.
std::function<void(File&)> set(const std::string& key, uint32_t value) {
  return [=](File& file) { file.u32(key, value); };
}

std::function<void(File&)> set_float(const std::string& key, float value) {
  return [=](File& file) { file.f32(key, value); };
}

/// A vocabulary alone; returns what check_gguf_vocabulary says, or the error's code.
std::string vocabulary(const File& file) {
  const Folder folder;
  try {
    return std::to_string(
        check_gguf_vocabulary(GgufMetadata::read(folder.write("vocab.gguf", file.bytes()))));
  } catch (const Error& error) {
    return error_code_name(error.code());
  }
}

File tokens(const std::string& kind, const std::vector<std::string>& texts) {
  File file;
  file.string("tokenizer.ggml.model", kind);
  file.strings("tokenizer.ggml.tokens", texts);
  return file;
}

} // namespace

TEST(gguf_refuses_architectures_that_are_unknown_or_cannot_generate) {
  invalid("general.architecture", [](File& file) { file.drop("general.architecture"); });
  unsupported("unknown architecture 'llama9'",
              [](File& file) { file.string("general.architecture", "llama9"); });
  unsupported("unknown architecture '(unknown)'",
              [](File& file) { file.string("general.architecture", "(unknown)"); });
  for (const char* name : {"bert", "t5", "clip", "gemma-embedding", "dream"}) {
    unsupported("cannot generate", [&](File& file) { file.string("general.architecture", name); });
  }
  unsupported("not causal", [](File& file) { file.boolean("llama.attention.causal", false); });
  unsupported("adapter", [](File& file) { file.string("general.type", "adapter"); });
  const Error error = refused(model("llama9").bytes(), "llama9");
  CHECK_EQ(std::get<std::string>(error.fields().back().second), std::string("llama9"));
  for (const char* name : {"qwen2", "gemma3", "mistral3", "olmo"})
    accepted(model(name));
}

TEST(gguf_refuses_sizes_that_are_missing_or_out_of_range) {
  for (const char* key : {"llama.block_count", "llama.context_length", "llama.embedding_length"}) {
    invalid(key, [&](File& file) { file.drop(key); });
    invalid(key, set(key, 0));
    invalid(key, set(key, 0x80000000));
    invalid(key, [&](File& file) { file.string(key, "2"); });
  }
  invalid("block_count", set("llama.block_count", 513));
  invalid("nextn_predict_layers", set("llama.nextn_predict_layers", 2));
  invalid("n_deepstack_layers", set("qwen3vl.n_deepstack_layers", 3), "qwen3vl");
}

TEST(gguf_refuses_expert_counts_that_do_not_fit_together) {
  const auto experts = [](uint32_t count, uint32_t used, uint32_t groups, uint32_t used_groups) {
    return [=](File& file) {
      file.u32("llama.expert_count", count);
      file.u32("llama.expert_used_count", used);
      file.u32("llama.expert_group_count", groups);
      file.u32("llama.expert_group_used_count", used_groups);
    };
  };
  invalid("expert_count", experts(1025, 2, 0, 0));
  invalid("expert_used_count", experts(8, 9, 0, 0));
  invalid("expert_used_count", experts(8, 0, 0, 0));
  invalid("expert_used_count", experts(0, 1, 0, 0));
  invalid("expert_group_count", experts(8, 2, 8, 0));
  invalid("expert_group_count", experts(8, 2, 3, 1));
  invalid("expert_group_used_count", experts(8, 2, 4, 4));
  invalid("expert_group_used_count", experts(8, 2, 4, 0));
  invalid("expert_gating_func", set("llama.expert_gating_func", 5));
  invalid("expert_count", set("qwen35moe.expert_count", 0), "qwen35moe");
  File file = model();
  experts(8, 2, 4, 2)(file);
  accepted(file);
  file.array<uint32_t>("llama.expert_used_count", GgufType::Uint32, {2, 0});
  accepted(file);
  invalid("expert_used_count",
          [](File& other) { other.array<uint32_t>("llama.expert_used_count", GgufType::Uint32, {1}); });
}

TEST(gguf_refuses_head_counts_and_sizes_that_do_not_fit_together) {
  invalid("head_count", set("llama.attention.head_count", 0));
  invalid("head_count", [](File& file) { file.drop("llama.attention.head_count"); });
  invalid("head_count", set("llama.attention.head_count_kv", 3));
  invalid("head_count", set("llama.attention.head_count_kv", 8));
  invalid("head_count", set("llama.attention.head_count", 0xffffffff));
  invalid("does not fit the tensors", set("gemma.attention.key_length", 0), "gemma");
  invalid("value_length", set("llama.attention.value_length", 16));
  invalid("key_length", set("llama.attention.key_length", 1 << 20));
  invalid("key_length_mla", set("llama.attention.key_length_mla", 16));
  invalid("key_length_swa", set("llama.attention.key_length_swa", 16));
  invalid("dimension_count", set("llama.rope.dimension_count", 4));
  invalid("does not fit the tensors", [](File& file) {
    file.u32("llama.attention.key_length", 12);
    file.u32("llama.attention.value_length", 12);
  });
  invalid("does not fit the tensors",
          [](File& file) { file.tensors.push_back({"blk.0.attn_qkv.weight", {32, 96}}); });
  const auto per_layer = [](const std::vector<uint32_t>& counts) {
    return [=](File& file) { file.array("llama.attention.head_count_kv", GgufType::Uint32, counts); };
  };
  invalid("same in all layers", per_layer({2, 4}));
  invalid("each of the layers", per_layer({2}));
  File file = model();
  per_layer({2, 2})(file);
  accepted(file);
  // Where layers differ by design, and where there is no attention at all.
  File hybrid = model("jamba");
  hybrid.array<uint32_t>("jamba.attention.head_count_kv", GgufType::Uint32, {0, 2});
  accepted(hybrid);
  File recurrent = model("mamba");
  recurrent.u32("mamba.attention.head_count", 0);
  recurrent.u32("mamba.attention.head_count_kv", 0);
  accepted(recurrent);
}

TEST(gguf_refuses_short_convolutions_that_do_not_fit_the_attention) {
  const auto counts = [](const std::string& key, const std::vector<uint32_t>& values) {
    return [=](File& file) {
      file.u32("lfm2.shortconv.l_cache", 3);
      file.array("lfm2.attention." + key, GgufType::Uint32, values);
    };
  };
  File file = model("lfm2");
  counts("head_count_kv", {0, 2})(file);
  accepted(file);
  invalid(
      "l_cache",
      [](File& other) { other.array<uint32_t>("lfm2.attention.head_count_kv", GgufType::Uint32, {0, 2}); },
      "lfm2");
  invalid("head_count_kv", counts("head_count_kv", {2, 2}), "lfm2");
  invalid("head_count_kv", counts("head_count_kv", {0, 0}), "lfm2");
  const auto with = [&](auto change) {
    return [=](File& other) {
      counts("head_count_kv", {0, 2})(other);
      change(other);
    };
  };
  invalid("l_cache", with(set("lfm2.shortconv.l_cache", 1)), "lfm2");
  invalid("same in all layers", with(counts("head_count", {4, 2})), "lfm2");
  invalid("head_count", with(set("lfm2.attention.head_count", 0)), "lfm2");
  invalid("fit 'embedding_length'", with([](File& other) {
            other.u32("lfm2.attention.key_length", 4);
            other.u32("lfm2.attention.value_length", 4);
          }),
          "lfm2");
}

TEST(gguf_refuses_rope_settings_that_do_not_fit_the_heads) {
  invalid("rope.scaling.type", [](File& file) { file.string("llama.rope.scaling.type", "cubic"); });
  for (const char* type : {"none", "linear", "yarn", "longrope"}) {
    File file = model();
    file.string("llama.rope.scaling.type", type);
    accepted(file);
  }
  invalid("rope.dimension_count", set("phi2.rope.dimension_count", 7), "phi2");
  invalid("rope.dimension_count", set("phi2.rope.dimension_count", 10), "phi2");
  invalid(
      "rope.dimension_count",
      [](File& odd) { // heads of one element, all of which turn
        odd.u32("cohere2.attention.head_count", 32);
        odd.u32("cohere2.attention.head_count_kv", 16);
      },
      "cohere2");
  File partial = model("phi2");
  partial.u32("phi2.rope.dimension_count", 4);
  accepted(partial);
  const auto sections = [](const std::vector<int32_t>& values) {
    return [=](File& file) { file.array("qwen2vl.rope.dimension_sections", GgufType::Int32, values); };
  };
  invalid("dimension_sections", sections({1, -1, 0, 0}), "qwen2vl");
  invalid("dimension_sections", sections({0, 0, 0, 0}), "qwen2vl");
  File file = model("qwen2vl");
  sections({2, 1, 1, 0})(file);
  accepted(file);
  invalid("sliding_window_pattern", [](File& other) {
    other.u32("llama.attention.sliding_window", 64);
    other.u32("llama.attention.sliding_window_pattern", 1);
  });
  invalid("original_context_length", set("llama.rope.scaling.original_context_length", 0xffffffff));
  invalid("temperature_length", set_float("deepseek2.attention.temperature_scale", 0.1f), "deepseek2");
}

TEST(gguf_refuses_floats_that_are_no_numbers_or_out_of_range) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float value : {-1e-6f, 2.0f, std::nanf(""), infinity}) {
    invalid("epsilon", set_float("llama.attention.layer_norm_rms_epsilon", value));
  }
  for (const float value : {-1.0f, std::nanf(""), infinity}) {
    invalid("freq_base", set_float("llama.rope.freq_base", value));
    invalid("scaling.factor", set_float("llama.rope.scaling.factor", value));
  }
  for (const float value : {std::nanf(""), -infinity})
    invalid("logit_scale", set_float("llama.logit_scale", value));
}

TEST(gguf_refuses_state_space_sizes_that_do_not_divide) {
  const auto space = [](const std::string& name, uint32_t inner, uint32_t rank, uint32_t groups) {
    return [=](File& file) {
      file.u32(name + ".ssm.inner_size", inner);
      file.u32(name + ".ssm.time_step_rank", rank);
      file.u32(name + ".ssm.group_count", groups);
    };
  };
  invalid("time_step_rank", space("mamba2", 64, 0, 1), "mamba2");
  invalid("time_step_rank", space("mamba2", 64, 3, 1), "mamba2");
  invalid("group_count", space("mamba2", 64, 4, 0), "mamba2");
  invalid("group_count", space("qwen3next", 64, 4, 3), "qwen3next");
  invalid("inner_size", space("granitehybrid", 48, 4, 1), "granitehybrid");
  invalid("wkv.head_size", set("rwkv6.wkv.head_size", 0), "rwkv6");
  // llama.cpp's writer gives these keys to all.
  File file = model();
  space("llama", 0, 0, 0)(file);
  file.u32("llama.wkv.head_size", 0);
  file.u32("llama.attention.output_group_count", 0);
  accepted(file);
  invalid("output_group_count", set("deepseek4.attention.output_group_count", 0), "deepseek4");
}

TEST(gguf_refuses_vocabularies_of_unknown_kind_or_without_tokens) {
  for (const char* kind : {"gpt2", "llama", "bert", "t5", "plamo2", "gemma4"})
    CHECK_EQ(vocabulary(tokens(kind, {"a", "b"})), std::string("2"));
  for (const char* kind : {"none", "no_vocab", "test", "unigram"})
    CHECK_EQ(vocabulary(tokens(kind, {"a"})), std::string("MODEL_UNSUPPORTED"));
  invalid("tokenizer.ggml.model", [](File& file) { file.drop("tokenizer.ggml.model"); });
  invalid("tokenizer.ggml.tokens", [](File& file) { file.drop("tokenizer.ggml.tokens"); });
  invalid("tokenizer.ggml.tokens", [](File& file) { file.strings("tokenizer.ggml.tokens", {}); });
  invalid("tokenizer.ggml.tokens", [](File& file) { file.u32("tokenizer.ggml.tokens", 1); });
}

TEST(gguf_refuses_tokens_that_are_repeated_too_long_or_without_type) {
  const std::string invalid_model = "MODEL_INVALID";
  CHECK_EQ(vocabulary(tokens("gpt2", {"a", "b", "a"})), invalid_model);
  // llama.cpp sees what is before a NUL, and gives empty tokens a name.
  CHECK_EQ(vocabulary(tokens("gpt2", {"a", std::string("a\0b", 3)})), invalid_model);
  CHECK_EQ(vocabulary(tokens("gpt2", {"a", "", "[EMPTY_1]"})), invalid_model);
  CHECK_EQ(vocabulary(tokens("gpt2", {"a", "", ""})), std::string("3"));
  CHECK_EQ(vocabulary(tokens("gpt2", {std::string(4096, 'x')})), std::string("1"));
  CHECK_EQ(vocabulary(tokens("gpt2", {std::string(4097, 'x')})), invalid_model);
  CHECK_EQ(vocabulary(tokens("t5", {std::string(1025, 'x')})), invalid_model);
  invalid("token_type",
          [](File& file) { file.array<int32_t>("tokenizer.ggml.token_type", GgufType::Int32, {1, 1, 1}); });
  invalid("token_type", [](File& file) {
    file.array<uint8_t>("tokenizer.ggml.token_type", GgufType::Uint8, {1, 1, 1, 1});
  });
  invalid("scores", [](File& file) { file.array<float>("tokenizer.ggml.scores", GgufType::Float32, {1}); });
}

TEST(gguf_refuses_byte_tokens_that_tokenizers_cannot_read) {
  const auto byte_token = [](const std::string& kind, const std::string& token) {
    File file = tokens(kind, {token});
    file.array<int32_t>("tokenizer.ggml.token_type", GgufType::Int32, {6});
    return vocabulary(file);
  };
  CHECK_EQ(byte_token("llama", "<0x0A>"), std::string("1"));
  CHECK_EQ(byte_token("llama", "x"), std::string("MODEL_INVALID"));
  CHECK_EQ(byte_token("llama", ""), std::string("1"));
  CHECK_EQ(byte_token("bert", "<0x0A>"), std::string("MODEL_INVALID"));
  // RWKV's tokenizer loops forever if a token starts with a byte that is none.
  CHECK_EQ(vocabulary(tokens("rwkv", {"a", "ab"})), std::string("2"));
  CHECK_EQ(vocabulary(tokens("rwkv", {"b", "ab"})), std::string("MODEL_INVALID"));
  CHECK_EQ(vocabulary(tokens("rwkv", {"\\x0a", "\\n\\n", "\\\\", "\\\\x"})), std::string("4"));
  CHECK_EQ(vocabulary(tokens("rwkv", {"\\x0ab"})), std::string("MODEL_INVALID"));
}

TEST(gguf_accepts_the_vocabularies_of_llama_cpp) {
  std::string folder;
#ifdef LLAMA_CPP_DIR
  folder = LLAMA_CPP_DIR;
#endif
  if (const char* given = std::getenv("LLAMA_CPP_DIR")) folder = given;
  if (folder.empty()) return;
  int count = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(folder) / "models")) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("ggml-vocab-") || !name.ends_with(".gguf")) continue;
    const GgufMetadata metadata = GgufMetadata::read(entry.path().string());
    CHECK(check_gguf_vocabulary(metadata) > 1000);
    CHECK_EQ(metadata.tensors().size(), 0u);
    ++count;
  }
  CHECK(count >= 15);
}
