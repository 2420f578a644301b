#include "prompt/chat-template.h"

#include "base/error.h"

namespace verbatim {

namespace {

/// The error for data that cannot be rendered; `path` leads to it from the call.
Error refused(ErrorCode code, const std::string& path, const std::string& reason) {
  return Error(code, path + " " + reason + ".", {{"path", path}});
}

/// The name of an option and the path in it.
std::string below(const std::string& option, const std::string& path) {
  return path.empty() || path.starts_with('[') ? option + path : option + "." + path;
}

/// Turns a failure of the template engine into the error that crosses to TypeScript: `variables` is the
/// option that the variables were.
Error translate(const jinja::TemplateError& failure, const std::string& variables = "variables") {
  const auto located = [&] {
    Error::Fields fields;
    if (failure.line > 0) {
      fields.emplace_back("line", static_cast<int64_t>(failure.line));
      fields.emplace_back("column", static_cast<int64_t>(failure.column));
      fields.emplace_back("snippet", failure.snippet);
    }
    return fields;
  };
  switch (failure.failure) {
  case jinja::Failure::Syntax:
    return Error(ErrorCode::TemplateSyntax,
                 std::string("the chat template is not valid Jinja: ") + failure.what(), located());
  case jinja::Failure::Render:
    return Error(ErrorCode::TemplateRender,
                 std::string("the chat template failed on these messages: ") + failure.what(), located());
  case jinja::Failure::Raised:
    return Error(ErrorCode::TemplateRender,
                 std::string("the chat template refused these messages: ") + failure.what(), located());
  case jinja::Failure::Limit: {
    auto fields = located();
    fields.emplace_back("limit", failure.limit);
    return Error(ErrorCode::TemplateLimit,
                 "the chat template exceeds the limit " + failure.limit + ": " + failure.what(),
                 std::move(fields));
  }
  case jinja::Failure::Input:
    break;
  }
  return refused(ErrorCode::InvalidOption, below(variables, failure.path), failure.what());
}

std::string or_null(const std::string& json) {
  return json.empty() ? "null" : json;
}

/// The members of a JSON object, without its braces.
std::string_view members(std::string_view object) {
  const auto open = object.find('{'), close = object.rfind('}');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) return {};
  object = object.substr(open + 1, close - open - 1);
  return object.find_first_not_of(" \t\r\n") == std::string_view::npos ? std::string_view() : object;
}

} // namespace

ChatTemplate::ChatTemplate(const std::string& source) {
  try {
    template_ = jinja::Template::parse(source);
  } catch (const jinja::TemplateError& failure) {
    throw translate(failure);
  }
}

jinja::Rendered ChatTemplate::render(const RenderInput& input,
                                     const SpecialTokenTexts& special_tokens) const {
  std::string variables = "{\"messages\":" + input.messages;
  variables += ",\"tools\":" + or_null(input.tools);
  variables += ",\"documents\":" + or_null(input.documents);
  variables += std::string(",\"add_generation_prompt\":") + (input.add_generation_prompt ? "true" : "false");
  const auto more = members(input.template_variables);
  if (!more.empty()) variables.append(",").append(more);
  variables += "}";
  try {
    return template_->render(variables, special_tokens, input.now_ms);
  } catch (const jinja::TemplateError& failure) {
    const auto& path = failure.path;
    const auto is_in = [&](std::string_view name) {
      return path.starts_with(name) &&
             (path.size() == name.size() || path.find_first_of(".[", name.size()) == name.size());
    };
    if (is_in("messages")) throw refused(ErrorCode::InvalidMessages, path, failure.what());
    if (is_in("tools") || is_in("documents")) throw refused(ErrorCode::InvalidOption, path, failure.what());
    throw translate(failure, "templateVariables");
  }
}

jinja::Rendered ChatTemplate::render(const std::string& variables, const SpecialTokenTexts& special_tokens,
                                     int64_t now_ms) const {
  try {
    return template_->render(variables, special_tokens, now_ms);
  } catch (const jinja::TemplateError& failure) {
    throw translate(failure);
  }
}

} // namespace verbatim
