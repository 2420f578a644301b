#include "jinja/jinja-test-support.h"

#include <thread>
#include <vector>

using namespace jinja_test;

TEST(jinja_prints_as_python_does) {
  CHECK_EQ(text("{{ none }} {{ true }} {{ 1.0 }} {{ [1, 'a', none] }} {{ {'k': 1e16} }}"),
           "None True 1.0 [1, 'a', None] {'k': 1e+16}");
  CHECK_EQ(text("{{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 2 ** 100 }} {{ 10 ** -1 }}"),
           "3 -4 2 1267650600228229401496703205376 0.1");
}

TEST(jinja_controls_white_space) {
  CHECK_EQ(text("  {% if true %}\n  a\n  {% endif %}\nb\n"), "  a\nb");
  CHECK_EQ(text("a {%- if true %} b {% endif -%} c"), "a b c");
  CHECK_EQ(text("{%+ if true +%}\nx{% endif %}"), "\nx");
}

TEST(jinja_keeps_assignments_inside_of_their_loop) {
  CHECK_EQ(text("{% set x = 1 %}{% for i in [1, 2] %}{% set x = i %}{{ x }}{% endfor %}{{ x }}"), "121");
  CHECK_EQ(text("{% set ns = namespace(n=0) %}{% for i in [1, 2] %}{% set ns.n = ns.n + i %}{% endfor %}{{ "
                "ns.n }}"),
           "3");
}

TEST(jinja_passes_arguments_and_callers_to_macros) {
  CHECK_EQ(
      text("{% macro m(a, b=a) %}{{ a }}{{ b }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, k=4) }}"),
      "12(3,){'k': 4}");
  CHECK_EQ(text("{% macro m() %}[{{ caller(1) }}]{% endmacro %}{% call(x) m() %}{{ x }}{% endcall %}"),
           "[1]");
}

TEST(jinja_refuses_what_the_sandbox_refuses) {
  CHECK(failure("{{ l.append(1) }}", R"({"l":[]})").failure == Failure::Render);
  CHECK(failure("{{ ''.__class__.__mro__ }}").failure == Failure::Render);
  CHECK(failure("{{ raise_exception('no') }}").failure == Failure::Raised);
  CHECK(failure("{% include 'x' %}").failure == Failure::Syntax);
}

TEST(jinja_errors_name_their_place) {
  const TemplateError error = failure("a\n  {{ x.y }}");
  CHECK_EQ(error.line, 2u);
  CHECK_EQ(error.column, 8u);
  CHECK_EQ(error.snippet, "  {{ x.y }}\n       ^");
  const TemplateError syntax = failure("é {{ 1 + }}");
  CHECK(syntax.failure == Failure::Syntax);
  CHECK_EQ(syntax.line, 1u);
  CHECK_EQ(syntax.column, 10u);
}

TEST(jinja_reads_variables_exactly) {
  CHECK_EQ(text("{{ x }}", R"({"x":1.0})"), "1.0");
  CHECK_EQ(text("{{ x }}", R"({"x":123456789012345678901234567890})"), "123456789012345678901234567890");
  CHECK_EQ(text("{{ x|list }}", R"({"x":{"2":0,"1":0,"b":0}})"), "['2', '1', 'b']");
  CHECK_EQ(text("{{ x }}", R"({"x":"\ud83d\ude00"})"), "😀");
  for (const char* bad : {R"({"x":1,"x":2})", R"({"x":"\ud800"})", R"({"x":NaN})", R"({"x":Infinity})", "[]",
                          "", "{", R"({"x":01})", "{\"x\":\"\x80\"}", "{\"x\":\"\n\"}", R"({"x":1}1)"})
    CHECK(failure("{{ x }}", bad).failure == Failure::Input);
  const std::string deep = "{\"x\":" + std::string(600, '[') + std::string(600, ']') + "}";
  CHECK(failure("", deep).failure == Failure::Limit);
}

TEST(jinja_variables_hide_special_tokens_of_their_name) {
  CHECK_EQ(text("{{ bos_token }}"), "<s>");
  CHECK_EQ(text("{{ bos_token }}", R"({"bos_token":"x"})"), "x");
}

TEST(jinja_renders_one_template_in_several_threads) {
  const auto parsed = Template::parse("{% macro m(x) %}{{ x|upper }}{% endmacro %}{% for m1 in messages %}"
                                      "{{ m(m1.content) }}{{ 'const' ~ loop.index }}{% endfor %}");
  std::vector<std::thread> threads;
  std::vector<int> good(4);
  for (size_t t = 0; t < good.size(); ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 500; ++i)
        good[t] += parsed->render(R"({"messages":[{"content":"a"},{"content":"b"}]})", {}, now).text ==
                   "Aconst1Bconst2";
    });
  for (std::thread& thread : threads)
    thread.join();
  for (const int count : good)
    CHECK_EQ(count, 500);
}
