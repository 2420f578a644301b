#pragma once

#include "gguf/gguf-reader.h"

#include <string>
#include <vector>

namespace verbatim {

/// A chat template of a model file.
struct NamedChatTemplate {
  std::string name;
  std::string source;
};

/// The name that Transformers gives the template without a name in the file.
inline constexpr const char* default_chat_template = "default";

/// Returns the chat templates of a file, by name in ascending order. Throws Error ModelInvalid for one that
/// is no text or has no name.
std::vector<NamedChatTemplate> chat_templates(const GgufMetadata& metadata);

} // namespace verbatim
