#include "prompt/ignored-inputs.h"

#include "base/counted.h"
#include "base/error.h"

#include <functional>
#include <string>

namespace verbatim {

namespace {

[[noreturn]] void refuse(const std::string& input, const std::string& message) {
  throw Error(ErrorCode::TemplateIgnoresInput, message, {{"input", input}});
}

/// The reason that a template drops a variable, and what to do.
std::string reason(const std::string& name, const jinja::Template& chat_template) {
  const std::string reason =
      chat_template.reads(name)
          ? "the chat template prints it, but not for these messages"
          : "the chat template reads only " + listed(chat_template.variables(), "nothing", std::identity());
  return reason + "; leave it out, or pass ignoredInputs: 'allow'";
}

} // namespace

void require_no_ignored_input(const jinja::Template& chat_template, const RenderInput& input,
                              const jinja::Rendered& rendered) {
  for (const auto& [name, path, is_blank] : rendered.unreached) {
    if (name == "messages") {
      if (!rendered.messages_are_blank)
        refuse(name, "no character of the messages is in the prompt: the chat template does not print them; "
                     "use the model's own template, or another one that prints the messages");
      continue;
    }
    if (input.ignored_inputs == IgnoredInputs::Allow || name == "add_generation_prompt") continue;
    if (chat_template.tests(name)) continue;
    const bool is_list = name == "tools" || name == "documents"; // null where there are none
    const bool is_given = !is_list || !(name == "tools" ? input.tools : input.documents).empty();
    if (!is_given || (is_blank && (is_list || chat_template.reads(name)))) continue;
    const std::string variables = path.starts_with('[') ? "templateVariables" : "templateVariables.";
    const std::string at = is_list ? name : variables + path;
    refuse(at, "no character of " + at + " is in the prompt: " + reason(name, chat_template));
  }
}

} // namespace verbatim
