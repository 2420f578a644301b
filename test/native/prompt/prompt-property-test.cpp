// Random prompts over every vocabulary: nothing changes where nobody spells a control token, and nobody but
// the template gets one where somebody does.
#include "check.h"

#include "base/error.h"
#include "prompt/prompt-oracle.h"

#include <algorithm>

using namespace verbatim;
using namespace prompt_oracle;
using test_vocabulary::Vocabulary;

namespace {

constexpr const char* template_source =
    "{{ 'ö' }} marker <|tool_call> <tool_call|> <|channel> [PAD151646] [PAD49152]";

template <typename Body> void for_each_vocabulary(Body body) {
  for (const auto* list : {&test_vocabulary::shipped(), &test_vocabulary::synthetic()})
    for (const Vocabulary& vocabulary : *list)
      body(vocabulary, PromptTokenizer(vocabulary.get(), template_source));
}

[[noreturn]] void fail(const Vocabulary& vocabulary, const Prompt& prompt, const std::string& what) {
  throw check::Failure(vocabulary.name() + ": " + what + ": " + show(prompt));
}

std::string list(const std::vector<Token>& tokens) {
  std::string text;
  for (const Token token : tokens)
    text += " " + std::to_string(token);
  return text;
}

/// Replaces spellings that SPM takes for the same, as llama.cpp does in text without any control token: "▁"
/// by a space, and, given the merges, "<0x0A>" by the byte of that name.
std::string normalized(std::string text) {
  for (const auto& [from, to] :
       {std::pair<std::string_view, std::string_view>{"\u2581", " "}, {"<0x0A>", "\n"}})
    for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at))
      text.replace(at, from.size(), to);
  return text;
}

/// Checks that the control tokens are those of `fragments`, and that the template wrote all of them.
void check_special_tokens(const Vocabulary& vocabulary, const PromptTokenizer& tokenizer,
                          const Prompt& prompt, const PromptTokens& result,
                          const std::vector<Fragment>& fragments) {
  const TemplateBytes own(prompt.template_bytes, prompt.text.size());
  std::vector<Token> expected, actual;
  for (const Fragment& fragment : fragments)
    if (fragment.token != LLAMA_TOKEN_NULL && tokenizer.is_control(fragment.token))
      expected.push_back(fragment.token);
  for (const ControlTokenAt& control : result.control_tokens) {
    const Token token = result.tokens.at(control.index);
    actual.push_back(token);
    const auto [begin, end] = control.text;
    if (prompt.text.substr(begin, end - begin) != vocabulary.text(token))
      fail(vocabulary, prompt, "wrong place");
    if (!own.contain(control.text))
      fail(vocabulary, prompt, "a caller's bytes became " + vocabulary.text(token));
  }
  if (actual != expected) fail(vocabulary, prompt, "control tokens" + list(actual) + " not" + list(expected));
}

/// Checks that all control tokens are accounted for, but the unknown one of vocabularies that need it. Where
/// the text between special tokens is the template's, its control tokens are the template's too.
void check_text(const Vocabulary& vocabulary, const PromptTokenizer& tokenizer, const Prompt& prompt,
                const PromptTokens& result, const std::vector<Fragment>& fragments, size_t& exact) {
  const TemplateBytes own(prompt.template_bytes, prompt.text.size());
  const auto type = llama_vocab_type(vocabulary.get());
  const bool lossless = type != LLAMA_VOCAB_TYPE_WPM && type != LLAMA_VOCAB_TYPE_UGM;
  size_t at = 0, controls = 0;
  for (const Fragment& fragment : fragments) {
    if (fragment.token != LLAMA_TOKEN_NULL) {
      controls += tokenizer.is_control(fragment.token);
      if (at >= result.tokens.size() || result.tokens[at++] != fragment.token)
        fail(vocabulary, prompt, "lost " + vocabulary.text(fragment.token));
      continue;
    }
    const auto [begin, end] = fragment.range;
    const std::string text = prompt.text.substr(begin, end - begin);
    const std::vector<Token> plain = llama_tokens(vocabulary, text, false);
    const bool matches =
        result.tokens.size() - at >= plain.size() &&
        std::equal(plain.begin(), plain.end(), result.tokens.begin() + static_cast<long>(at));
    if (own.contain(fragment.range)) {
      if (!matches) fail(vocabulary, prompt, "the template's text changed");
      at += plain.size();
      continue;
    }
    const auto is_unknown = [&](Token token) {
      return !lossless && (vocabulary.text(token) == "<unk>" || vocabulary.text(token) == "[UNK]");
    };
    const auto smuggled = [&](Token token) { return tokenizer.is_control(token) && !is_unknown(token); };
    if (std::ranges::none_of(plain, smuggled)) {
      // llama.cpp would not be fooled, so it must be its tokens.
      if (!matches) fail(vocabulary, prompt, "text changed: " + text);
      at += plain.size();
      ++exact;
      continue;
    }
    // Only what the next special token leaves is known to belong to the text.
    size_t last = at;
    std::string written;
    // Once, whatever was cut: SPM puts a space where a text begins.
    const bool adds_space = pieces(vocabulary, llama_tokens(vocabulary, "x", false)) == " x";
    // And PLaMo-2 drops a byte order mark there.
    const bool drops_mark = type == LLAMA_VOCAB_TYPE_PLAMO2 && text.starts_with("\ufeff");
    const std::string wanted = normalized((adds_space ? " " : "") + text.substr(drops_mark ? 3 : 0));
    while (lossless && last < result.tokens.size() && normalized(written) != wanted)
      written += pieces(vocabulary, {&result.tokens[last++], 1});
    if (lossless && normalized(written) != wanted)
      fail(vocabulary, prompt, "'" + written + "' instead of '" + wanted + "'");
    // All special tokens of these vocabularies that follow a text are control tokens.
    if (!lossless)
      last = controls < result.control_tokens.size() ? result.control_tokens[controls].index
                                                     : result.tokens.size();
    size_t position = begin - adds_space;
    for (; at < last; ++at) {
      const Token token = result.tokens[at];
      const size_t size = pieces(vocabulary, {&token, 1}).size();
      // RWKV's tokenizer unescapes its tokens, so it finds what the template writes that way.
      if (smuggled(token) && !(lossless && own.contain({position, position + size})))
        fail(vocabulary, prompt, "smuggled " + vocabulary.text(token));
      position += size;
    }
  }
  if (at != result.tokens.size()) fail(vocabulary, prompt, "too many tokens:" + list(result.tokens));
}

} // namespace

