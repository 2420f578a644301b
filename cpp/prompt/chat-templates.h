#pragma once

#include "base/error.h"
#include "gguf/gguf-chat-templates.h"
#include "load-options.h"
#include "prompt/chat-template.h"
#include "prompt/prompt-tokenizer.h"

#include <llama.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace verbatim {

/// A chat template that a model uses, with what is known of it.
struct UsedChatTemplate {
  std::optional<std::string> name; ///< in the file; none: it was given in place of the file's
  std::string source, sha256;
  std::unique_ptr<ChatTemplate> parsed;       ///< null where `error` says why
  std::optional<Error> error;                 ///< of a template of the file, which does not parse
  std::unique_ptr<PromptTokenizer> tokenizer; ///< knows the control tokens of this template
};

/// The chat templates of a model, of which one is chosen for each request as Transformers chooses it.
class ChatTemplates {
 public:
  /// Throws Error: InvalidOption for a name that the file does not have, TemplateSyntax or TemplateLimit for
  /// a source that was given.
  ChatTemplates(const ChatTemplateChoice& choice, std::vector<NamedChatTemplate> in_file);

  /// To be called before select(). The vocabulary must outlive this.
  void make_tokenizers(const llama_vocab* vocab);

  /// Returns the template for a request: the one that was chosen for all; or "tool_use" when there are tools
  /// and the file has it; or the default. Throws Error: NoChatTemplate, or what is wrong with the template.
  const UsedChatTemplate& select(bool has_tools) const;
  /// Returns the template for requests without tools, or null.
  const UsedChatTemplate* usual() const { return find(default_chat_template); }
  const std::vector<NamedChatTemplate>& in_file() const { return in_file_; }

 private:
  void use(std::optional<std::string> name, std::string source);
  const UsedChatTemplate* find(const char* name) const;
  std::string names() const;

  std::vector<NamedChatTemplate> in_file_;
  std::vector<UsedChatTemplate> used_;
  bool one_for_all_ = false;
};

} // namespace verbatim
