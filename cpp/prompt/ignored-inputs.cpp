#include "prompt/ignored-inputs.h"

#include "base/error.h"

#include <string>
#include <string_view>

namespace verbatim {

namespace {

[[noreturn]] void refuse(const std::string& input, const std::string& message) {
  throw Error(ErrorCode::TemplateIgnoresInput, message, {{"input", input}});
}

/// True for JSON text of an array without elements, which has nothing that could be ignored, or no text.
bool is_empty(std::string_view json) {
  return json.find_first_not_of("[] \t\r\n") == std::string_view::npos && json.find('[') == json.rfind('[');
}

/// The names, or "none", for a sentence.
std::string list(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names)
    text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "none" : text;
}

void refuse_tools_or_documents(const std::string& name) {
  refuse(name,
         "the chat template ignores " + name +
             ": no character of them reaches the prompt, and it does not ask whether there are any; leave " +
             name + " out, use a template that takes them, or pass ignoredInputs: 'allow'");
}

void refuse_variable(const std::string& path, const jinja::Template& chat_template) {
  const std::string input = (path.starts_with('[') ? "templateVariables" : "templateVariables.") + path;
  refuse(input, "the chat template ignores " + input +
                    ": no character of it reaches the prompt, and it is not tested; the variables of this "
                    "template are " +
                    list(chat_template.variables()) +
                    "; correct the name, leave it out, or pass ignoredInputs: 'allow'");
}

} // namespace

void require_no_ignored_input(const jinja::Template& chat_template, const RenderInput& input,
                              const jinja::Rendered& rendered) {
  for (const auto& [name, path] : rendered.unreached) {
    if (name == "messages") {
      if (!rendered.messages_are_blank)
        refuse(name,
               "no character of the messages reaches the prompt: the chat template does not print them; "
               "use the model's own template, or another one that prints the messages");
      continue;
    }
    if (input.ignored_inputs == IgnoredInputs::Allow || name == "add_generation_prompt") continue;
    if (chat_template.tests(name)) continue;
    if (name == "tools" || name == "documents") {
      if (!is_empty(name == "tools" ? input.tools : input.documents)) refuse_tools_or_documents(name);
    } else {
      refuse_variable(path, chat_template);
    }
  }
}

} // namespace verbatim