TEST(prompt_without_attack_is_llama_tokenize) {
  size_t prompts = 0;
  for_each_vocabulary([&](const Vocabulary& vocabulary, const PromptTokenizer& tokenizer) {
    Random random(7);
    const auto controls = control_texts(vocabulary, tokenizer);
    for (size_t i = 0; i < rounds(); ++i) {
      Prompt prompt = random_prompt(random, controls, [](Random& r) { return random_text(r); });
      if (random.one_in(8)) prompt.template_bytes = {{0, prompt.text.size()}};
      if (spells_control(prompt, controls)) continue;
      std::vector<Token> expected;
      try {
        expected = llama_tokens(vocabulary, prompt.text, true);
      } catch (const std::exception&) {
        CHECK_THROWS(tokenizer.tokenize(prompt.text, prompt.template_bytes));
        continue;
      }
      const auto actual = tokenizer.tokenize(prompt.text, prompt.template_bytes).tokens;
      if (actual != expected) fail(vocabulary, prompt, list(actual) + " not" + list(expected));
      ++prompts;
    }
  });
  std::cout << "  " << prompts << " prompts without attacks\n";
}

TEST(prompt_never_gives_a_control_token_that_a_caller_spelled) {
  size_t prompts = 0, attacks = 0, exact = 0, inexpressible = 0;
  for_each_vocabulary([&](const Vocabulary& vocabulary, const PromptTokenizer& tokenizer) {
    Random random(11);
    const auto controls = control_texts(vocabulary, tokenizer);
    for (size_t i = 0; i < rounds(); ++i) {
      const Prompt prompt =
          random_prompt(random, controls, [&](Random& r) { return random_attack(r, controls); });
      try {
        const PromptTokens result = tokenizer.tokenize(prompt.text, prompt.template_bytes);
        const auto fragments = partition(vocabulary.get(), tokenizer, prompt);
        check_special_tokens(vocabulary, tokenizer, prompt, result, fragments);
        check_text(vocabulary, tokenizer, prompt, result, fragments, exact);
      } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::TokenizeFailed);
        ++inexpressible;
        if (vocabulary.name() != "spm-no-bytes") fail(vocabulary, prompt, error.what());
      }
      ++prompts;
      attacks += spells_control(prompt, controls);
    }
  });
  std::cout << "  " << prompts << " prompts, " << attacks << " with attacks, " << exact
            << " texts as llama.cpp's, " << inexpressible << " inexpressible\n";
}

TEST(prompt_is_cut_at_overlapping_special_tokens_as_llama_does) {
  size_t prompts = 0;
  for (int seed = 0; seed < 6; ++seed) {
    const Vocabulary& vocabulary = test_vocabulary::synthetic("overlaps-" + std::to_string(seed));
    const PromptTokenizer tokenizer(vocabulary.get(), "");
    Random random(static_cast<uint32_t>(seed));
    for (size_t i = 0; i < 10 * rounds(); ++i) {
      Prompt prompt;
      for (size_t size = random.below(60); size > 0; --size)
        prompt.text += "ab<| \n"[random.below(6)];
      prompt.by_template("");
      prompt.template_bytes = {{0, prompt.text.size()}};
      const auto whole = tokenizer.tokenize(prompt.text, prompt.template_bytes).tokens;
      if (whole != llama_tokens(vocabulary, prompt.text, true))
        fail(vocabulary, prompt, "differs from llama.cpp");
      prompt.template_bytes.clear();
      for (size_t at = 0; at < prompt.text.size();) {
        const size_t begin = std::min(at + random.below(8), prompt.text.size());
        at = std::min(begin + random.below(12), prompt.text.size());
        prompt.template_bytes.push_back({begin, at});
      }
      const PromptTokens result = tokenizer.tokenize(prompt.text, prompt.template_bytes);
      check_special_tokens(vocabulary, tokenizer, prompt, result,
                           partition(vocabulary.get(), tokenizer, prompt));
      ++prompts;
    }
  }
  std::cout << "  " << prompts << " texts of overlapping special tokens\n";
}
