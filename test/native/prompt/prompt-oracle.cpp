#include "prompt/prompt-oracle.h"

#include <algorithm>
#include <cstdlib>
#include <list>

namespace prompt_oracle {

using namespace verbatim;
using test_vocabulary::Vocabulary;

size_t rounds() {
  const char* given = std::getenv("VERBATIM_TEST_ROUNDS");
  return given ? static_cast<size_t>(std::atoi(given)) : 150;
}

void Prompt::by_template(std::string_view part) {
  template_bytes.push_back({text.size(), text.size() + part.size()});
  text += part;
}

std::string random_text(Random& random) {
  static const std::vector<std::string> parts = {"the",
                                                 "Hello",
                                                 " world",
                                                 "user",
                                                 "I'm",
                                                 "they'LL",
                                                 " don't",
                                                 "ß",
                                                 "Straße",
                                                 "ö",
                                                 "naïve",
                                                 "日本語",
                                                 "中文字符",
                                                 "한국어",
                                                 "العربية",
                                                 "עברית",
                                                 "हिन्दी",
                                                 "ไทย",
                                                 "🙂",
                                                 "👩‍👩‍👧",
                                                 "🇩🇪",
                                                 "e\u0301",
                                                 "a\u0308\u0323",
                                                 "\u200b",
                                                 "\u00a0",
                                                 "\ufeff",
                                                 "\ufffd",
                                                 "\u2581",
                                                 "\U0001319d",
                                                 "0",
                                                 "12",
                                                 "3456789",
                                                 "3.14",
                                                 "²",
                                                 "int main() {",
                                                 "  return 0;\n}",
                                                 "\t",
                                                 "\n",
                                                 "\r\n",
                                                 "\n\n\n",
                                                 " ",
                                                 "  ",
                                                 "      ",
                                                 "\u3000",
                                                 "<",
                                                 ">",
                                                 "|",
                                                 "<html>",
                                                 "a<b",
                                                 "[]",
                                                 "{{",
                                                 "%}",
                                                 "...",
                                                 "!?",
                                                 "--",
                                                 "_",
                                                 "\"",
                                                 "\\n",
                                                 "http://x.y/?z=1",
                                                 "@",
                                                 "¶",
                                                 "\x01",
                                                 std::string("\0", 1),
                                                 "\x7f"};
  std::string text;
  for (size_t i = random.below(12); i > 0; --i)
    text += random.pick(parts);
  return text;
}

std::string random_attack(Random& random, const std::vector<std::string>& control_texts) {
  static const std::vector<std::string> traps = {
      "<0x0A>",   "<0x3C>", "<s>",       "</s>",       "<unk>",       "\u2581<PRE>", " <PRE>",
      "STOP",     "STO",    "P",         "<|im_end|>", "<|channel|>", "<|start|>",   "<|start|>x",
      "a<|end|>", "<|",     "|>",        "<|im_",      "end|>",       "\n",          " ",
      "  ",       "\n\n\n", "\\n\\n\\n", "[INST]",     "[MASK]",      "<dna>",       "ö",
      "¶",        "@",      "marker",    "\u2581",     "\ufeff",      "\\x3c"};
  std::string text;
  for (size_t i = 1 + random.below(6); i > 0; --i) {
    const size_t kind = control_texts.empty() ? 4 + random.below(2) : random.below(6);
    if (kind < 4) {
      std::string control = random.pick(control_texts);
      if (kind == 2) control.resize(random.below(control.size()));
      if (kind == 3) control.erase(0, random.below(control.size()));
      text += control;
    } else {
      text += kind == 4 ? random.pick(traps) : random_text(random);
    }
  }
  // A piece of a control token may end inside a character, which a caller's text never does.
  std::string valid;
  for (size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i]);
    const size_t size = first < 0x80 ? 1 : first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    size_t end = i + 1;
    while (end < text.size() && (text[end] & 0xc0) == 0x80)
      ++end;
    if (end - i == size) valid += text.substr(i, size);
    i = end;
  }
  return valid;
}

std::vector<std::string> control_texts(const Vocabulary& vocabulary, const PromptTokenizer& tokenizer) {
  std::vector<std::string> texts;
  for (const Token token : tokenizer.control_tokens())
    for (const std::string& text : {vocabulary.text(token), pieces(vocabulary, {&token, 1})})
      if (texts.empty() || texts.back() != text) texts.push_back(text);
  return texts;
}

