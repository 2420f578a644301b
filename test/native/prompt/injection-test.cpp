// Every real template, every field a caller controls, every control token of the vocabularies: none gets
// through.

#include "base/error.h"
#include "check.h"
#include "prompt/chat-template.h"
#include "prompt/prompt.h"
#include "prompt/test-vocabulary.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

using namespace verbatim;

namespace {

std::string json_string(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out.push_back('\\');
    if (static_cast<unsigned char>(c) >= 0x20) out.push_back(c);
  }
  return out + "\"";
}

std::map<std::string, std::string> templates() {
  std::map<std::string, std::string> all;
  for (const auto& entry : std::filesystem::directory_iterator(LLAMA_CPP_DIR "/models/templates")) {
    if (entry.path().extension() != ".jinja") continue;
    std::ifstream file(entry.path(), std::ios::binary);
    all[entry.path().filename().string()] = {std::istreambuf_iterator<char>(file), {}};
  }
  return all;
}

/// Conversations of growing ambition, with the same words in every field; templates refuse some of them.
std::vector<RenderInput> conversations(const std::string& words) {
  const std::string x = json_string(words);
  const std::string user = R"({"role":"user","content":)" + x + "}";
  const std::string system = R"({"role":"system","content":)" + x + "}";
  const std::string assistant =
      R"({"role":"assistant","content":)" + x + R"(,"reasoning_content":)" + x + "}";
  const std::string calls = R"({"role":"assistant","content":)" + x +
                            R"(,"tool_calls":[{"id":"123456789","type":"function","function":{"name":)" + x +
                            R"(,"arguments":{)" + x + ":" + x + "}}}]}";
  const std::string result =
      R"({"role":"tool","tool_call_id":"123456789","name":)" + x + R"(,"content":)" + x + "}";
  const std::string parts = R"({"role":"user","content":[{"type":"text","text":)" + x + "}]}";
  const std::string tools = R"([{"type":"function","function":{"name":)" + x + R"(,"description":)" + x +
                            R"(,"parameters":{"type":"object","properties":{)" + x +
                            R"(:{"type":"string","description":)" + x + R"(}},"required":[)" + x + "]}}}]";
  std::vector<RenderInput> all;
  const auto add = [&](const std::string& messages, const std::string& with_tools) {
    RenderInput input;
    input.messages = "[" + messages + "]";
    input.tools = with_tools;
    input.documents = R"([{"title":)" + x + R"(,"text":)" + x + "}]";
    input.template_variables = R"({"custom":)" + x + "}";
    all.push_back(input);
  };
  add(user, "");
  add(system + "," + user, tools);
  add(user + "," + assistant + "," + user, "");
  add(user + "," + calls + "," + result + "," + assistant + "," + user, tools);
  add(parts, "");
  return all;
}

struct Tally {
  size_t prompts = 0, spelled = 0, round_trips = 0;
};

/// The markers in a template's source: <|im_end|>, <start_of_turn>, </s>, [INST], …
std::vector<std::string> markers(const std::string& source) {
  std::set<std::string> found;
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '<' && source[i] != '[') continue;
    const char close = source[i] == '<' ? '>' : ']';
    const size_t end = source.find_first_of(std::string("<[{}'\"\n \\") + close, i + 1);
    if (end == std::string::npos || source[end] != close || end - i < 3 || end - i > 60) continue;
    const std::string marker = source.substr(i, end + 1 - i);
    const bool subscript =
        close == ']' && marker.find_first_not_of("[]/_ABCDEFGHIJKLMNOPQRSTUVWXYZ") != std::string::npos;
    if (!subscript) found.insert(marker);
  }
  return {found.begin(), found.end()};
}

/// A vocabulary of the bytes, or of ASCII and the bytes, and of the template's markers as control tokens.
test_vocabulary::Vocabulary made_for(const std::string& source, bool byte_level) {
  using test_vocabulary::Type;
  test_vocabulary::Recipe recipe;
  if (byte_level) {
    recipe = {.model = "gpt2", .entries = test_vocabulary::byte_level_entries(), .merges = {"a b"}};
    recipe.entries.push_back({"ab"});
    recipe.pre = "gpt-2";
  } else {
    recipe = {.model = "llama", .entries = {{"<unk>", Type::Unknown}, {"\u2581", Type::Normal, -1}}};
    for (const auto& entry : test_vocabulary::byte_entries())
      recipe.entries.push_back(entry);
    for (char c = '!'; c <= '~'; ++c)
      recipe.entries.push_back({std::string(1, c), Type::Normal, -10});
  }
  for (const auto& marker : markers(source))
    if (marker != "<unk>") recipe.entries.push_back({marker, Type::Control});
  return {byte_level ? "byte level" : "SPM", recipe};
}

