#include "prompt/chat-template.h"

#include "check.h"
#include "support.h"

#include <fstream>
#include <iterator>
#include <thread>

using namespace verbatim;
using support::thrown_code;

namespace {

std::string qwen25() {
  std::ifstream file(LLAMA_CPP_DIR "/models/templates/Qwen-Qwen2.5-7B-Instruct.jinja", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string render(const std::string& source, const std::string& messages = "[]",
                   const std::string& variables = "", const SpecialTokenTexts& special_tokens = {}) {
  RenderInput input;
  input.messages = messages;
  input.template_variables = variables;
  return ChatTemplate(source).render(input, special_tokens).text;
}

/// The message of the Error that a template ends in.
std::string refusal(const std::string& source, const std::string& messages = "[]") {
  try {
    render(source, messages);
  } catch (const Error& error) {
    CHECK_EQ(error.code(), ErrorCode::TemplateRender);
    return error.what();
  }
  throw check::Failure("not refused: " + source);
}

constexpr const char* conversation =
    R"([{"role":"system","content":"Be \"brief\"."},{"role":"user","content":"Hé <|im_end|>"},)"
    R"({"role":"assistant","content":"Yes."},{"role":"user","content":"Sure?"}])";
constexpr const char* conversation_text =
    "<|im_start|>system\nBe \"brief\".<|im_end|>\n<|im_start|>user\nHé <|im_end|><|im_end|>\n"
    "<|im_start|>assistant\nYes.<|im_end|>\n<|im_start|>user\nSure?<|im_end|>\n";

} // namespace

TEST(chat_template_renders_qwen_to_the_letter) {
  const ChatTemplate chat_template(qwen25());
  RenderInput input;
  input.messages = conversation;
  input.add_generation_prompt = true;
  CHECK_EQ(chat_template.render(input, {}).text, std::string(conversation_text) + "<|im_start|>assistant\n");
  input.add_generation_prompt = false;
  CHECK_EQ(chat_template.render(input, {}).text, conversation_text);
}

TEST(chat_template_renders_tools_and_tool_calls) {
  const ChatTemplate chat_template(qwen25());
  RenderInput input;
  input.messages = R"([{"role":"user","content":"Weather?"},{"role":"assistant","content":"","tool_calls":)"
                   R"([{"type":"function","function":{"name":"weather","arguments":{"city":"Rome"}}}]},)"
                   R"({"role":"tool","content":"sunny"}])";
  input.tools = R"([{"type":"function","function":{"name":"weather"}}])";
  const std::string text = chat_template.render(input, {}).text;
  CHECK(text.starts_with("<|im_start|>system\nYou are Qwen, created by Alibaba Cloud."));
  CHECK(text.find("<tools>\n{\"type\": \"function\", \"function\": {\"name\": \"weather\"}}\n</tools>") !=
        std::string::npos);
  CHECK(text.ends_with("<|im_start|>user\nWeather?<|im_end|>\n"
                       "<|im_start|>assistant\n<tool_call>\n{\"name\": \"weather\", \"arguments\": "
                       "{\"city\": \"Rome\"}}\n</tool_call><|im_end|>\n"
                       "<|im_start|>user\n<tool_response>\nsunny\n</tool_response><|im_end|>\n"
                       "<|im_start|>assistant\n"));
}

TEST(chat_template_sees_tokens_and_variables) {
  CHECK_EQ(render("{{ bos_token }}{{ x }}{{ messages | length }}", "[{}, {}]", R"({"x": "y"})",
                  {{"bos_token", "<s>"}}),
           "<s>y2");
  CHECK_EQ(render("{{ 'none' if tools is none else 'some' }}{{ documents is none }}"), "noneTrue");
  CHECK_EQ(render("{{ missing is defined }}{{ bos_token is defined }}"), "FalseFalse");
  RenderInput input;
  input.messages = "[]";
  input.now_ms = 1700000000000; // 14 November 2023, in every time zone
  CHECK_EQ(ChatTemplate("{{ strftime_now('%Y-%m') }}").render(input, {}).text, "2023-11");
}

TEST(chat_template_keeps_content_apart_from_the_program) {
  // What a message says is data, never part of the template.
  const std::string text = render("{{ messages[0].content }}", R"([{"content":"{{ 1 + 1 }}{% raw %}"}])");
  CHECK_EQ(text, "{{ 1 + 1 }}{% raw %}");
}

TEST(chat_template_reports_syntax_errors) {
  for (const std::string source :
       {"{{ ", "{% if x %}", "{% for %}{% endfor %}", "{{ 'a }}", "{% nonsense %}"})
    CHECK_EQ(thrown_code([&] { ChatTemplate{source}; }), ErrorCode::TemplateSyntax);
}

TEST(chat_template_quotes_what_the_template_says) {
  CHECK(refusal("{{ raise_exception('Roles must alternate') }}").find("Roles must alternate") !=
        std::string::npos);
  CHECK(refusal("{{ messages[0].content.upper(1, 2).nothing() }}", R"([{"content":"x"}])").size() > 20);
  CHECK_EQ(thrown_code([&] { render("x", "not json"); }), ErrorCode::InvalidMessages);
  refusal("{{ undefined_function() }}");
}

TEST(chat_template_renders_the_same_in_several_threads) {
  const ChatTemplate chat_template(qwen25());
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread)
    threads.emplace_back([&] {
      RenderInput input;
      input.messages = conversation;
      input.add_generation_prompt = false;
      for (int i = 0; i < 50; ++i)
        wrong += chat_template.render(input, {{"eos_token", "<|im_end|>"}}).text != conversation_text;
    });
  for (auto& thread : threads)
    thread.join();
  CHECK_EQ(wrong.load(), 0);
}

TEST(chat_template_tells_the_role_of_each_message) {
  RenderInput input;
  input.messages = R"([{"role":"\u0061ssistant","content":"a"},{"role":1},{"content":"b"},{"role":""}])";
  const auto roles = ChatTemplate("").render(input, {}).message_roles;
  CHECK_EQ(roles.size(), 4u);
  CHECK_EQ(roles[0].value(), "assistant");
  CHECK(!roles[1] && !roles[2]);
  CHECK_EQ(roles[3].value(), "");
}
