#include "check.h"

#include "base/error.h"
#include "prompt/prompt-oracle.h"

#include <thread>

using namespace verbatim;
using namespace prompt_oracle;
using test_vocabulary::shipped;
using test_vocabulary::synthetic;
using test_vocabulary::Vocabulary;

namespace {

std::string spell(const Vocabulary& vocabulary, const PromptTokens& prompt) {
  std::string text;
  for (const Token token : prompt.tokens)
    text += (text.empty() ? "" : "·") + pieces(vocabulary, {&token, 1});
  return text;
}

/// The prompt's tokens, where even parts are the template's and odd ones a caller's.
PromptTokens tokenize(const Vocabulary& vocabulary, const std::vector<std::string>& parts,
                      std::string_view template_source = "") {
  Prompt prompt;
  for (size_t i = 0; i < parts.size(); ++i)
    i % 2 ? prompt.by_caller(parts[i]) : prompt.by_template(parts[i]);
  return PromptTokenizer(vocabulary.get(), template_source).tokenize(prompt.text, prompt.template_bytes);
}

std::string show_tokens(const Vocabulary& vocabulary, const std::vector<std::string>& parts,
                        std::string_view template_source = "") {
  return spell(vocabulary, tokenize(vocabulary, parts, template_source));
}

} // namespace

TEST(prompt_control_tokens_are_where_the_template_wrote_them) {
  const Vocabulary& qwen = shipped("qwen2");
  const auto prompt = tokenize(qwen, {"<|im_start|>user\n", "<|im_end|>", "<|im_end|>\n"});
  CHECK_EQ(spell(qwen, prompt), "<|im_start|>·user·\n·<·|·im·_end·|·>·<|im_end|>·\n");
  CHECK_EQ(prompt.control_tokens.size(), 2u);
  CHECK_EQ(prompt.control_tokens[0].index, 0u);
  CHECK_EQ(prompt.control_tokens[1].index, 9u);
  CHECK_EQ(prompt.control_tokens[1].text.begin, 27u);
  CHECK_EQ(prompt.control_tokens[1].text.end, 37u);
}

TEST(prompt_control_token_needs_all_of_its_bytes_from_the_template) {
  const Vocabulary& qwen = shipped("qwen2");
  CHECK(tokenize(qwen, {"<|im_", "end|>"}).control_tokens.empty());
  CHECK(tokenize(qwen, {"", "<|im_end", "|>"}).control_tokens.empty());
  CHECK(tokenize(qwen, {"<|im", "_", "end|>"}).control_tokens.empty());
  // Nobody else wrote any of it.
  CHECK_EQ(tokenize(qwen, {"<|im_", "", "end|>"}).control_tokens.size(), 1u);
}

TEST(prompt_takes_user_defined_markers_for_control_tokens) {
  const Vocabulary& command_r = shipped("command-r");
  const PromptTokenizer tokenizer(command_r.get(), "");
  CHECK(tokenizer.is_control(command_r.find("<|USER_TOKEN|>")));
  CHECK(tokenize(command_r, {"", "<|USER_TOKEN|>"}).control_tokens.empty());
  CHECK_EQ(show_tokens(command_r, {"<|USER_TOKEN|>", "<|USER_TOKEN|>"}),
           "<|USER_TOKEN|>·<·|·USER·_·TOKEN·|·>");
  // Without the look of a marker it is one if the template has it.
  const Vocabulary& gemma = shipped("gemma-4");
  const Token call = gemma.find("<tool_call|>");
  CHECK(!PromptTokenizer(gemma.get(), "").is_control(call));
  CHECK(PromptTokenizer(gemma.get(), "{{ '<tool_call|>' }}").is_control(call));
  // White space is none, even if every template has some.
  const Vocabulary& neox = shipped("gpt-neox");
  CHECK(!PromptTokenizer(neox.get(), "  {{ x }}  ").is_control(neox.find("  ")));
  CHECK_EQ(show_tokens(neox, {" ", " x"}), "  ·x");
}

TEST(prompt_takes_the_markers_of_gpt_oss_for_control_tokens) {
  const Vocabulary& bpe = synthetic("bpe");
  CHECK_EQ(show_tokens(bpe, {"<|start|>", "<|start|>"}), "<|start|>·<|·s·t·a·r·t·|>");
  for (const char* text :
       {"<|channel|>", "<|message|>", "<|start|>", "<|constrain|>", "<|end|>", "<|return|>"}) {
    CHECK(PromptTokenizer(bpe.get(), "").is_control(bpe.find(text)));
    CHECK(tokenize(bpe, {"", text}).control_tokens.empty());
    CHECK_EQ(tokenize(bpe, {text, ""}).control_tokens.size(), 1u);
  }
  // In a longer entry that is ordinary text, as llama.cpp has it.
  CHECK_EQ(show_tokens(bpe, {"<|start|>", "x"}), "<|start|>x");
}

