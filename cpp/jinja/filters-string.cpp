#include "jinja/filters.h"
#include "jinja/format.h"
#include "jinja/markup.h"
#include "jinja/strings.h"

#include <algorithm>
#include <set>

namespace verbatim::jinja {

namespace {

template <unicode::Case to> Value filter_case(Interpreter& in, const Value& self, Arguments& arguments) {
  bind("case filter", arguments, {}, 0, nullptr);
  const Value text = soft_str(in, self);
  return change_case(in, text.as<String>(), to, text.as<String>().markup);
}

Value filter_capitalize(Interpreter& in, const Value& self, Arguments& arguments) {
  bind("capitalize", arguments, {}, 0, nullptr);
  const Value text = soft_str(in, self);
  return capitalize_text(in, text.as<String>(), text.as<String>().markup);
}

Value filter_title(Interpreter& in, const Value& self, Arguments& arguments) {
  bind("title", arguments, {}, 0, nullptr);
  const Value value = soft_str(in, self);
  const auto& string = value.as<String>();
  const std::string_view all(string.text().bytes);
  const auto separates = [](char32_t c) {
    return c == '-' || c == '(' || c == '{' || c == '[' || c == '<' || unicode::is_space(c);
  };
  Builder out(in);
  out.append(string.text(), string.begin, string.begin);
  for (size_t at = string.begin; at < string.end;) {
    in.step();
    const size_t begin = at;
    const bool separator = separates(unicode::decode(all, at));
    const size_t second = at;
    for (size_t next = at; next < string.end; at = next)
      if (separates(unicode::decode(all, next)) != separator) break;
    const Value first = in.substring(string, begin, second), rest = in.substring(string, second, at);
    out.append(change_case(in, first.as<String>(), unicode::Case::Upper, false));
    out.append(change_case(in, rest.as<String>(), unicode::Case::Lower, false));
  }
  return out.finish();
}

Value filter_string(Interpreter& in, const Value& self, Arguments& arguments) {
  bind_positional("string", arguments, 0, 0, nullptr);
  return soft_str(in, self);
}

Value filter_trim(Interpreter& in, const Value& self, Arguments& arguments) {
  Value characters;
  bind("trim", arguments, {"chars"}, 0, &characters);
  const Value text = soft_str(in, self);
  const bool markup = text.as<String>().markup;
  if (markup && characters.is_string()) characters = escape(in, characters);
  return strip_text(in, text, characters, Side::Both, markup);
}

Value filter_replace(Interpreter& in, const Value& self, Arguments& arguments) {
  Value values[3];
  bind("replace", arguments, {"old", "new", "count"}, 2, values);
  int64_t count = -1;
  if (!values[2].missing() && !values[2].is_none()) count = index_of(in, values[2]);
  const auto is_markup = [](const Value& value) { return value.is_string() && value.as<String>().markup; };
  if (!in.autoescape()) {
    const Value text = to_str(in, self), old = to_str(in, values[0]), replacement = to_str(in, values[1]);
    return replace_text(in, text.as<String>(), old.as<String>(), replacement.as<String>(), count, false);
  }
  Value text = soft_str(in, self);
  if (is_markup(values[0]) || (is_markup(values[1]) && !is_markup(text))) text = escape(in, text);
  const bool markup = text.as<String>().markup;
  const auto argument = [&](const Value& value) { return markup ? escape(in, value) : to_str(in, value); };
  const Value old = argument(values[0]), replacement = argument(values[1]);
  return replace_text(in, text.as<String>(), old.as<String>(), replacement.as<String>(), count, markup);
}

Value filter_center(Interpreter& in, const Value& self, Arguments& arguments) {
  Value width;
  bind("center", arguments, {"width"}, 0, &width);
  const Value text = soft_str(in, self);
  return align_text(in, text, width.missing() ? 80 : index_of(in, width), nullptr, 0,
                    text.as<String>().markup);
}

Value filter_indent(Interpreter& in, const Value& self, Arguments& arguments) {
  Value values[3];
  bind("indent", arguments, {"width", "first", "blank"}, 0, values);
  if (self.undefined()) raise(self.as<Undefined>().message(in));
  if (!self.is_string()) raise(std::string("indent needs a string, not ") + type_name(self));
  const auto& string = self.as<String>();
  Value indentation;
  if (values[0].is_string()) {
    indentation = string.markup ? as_markup(in, values[0]) : values[0];
  } else {
    const int64_t width = values[0].missing() ? 4 : index_of(in, values[0]);
    if (width > static_cast<int64_t>(in.limits().memory_bytes)) in.fail_memory();
    Builder spaces(in);
    spaces.repeat(" ", static_cast<size_t>(std::max<int64_t>(0, width)), origin_of(values[0]));
    indentation = spaces.finish(string.markup);
  }
  const bool first = !values[1].missing() && truthy(in, values[1]);
  const bool blank = !values[2].missing() && truthy(in, values[2]);
  std::vector<Line> lines = split_lines(in, string);
  const Text& text = string.text();
  // The filter adds a line end before it splits, so a text that ends in one has an empty last line.
  const bool ends_in_break = !lines.empty() && lines.back().next > lines.back().end;
  if (lines.empty() || ends_in_break) lines.push_back({string.end, string.end, string.end});
  Builder out(in);
  for (size_t i = 0; i < lines.size(); ++i) {
    in.step();
    const Line& line = lines[i];
    if (i > 0) out.append("\n", text.origin_at(lines[i - 1].end));
    if (i == 0 ? first : blank || line.begin < line.end) out.append(indentation);
    out.append(text, line.begin, line.end);
  }
  return out.finish(string.markup);
}

Value filter_truncate(Interpreter& in, const Value& self, Arguments& arguments) {
  Value values[4];
  bind("truncate", arguments, {"length", "killwords", "end", "leeway"}, 0, values);
  const int64_t length = values[0].missing() ? 255 : index_of(in, values[0]);
  const bool kill = !values[1].missing() && truthy(in, values[1]);
  const Value end = values[2].missing() ? in.string("...") : values[2];
  const int64_t leeway = values[3].missing() || values[3].is_none() ? 5 : index_of(in, values[3]);
  const int64_t end_length = length_of(in, end);
  if (length < end_length)
    raise("expected length >= " + std::to_string(end_length) + ", got " + std::to_string(length));
  if (leeway < 0) raise("expected leeway >= 0, got " + std::to_string(leeway));
  if (length_of(in, self) <= length + leeway) return self;
  const Value kept = get_slice(in, self, Value::none(), Value::integer(length - end_length), Value::none());
  if (kill) return arithmetic(in, Operator::Add, kept, end);
  if (!kept.is_string()) raise(std::string("truncate needs a string, not ") + type_name(self));
  const auto& string = kept.as<String>();
  const size_t space = string.view().rfind(' ');
  const Value words = space == std::string_view::npos
                          ? kept
                          : in.substring(string, string.begin, string.begin + space, string.markup);
  return arithmetic(in, Operator::Add, words, end);
}

Value filter_format(Interpreter& in, const Value& self, Arguments& arguments) {
  if (!arguments.positional.empty() && !arguments.named.empty())
    raise("can't handle positional and keyword arguments at the same time");
  const Value format = soft_str(in, self);
  if (arguments.named.empty()) return format_percent(in, format, in.tuple(std::move(arguments.positional)));
  auto named = in.make<Dict>();
  for (auto& [key, value] : arguments.named)
    named->set(in, key, std::move(value));
  return format_percent(in, format, Value(named));
}

Value filter_escape(Interpreter& in, const Value& self, Arguments& arguments) {
  bind_positional("escape", arguments, 0, 0, nullptr);
  return escape(in, self);
}

Value filter_forceescape(Interpreter& in, const Value& self, Arguments& arguments) {
  bind("forceescape", arguments, {}, 0, nullptr);
  return escape(in, to_str(in, self));
}

Value filter_safe(Interpreter& in, const Value& self, Arguments& arguments) {
  bind("safe", arguments, {}, 0, nullptr);
  return as_markup(in, soft_str(in, self));
}

Value filter_striptags(Interpreter& in, const Value& self, Arguments& arguments) {
  bind("striptags", arguments, {}, 0, nullptr);
  return strip_tags(in, to_str(in, self));
}

Value filter_wordcount(Interpreter& in, const Value& self, Arguments& arguments) {
  bind("wordcount", arguments, {}, 0, nullptr);
  const Value value = soft_str(in, self);
  const std::string_view text = value.as<String>().view();
  in.step(text.size() / 16);
  int64_t words = 0;
  bool inside = false;
  for (size_t at = 0; at < text.size();) {
    const bool word = unicode::is_word(unicode::decode(text, at));
    if (word && !inside) ++words;
    inside = word;
  }
  return Value::integer(words, origin_of(self));
}

Value filter_tojson(Interpreter& in, const Value& self, Arguments& arguments) {
  Value values[4];
  bind("tojson", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"}, 0, values);
  const auto flag = [&](const Value& value) { return !value.missing() && truthy(in, value); };
  return to_json(in, self, flag(values[0]), values[1], values[2], flag(values[3]));
}

Value filter_pprint(Interpreter& in, const Value& self, Arguments& arguments) {
  bind("pprint", arguments, {}, 0, nullptr);
  return pretty_print(in, self);
}

} // namespace

void add_string_filters(FilterTable& table) {
  const FilterSpec filters[] = {
      {"upper", filter_case<unicode::Case::Upper>},
      {"lower", filter_case<unicode::Case::Lower>},
      {"capitalize", filter_capitalize},
      {"title", filter_title},
      {"string", filter_string},
      {"trim", filter_trim},
      {"replace", filter_replace},
      {"center", filter_center},
      {"indent", filter_indent},
      {"truncate", filter_truncate},
      {"format", filter_format},
      {"e", filter_escape},
      {"escape", filter_escape},
      {"forceescape", filter_forceescape},
      {"safe", filter_safe},
      {"striptags", filter_striptags},
      {"wordcount", filter_wordcount},
      {"tojson", filter_tojson},
      {"pprint", filter_pprint},
  };
  for (const FilterSpec& filter : filters)
    table.emplace(filter.name, filter);
}

} // namespace verbatim::jinja
