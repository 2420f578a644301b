// Which variables a template reads, tests, and lets through into the text.
#include "jinja/jinja.h"

#include "check.h"

using namespace verbatim;

namespace {

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names)
    text += name + " ";
  return text;
}

bool tests(const std::string& source) {
  return jinja::Template::parse(source)->tests("x");
}

std::string unreached(const std::string& source, const std::string& variables) {
  std::string text;
  for (const auto& [name, path, is_blank] :
       jinja::Template::parse(source)->render(variables, {}, 0).unreached)
    text += path + (is_blank ? "= " : " ");
  return text;
}

bool blank(const std::string& messages) {
  return jinja::Template::parse("")->render("{\"messages\":" + messages + "}", {}, 0).messages_are_blank;
}

} // namespace

TEST(jinja_usage_tests_what_decides_on_the_output) {
  for (const char* source : {"{% if x %}{% endif %}",
                             "{% if a and not x.b %}{% endif %}",
                             "{{ 'a' if x else 'b' }}",
                             "{{ x is defined }}",
                             "{{ x == 1 }}",
                             "{{ x or 'y' }}",
                             "{{ 'y' in x }}",
                             "{% set y = x %}",
                             "{{ f(x) }}",
                             "{{ y[x] }}",
                             "{{ y | default(x) }}",
                             "{% for y in z if x %}{% endfor %}",
                             "{% for y in z %}{% if x %}{% endif %}{% endfor %}",
                             "{% macro m(a=x) %}{% endmacro %}",
                             "{% macro m() %}{% if x %}{% endif %}{% endmacro %}",
                             "{% with y = x %}{% endwith %}",
                             "{% block b %}{% if x %}{% endif %}{% endblock %}",
                             "{% filter replace('a', x) %}{% endfilter %}",
                             "{% call(y) m(x) %}{% endcall %}",
                             "{{ x }}{% if x %}{% endif %}",
                             "{{ '=' * x }}",
                             "{{ x.startswith('a') }}",
                             "{% set y %}{{ x }}{% endset %}",
                             "{% if a %}{% set x = 1 %}{% endif %}{% if x %}{% endif %}",
                             "{% for y in z %}{% set x = 1 %}{% endfor %}{% if x %}{% endif %}",
                             "{% if x %}{% set x = 1 %}{% else %}{% set x = 2 %}{% endif %}",
                             "{% set x = x %}"})
    if (!tests(source)) throw check::Failure(source);
}

TEST(jinja_usage_printing_and_looping_is_no_test) {
  for (const char* source :
       {"", "x", "{{ y }}", "{{ x }}", "{{ x.y }}", "{{ x['y'][0] }}", "{{ x | tojson }}", "{{ x ~ 'y' }}",
        "{{ x + 1 }}", "{{ [x, {'a': x}] }}", "{{ x if y else z }}", "{% for y in x %}{{ y }}{% endfor %}",
        "{% for x in y %}{% if x %}{% endif %}{% endfor %}",
        "{% macro m(x) %}{% if x %}{% endif %}{% endmacro %}", "{# if x #}", "{{ 'x' }}", "{{ y.x }}",
        // What the template has set itself is not the caller's.
        "{% if a %}{% set x = 1 %}{% else %}{% set x = 2 %}{% endif %}{% if x %}{% endif %}",
        "{% for y in z %}{% if y %}{% set x = y %}{% if x %}{% endif %}{% endif %}{% endfor %}",
        "{% with x = 1 %}{% if x %}{% endif %}{% endwith %}", "{% macro x() %}{% endmacro %}{{ x() }}",
        "{% macro m(x) %}{% if x %}{% endif %}{% endmacro %}{{ m(1) }}{{ x }}"})
    if (tests(source)) throw check::Failure(source);
}

TEST(jinja_usage_lists_the_variables_read_from_the_context) {
  const auto variables = [](const char* source) {
    return joined(jinja::Template::parse(source)->variables());
  };
  CHECK_EQ(
      variables("{{ b }}{% for m in messages %}{{ m.z }}{{ loop.index }}{% endfor %}{% set q = a %}{{ q }}"),
      "a b messages ");
  CHECK_EQ(variables("{{ range(3) }}{{ raise_exception('no') }}{{ strftime_now('%Y') }}"), "");
  const auto known = jinja::Template::parse("{% if a %}{% if b %}{{ c }}{% endif %}{% endif %}");
  CHECK(known->reads("c") && !known->tests("c") && known->tests("b") && !known->reads("d"));
  CHECK_EQ(variables("{% macro m(p) %}{{ p }}{{ g }}{% endmacro %}{{ m(1) }}"), "g ");
}

TEST(jinja_usage_knows_the_variables_of_which_no_character_is_in_the_text) {
  const std::string variables = R"({"a":"one","b":["two",{"k":3}],"c c":true,"d":null})";
  CHECK_EQ(unreached("", variables), "a b [\"c c\"] d ");
  CHECK_EQ(unreached("{{ a }}", variables), "b [\"c c\"] d ");
  CHECK_EQ(unreached("{{ b[1].k }}{{ a[:0] }}", variables), "a [\"c c\"] d ");
  CHECK_EQ(unreached("{{ b[1] | tojson }}{{ d }}", variables), "a [\"c c\"] ");
  CHECK_EQ(unreached("{% if a == 'one' %}yes{% endif %}", variables), "a b [\"c c\"] d ");
  CHECK_EQ(unreached("{% set t %}{{ a }}{% endset %}{{ t | upper }}", variables), "b [\"c c\"] d ");
}

TEST(jinja_usage_knows_the_variables_with_nothing_to_print) {
  CHECK_EQ(unreached("", R"({"a":"","b":" \n","c":[],"d":{},"e":["",{"k":[]}]})"), "a= b= c= d= e= ");
  CHECK_EQ(unreached("", R"({"a":null,"b":false,"c":0,"d":[null],"e":{"type":"x"}})"), "a b c d e ");
}

TEST(jinja_usage_messages_of_white_space_roles_and_types_are_blank) {
  for (const char* messages : {"[]", R"([{"role":"user"}])", R"([{"role":"user","content":""}])",
                               R"([{"role":"user","content":" \n\t\u00a0\u3000"}])",
                               R"([{"role":"user","content":null,"flag":true}])",
                               R"([{"role":"user","content":[{"type":"text","text":" "}]},{"role":"x"}])"})
    if (!blank(messages)) throw check::Failure(messages);
  for (const char* messages : {R"([{"role":"user","content":"."}])", R"([{"role":"user","content":5}])",
                               R"([{"role":"user","content":""},{"role":"user","content":" x "}])",
                               R"([{"role":"user","content":[{"type":"text","text":"x"}]}])",
                               R"([{"role":"user","content":"","name":"Ada"}])",
                               R"([{"role":"a","tool_calls":[{"function":{"name":"f"}}]}])"})
    if (blank(messages)) throw check::Failure(messages);
}
