// Thousands of small templates, one feature each, compared with what Jinja2 made of them.
// The file: {"base": {variables}}, then one {"source", "vars"?, "text"} or {"source", "vars"?, "error"} a
// line.

#include "jinja/jinja-test-support.h"
#include "jsonl.h"

#include <cstdlib>
#include <ctime>
#include <fstream>

using namespace verbatim::jinja;

TEST(jinja_renders_every_language_probe_as_jinja2_does) {
#ifndef _WIN32
  setenv("TZ", "UTC", 1);
  tzset();
#endif
  constexpr int64_t now_ms = 1741158489000; // 2025-03-05 07:08:09
  std::ifstream in(SOURCE_DIR "/test/conformance/language-probes.jsonl");
  std::string line;
  std::getline(in, line);
  const std::string base = jsonl::Row(line).raw("base");
  const Limits limits = jinja_test::roomy();
  size_t count = 0;
  std::string differing;
  while (std::getline(in, line)) {
    const jsonl::Row row(line);
    const std::string source = row.string("source");
    std::string variables = base;
    if (row.has("vars")) variables = base.substr(0, base.size() - 1) + ", " + row.raw("vars").substr(1);
    std::string outcome;
    bool failed = false;
    try {
      outcome = Template::parse(source, limits)->render(variables, {}, now_ms, limits).text;
    } catch (const TemplateError& error) {
      failed = true;
      outcome = error.what();
    }
    ++count;
    if (failed ? row.has("error") : row.has("text") && row.string("text") == outcome) continue;
    differing += "\n  " + source + " gave " + (failed ? "an error: " : "") + outcome;
  }
  if (!differing.empty()) check::fail(__FILE__, __LINE__, differing);
  CHECK_EQ(count, 7460u);
}
