#include "jinja/markup.h"

#include "jinja/strings.h"

#include <algorithm>
#include <cstring>

namespace verbatim::jinja {

namespace {

const char* find_entity(std::string_view name) {
  const HtmlEntity* end = html_entities + html_entity_count;
  const HtmlEntity* found =
      std::lower_bound(html_entities, end, name, [](const HtmlEntity& entity, std::string_view wanted) {
        return std::string_view(entity.name) < wanted;
      });
  return found != end && found->name == name ? found->text : nullptr;
}

/// The text of a numeric reference.
std::string numeric_reference(uint64_t code) {
  static constexpr char32_t windows[32] = {0x20AC, 0x81,   0x201A, 0x192,  0x201E, 0x2026, 0x2020, 0x2021,
                                           0x2C6,  0x2030, 0x160,  0x2039, 0x152,  0x8D,   0x17D,  0x8F,
                                           0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
                                           0x2DC,  0x2122, 0x161,  0x203A, 0x153,  0x9D,   0x17E,  0x178};
  if (code == 0 || (code >= 0xD800 && code <= 0xDFFF) || code > 0x10FFFF) return unicode::encoded(0xFFFD);
  if (code == 0x0D) return "\r";
  if (code >= 0x80 && code < 0xA0) return unicode::encoded(windows[code - 0x80]);
  const bool invalid = (code < 0x20 && code != '\t' && code != '\n' && code != '\f') || code == 0x7F ||
                       (code >= 0xFDD0 && code <= 0xFDEF) || (code & 0xFFFE) == 0xFFFE;
  return invalid ? "" : unicode::encoded(static_cast<char32_t>(code));
}

/// Reads the reference behind an & at the offset; returns its replacement and moves behind it.
std::optional<std::string> read_reference(std::string_view text, size_t& at) {
  size_t end = at;
  if (end < text.size() && text[end] == '#') {
    ++end;
    const bool hex = end < text.size() && (text[end] == 'x' || text[end] == 'X');
    if (hex) ++end;
    const size_t digits = end;
    uint64_t code = 0;
    for (; end < text.size(); ++end) {
      const char c = text[end], lower = static_cast<char>(c | 0x20);
      const int digit = c >= '0' && c <= '9'                  ? c - '0'
                        : hex && lower >= 'a' && lower <= 'f' ? lower - 'a' + 10
                                                              : -1;
      if (digit < 0) break;
      code = std::min<uint64_t>(code * (hex ? 16 : 10) + static_cast<uint64_t>(digit), 0x110000);
    }
    if (end == digits) return std::nullopt;
    if (end < text.size() && text[end] == ';') ++end;
    at = end;
    return numeric_reference(code);
  }
  std::vector<size_t> ends; // Of every prefix, by code points.
  while (end < text.size() && ends.size() < 32 && !std::strchr("\t\n\f <&#;", text[end])) {
    unicode::decode(text, end);
    ends.push_back(end);
  }
  if (ends.empty()) return std::nullopt;
  if (end < text.size() && text[end] == ';') {
    if (const char* found = find_entity(text.substr(at, end + 1 - at))) {
      at = end + 1;
      return found;
    }
  }
  for (size_t i = ends.size(); i-- > 1;) {
    if (const char* found = find_entity(text.substr(at, ends[i] - at))) {
      at = ends[i];
      return found;
    }
  }
  return std::nullopt;
}

} // namespace

Value unescape_html(Interpreter& in, const Value& value) {
  const auto& string = value.as<String>();
  const Text& text = string.text();
  const std::string_view all = std::string_view(text.bytes).substr(0, string.end);
  Builder out(in);
  size_t at = string.begin;
  while (at < string.end) {
    in.step();
    const size_t mark = std::min(all.find('&', at), all.size());
    out.append(text, at, mark);
    at = mark;
    if (at >= all.size()) break;
    size_t end = at + 1;
    if (const auto replacement = read_reference(all, end)) {
      out.append(*replacement, text.caller_origin(at, end));
      at = end;
    } else {
      out.append(text, at, at + 1);
      ++at;
    }
  }
  return out.finish();
}

Value strip_tags(Interpreter& in, const Value& value) {
  const auto cut = [&](const Value& source, std::string_view open, std::string_view close) {
    const auto& string = source.as<String>();
    const std::string_view all = std::string_view(string.text().bytes).substr(0, string.end);
    Builder out(in);
    size_t at = string.begin;
    for (;;) {
      in.step();
      const size_t begin = all.find(open, at);
      const size_t end = begin == std::string_view::npos ? begin : all.find(close, begin + open.size());
      if (end == std::string_view::npos) break;
      out.append(string.text(), at, begin);
      at = end + close.size();
    }
    out.append(string.text(), at, string.end);
    return out.finish();
  };
  const Value stripped = cut(cut(value, "<!--", "-->"), "<", ">");
  const auto& string = stripped.as<String>();
  Builder out(in);
  bool first = true;
  for (const auto& [begin, end] : split_words(in, string)) {
    if (!first) out.append(" ", string.text().origin_at(begin));
    first = false;
    out.append(string.text(), begin, end);
  }
  return unescape_html(in, out.finish());
}

} // namespace verbatim::jinja
