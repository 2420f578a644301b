// Times the engine: Qwen2.5's template over 20 messages of 1 KB, content of 1 to 10 MB (the time per byte
// must not grow), and patterns that are quadratic in a naive engine. usage: jinja-benchmark TEMPLATE-FILE

#include "jinja/jinja.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>

using namespace verbatim::jinja;

namespace {

std::string conversation(size_t messages, size_t content_bytes, bool ascii) {
  std::string text;
  while (text.size() < content_bytes)
    text += ascii ? "The quick brown fox jumps over the lazy dog. " : "Größe naïve 日本語 😀 déjà vu, ";
  std::string json = "{\"messages\":[";
  for (size_t i = 0; i < messages; ++i) {
    if (i > 0) json += ",";
    json += std::string("{\"role\":\"") + (i % 2 ? "assistant" : "user") + "\",\"content\":\"" + text + "\"}";
  }
  return json + "],\"tools\":null,\"add_generation_prompt\":true}";
}

double milliseconds(const Template& parsed, const std::string& variables, int runs) {
  std::vector<double> times;
  for (int i = 0; i < runs; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    const Rendered rendered = parsed.render(variables, {}, 0);
    const auto end = std::chrono::steady_clock::now();
    times.push_back(std::chrono::duration<double, std::milli>(end - begin).count());
    if (rendered.text.empty()) std::abort();
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

} // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: jinja-benchmark TEMPLATE-FILE\n";
    return 2;
  }
  std::ifstream file(argv[1]);
  std::stringstream source;
  source << file.rdbuf();
  const auto begin = std::chrono::steady_clock::now();
  const auto parsed = Template::parse(source.str());
  const auto end = std::chrono::steady_clock::now();
  std::printf("parse: %.3f ms\n", std::chrono::duration<double, std::milli>(end - begin).count());
  std::printf("20 messages of 1 KB: %.4f ms (median of 301)\n",
              milliseconds(*parsed, conversation(20, 1024, true), 301));
  for (const bool ascii : {true, false})
    for (const size_t megabytes : {1u, 2u, 5u, 10u}) {
      const double time = milliseconds(*parsed, conversation(1, megabytes << 20, ascii), 5);
      std::printf("%s content of %zu MB: %.2f ms, %.3f ns/byte\n", ascii ? "ASCII" : "UTF-8", megabytes, time,
                  time * 1e6 / static_cast<double>(megabytes << 20));
    }
  const std::pair<const char*, const char*> patterns[] = {
      {"append in a loop", "{% set ns = namespace(t='') %}{% for w in messages[0].content.split(' ') %}{% "
                           "set ns.t = ns.t + w + ' ' %}"
                           "{% endfor %}{{ ns.t }}"},
      {"split, strip, join", "{{ messages[0].content.strip().split(' ')|map('trim')|join('+') }}"},
      {"replace, upper, tojson", "{{ messages[0].content.replace('o', '00')|upper|tojson }}"},
      {"character by character", "{% for c in messages[0].content %}{{ c }}{% endfor %}"},
      {"index by index",
       "{% set s = messages[0].content %}{% for i in range(100000) %}{{ s[i * 9] }}{% endfor %}"},
  };
  for (const auto& [name, pattern] : patterns)
    for (const size_t megabytes : {1u, 4u}) {
      const double time = milliseconds(*Template::parse(pattern), conversation(1, megabytes << 20, false), 3);
      std::printf("%s, %zu MB: %.1f ms, %.2f ns/byte\n", name, megabytes, time,
                  time * 1e6 / static_cast<double>(megabytes << 20));
    }
}
