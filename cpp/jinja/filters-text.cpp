#include "jinja/filters.h"
#include "jinja/markup.h"
#include "jinja/strings.h"

#include <algorithm>
#include <set>

namespace verbatim::jinja {

namespace {

/// urllib.parse.quote; with `for_query` quotes also the slash, and writes + for a space.
void append_quoted(Builder& out, const Value& value, bool for_query) {
  Interpreter& in = out.interpreter();
  const Value text_value = soft_str(in, value);
  const auto& string = text_value.as<String>();
  const Text& text = string.text();
  in.step((string.end - string.begin) / 8);
  size_t plain = string.begin;
  for (size_t at = string.begin; at < string.end; ++at) {
    const char c = text.bytes[at];
    const bool safe = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                      c == '_' || c == '.' || c == '-' || c == '~' || (c == '/' && !for_query);
    if (safe) continue;
    out.append(text, plain, at);
    plain = at + 1;
    if (c == ' ' && for_query) {
      out.append("+", text.origin_at(at));
      continue;
    }
    constexpr char digits[] = "0123456789ABCDEF";
    const char encoded[3] = {'%', digits[static_cast<unsigned char>(c) >> 4], digits[c & 15]};
    out.append(std::string_view(encoded, 3), text.origin_at(at));
  }
  out.append(text, plain, string.end);
}

Value filter_urlencode(Interpreter& in, const Value& self, Arguments& arguments) {
  bind("urlencode", arguments, {}, 0, nullptr);
  Builder out(in);
  if (self.is_string() || !iterable(self)) {
    append_quoted(out, self, false);
    return out.finish();
  }
  const int32_t origin = self.own_origin();
  bool first = true;
  const auto add = [&](const Value& key, const Value& value) {
    if (!first) out.append("&", origin);
    first = false;
    append_quoted(out, key, true);
    out.append("=", origin);
    append_quoted(out, value, true);
  };
  if (self.is(Kind::Dict)) {
    for (const Dict::Entry& entry : self.as<Dict>().entries)
      add(entry.key, entry.value);
    return out.finish();
  }
  for (const Value& pair : collect(in, self)) {
    const std::vector<Value> items = collect(in, pair);
    if (items.size() != 2) raise("urlencode needs pairs");
    add(items[0], items[1]);
  }
  return out.finish();
}

Value filter_xmlattr(Interpreter& in, const Value& self, Arguments& arguments) {
  Value autospace;
  bind("xmlattr", arguments, {"autospace"}, 0, &autospace);
  if (self.undefined()) raise(self.as<Undefined>().message(in));
  if (!self.is(Kind::Dict)) raise(std::string("'") + type_name(self) + "' object has no attribute 'items'");
  const int32_t origin = self.own_origin();
  const bool space = autospace.missing() || truthy(in, autospace);
  Builder out(in);
  bool first = true;
  for (const Dict::Entry& entry : self.as<Dict>().entries) {
    in.step();
    if (entry.value.is_none() || entry.value.undefined()) continue;
    const std::string_view key = string_argument("xmlattr", entry.key).view();
    if (key.find_first_of(" \t\n\r\f\v/>=") != std::string_view::npos)
      raise("Invalid character in attribute name: " + quoted(in, entry.key));
    if (!first || space) out.append(" ", origin);
    first = false;
    out.append(escape(in, entry.key));
    out.append("=\"", origin);
    out.append(escape(in, entry.value));
    out.append("\"", origin);
  }
  return out.finish(in.autoescape());
}

Value filter_wordwrap(Interpreter& in, const Value& self, Arguments& arguments) {
  Value values[4];
  bind("wordwrap", arguments, {"width", "break_long_words", "wrapstring", "break_on_hyphens"}, 0, values);
  const int64_t width = values[0].missing() ? 79 : index_of(in, values[0]);
  const bool break_long = values[1].missing() || truthy(in, values[1]);
  const Value separator = values[2].missing() || values[2].is_none() ? in.string("\n") : values[2];
  const bool break_hyphens = values[3].missing() || truthy(in, values[3]);
  if (self.undefined()) raise(self.as<Undefined>().message(in));
  if (!self.is_string()) raise(std::string("'") + type_name(self) + "' object has no attribute 'splitlines'");
  string_argument("wordwrap", separator);
  const auto& string = self.as<String>();
  Builder out(in);
  bool first = true;
  for (const Line& line : split_lines(in, string)) {
    if (!first) out.append(separator);
    first = false;
    const Value part = in.substring(string, line.begin, line.end);
    wrap_line(out, part.as<String>(), width, break_long, break_hyphens, separator);
  }
  return out.finish(separator.as<String>().markup);
}

Value filter_urlize(Interpreter& in, const Value& self, Arguments& arguments) {
  Value values[5];
  bind("urlize", arguments, {"trim_url_limit", "nofollow", "target", "rel", "extra_schemes"}, 0, values);
  std::set<std::string> parts;
  const auto add_words = [&](const Value& text) {
    for (const auto& [begin, end] : split_words(in, text.as<String>()))
      parts.insert(text.as<String>().text().bytes.substr(begin, end - begin));
  };
  if (!values[3].missing() && truthy(in, values[3])) {
    string_argument("urlize", values[3]);
    add_words(values[3]);
  }
  if (!values[1].missing() && truthy(in, values[1])) parts.insert("nofollow");
  parts.insert("noopener");
  std::string rel;
  for (const std::string& part : parts)
    rel += (rel.empty() ? "" : " ") + part;
  const auto escaped = [&](const Value& value) { return std::string(escape(in, value).as<String>().view()); };
  const std::string target = values[2].missing() || !truthy(in, values[2]) ? "" : escaped(values[2]);
  std::vector<std::string> schemes;
  if (!values[4].missing() && !values[4].is_none()) {
    for (const Value& scheme : collect(in, values[4])) {
      const std::string text(string_argument("urlize", scheme).view());
      // At least two word characters, dots, pluses or hyphens, a colon, and up to two slashes.
      size_t letters = 0, at = 0;
      while (at < text.size()) {
        size_t next = at;
        const char32_t c = unicode::decode(text, next);
        if (!unicode::is_word(c) && c != '.' && c != '+' && c != '-') break;
        at = next;
        ++letters;
      }
      const std::string tail = text.substr(at);
      if (letters < 2 || (tail != ":" && tail != ":/" && tail != "://"))
        raise(quoted(in, scheme) + " is not a valid URI scheme prefix.");
      schemes.push_back(text);
    }
  }
  return urlize(in, self, values[0], escaped(in.string(rel)), target, schemes);
}

} // namespace

void add_text_filters(FilterTable& table) {
  const FilterSpec filters[] = {
      {"urlencode", filter_urlencode},
      {"urlize", filter_urlize},
      {"xmlattr", filter_xmlattr},
      {"wordwrap", filter_wordwrap},
  };
  for (const FilterSpec& filter : filters)
    table.emplace(filter.name, filter);
}

} // namespace verbatim::jinja
