#pragma once

#include <optional>
#include <string>

namespace verbatim {

/// SHA-256 (hexadecimal) of a prompt's inputs, text and tokens; empty for an input that is absent.
/// JSON is hashed in its canonical form (canonical-json.h), token ids as little-endian uint32.
struct PromptDigest {
  std::string messages, tools, documents, template_variables;
  std::string text, token_ids;
  std::string chat_template;
  std::optional<std::string> chat_template_name; ///< none: it was given in place of the file's
};

} // namespace verbatim
