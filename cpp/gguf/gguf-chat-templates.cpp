#include "gguf/gguf-chat-templates.h"

#include "gguf/gguf-rules.h"

#include <algorithm>

namespace verbatim {

std::vector<NamedChatTemplate> chat_templates(const GgufMetadata& metadata) {
  static const std::string unnamed = "tokenizer.chat_template", named = unnamed + ".";
  std::vector<NamedChatTemplate> templates;
  const auto add = [&](const std::string& key, const std::string& name) {
    const auto source = metadata.find_string(key);
    if (!source)
      gguf_rules::invalid(metadata, "has a chat template that is no text: metadata key " + printable(key));
    templates.push_back({name, std::string(*source)});
  };
  if (metadata.has(unnamed)) add(unnamed, default_chat_template);
  for (const auto& key : metadata.keys()) {
    if (!key.starts_with(named)) continue;
    const std::string name = key.substr(named.size());
    if (name.empty())
      gguf_rules::invalid(metadata, "has a chat template without a name: metadata key " + printable(key));
    if (name != default_chat_template || !metadata.has(unnamed)) add(key, name);
  }
  std::ranges::sort(templates, {}, &NamedChatTemplate::name);
  return templates;
}

} // namespace verbatim