void attack(const test_vocabulary::Vocabulary& vocabulary, const std::string& source, Tally& tally) {
  const ChatTemplate chat_template(source);
  const PromptTokenizer tokenizer(vocabulary.get(), source);
  const Tokenizer plain(vocabulary.get());
  const bool byte_level = llama_vocab_type(vocabulary.get()) == LLAMA_VOCAB_TYPE_BPE;
  // Characters that a vocabulary lacks become bytes, or the unknown token, whatever its type.
  const auto inexpressible = plain.tokenize("龘 𓀀 ꙮ 𒀱", Tokenizer::ControlTokens::AsText);
  std::string words = "x";
  const auto& control = tokenizer.control_tokens();
  const size_t stride = std::max<size_t>(1, control.size() / 24);
  for (size_t i = 0; i < control.size(); i += stride)
    words += vocabulary.text(control[i]) + " ";
  for (const auto& input : conversations(words)) {
    jinja::Rendered rendered;
    try {
      rendered = chat_template.render(input, {{"bos_token", "<s>"}, {"eos_token", "</s>"}});
    } catch (const Error&) {
      continue; // the template has no such role or field
    }
    std::vector<ByteRange> own;
    size_t covered = 0;
    for (const auto& span : rendered.spans) {
      CHECK_EQ(span.begin, covered);
      covered = span.end;
      if (span.origin < 0) own.push_back({span.begin, span.end});
    }
    CHECK_EQ(covered, rendered.text.size());
    const auto tokens = tokenizer.tokenize(rendered.text, own);
    size_t recognised = 0;
    for (size_t i = 0; i < tokens.tokens.size(); ++i) {
      const Token token = tokens.tokens[i];
      if (!tokenizer.is_control(token)) continue;
      if (recognised == tokens.control_tokens.size() || tokens.control_tokens[recognised].index != i) {
        // The only other one there may be: the unknown token, for what the vocabulary cannot express.
        CHECK(std::ranges::find(inexpressible, token) != inexpressible.end());
        continue;
      }
      const auto at = tokens.control_tokens[recognised++].text;
      for (const auto& span : rendered.spans)
        if (span.origin >= 0) CHECK(at.end <= span.begin || at.begin >= span.end);
    }
    CHECK_EQ(recognised, tokens.control_tokens.size());
    // Lossy vocabularies excepted: those that llama.cpp's own round trip changes the text in.
    const auto own_ids = plain.tokenize(rendered.text, Tokenizer::ControlTokens::Parse);
    if (byte_level && plain.detokenize(own_ids, true) == rendered.text) {
      CHECK(plain.detokenize(tokens.tokens, true) == rendered.text);
      ++tally.round_trips;
    }
    ++tally.prompts;
    tally.spelled += rendered.text.find(words) != std::string::npos;
  }
}

} // namespace

TEST(injection_no_template_lets_a_control_token_of_a_real_vocabulary_through) {
  const auto all = templates();
  CHECK_EQ(all.size(), 70u);
  Tally tally;
  for (const auto& vocabulary : test_vocabulary::shipped())
    for (const auto& [file, source] : all)
      attack(vocabulary, source, tally);
  CHECK(tally.prompts > 3000);
  CHECK(tally.spelled > 2000);
  CHECK(tally.round_trips > 1000);
}

TEST(injection_no_template_lets_its_own_markers_through) {
  Tally tally;
  size_t with_markers = 0;
  for (const auto& [file, source] : templates()) {
    with_markers += !markers(source).empty();
    for (const bool byte_level : {true, false})
      attack(made_for(source, byte_level), source, tally);
  }
  CHECK(with_markers > 60);
  CHECK(tally.prompts > 400);
  CHECK(tally.spelled > 300);
}
