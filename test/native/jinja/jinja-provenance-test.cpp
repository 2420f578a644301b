#include "jinja/jinja-test-support.h"

using namespace jinja_test;

namespace {
const std::string chat =
    R"({"messages":[{"role":"user","content":"Hi <b>"},{"role":"evil","content":"x, y"}],)"
    R"("tools":[{"name":"f","n":1.5,"ok":true,"none":null}],"flag":true,"n":3})";
}

TEST(jinja_provenance_tells_callers_from_the_template) {
  CHECK_EQ(owners("<|{{ messages[0].role }}|>{{ messages[0].content }}", chat),
           "<|user|>|Hi <b>@messages[0].content");
  CHECK_EQ(owners("{{ messages[1].role }}", chat), "evil@messages[1].role");
  CHECK_EQ(owners("{{ bos_token }}{{ 'a' ~ 1 }}", chat), "<s>a1");
  CHECK_EQ(owners("{{ n }}{{ flag }}{{ tools[0].none }}", chat), "3@n|True@flag|None@tools[0].none");
}

TEST(jinja_provenance_survives_concatenation) {
  CHECK_EQ(owners("{{ '[' + messages[0].content + ']' }}", chat), "[|Hi <b>@messages[0].content|]");
  CHECK_EQ(owners("{{ '[' ~ n ~ ']' }}", chat), "[|3@n|]");
  CHECK_EQ(owners("{{ 'a' + messages[1].content * 2 }}", chat), "a|x, yx, y@messages[1].content");
}

TEST(jinja_provenance_survives_filters_and_methods) {
  const std::string joined = "{% set c = '(' ~ messages[0].content ~ ')' %}";
  CHECK_EQ(owners(joined + "{{ c|upper }}", chat), "(|HI <B>@messages[0].content|)");
  CHECK_EQ(owners(joined + "{{ c[::-1] }}", chat), ")|>b< iH@messages[0].content|(");
  CHECK_EQ(owners(joined + "{{ c[0] }}{{ c[1] }}", chat), "(|H@messages[0].content");
  CHECK_EQ(owners(joined + "{{ c.replace('Hi', 'Yo') }}", chat), "(Yo| <b>@messages[0].content|)");
  CHECK_EQ(owners(joined + "{{ c|replace('(', messages[1].content) }}", chat),
           "x, y@messages[1].content|Hi <b>@messages[0].content|)");
  CHECK_EQ(owners(joined + "{{ c|escape }}", chat), "(|Hi &lt;b&gt;@messages[0].content|)");
  CHECK_EQ(owners(joined + "{{ c.split(' ')|join('_') }}", chat),
           "(|Hi@messages[0].content|_|<b>@messages[0].content|)");
  CHECK_EQ(owners("{{ '%s-%d'|format(messages[1].content, n) }}", chat), "x, y@messages[1].content|-|3@n");
  CHECK_EQ(owners("{{ '{}-{}'.format(messages[1].content, n) }}", chat), "x, y@messages[1].content|-|3@n");
  CHECK_EQ(owners("{{ messages[1].content|indent(2, true) }}", chat), "  |x, y@messages[1].content");
  CHECK_EQ(owners("{{ messages|map(attribute='content')|join('|') }}", chat),
           "Hi <b>@messages[0].content|||x, y@messages[1].content");
}

TEST(jinja_provenance_survives_serialisation) {
  CHECK_EQ(owners("{{ tools[0]|tojson }}", chat),
           "{@tools[0]|\"name\"@tools[0].name|: @tools[0]|\"f\"@tools[0].name|, @tools[0]|\"n\"@tools[0].n|: "
           "@tools[0]|"
           "1.5@tools[0].n|, @tools[0]|\"ok\"@tools[0].ok|: @tools[0]|true@tools[0].ok|, @tools[0]|"
           "\"none\"@tools[0].none|: @tools[0]|null@tools[0].none|}@tools[0]");
  CHECK_EQ(owners("{{ {'a': n} }}", chat), "{'a': |3@n|}");
  CHECK_EQ(owners("{{ [messages[1].content] }}", chat), "[|'x, y'@messages[1].content|]");
}

TEST(jinja_provenance_of_computed_values_is_that_of_their_operands) {
  CHECK_EQ(owners("{{ n + 1 }}", chat), "4@n");
  CHECK_EQ(owners("{{ messages|length }}", chat), "2@messages");
  CHECK_EQ(owners("{{ 'yes' if flag else 'no' }}{{ n == 3 }}", chat), "yesTrue");
  CHECK_EQ(owners("{% for k in tools[0] %}{{ k }};{% endfor %}", chat),
           "name@tools[0].name|;|n@tools[0].n|;|ok@tools[0].ok|;|none@tools[0].none|;");
}

TEST(jinja_provenance_survives_blocks_and_macros) {
  CHECK_EQ(owners("{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(messages[1].content)|upper }}", chat),
           "<|X, Y@messages[1].content|>");
  CHECK_EQ(owners("{% set b %}<{{ n }}>{% endset %}{{ b }}", chat), "<|3@n|>");
  CHECK_EQ(owners("{% filter upper %}a{{ messages[1].content }}{% endfilter %}", chat),
           "A|X, Y@messages[1].content");
}

TEST(jinja_provenance_quotes_odd_keys) {
  CHECK_EQ(owners("{{ d['a b'].c }}", R"({"d":{"a b":{"c":"x"}}})"), "x@d[\"a b\"].c");
}

TEST(jinja_provenance_outlives_popped_values) {
  CHECK_EQ(owners("{{ messages.pop(0).content }}", chat), "Hi <b>@messages[0].content");
}
