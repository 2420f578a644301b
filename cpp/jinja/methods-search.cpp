#include "jinja/search.h"
#include "jinja/strings.h"

#include <algorithm>

namespace verbatim::jinja {

Section section_of(Interpreter& in, String& string, const Value& start, const Value& end) {
  const bool whole = (start.missing() || start.is_none()) && (end.missing() || end.is_none());
  if (whole) return {string.begin, string.end, 0, true};
  const auto length = static_cast<int64_t>(string.length());
  const auto bound = [&](const Value& value, int64_t missing) {
    if (value.missing() || value.is_none()) return missing;
    if (!value.is_integral()) raise("slice indices must be integers or None or have an __index__ method");
    int64_t index = index_of(in, value);
    if (index < 0) index = std::max<int64_t>(0, index + length);
    return index;
  };
  const int64_t first = bound(start, 0);
  const int64_t last = std::min(length, bound(end, length));
  if (first > last) return {string.end, string.end, first, false};
  return {string.offset_of(first), string.offset_of(last), first, true};
}

Value replace_text(Interpreter& in, const String& string, const String& old, const String& replacement,
                   int64_t count, bool markup) {
  Builder out(in);
  const Text& text = string.text();
  const std::string_view all(text.bytes);
  const std::string_view wanted = old.view();
  in.step((string.end - string.begin) / 32);
  size_t at = string.begin, plain = at;
  const auto insert = [&](size_t to) {
    in.step();
    out.append(text, plain, to);
    out.append(replacement);
    plain = to;
  };
  if (wanted.empty()) {
    // Between all characters, before the first and after the last.
    for (; count != 0; --count) {
      insert(at);
      if (at >= string.end) break;
      unicode::decode(all, at);
    }
  } else {
    const std::string_view within = all.substr(0, string.end);
    for (; count != 0; --count) {
      const size_t found = find_text(within, wanted, at);
      if (found == std::string_view::npos) break;
      insert(found);
      at = plain = found + wanted.size();
    }
  }
  if (out.empty() && plain == string.begin) return in.substring(string, string.begin, string.end, markup);
  out.append(text, plain, string.end);
  Text result = out.take();
  if (result.bytes.empty()) result.origin = string.origin();
  return in.string(std::move(result), markup);
}

namespace {

/// find and its like: the code point index of a match, or -1.
int64_t find_in(Interpreter& in, const char* name, const Value& self, Arguments& arguments, bool last) {
  Value values[3];
  bind_positional(name, arguments, 1, 3, values);
  auto& string = self.as<String>();
  const String& wanted = string_argument(name, values[0]);
  const Section section = section_of(in, string, values[1], values[2]);
  if (!section.valid) return -1;
  const std::string_view text =
      std::string_view(string.text().bytes).substr(section.begin, section.end - section.begin);
  in.step(text.size() / 16);
  const size_t found = last ? find_last_text(text, wanted.view()) : find_text(text, wanted.view());
  if (found == std::string_view::npos) return -1;
  return static_cast<int64_t>(string.buffer->index_of(section.begin + found) -
                              string.buffer->index_of(string.begin));
}

template <bool last> Value find(Interpreter& in, const Value& self, Arguments& arguments) {
  return Value::integer(find_in(in, last ? "rfind" : "find", self, arguments, last), origin_of(self));
}

template <bool last> Value index(Interpreter& in, const Value& self, Arguments& arguments) {
  const int64_t found = find_in(in, last ? "rindex" : "index", self, arguments, last);
  if (found < 0) raise("substring not found");
  return Value::integer(found, origin_of(self));
}

Value count(Interpreter& in, const Value& self, Arguments& arguments) {
  Value values[3];
  bind_positional("count", arguments, 1, 3, values);
  auto& string = self.as<String>();
  const std::string_view wanted = string_argument("count", values[0]).view();
  const Section section = section_of(in, string, values[1], values[2]);
  if (!section.valid) return Value::integer(0, origin_of(self));
  const std::string_view text =
      std::string_view(string.text().bytes).substr(section.begin, section.end - section.begin);
  in.step(text.size() / 16);
  int64_t found = 0;
  if (wanted.empty()) {
    found = static_cast<int64_t>(unicode::count(text)) + 1;
  } else {
    for (size_t at = find_text(text, wanted); at != std::string_view::npos;
         at = find_text(text, wanted, at + wanted.size()))
      ++found;
  }
  return Value::integer(found, origin_of(self));
}

template <bool end> Value starts_or_ends(Interpreter& in, const Value& self, Arguments& arguments) {
  const char* name = end ? "endswith" : "startswith";
  Value values[3];
  bind_positional(name, arguments, 1, 3, values);
  auto& string = self.as<String>();
  const Section section = section_of(in, string, values[1], values[2]);
  const std::string_view text =
      std::string_view(string.text().bytes).substr(section.begin, section.end - section.begin);
  const auto matches = [&](const Value& affix) {
    if (!affix.is_string())
      raise(std::string(name) + " first arg must be str or a tuple of str, not " + type_name(affix));
    const std::string_view wanted = affix.as<String>().view();
    if (!section.valid || wanted.size() > text.size()) return false;
    return (end ? text.substr(text.size() - wanted.size()) : text.substr(0, wanted.size())) == wanted;
  };
  if (!values[0].is(Kind::Tuple)) return Value::boolean(matches(values[0]));
  const auto& affixes = values[0].as<List>().items;
  return Value::boolean(std::any_of(affixes.begin(), affixes.end(), matches));
}

Value replace(Interpreter& in, const Value& self, Arguments& arguments) {
  Value values[3];
  bind_positional("replace", arguments, 2, 3, values);
  const auto& string = self.as<String>();
  string_argument("replace", values[0]);
  string_argument("replace", values[1]);
  if (string.markup) {
    values[0] = escape(in, values[0]);
    values[1] = escape(in, values[1]);
  }
  const int64_t count = values[2].missing() ? -1 : index_of(in, values[2]);
  return replace_text(in, string, values[0].as<String>(), values[1].as<String>(), count, string.markup);
}

template <bool suffix> Value remove_affix(Interpreter& in, const Value& self, Arguments& arguments) {
  Value affix;
  bind_positional(suffix ? "removesuffix" : "removeprefix", arguments, 1, 1, &affix);
  const auto& string = self.as<String>();
  const std::string_view text = string.view();
  const std::string_view wanted = string_argument(suffix ? "removesuffix" : "removeprefix", affix).view();
  const bool fits = wanted.size() <= text.size() && (suffix ? text.substr(text.size() - wanted.size())
                                                            : text.substr(0, wanted.size())) == wanted;
  if (!fits) return in.substring(string, string.begin, string.end);
  return suffix ? in.substring(string, string.begin, string.end - wanted.size())
                : in.substring(string, string.begin + wanted.size(), string.end);
}

} // namespace

void add_search_methods(MethodTable& table) {
  const MethodSpec methods[] = {
      {"find", find<false>},
      {"rfind", find<true>},
      {"index", index<false>},
      {"rindex", index<true>},
      {"count", count},
      {"startswith", starts_or_ends<false>},
      {"endswith", starts_or_ends<true>},
      {"replace", replace},
      {"removeprefix", remove_affix<false>},
      {"removesuffix", remove_affix<true>},
  };
  for (const MethodSpec& method : methods)
    table.emplace(method.name, method);
}

} // namespace verbatim::jinja
