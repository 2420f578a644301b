#include "jinja/jinja-test-support.h"

#include <functional>
#include <pthread.h>

using namespace jinja_test;

namespace {

std::string times(const std::string& text, int count) {
  std::string out;
  for (int i = 0; i < count; ++i)
    out += text;
  return out;
}

#ifdef __SANITIZE_THREAD__
constexpr size_t small_stack = 1536u << 10; // ThreadSanitizer takes 768 KiB of it for itself
#else
constexpr size_t small_stack = 512u << 10;
#endif

/// Runs on a thread with a stack of 512 KiB.
void on_small_stack(std::function<void()> body) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, small_stack);
  pthread_t thread;
  pthread_create(
      &thread, &attributes,
      [](void* argument) -> void* {
        (*static_cast<std::function<void()>*>(argument))();
        return nullptr;
      },
      &body);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

} // namespace

TEST(jinja_limits_memory) {
  for (const char* source :
       {"{{ 'x' * 10**10 }}", "{{ '%10000000000d' % 1 }}", "{{ '%1000000000d' % 1 ~ '%1000000000d' % 1 }}",
        "{{ 'x'|indent(10**10, true) }}", "{{ 'x'|center(10**10) }}", "{{ 'x'.ljust(10**10) }}",
        "{{ [0] * 10**10 }}", "{{ '{:10000000000}'.format(1) if false else 'x'.zfill(10**10) }}",
        "{{ 'x'.expandtabs() ~ '\t'.expandtabs(10**10) }}",
        "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(90) %}{% set ns.s = ns.s + ns.s %}{% endfor "
        "%}",
        "{% set ns = namespace(s=[1]) %}{% for i in range(90) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
        "{{ [1]|batch(10**10, 0)|list }}"})
    CHECK_EQ(limit(source), "memory_bytes");
}

TEST(jinja_limits_integers) {
  CHECK_EQ(limit("{{ 9 ** (9 ** 9) }}"), "integer_bits");
  CHECK_EQ(
      limit("{% set ns = namespace(i=3) %}{% for i in range(99) %}{% set ns.i = ns.i * ns.i %}{% endfor %}"),
      "integer_bits");
}

TEST(jinja_limits_steps_and_output) {
  Limits limits;
  limits.steps = 100'000;
  CHECK_EQ(limit("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", limits),
           "steps");
  limits = {};
  limits.output_bytes = 1000;
  CHECK_EQ(limit("{% for i in range(2000) %}x{% endfor %}", limits), "output_bytes");
  CHECK_EQ(limit("{{ range(10**9)|list }}"), "range_length");
  limits = {};
  limits.source_bytes = 10;
  CHECK_EQ(limit("0123456789a", limits), "source_bytes");
}

TEST(jinja_limits_recursion_of_macros_loops_and_blocks) {
  CHECK_EQ(limit("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", roomy()), "recursion");
  CHECK_EQ(limit("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}", roomy()), "recursion");
  CHECK_EQ(limit("{% block b %}{{ self.b() }}{% endblock %}", roomy()), "recursion");
  CHECK_EQ(text("{% macro f(n) %}{{ f(n - 1) if n else 'end' }}{% endmacro %}{{ f(150) }}", "{}", roomy()),
           "end");
}

TEST(jinja_limits_nesting_on_a_small_stack) {
  std::string outcome;
  on_small_stack([&] {
    const std::string sources[] = {
        "{{ " + times("(", 5000) + "1" + times(")", 5000) + " }}",
        "{{ " + times("[", 5000) + times("]", 5000) + " }}",
        "{{ " + times("-", 5000) + "1 }}",
        "{{ " + times("not ", 5000) + "1 }}",
        "{{ 1" + times("+1", 5000) + " }}",
        "{{ x" + times(".a", 5000) + " }}",
        "{{ 1" + times(" if 1 else 1", 5000) + " }}",
        times("{% if 1 %}", 5000) + times("{% endif %}", 5000),
        "{% macro f() %}{{ (((((((((([f()]))))))))))|string|upper }}{% endmacro %}{{ f() }}",
        "{% set ns = namespace(x=[]) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x "
        "}}",
        "{% set ns = namespace(x=[]) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ "
        "ns.x|tojson }}",
        "{% set ns = namespace(x=[], y=[]) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% set ns.y = "
        "[ns.y] %}"
        "{% endfor %}{{ ns.x == ns.y }}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(9999) %}{% set ns.x = ns.x|map('string') %}{% "
        "endfor %}"
        "{{ ns.x|list }}",
        "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}",
    };
    for (const std::string& source : sources) {
      try {
        (void)render(source);
        outcome += "rendered " + source.substr(0, 40) + "\n";
      } catch (const TemplateError& error) {
        if (error.failure != Failure::Limit)
          outcome += std::string(error.what()) + " for " + source.substr(0, 40) + "\n";
      }
    }
  });
  CHECK_EQ(outcome, "");
}

TEST(jinja_frees_cycles) {
  // Under a leak checker: a namespace that holds itself, a macro that holds its frame, a loop that holds
  // itself.
  CHECK_EQ(text("{% set ns = namespace() %}{% set ns.me = ns %}{% macro m() %}{% macro k() %}{% endmacro "
                "%}{% endmacro %}"
                "{{ m() }}{% set ns.m = m %}{% for x in [1] %}{{ loop.changed(loop) }}{% endfor %}"),
           "True");
}
