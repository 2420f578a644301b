#include "jinja/format.h"
#include "jinja/markup.h"
#include "jinja/strings.h"

#include <algorithm>
#include <cstring>

namespace verbatim::jinja {

namespace {

constexpr int64_t page_width = 80;

/// A run of pprint.pformat.
class PrettyPrinter {
 public:
  explicit PrettyPrinter(Interpreter& in) : in_(in), out_(in) {}

  Value run(const Value& value) {
    format(value, 0, 0, 0);
    return out_.finish();
  }

 private:
  /// The entries of a dict in the order of their keys; keys without an order go by their types.
  std::vector<std::pair<Value, Value>> sorted(const Value& value) {
    std::vector<std::pair<Value, Value>> items;
    for (const Dict::Entry& entry : value.as<Dict>().entries)
      items.emplace_back(entry.key, entry.value);
    std::stable_sort(items.begin(), items.end(), [&](const auto& a, const auto& b) {
      in_.step();
      const bool comparable =
          (a.first.is_number() && b.first.is_number()) || (a.first.is_string() && b.first.is_string());
      if (comparable) return compare(in_, Operator::Less, a.first, b.first);
      return std::strcmp(type_name(a.first), type_name(b.first)) < 0;
    });
    return items;
  }

  /// repr with sorted dicts.
  void append(Builder& out, const Value& value) {
    const Interpreter::Deeper deeper(in_);
    in_.step();
    const int32_t origin = value.own_origin();
    if (value.is(Kind::Dict)) {
      out.append("{", origin);
      bool first = true;
      for (const auto& [key, member] : sorted(value)) {
        if (!first) out.append(", ", origin);
        first = false;
        append(out, key);
        out.append(": ", origin);
        append(out, member);
      }
      out.append("}", origin);
    } else if (is_plain_sequence(value)) {
      const bool list = value.is(Kind::List);
      const auto& items = value.as<List>().items;
      out.append(list ? "[" : "(", origin);
      for (size_t i = 0; i < items.size(); ++i) {
        if (i > 0) out.append(", ", origin);
        append(out, items[i]);
      }
      out.append(list ? "]" : items.size() == 1 ? ",)" : ")", origin);
    } else {
      append_repr(out, value);
    }
  }

  static bool is_plain_sequence(const Value& value) {
    return value.is(Kind::List) || (value.is(Kind::Tuple) && !value.as<List>().group);
  }

  Value repr(const Value& value) {
    Builder out(in_);
    append(out, value);
    return out.finish();
  }

  void write(std::string_view text, int32_t origin) { out_.append(text, origin); }
  void new_line(int64_t indent, int32_t origin) {
    write(",\n", origin);
    out_.repeat(" ", static_cast<size_t>(indent), origin);
  }

  void format(const Value& value, int64_t indent, int64_t allowance, int level) {
    const Interpreter::Deeper deeper(in_);
    const Value text = repr(value);
    const int64_t width = page_width - indent - allowance;
    if (static_cast<int64_t>(text.as<String>().length()) > width) {
      if (value.is(Kind::Dict)) return format_dict(value, indent, allowance + 1, level + 1);
      if (is_plain_sequence(value)) return format_sequence(value, indent, allowance, level + 1);
      if (value.is_string() && !value.as<String>().markup)
        return format_string(value, indent, allowance, level + 1);
    }
    out_.append(text);
  }

  void format_dict(const Value& value, int64_t indent, int64_t allowance, int level) {
    const int32_t origin = value.own_origin();
    write("{", origin);
    ++indent;
    const auto items = sorted(value);
    for (size_t i = 0; i < items.size(); ++i) {
      const bool last = i + 1 == items.size();
      const Value key = repr(items[i].first);
      out_.append(key);
      write(": ", origin);
      const auto used = static_cast<int64_t>(key.as<String>().length()) + 2;
      format(items[i].second, indent + used, last ? allowance : 1, level);
      if (!last) new_line(indent, origin);
    }
    write("}", origin);
  }

  void format_sequence(const Value& value, int64_t indent, int64_t allowance, int level) {
    const int32_t origin = value.own_origin();
    const bool list = value.is(Kind::List);
    const auto& items = value.as<List>().items;
    const std::string_view close = list ? "]" : items.size() == 1 ? ",)" : ")";
    write(list ? "[" : "(", origin);
    ++indent;
    for (size_t i = 0; i < items.size(); ++i) {
      const bool last = i + 1 == items.size();
      if (i > 0) new_line(indent, origin);
      format(items[i], indent, last ? allowance + static_cast<int64_t>(close.size()) : 1, level);
    }
    write(close, origin);
  }

  int64_t repr_length(const Value& text) {
    return static_cast<int64_t>(repr_value(in_, text).as<String>().length());
  }

  void format_string(const Value& value, int64_t indent, int64_t allowance, int level) {
    const auto& string = value.as<String>();
    if (level == 1) {
      ++indent;
      ++allowance;
    }
    const int64_t width = page_width - indent;
    std::vector<Value> chunks;
    const std::vector<Line> lines = split_lines(in_, string);
    Value last_repr;
    for (size_t i = 0; i < lines.size(); ++i) {
      const bool last_line = i + 1 == lines.size();
      const Value line = in_.substring(string, lines[i].begin, lines[i].next);
      last_repr = repr_value(in_, line);
      if (static_cast<int64_t>(last_repr.as<String>().length()) <= (last_line ? width - allowance : width)) {
        chunks.push_back(last_repr);
        continue;
      }
      split_chunks(string, lines[i], last_line ? allowance : 0, width, chunks);
    }
    if (chunks.size() == 1) {
      out_.append(last_repr);
      return;
    }
    const int32_t origin = string.origin();
    if (level == 1) write("(", origin);
    for (size_t i = 0; i < chunks.size(); ++i) {
      if (i > 0) {
        write("\n", origin);
        out_.repeat(" ", static_cast<size_t>(indent), origin);
      }
      out_.append(chunks[i]);
    }
    if (level == 1) write(")", origin);
  }

  /// Fills lines with words and the white space behind them.
  void split_chunks(const String& string, const Line& line, int64_t allowance, int64_t width,
                    std::vector<Value>& chunks) {
    const std::string_view text(string.text().bytes);
    std::vector<size_t> ends;
    for (size_t at = line.begin; at < line.next;) {
      bool spaced = false;
      while (at < line.next) {
        size_t next = at;
        const bool space = unicode::is_space(unicode::decode(text, next));
        if (spaced && !space) break;
        spaced = space;
        at = next;
      }
      ends.push_back(at);
    }
    size_t begin = line.begin, end = line.begin;
    for (size_t i = 0; i < ends.size(); ++i) {
      in_.step();
      if (i + 1 == ends.size()) width -= allowance;
      if (repr_length(in_.substring(string, begin, ends[i])) > width) {
        if (end > begin) chunks.push_back(repr_value(in_, in_.substring(string, begin, end)));
        begin = end;
      }
      end = ends[i];
    }
    if (end > begin) chunks.push_back(repr_value(in_, in_.substring(string, begin, end)));
  }

  Interpreter& in_;
  Builder out_;
};

} // namespace

Value pretty_print(Interpreter& in, const Value& value) {
  return PrettyPrinter(in).run(value);
}

} // namespace verbatim::jinja
