#include "jinja/search.h"
#include "jinja/strings.h"

#include <algorithm>

namespace verbatim::jinja {

bool is_line_end(char32_t c) {
  return (c >= '\n' && c <= '\r') || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

std::vector<Line> split_lines(Interpreter& in, const String& string) {
  in.step((string.end - string.begin) / 16);
  const std::string_view text(string.text().bytes);
  std::vector<Line> lines;
  size_t begin = string.begin;
  for (size_t at = begin; at < string.end;) {
    const size_t here = at;
    const char32_t c = unicode::decode(text, at);
    if (!is_line_end(c)) continue;
    if (c == '\r' && at < string.end && text[at] == '\n') ++at;
    lines.push_back({begin, here, at});
    check_items(in, lines.size());
    begin = at;
  }
  if (begin < string.end) lines.push_back({begin, string.end, string.end});
  return lines;
}

std::vector<std::pair<size_t, size_t>> split_words(Interpreter& in, const String& string) {
  in.step((string.end - string.begin) / 16);
  const std::string_view text(string.text().bytes);
  std::vector<std::pair<size_t, size_t>> words;
  size_t begin = SIZE_MAX;
  for (size_t at = string.begin; at < string.end;) {
    const size_t here = at;
    const bool space = unicode::is_space(unicode::decode(text, at));
    if (space && begin != SIZE_MAX) {
      words.emplace_back(begin, here);
      check_items(in, words.size());
      begin = SIZE_MAX;
    } else if (!space && begin == SIZE_MAX) {
      begin = here;
    }
  }
  if (begin != SIZE_MAX) words.emplace_back(begin, string.end);
  return words;
}

Value strip_text(Interpreter& in, const Value& value, const Value& characters, Side side, bool markup) {
  const auto& string = value.as<String>();
  const std::string_view text(string.text().bytes);
  std::u32string set;
  const bool white = characters.missing() || characters.is_none();
  if (!white) {
    const std::string_view wanted = string_argument("strip", characters).view();
    for (size_t at = 0; at < wanted.size();)
      set.push_back(unicode::decode(wanted, at));
    std::sort(set.begin(), set.end());
  }
  const auto strips = [&](char32_t c) {
    return white ? unicode::is_space(c) : std::binary_search(set.begin(), set.end(), c);
  };
  size_t begin = string.begin, end = string.end;
  if (side != Side::Right) {
    for (size_t at = begin; at < end && strips(unicode::decode(text, at));)
      begin = at;
  }
  if (side != Side::Left) {
    for (size_t at = end; at > begin && strips(unicode::decode_back(text, at));)
      end = at;
  }
  in.step((string.end - string.begin - (end - begin)) / 8);
  return in.substring(string, begin, end, markup);
}

Value join_text(Interpreter& in, const String& separator, const Value& items, bool markup,
                Value (*convert)(Interpreter&, const Value&)) {
  Builder out(in);
  const Ref<Iterator> iterator = iterate(in, items);
  size_t index = 0;
  for (Value item; iterator->next(in, item); ++index) {
    in.step();
    if (index > 0) out.append(separator);
    if (convert) {
      out.append(convert(in, item));
      continue;
    }
    if (!item.is_string())
      raise("sequence item " + std::to_string(index) + ": expected str instance, " + type_name(item) +
            " found");
    out.append(item);
  }
  return out.finish(markup);
}

namespace {

int64_t limit_argument(Interpreter& in, const Value& value) {
  return value.missing() ? -1 : index_of(in, value);
}

template <bool from_right> Value split(Interpreter& in, const Value& self, Arguments& arguments) {
  Value values[2];
  bind(from_right ? "rsplit" : "split", arguments, {"sep", "maxsplit"}, 0, values);
  const auto& string = self.as<String>();
  const std::string_view text(string.text().bytes);
  int64_t limit = limit_argument(in, values[1]);
  std::vector<std::pair<size_t, size_t>> parts;
  if (values[0].missing() || values[0].is_none()) {
    parts = split_words(in, string);
    if (limit >= 0 && static_cast<size_t>(limit) < parts.size()) {
      // The rest keeps its inner white space, and the outer on its far side.
      if (from_right) {
        const size_t kept = parts.size() - limit;
        const size_t end = parts[kept - 1].second;
        parts.erase(parts.begin(), parts.begin() + kept);
        parts.insert(parts.begin(), {string.begin, end});
      } else {
        const size_t begin = parts[limit].first;
        parts.resize(limit);
        parts.emplace_back(begin, string.end);
      }
    }
  } else {
    const std::string_view separator = string_argument("split", values[0]).view();
    if (separator.empty()) raise("empty separator");
    in.step((string.end - string.begin) / 16);
    const std::string_view within = text.substr(0, string.end);
    if (from_right) {
      const std::string_view own = string.view();
      size_t end = own.size();
      for (; limit != 0 && end >= separator.size(); --limit) {
        const size_t found = find_last_text(own.substr(0, end), separator);
        if (found == std::string_view::npos) break;
        parts.emplace_back(string.begin + found + separator.size(), string.begin + end);
        check_items(in, parts.size());
        end = found;
      }
      parts.emplace_back(string.begin, string.begin + end);
      std::reverse(parts.begin(), parts.end());
    } else {
      size_t begin = string.begin;
      for (; limit != 0; --limit) {
        const size_t found = find_text(within, separator, begin);
        if (found == std::string_view::npos) break;
        parts.emplace_back(begin, found);
        check_items(in, parts.size());
        begin = found + separator.size();
      }
      parts.emplace_back(begin, string.end);
    }
  }
  in.need(parts.size() * (sizeof(Value) + sizeof(String)));
  in.step(parts.size());
  std::vector<Value> items;
  items.reserve(parts.size());
  for (const auto& [begin, end] : parts)
    items.push_back(in.substring(string, begin, end, string.markup));
  return in.list(std::move(items), origin_of(self));
}

Value splitlines(Interpreter& in, const Value& self, Arguments& arguments) {
  Value keep;
  bind("splitlines", arguments, {"keepends"}, 0, &keep);
  const bool keeps = !keep.missing() && truthy(in, keep);
  const auto& string = self.as<String>();
  std::vector<Value> items;
  for (const Line& line : split_lines(in, string)) {
    in.step();
    items.push_back(in.substring(string, line.begin, keeps ? line.next : line.end, string.markup));
    check_items(in, items.size());
  }
  return in.list(std::move(items), origin_of(self));
}

template <bool last> Value partition(Interpreter& in, const Value& self, Arguments& arguments) {
  Value value;
  bind_positional(last ? "rpartition" : "partition", arguments, 1, 1, &value);
  string_argument("partition", value);
  const auto& string = self.as<String>();
  const Value separator = string.markup ? escape(in, value) : value;
  const std::string_view wanted = separator.as<String>().view();
  if (wanted.empty()) raise("empty separator");
  in.step((string.end - string.begin) / 16);
  const size_t found = last ? find_last_text(string.view(), wanted) : find_text(string.view(), wanted);
  const auto part = [&](size_t begin, size_t end) { return in.substring(string, begin, end, string.markup); };
  if (found == std::string_view::npos) {
    const Value whole = part(string.begin, string.end), none = part(string.end, string.end);
    return last ? in.tuple({none, none, whole}, origin_of(self))
                : in.tuple({whole, none, none}, origin_of(self));
  }
  const size_t at = string.begin + found;
  return in.tuple(
      {part(string.begin, at), part(at, at + wanted.size()), part(at + wanted.size(), string.end)},
      origin_of(self));
}

template <Side side> Value strip(Interpreter& in, const Value& self, Arguments& arguments) {
  Value characters;
  bind_positional("strip", arguments, 0, 1, &characters);
  const bool markup = self.as<String>().markup;
  if (markup && characters.is_string()) characters = escape(in, characters);
  if (!characters.missing() && !characters.is_none() && !characters.is_string())
    raise("strip arg must be None or str");
  return strip_text(in, self, characters, side, markup);
}

Value join(Interpreter& in, const Value& self, Arguments& arguments) {
  Value items;
  bind_positional("join", arguments, 1, 1, &items);
  if (!iterable(items)) raise("can only join an iterable");
  const auto& string = self.as<String>();
  return join_text(in, string, items, string.markup, string.markup ? escape : nullptr);
}

} // namespace

void add_split_methods(MethodTable& table) {
  const MethodSpec methods[] = {
      {"split", split<false>},         {"rsplit", split<true>},         {"splitlines", splitlines},
      {"partition", partition<false>}, {"rpartition", partition<true>}, {"strip", strip<Side::Both>},
      {"lstrip", strip<Side::Left>},   {"rstrip", strip<Side::Right>},  {"join", join},
  };
  for (const MethodSpec& method : methods)
    table.emplace(method.name, method);
}

} // namespace verbatim::jinja
