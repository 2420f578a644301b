#pragma once

#include "prompt/prompt-tokenizer.h"
#include "prompt/test-vocabulary.h"

#include <random>
#include <string>
#include <vector>

/// Random prompts, and what must become of them, worked out the slow way.
namespace prompt_oracle {

/// Random numbers that are the same on every platform, unlike those of the standard's distributions.
class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  size_t below(size_t n) { return engine_() % n; }
  bool one_in(size_t n) { return below(n) == 0; }
  template <typename T> const T& pick(const std::vector<T>& all) { return all[below(all.size())]; }

 private:
  std::mt19937 engine_;
};

/// Number of random prompts to try for each vocabulary: 150, or VERBATIM_TEST_ROUNDS.
size_t rounds();

/// A prompt and who wrote what.
struct Prompt {
  std::string text;
  std::vector<verbatim::ByteRange> template_bytes;

  void by_template(std::string_view part);
  void by_caller(std::string_view part) { text += part; }
};

/// Words, code, other scripts, emoji, combining marks, digits, and white space in runs.
std::string random_text(Random& random);
/// Text with control tokens of the vocabulary in it, and pieces of them, and what tokenizers trip over.
std::string random_attack(Random& random, const std::vector<std::string>& control_texts);
/// Turns around control tokens, as chat templates write them; `field` supplies the callers' parts.
template <typename Field>
Prompt random_prompt(Random& random, const std::vector<std::string>& control_texts, Field field);

/// Texts that spell control tokens: their entries, unescaped as well where these are escaped.
std::vector<std::string> control_texts(const test_vocabulary::Vocabulary& vocabulary,
                                       const verbatim::PromptTokenizer& tokenizer);

/// True when a caller wrote some byte of some control token.
bool spells_control(const Prompt& prompt, const std::vector<std::string>& control_texts);

/// A part of a prompt: a special token, or the text between two.
struct Fragment {
  verbatim::Token token; ///< LLAMA_TOKEN_NULL for text
  verbatim::ByteRange range;
};

/// llama.cpp's tokenizer_st_partition, the way it does it, but without the control tokens of callers.
std::vector<Fragment> partition(const llama_vocab* vocab, const verbatim::PromptTokenizer& tokenizer,
                                const Prompt& prompt);

std::vector<verbatim::Token> llama_tokens(const test_vocabulary::Vocabulary& vocabulary,
                                          std::string_view text, bool parse_special);
std::string pieces(const test_vocabulary::Vocabulary& vocabulary, std::span<const verbatim::Token> tokens);
/// Quotes a prompt, with escapes, for the message of a failed check.
std::string show(const Prompt& prompt);

template <typename Field>
Prompt random_prompt(Random& random, const std::vector<std::string>& control_texts, Field field) {
  static const std::vector<std::string> literals = {
      "",     "\n",       "\n\n",     " ",        "  ",   "user\n", "assistant\n",
      "user", " [INST] ", " [/INST]", "System: ", "\r\n", "\u2581", "### Human:\n",
      "ö",    "marker",   "<|",       "|>",       "<"};
  Prompt prompt;
  for (size_t turns = 1 + random.below(4); turns > 0; --turns) {
    for (size_t i = random.below(3); i > 0; --i) {
      if (!control_texts.empty()) prompt.by_template(random.pick(control_texts));
      if (random.one_in(2)) prompt.by_template(random.pick(literals));
    }
    if (random.one_in(3)) prompt.by_template(random.pick(literals));
    if (!random.one_in(6)) prompt.by_caller(field(random));
  }
  return prompt;
}

} // namespace prompt_oracle
