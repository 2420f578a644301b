#include "chat-template.h"

#include "error.h"

#include <jinja/lexer.h>
#include <jinja/parser.h>
#include <jinja/runtime.h>
#include <json.h>

namespace verbatim {

struct ChatTemplate::Program {
  std::string source; // as the lexer normalised it; the program refers to positions in it
  jinja::program program;
};

ChatTemplate::ChatTemplate(std::string source, SpecialTokens special_tokens)
    : source_(std::move(source)), special_tokens_(std::move(special_tokens)) {
  try {
    jinja::lexer lexer;
    auto tokens = lexer.tokenize(source_);
    auto program = std::make_unique<Program>(tokens.source, jinja::parse_from_tokens(tokens));
    program_ = std::move(program);
  } catch (const std::exception& error) {
    throw Error(ErrorCode::TemplateSyntax,
                std::string("the chat template is not valid Jinja: ") + error.what());
  }
}

ChatTemplate::~ChatTemplate() = default;

std::string ChatTemplate::render(const RenderInput& input) const {
  try {
    jinja::context context(program_->source);
    context.current_time = static_cast<std::time_t>(input.now_ms / 1000);
    common_json variables = common_json::object();
    for (const auto& [name, text] : special_tokens_)
      variables[name] = text;
    variables["messages"] = common_json::parse(input.messages);
    variables["tools"] = input.tools.empty() ? common_json() : common_json::parse(input.tools);
    variables["documents"] = input.documents.empty() ? common_json() : common_json::parse(input.documents);
    variables["add_generation_prompt"] = input.add_generation_prompt;
    jinja::global_from_json(context, variables, true);
    if (!input.template_variables.empty())
      jinja::global_from_json(context, common_json::parse(input.template_variables), true);
    jinja::runtime runtime(context);
    return jinja::runtime::gather_string_parts(runtime.execute(program_->program))->as_string().str();
  } catch (const std::exception& error) {
    throw Error(ErrorCode::TemplateRender,
                std::string("the model's chat template refused these messages: ") + error.what());
  }
}

} // namespace verbatim
