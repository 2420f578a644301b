#include "jinja/markup.h"
#include "jinja/strings.h"

#include <algorithm>

namespace verbatim::jinja {

namespace {

bool starts(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

template <class Test> bool all_of(std::string_view text, const Test& test) {
  for (size_t at = 0; at < text.size();)
    if (!test(unicode::decode(text, at))) return false;
  return true;
}

bool is_host_character(char32_t c) {
  return unicode::is_word(c) || c == '%' || c == '-';
}

/// A port, then a path, query or fragment, then the end.
bool is_url_tail(std::string_view text) {
  if (starts(text, ":")) {
    size_t digits = 0;
    size_t at = 1;
    while (at < text.size() && digits < 6) {
      size_t next = at;
      if (unicode::decimal_value(unicode::decode(text, next)) < 0) break;
      at = next;
      ++digits;
    }
    if (digits < 1 || digits > 5) return false;
    text.remove_prefix(at);
  }
  return text.empty() || text[0] == '/' || text[0] == '?' || text[0] == '#';
}

/// Labels separated by dots, as far as they reach; the text behind them is left in `rest`.
std::vector<std::string_view> host_labels(std::string_view text, std::string_view& rest) {
  size_t end = 0;
  while (end < text.size()) {
    size_t next = end;
    const char32_t c = unicode::decode(text, next);
    if (!is_host_character(c) && c != '.') break;
    end = next;
  }
  rest = text.substr(end);
  std::vector<std::string_view> labels;
  for (size_t at = 0;;) {
    const size_t dot = std::min(text.substr(0, end).find('.', at), end);
    labels.push_back(text.substr(at, dot - at));
    if (dot == end) return labels;
    at = dot + 1;
  }
}

bool is_top_level(std::string_view label) {
  const std::string name = lower(label);
  const bool letters = all_of(name, [](char32_t c) { return c >= 'a' && c <= 'z'; });
  if (letters && name.size() >= 2 && name.size() <= 63) return true;
  if (!starts(name, "xn--")) return false;
  const std::string_view rest = std::string_view(name).substr(4);
  const size_t length = unicode::count(rest);
  return length >= 2 && length <= 59 &&
         all_of(rest, [](char32_t c) { return unicode::is_word(c) || c == '%'; });
}

bool is_ip4(std::string_view text) {
  for (int part = 0; part < 4; ++part) {
    if (part > 0) {
      if (!starts(text, ".")) return false;
      text.remove_prefix(1);
    }
    size_t digits = 0;
    while (digits < text.size() && digits < 3 && text[digits] >= '0' && text[digits] <= '9')
      ++digits;
    if (digits == 0) return false;
    text.remove_prefix(digits);
  }
  return is_url_tail(text);
}

bool is_ip6(std::string_view text) {
  const size_t close = text.find(']');
  if (!starts(text, "[") || close == std::string_view::npos) return false;
  const std::string inside = lower(text.substr(1, close - 1));
  size_t pieces = 0, digits = 0, colons = 0;
  for (const char c : inside) {
    if (c == ':') {
      if (colons < 2 && digits > 4) return false;
      if (colons >= 2) pieces += std::max<size_t>(1, (digits + 3) / 4);
      ++colons;
      digits = 0;
    } else if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')) {
      ++digits;
    } else {
      return false;
    }
  }
  pieces += (digits + 3) / 4;
  return colons >= 2 && pieces <= 6 && is_url_tail(text.substr(close + 1));
}

bool is_url(std::string_view text) {
  const std::string start = lower(text.substr(0, 8));
  const size_t scheme = starts(start, "https://") ? 8 : starts(start, "http://") ? 7 : 0;
  const size_t prefix = scheme ? scheme : starts(start, "www.") ? 4 : 0;
  std::string_view rest;
  if (prefix) {
    const auto labels = host_labels(text.substr(prefix), rest);
    const bool inner =
        std::none_of(labels.begin(), labels.end() - 1, [](std::string_view label) { return label.empty(); });
    if (inner && is_top_level(labels.back()) && is_url_tail(rest)) return true;
  }
  if (scheme && (is_ip4(text.substr(scheme)) || is_ip6(text.substr(scheme)))) return true;
  const auto labels = host_labels(text, rest);
  static constexpr std::string_view domains[] = {"com", "net", "int", "edu", "gov", "org", "info", "mil"};
  if (labels.size() < 2 || !is_url_tail(rest)) return false;
  const std::string last = lower(labels.back());
  if (std::find(std::begin(domains), std::end(domains), last) == std::end(domains)) return false;
  return std::all_of(labels.begin(), labels.end() - 1, [](std::string_view label) {
    const size_t length = unicode::count(label);
    return length >= 2 && length <= 63;
  });
}

bool is_email(std::string_view text) {
  const size_t mark = text.rfind('@');
  if (mark == std::string_view::npos || mark == 0) return false;
  const std::string_view host = text.substr(mark + 1);
  const size_t dot = host.rfind('.');
  if (dot == std::string_view::npos || dot == 0 || dot + 1 == host.size()) return false;
  size_t first = 0;
  if (!unicode::is_word(unicode::decode(host, first))) return false;
  return all_of(host.substr(0, dot),
                [](char32_t c) { return unicode::is_word(c) || c == '.' || c == '-'; }) &&
         all_of(host.substr(dot + 1), unicode::is_word);
}

size_t count_of(std::string_view text, std::string_view wanted) {
  size_t count = 0;
  for (size_t at = text.find(wanted); at != std::string_view::npos;
       at = text.find(wanted, at + wanted.size()))
    ++count;
  return count;
}

/// A word, whose characters around the URL stay outside of the link.
struct Word {
  explicit Word(std::string_view word) : text(word), end(word.size()) {
    for (;;) {
      const std::string_view rest = text.substr(begin);
      if (starts(rest, "(") || starts(rest, "<"))
        ++begin;
      else if (starts(rest, "&lt;"))
        begin += 4;
      else
        break;
    }
    while (end > begin) {
      const std::string_view inside = text.substr(begin, end - begin);
      if (std::string_view(")>.,\n").find(inside.back()) != std::string_view::npos)
        --end;
      else if (inside.size() >= 4 && inside.substr(inside.size() - 4) == "&gt;")
        end -= 4;
      else
        break;
    }
    for (const auto& [open, close] :
         {std::pair<std::string_view, std::string_view>{"(", ")"}, {"<", ">"}, {"&lt;", "&gt;"}}) {
      const std::string_view inside = text.substr(begin, end - begin);
      const size_t opened = count_of(inside, open);
      if (opened <= count_of(inside, close)) continue;
      for (size_t left = std::min(opened, count_of(text.substr(end), close)); left > 0; --left)
        end = text.find(close, end) + close.size();
    }
  }

