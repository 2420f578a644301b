#pragma once

#include "jinja/value.h"

#include <cstddef>

namespace verbatim::jinja {

/// An entity of HTML 5, without the leading &; most names end in a semicolon. Sorted by name.
struct HtmlEntity {
  const char* name;
  const char* text;
};
extern const HtmlEntity html_entities[];
extern const size_t html_entity_count;

/// Python's html.unescape, as a plain str.
Value unescape_html(Interpreter& in, const Value& string);
/// Markup.striptags: without comments and tags, white space collapsed, entities replaced; a plain str.
Value strip_tags(Interpreter& in, const Value& string);
/// The urlize filter on an escaped text.
Value urlize(Interpreter& in, const Value& value, const Value& limit, const std::string& rel,
             const std::string& target, const std::vector<std::string>& schemes);
/// textwrap.wrap of one line, joined with a separator.
void wrap_line(Builder& out, const String& line, int64_t width, bool break_long_words, bool break_on_hyphens,
               const Value& separator);
/// pprint.pformat.
Value pretty_print(Interpreter& in, const Value& value);
/// json.dumps.
Value to_json(Interpreter& in, const Value& value, bool ensure_ascii, const Value& indent,
              const Value& separators, bool sort_keys);
/// datetime.strftime of a time in milliseconds since the epoch, in local time.
Value format_time(Interpreter& in, const Value& format, int64_t milliseconds);

} // namespace verbatim::jinja
