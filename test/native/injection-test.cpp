// Every real template, every field a caller controls, every control token of the vocabularies: none gets
// through.

#include "chat-template.h"
#include "check.h"
#include "prompt.h"
#include "test-vocabulary.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

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

} // namespace

TEST(injection_no_template_lets_a_control_token_through) {
  size_t prompts = 0, spelled = 0;
  const auto all = templates();
  CHECK_EQ(all.size(), 70u);
  for (const char* name :
       {"qwen2", "llama-bpe", "llama-spm", "phi-3", "command-r", "gemma-4", "deepseek-llm"}) {
    const auto& vocabulary = test_vocabulary::shipped(name);
    for (const auto& [file, source] : all) {
      const ChatTemplate chat_template(source);
      const PromptTokenizer tokenizer(vocabulary.get(), source);
      std::string attack = "x";
      const auto& control = tokenizer.control_tokens();
      const size_t stride = std::max<size_t>(1, control.size() / 24);
      for (size_t i = 0; i < control.size(); i += stride)
        attack += vocabulary.text(control[i]) + " ";
      for (const auto& input : conversations(attack)) {
        Prompt prompt;
        try {
          prompt.rendered = chat_template.render(input, {{"bos_token", "<s>"}, {"eos_token", "</s>"}});
        } catch (const Error&) {
          continue; // the template has no such role or field
        }
        std::vector<ByteRange> own;
        size_t covered = 0;
        for (const auto& span : prompt.rendered.spans) {
          CHECK_EQ(span.begin, covered);
          covered = span.end;
          if (span.origin < 0) own.push_back({span.begin, span.end});
        }
        CHECK_EQ(covered, prompt.rendered.text.size());
        const auto tokens = tokenizer.tokenize(prompt.rendered.text, own);
        size_t expected = 0;
        for (size_t i = 0; i < tokens.tokens.size(); ++i) {
          if (!tokenizer.is_control(tokens.tokens[i])) continue;
          // Every control token among the ids is one that was recognised, in bytes of the template's own.
          CHECK(expected < tokens.control_tokens.size());
          CHECK_EQ(tokens.control_tokens[expected].index, i);
          const auto at = tokens.control_tokens[expected++].text;
          for (const auto& span : prompt.rendered.spans)
            if (span.origin >= 0) CHECK(at.end <= span.begin || at.begin >= span.end);
        }
        CHECK_EQ(expected, tokens.control_tokens.size());
        ++prompts;
        spelled += prompt.rendered.text.find(attack) != std::string::npos;
      }
    }
  }
  CHECK(prompts > 1000);
  CHECK(spelled > 500);
}
