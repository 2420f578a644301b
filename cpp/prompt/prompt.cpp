#include "prompt/prompt.h"

#include "base/sha256.h"
#include "base/token-hash.h"
#include "prompt/canonical-json.h"
#include "prompt/ignored-inputs.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <unordered_set>

namespace verbatim {

namespace {

/// The index in a path such as messages[2].content; none for other paths.
std::optional<size_t> message_index(std::string_view path) {
  constexpr std::string_view prefix = "messages[";
  if (!path.starts_with(prefix)) return std::nullopt;
  size_t index = 0;
  const char* const end = path.data() + path.size();
  const auto [at, error] = std::from_chars(path.data() + prefix.size(), end, index);
  return error == std::errc() && at != end && *at == ']' ? std::optional(index) : std::nullopt;
}

/// By message: true where its role is trusted. Takes time linear in roles and messages.
std::vector<bool> trusted_messages(const jinja::Rendered& rendered, const ControlTokenPolicy& policy) {
  const std::unordered_set<std::string_view> roles(policy.trusted_roles.begin(), policy.trusted_roles.end());
  std::vector<bool> trusted;
  for (const auto& role : rendered.message_roles)
    trusted.push_back(role && roles.contains(*role));
  return trusted;
}

std::vector<ByteRange> template_bytes(const jinja::Rendered& rendered, const ControlTokenPolicy& policy) {
  if (policy.anywhere) return {{0, rendered.text.size()}};
  const auto messages = trusted_messages(rendered, policy);
  std::vector<bool> trusted;
  for (const auto& path : rendered.origins) {
    const auto index = message_index(path);
    trusted.push_back(index && *index < messages.size() && messages[*index]);
  }
  std::vector<ByteRange> ranges;
  for (const auto& span : rendered.spans)
    if (span.origin < 0 || trusted[static_cast<size_t>(span.origin)])
      ranges.push_back({span.begin, span.end});
  return ranges;
}

std::string json_sha256(const std::string& json) {
  return json.empty() ? std::string() : sha256(canonical_json(json));
}

} // namespace

Prompt make_prompt(const UsedChatTemplate& chat_template, const SpecialTokenTexts& special_tokens,
                   const RenderInput& input, const ControlTokenPolicy& policy) {
  Prompt prompt;
  prompt.rendered = chat_template.parsed->render(input, special_tokens);
  require_no_ignored_input(chat_template.parsed->parsed(), input, prompt.rendered);
  const auto own = template_bytes(prompt.rendered, policy);
  prompt.tokens = chat_template.tokenizer->tokenize(prompt.rendered.text, own).tokens;
  prompt.digest = {json_sha256(input.messages),  json_sha256(input.tools),
                   json_sha256(input.documents), json_sha256(input.template_variables),
                   sha256(prompt.rendered.text), token_ids_sha256(prompt.tokens),
                   chat_template.sha256,         chat_template.name};
  return prompt;
}

std::vector<Utf16Span> utf16_spans(const jinja::Rendered& rendered) {
  std::vector<Utf16Span> spans;
  size_t byte = 0, unit = 0;
  const auto advance_to = [&](size_t end) {
    for (; byte < end; ++byte) {
      const auto c = static_cast<unsigned char>(rendered.text[byte]);
      if ((c & 0xc0) != 0x80) unit += c >= 0xf0 ? 2 : 1;
    }
    return unit;
  };
  for (const auto& span : rendered.spans) {
    const size_t begin = advance_to(span.begin);
    spans.push_back({begin, advance_to(span.end), span.origin});
  }
  return spans;
}

} // namespace verbatim
