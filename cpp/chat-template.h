#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace verbatim {

/// What a template is rendered with, as transformers' apply_chat_template passes it. The caller's data
/// are JSON texts.
struct RenderInput {
  std::string messages;           ///< JSON array
  std::string tools;              ///< JSON array; empty: None
  std::string documents;          ///< JSON array; empty: None
  std::string template_variables; ///< JSON object; empty: none
  bool add_generation_prompt = true;
  int64_t now_ms = 0; ///< what strftime_now sees, milliseconds since the epoch
};

/// bos_token, eos_token, …: the name in the template and the token's text.
using SpecialTokens = std::vector<std::pair<std::string, std::string>>;

/// A chat template, parsed once. Immutable: may be rendered from several threads at once.
class ChatTemplate {
 public:
  /// Throws Error TemplateSyntax.
  ChatTemplate(std::string source, SpecialTokens special_tokens);
  ~ChatTemplate();

  /// The exact prompt. Throws Error TemplateRender, quoting the template's own message.
  std::string render(const RenderInput& input) const;

  const std::string& source() const { return source_; }

 private:
  struct Program;
  std::string source_;
  SpecialTokens special_tokens_;
  std::unique_ptr<const Program> program_;
};

} // namespace verbatim
