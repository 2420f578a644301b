#include "prompt/chat-templates.h"

#include "base/counted.h"
#include "base/sha256.h"

#include <algorithm>

namespace verbatim {

namespace {

constexpr const char* tool_use = "tool_use";

} // namespace

ChatTemplates::ChatTemplates(const ChatTemplateChoice& choice, std::vector<NamedChatTemplate> in_file)
    : in_file_(std::move(in_file)), one_for_all_(choice.source || choice.name) {
  const auto is_used = [&](const std::string& name) {
    if (one_for_all_) return choice.name == name;
    return name == default_chat_template || name == tool_use;
  };
  if (choice.source) use(std::nullopt, *choice.source);
  for (const auto& [name, source] : in_file_)
    if (is_used(name)) use(name, source);
  if (choice.name && used_.empty())
    throw Error(ErrorCode::InvalidOption,
                "the model file has no chat template named " + *choice.name + "; " +
                    (in_file_.empty() ? "it has none at all" : "those in it are " + names()),
                {{"path", "chatTemplate.name"}});
}

void ChatTemplates::use(std::optional<std::string> name, std::string source) {
  auto& used = used_.emplace_back();
  used.name = std::move(name);
  used.sha256 = verbatim::sha256(source);
  used.source = std::move(source);
  try {
    used.parsed = std::make_unique<ChatTemplate>(used.source);
  } catch (const Error& error) {
    if (!used.name) throw;
    // Thrown when something is rendered.
    const std::string which = *used.name == default_chat_template ? "" : "chat template " + *used.name + ": ";
    used.error = Error(error.code(), which + error.what(), error.fields());
  }
}

void ChatTemplates::make_tokenizers(const llama_vocab* vocab) {
  for (auto& used : used_)
    used.tokenizer = std::make_unique<PromptTokenizer>(vocab, used.source);
}

const UsedChatTemplate& ChatTemplates::select(bool has_tools) const {
  const UsedChatTemplate* used = has_tools ? find(tool_use) : nullptr;
  if (!used) used = usual();
  if (!used)
    throw Error(ErrorCode::NoChatTemplate,
                in_file_.empty()
                    ? "this model has no chat template, and none is guessed; pass one as loadModel(path, { "
                      "chatTemplate })"
                    : "none of this model's chat templates is its default; choose one of them, as in "
                      "loadModel(path, { chatTemplate: { name: '" +
                          in_file_.front().name + "' } }): " + names());
  if (used->error) throw *used->error;
  return *used;
}

const UsedChatTemplate* ChatTemplates::find(const char* name) const {
  if (one_for_all_) return &used_.front();
  const auto found = std::ranges::find_if(used_, [&](const auto& used) { return used.name == name; });
  return found == used_.end() ? nullptr : &*found;
}

std::string ChatTemplates::names() const {
  return listed(in_file_, "", [](const NamedChatTemplate& each) { return each.name; });
}

} // namespace verbatim
