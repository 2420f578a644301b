// libFuzzer target: a template, a zero byte, and the JSON of its variables (a fixed set if there is no zero
// byte).

#include "jinja/jinja.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

using namespace verbatim::jinja;

namespace {

constexpr std::string_view default_variables =
    R"({"s":"Hello World","e":"","u":"h\u00e9llo \ud83d\ude00","n":null,"t":true,"f":false,"i":7,"neg":-7,"fl":3.5,)"
    R"("l":[3,1,2],"ls":["b","A","c"],"d":{"b":1,"a":2,"C":3},"big":123456789012345678901234567890,)"
    R"("messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"yo"}],)"
    R"("ms":[{"role":"user","content":"hi","n":1},{"role":"assistant","content":"yo","n":2}]})";

/// The promises that every result has to keep.
void check(const Rendered& rendered) {
  size_t end = 0;
  for (size_t i = 0; i < rendered.spans.size(); ++i) {
    const Span& span = rendered.spans[i];
    if (span.begin != end || span.end <= span.begin) std::abort();
    if (span.origin < -1 || span.origin >= static_cast<int32_t>(rendered.origins.size())) std::abort();
    if (i > 0 && rendered.spans[i - 1].origin == span.origin) std::abort();
    end = span.end;
  }
  if (end != rendered.text.size()) std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t zero = input.find('\0');
  const std::string_view variables =
      zero == std::string_view::npos ? default_variables : input.substr(zero + 1);
  Limits limits;
  limits.steps = 300'000;
  limits.memory_bytes = 32u << 20;
  limits.output_bytes = 1u << 20;
  limits.stack_bytes = 512u << 10;
  limits.integer_bits = 20'000;
  try {
    const auto parsed = Template::parse(input.substr(0, zero), limits);
    check(parsed->render(variables, {{"bos_token", "<s>"}, {"eos_token", "</s>"}}, 1741158489000, limits));
  } catch (const TemplateError&) {
    // Refused, as it may be.
  }
  return 0;
}
