#pragma once

#include "check.h"
#include "jinja/jinja.h"

#include <string>

namespace jinja_test {

using namespace verbatim::jinja;

inline constexpr int64_t now = 1741158489000; // 2025-03-05 07:08:09 UTC

/// For what nests far below the limits: the frames of an instrumented build are several times as large.
inline Limits roomy() {
  Limits limits;
#ifdef __SANITIZE_ADDRESS__
  limits.stack_bytes = 4u << 20; // of the 8 MiB of the main thread
#endif
  return limits;
}

inline Rendered render(const std::string& source, const std::string& variables = "{}",
                       const Limits& limits = {}) {
  return Template::parse(source, limits)->render(variables, {{"bos_token", "<s>"}}, now, limits);
}

inline std::string text(const std::string& source, const std::string& variables = "{}",
                        const Limits& limits = {}) {
  return render(source, variables, limits).text;
}

/// The spans, as `text@path` or `text` for the template's, separated by bars.
inline std::string owners(const std::string& source, const std::string& variables) {
  const Rendered rendered = render(source, variables);
  std::string out;
  for (const Span& span : rendered.spans) {
    if (!out.empty()) out += "|";
    out += rendered.text.substr(span.begin, span.end - span.begin);
    if (span.origin >= 0) out += "@" + rendered.origins[static_cast<size_t>(span.origin)];
  }
  return out;
}

/// The error of a template that has to fail.
inline TemplateError failure(const std::string& source, const std::string& variables = "{}",
                             const Limits& limits = {}) {
  try {
    (void)render(source, variables, limits);
  } catch (const TemplateError& error) {
    return error;
  }
  throw check::Failure("did not fail: " + source);
}

/// The name of the limit that a template exceeds.
inline std::string limit(const std::string& source, const Limits& limits = {}) {
  return failure(source, "{}", limits).limit;
}

} // namespace jinja_test