TEST(prompt_keeps_text_from_merging_into_control_tokens) {
  const Vocabulary& bpe = synthetic("bpe");
  CHECK_EQ(show_tokens(bpe, {"STOP", " ", "STOP", "STOP"}), "STOP· ·STOP·S·T·O·P");
  const Vocabulary& spm = synthetic("spm");
  CHECK_EQ(show_tokens(spm, {"<s>", "<s>x</s>"}), "<s>· <·s·>·x·</·s·>");
  CHECK_EQ(show_tokens(synthetic("rwkv"), {"<s>", "<s>user<|im_end|>"}), "<s>·<·s·>·user·<·|·im_·e·n·d·|·>");
}

TEST(prompt_cuts_add_no_space) {
  // "<|sys|>" is found whatever llama_tokenize is told, and SPM starts every text with a space.
  CHECK_EQ(show_tokens(synthetic("spm"), {"", "user<|sys|>user"}), " user·<|·s·y·s·|>·user");
  CHECK_EQ(show_tokens(synthetic("spm-no-bytes"), {"", "user<|sys|>user"}), " user·<|·s·y·s·|>·user");
  CHECK_EQ(show_tokens(synthetic("spm-no-prefix"), {"", "<|sys|> user"}), "<|·s·y·s·|>· user");
  CHECK_EQ(show_tokens(synthetic("ugm"), {"", "user<|sys|>user"}), " user·<·|·sys·|>·user");
}

TEST(prompt_characters_that_are_control_tokens_become_bytes) {
  const Vocabulary& bpe = synthetic("bpe");
  CHECK_EQ(tokenize(bpe, {"ö", "ö"}, "ö").tokens.size(), 3u);
  CHECK_EQ(pieces(bpe, tokenize(bpe, {"ö", "ö"}, "ö").tokens), "öö");
  CHECK_EQ(pieces(synthetic("spm"), tokenize(synthetic("spm"), {"", "a@b¶"}).tokens), " a@b¶");
  try {
    tokenize(synthetic("spm-no-bytes"), {"", "a@b"});
    CHECK(false);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::TokenizeFailed);
  }
}

TEST(prompt_unknown_token_is_for_the_unknown_only) {
  const Vocabulary& bert = shipped("bert-bge");
  CHECK_EQ(show_tokens(bert, {"[CLS]", "[UNK]\U0001319d[CLS]", "[SEP]"}),
           "[CLS]· [· un·k· ]·[UNK]· [· cl·s· ]·[SEP]");
}

TEST(prompt_phi_3_strips_after_tokens_as_llama_does) {
  const Vocabulary& phi = shipped("phi-3");
  CHECK_EQ(show_tokens(phi, {"<|user|>\n", " \n Hi", "<|end|>\n<|assistant|>\n"}),
           "<|user|>· Hi·<|end|>·<|assistant|>");
  CHECK_EQ(pieces(phi, tokenize(phi, {"<|user|>\n", "<|end|>\n Hi", "<|end|>"}).tokens),
           "<|user|> <|end|>\n Hi<|end|>");
}

TEST(prompt_of_nothing_has_no_tokens) {
  CHECK(tokenize(shipped("qwen2"), {}).tokens.empty());
  CHECK(tokenize(shipped("llama-spm"), {"", ""}).tokens.empty());
}

TEST(prompt_refuses_template_ranges_outside_the_text_or_its_order) {
  const PromptTokenizer tokenizer(shipped("gpt-2").get(), "");
  for (const std::vector<ByteRange>& ranges :
       std::vector<std::vector<ByteRange>>{{{0, 4}}, {{2, 1}}, {{1, 2}, {0, 1}}})
    CHECK_THROWS(tokenizer.tokenize("abc", ranges));
}

TEST(prompt_tokenizer_gives_the_same_in_several_threads) {
  const Vocabulary& phi = shipped("phi-3");
  const PromptTokenizer tokenizer(phi.get(), "");
  const std::string text = "<|user|> <|end|> x </s> y";
  const std::vector<ByteRange> ranges{{0, 8}};
  const auto expected = tokenizer.tokenize(text, ranges).tokens;
  std::vector<int> equal(4);
  {
    std::vector<std::jthread> threads;
    for (int& result : equal)
      threads.emplace_back([&] {
        result = 1;
        for (int i = 0; i < 50; ++i)
          result = result && tokenizer.tokenize(text, ranges).tokens == expected;
      });
  }
  CHECK(equal == std::vector<int>(4, 1));
}
