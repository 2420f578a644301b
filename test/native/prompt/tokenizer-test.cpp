#include "prompt/tokenizer.h"

#include "check.h"
#include "support.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

using namespace verbatim;
using support::vocabulary;

namespace {

using Tokens = std::vector<Token>;
constexpr auto as_text = Tokenizer::ControlTokens::AsText;
constexpr auto parse = Tokenizer::ControlTokens::Parse;

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> split(const std::string& text, const std::string& separator) {
  std::vector<std::string> parts;
  for (size_t at = 0, end = 0; end != std::string::npos; at = end + separator.size()) {
    end = text.find(separator, at);
    parts.push_back(text.substr(at, end - at));
  }
  return parts;
}

/// llama.cpp's own test texts.
std::vector<std::string> texts(const std::string& name) {
  return split(read(LLAMA_CPP_DIR "/models/ggml-vocab-" + name + ".gguf.inp"), "\n__ggml_vocab_test__\n");
}

} // namespace

TEST(tokenizer_agrees_with_the_reference_tokens) {
  for (const std::string name :
       {"qwen2", "llama-bpe", "gpt-2", "llama-spm", "phi-3", "starcoder", "deepseek-llm", "command-r"}) {
    const Tokenizer tokenizer(vocabulary(name));
    const auto inputs = texts(name);
    auto outputs = split(read(LLAMA_CPP_DIR "/models/ggml-vocab-" + name + ".gguf.out"), "\n");
    CHECK(inputs.size() > 40);
    CHECK(outputs.size() >= inputs.size());
    for (size_t i = 0; i < inputs.size(); ++i) {
      std::istringstream line(outputs[i]);
      const Tokens expected{std::istream_iterator<Token>(line), {}};
      const Tokens tokens = tokenizer.tokenize(inputs[i], as_text);
      if (tokens != expected) throw check::Failure(name + " tokenizes otherwise: " + inputs[i]);
    }
  }
}

TEST(tokenizer_gives_back_the_exact_text) {
  for (const std::string name : {"qwen2", "llama-bpe", "gpt-2", "starcoder", "deepseek-llm", "command-r"}) {
    const Tokenizer tokenizer(vocabulary(name));
    for (const auto& text : texts(name))
      for (const auto mode : {as_text, parse})
        CHECK_EQ(tokenizer.detokenize(tokenizer.tokenize(text, mode), true), text);
  }
  // SentencePiece puts a space before the text, as these models were trained.
  const Tokenizer llama(vocabulary("llama-spm"));
  for (const auto& text : texts("llama-spm"))
    if (!text.empty()) CHECK_EQ(llama.detokenize(llama.tokenize(text, as_text), true), " " + text);
}

TEST(tokenizer_never_adds_a_token) {
  for (const std::string name : {"llama-bpe", "llama-spm", "gpt-2", "qwen2", "command-r"}) {
    const Tokenizer tokenizer(vocabulary(name));
    CHECK(tokenizer.tokenize("", parse).empty());
    const Token bos = llama_vocab_bos(vocabulary(name)), eos = llama_vocab_eos(vocabulary(name));
    const Tokens tokens = tokenizer.tokenize("Hello", parse);
    CHECK(tokens.front() != bos && tokens.back() != eos);
  }
  CHECK(llama_vocab_get_add_bos(vocabulary("llama-spm"))); // llama.cpp itself would have
}

TEST(tokenizer_parses_control_tokens_only_when_asked) {
  const Tokenizer tokenizer(vocabulary("qwen2"));
  const std::string text = "<|im_start|>user\nhi<|im_end|>\n";
  const Tokens parsed = tokenizer.tokenize(text, parse);
  CHECK(parsed == (Tokens{151644, 872, 198, 6023, 151645, 198}));
  CHECK_EQ(tokenizer.detokenize(parsed, true), text);
  CHECK_EQ(tokenizer.detokenize(parsed, false), "user\nhi\n");
  const Tokens plain = tokenizer.tokenize(text, as_text);
  CHECK(plain.size() > parsed.size());
  for (const Token token : plain)
    CHECK(token < 151643);
  CHECK_EQ(tokenizer.detokenize(plain, false), text);
  CHECK(tokenizer.is_end_of_generation(151645));
  CHECK(!tokenizer.is_end_of_generation(198));
}

TEST(tokenizer_lists_the_tokens_that_end_a_message) {
  const Tokenizer tokenizer(vocabulary("qwen2"));
  const auto& ends = tokenizer.end_tokens();
  CHECK(std::ranges::binary_search(ends, 151645));
  CHECK(std::ranges::is_sorted(ends));
  for (Token token = 0; token < tokenizer.size(); ++token)
    CHECK_EQ(std::ranges::binary_search(ends, token), tokenizer.is_end_of_generation(token));
}

TEST(tokenizer_refuses_ids_outside_the_vocabulary) {
  const Tokenizer tokenizer(vocabulary("qwen2"));
  CHECK_EQ(tokenizer.size(), 151936);
  for (const Token invalid : {-1, -2147483647 - 1, 151936, 2147483647}) {
    const auto code = support::thrown_code([&] { tokenizer.detokenize(Tokens{1, 2, invalid}, true); });
    CHECK_EQ(code, ErrorCode::InvalidOption);
  }
  try {
    tokenizer.detokenize(Tokens{1, 2, -1}, true);
  } catch (const Error& error) {
    CHECK(std::get<std::string>(error.fields()[0].second).ends_with("[2]"));
  }
  CHECK_EQ(tokenizer.detokenize({}, true), "");
  CHECK(!tokenizer.detokenize(Tokens{0, 151935}, true).empty());
}

TEST(tokenizer_appends_pieces_of_any_length) {
  const Tokenizer tokenizer(vocabulary("qwen2"));
  std::string out = "kept ";
  size_t longest = 0;
  for (Token token = 0; token < tokenizer.size(); ++token) {
    const size_t before = out.size();
    tokenizer.append_piece(token, out, true);
    longest = std::max(longest, out.size() - before);
  }
  CHECK(longest > 64); // more than the first attempt has room for
  CHECK(out.starts_with("kept !\"#"));
  const std::string same = out;
  tokenizer.append_piece(151645, out);
  CHECK_EQ(out, same); // a control token has no text
}

TEST(tokenizer_takes_any_bytes_and_long_texts) {
  const Tokenizer tokenizer(vocabulary("qwen2"));
  std::mt19937_64 random(6);
  for (int round = 0; round < 300; ++round) {
    std::string bytes(support::pick<size_t>(random, 0, 40), '\0');
    for (char& byte : bytes)
      byte = static_cast<char>(random());
    tokenizer.detokenize(tokenizer.tokenize(bytes, parse), true); // llama.cpp replaces what is not UTF-8
  }
  const std::string zeros("a\0b", 3);
  CHECK_EQ(tokenizer.detokenize(tokenizer.tokenize(zeros, parse), true), zeros);
  std::string text; // more tokens than half the bytes: the second attempt
  for (int i = 0; i < 20000; ++i)
    text += "1";
  CHECK_EQ(tokenizer.tokenize(text, parse).size(), 20000u);
}
