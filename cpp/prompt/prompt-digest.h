#pragma once

#include <string>

namespace verbatim {

/// SHA-256 (hexadecimal) of what went into a prompt and of what came out; empty where there was nothing.
/// JSON is hashed in its canonical form (canonical-json.h), token ids as little-endian uint32.
struct PromptDigest {
  std::string messages, tools, documents, template_variables;
  std::string text, token_ids;
};

} // namespace verbatim
