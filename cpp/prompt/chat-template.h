#pragma once

#include "generate-options.h"
#include "jinja/jinja.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace verbatim {

/// Pairs of a name in the template (bos_token, eos_token, …) and the token's text.
using SpecialTokenTexts = std::vector<std::pair<std::string, std::string>>;

/// A chat template, parsed once. Immutable: may be rendered from several threads at once.
class ChatTemplate {
 public:
  /// Throws Error TemplateSyntax or TemplateLimit.
  explicit ChatTemplate(const std::string& source);

  /// Renders the exact prompt, with the author of each byte. Throws Error TemplateRender, quoting the
  /// template's own message where it raised one; TemplateLimit; InvalidMessages or InvalidOption with the
  /// path of data that is not acceptable JSON.
  jinja::Rendered render(const RenderInput& input, const SpecialTokenTexts& special_tokens) const;
  /// Renders with `variables`, any JSON object.
  jinja::Rendered render(const std::string& variables, const SpecialTokenTexts& special_tokens,
                         int64_t now_ms) const;

  /// Returns the parsed template, for what is known of it before it is rendered.
  const jinja::Template& parsed() const { return *template_; }

 private:
  std::shared_ptr<const jinja::Template> template_;
};

} // namespace verbatim
