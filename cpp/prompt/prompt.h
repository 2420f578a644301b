#pragma once

#include "generate-options.h"
#include "prompt/chat-templates.h"
#include "prompt/prompt-digest.h"

#include <cstdint>
#include <string>
#include <vector>

namespace verbatim {

/// The exact text and tokens that the model is given, with the author of each stretch of the text.
struct Prompt {
  jinja::Rendered rendered;
  std::vector<Token> tokens;
  PromptDigest digest;
};

/// Renders and tokenizes. Throws Error. Thread-safe.
Prompt make_prompt(const UsedChatTemplate& chat_template, const SpecialTokenTexts& special_tokens,
                   const RenderInput& input, const ControlTokenPolicy& policy);

/// A span of a rendered prompt in UTF-16 code units, as JavaScript counts.
struct Utf16Span {
  size_t begin, end;
  int32_t origin; ///< as jinja::Span::origin
};
std::vector<Utf16Span> utf16_spans(const jinja::Rendered& rendered);

} // namespace verbatim
