#include "gguf/gguf-chat-templates.h"

#include <algorithm>

namespace verbatim {

std::vector<NamedChatTemplate> chat_templates(const GgufMetadata& metadata) {
  static const std::string unnamed = "tokenizer.chat_template", named = unnamed + ".";
  std::vector<NamedChatTemplate> templates;
  if (const auto source = metadata.find_string(unnamed))
    templates.push_back({default_chat_template, std::string(*source)});
  for (const auto& key : metadata.keys()) {
    if (!key.starts_with(named)) continue;
    const auto source = metadata.find_string(key);
    const std::string name = key.substr(named.size());
    if (source && (name != default_chat_template || !metadata.has(unnamed)))
      templates.push_back({name, std::string(*source)});
  }
  std::ranges::sort(templates, {}, &NamedChatTemplate::name);
  return templates;
}

} // namespace verbatim