bool spells_control(const Prompt& prompt, const std::vector<std::string>& control_texts) {
  const TemplateBytes own(prompt.template_bytes, prompt.text.size());
  for (const std::string& control : control_texts)
    for (size_t at = prompt.text.find(control); at != std::string::npos;
         at = prompt.text.find(control, at + 1))
      if (!own.contain({at, at + control.size()})) return true;
  return false;
}

std::vector<Fragment> partition(const llama_vocab* vocab, const PromptTokenizer& tokenizer,
                                const Prompt& prompt) {
  std::vector<Token> specials;
  const auto text_of = [&](Token token) { return std::string_view(llama_vocab_get_text(vocab, token)); };
  for (Token token = 0; token < llama_vocab_n_tokens(vocab); ++token)
    if (llama_vocab_get_attr(vocab, token) &
        (LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_USER_DEFINED | LLAMA_TOKEN_ATTR_UNKNOWN))
      specials.push_back(token);
  std::sort(specials.begin(), specials.end(),
            [&](const Token a, const Token b) { return text_of(a).size() > text_of(b).size(); });

  const TemplateBytes own(prompt.template_bytes, prompt.text.size());
  const std::string_view whole = prompt.text;
  const auto is_space = [&](size_t at) {
    return whole[at] == ' ' || (whole[at] >= '\t' && whole[at] <= '\r');
  };
  std::list<Fragment> fragments;
  if (!whole.empty()) fragments.push_back({LLAMA_TOKEN_NULL, {0, whole.size()}});
  for (const Token special : specials) {
    const std::string_view text = text_of(special);
    if (whole.find(text) == std::string_view::npos) continue;
    const int attributes = llama_vocab_get_attr(vocab, special);
    for (auto it = fragments.begin(); it != fragments.end(); ++it) {
      if (it->token != LLAMA_TOKEN_NULL) continue;
      auto [begin, end] = it->range;
      size_t search = begin;
      for (;;) {
        const size_t match = whole.substr(0, end).find(text, search);
        if (match == std::string_view::npos) break;
        const size_t after = match + text.size();
        search = match + 1;
        if (tokenizer.is_control(special) && !own.contain({match, after})) continue;
        size_t left = match, right = after;
        if (attributes & LLAMA_TOKEN_ATTR_LSTRIP)
          while (left > begin && is_space(left - 1))
            --left;
        if (attributes & LLAMA_TOKEN_ATTR_RSTRIP)
          while (right < end && is_space(right))
            ++right;
        if (left > begin) fragments.insert(it, {LLAMA_TOKEN_NULL, {begin, left}});
        fragments.insert(it, {special, {match, after}});
        begin = search = right;
        it->range = {begin, end};
      }
      if (begin == end) it = std::prev(fragments.erase(it));
    }
  }
  return {fragments.begin(), fragments.end()};
}

std::vector<Token> llama_tokens(const Vocabulary& vocabulary, std::string_view text, bool parse_special) {
  std::vector<Token> tokens(3 * text.size() + 8);
  const int32_t count =
      llama_tokenize(vocabulary.get(), text.data(), static_cast<int32_t>(text.size()), tokens.data(),
                     static_cast<int32_t>(tokens.size()), false, parse_special);
  tokens.resize(static_cast<size_t>(count));
  return tokens;
}

std::string pieces(const Vocabulary& vocabulary, std::span<const Token> tokens) {
  return Tokenizer(vocabulary.get()).detokenize(tokens, true);
}

std::string show(const Prompt& prompt) {
  const TemplateBytes own(prompt.template_bytes, prompt.text.size());
  std::string shown;
  bool template_before = false;
  for (size_t i = 0; i < prompt.text.size(); ++i) {
    const bool by_template = own.contain({i, i + 1});
    if (by_template != template_before) shown += by_template ? "⟦" : "⟧";
    template_before = by_template;
    const auto byte = static_cast<unsigned char>(prompt.text[i]);
    static const char* hex = "0123456789abcdef";
    if (byte < 0x20 || byte == 0x7f)
      shown += std::string("\\x") + hex[byte >> 4] + hex[byte & 15];
    else
      shown += prompt.text[i];
  }
  return shown;
}

} // namespace prompt_oracle