  std::string_view text;
  size_t begin = 0, end;
};

} // namespace

Value urlize(Interpreter& in, const Value& value, const Value& limit, const std::string& rel,
             const std::string& target, const std::vector<std::string>& schemes) {
  const Value escaped = escape(in, value);
  const auto& string = escaped.as<String>();
  const Text& text = string.text();
  const std::string_view all(text.bytes);
  const int64_t trim = limit.missing() || limit.is_none() ? -1 : index_of(in, limit);
  const std::string attributes =
      (rel.empty() ? "" : " rel=\"" + rel + "\"") + (target.empty() ? "" : " target=\"" + target + "\"");
  Builder out(in);
  size_t written = string.begin;
  for (const auto& [word_begin, word_end] : split_words(in, string)) {
    in.step(1 + (word_end - word_begin) / 4);
    const Word word(all.substr(word_begin, word_end - word_begin));
    const std::string_view middle = word.text.substr(word.begin, word.end - word.begin);
    const size_t begin = word_begin + word.begin, end = word_begin + word.end;
    std::string href_prefix, extra;
    size_t shown = begin;
    bool trims = false;
    if (is_url(middle)) {
      if (!starts(middle, "https://") && !starts(middle, "http://")) href_prefix = "https://";
      extra = attributes;
      trims = true;
    } else if (starts(middle, "mailto:") && is_email(middle.substr(7))) {
      shown = begin + 7;
    } else if (middle.find('@') != std::string_view::npos && !starts(middle, "www.") &&
               middle.find(':') == std::string_view::npos && is_email(middle)) {
      href_prefix = "mailto:";
    } else {
      const bool known = std::any_of(schemes.begin(), schemes.end(), [&](const std::string& scheme) {
        return middle != scheme && starts(middle, scheme);
      });
      if (!known) continue;
      extra = attributes;
    }
    out.append(text, written, begin);
    const int32_t origin = text.origin_at(begin);
    out.append("<a href=\"" + href_prefix, origin);
    out.append(text, begin, end);
    out.append("\"" + extra + ">", origin);
    const Value label = in.substring(string, shown, end);
    auto& label_text = label.as<String>();
    if (trims && trim >= 0 && static_cast<int64_t>(label_text.length()) > trim) {
      out.append(text, shown, label_text.offset_of(static_cast<size_t>(trim)));
      out.append("...", origin);
    } else if (trims && trim < -1) {
      raise("trim_url_limit must not be negative");
    } else {
      out.append(label);
    }
    out.append("</a>", origin);
    written = end;
  }
  out.append(text, written, string.end);
  return out.finish(in.autoescape());
}

} // namespace verbatim::jinja
