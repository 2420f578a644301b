#include "jinja/format.h"

#include <algorithm>

namespace verbatim::jinja {

namespace {

/// A run of str.format.
class BraceFormatter {
 public:
  BraceFormatter(Interpreter& in, const std::vector<Value>& positional, const Value& mapping, bool markup)
      : in_(in), positional_(positional), mapping_(mapping), markup_(markup) {}

  Value run(const String& format, int depth) {
    if (depth < 0) raise("Max string recursion exceeded");
    Builder out(in_);
    const Text& text = format.text();
    const std::string_view all = std::string_view(text.bytes).substr(0, format.end);
    size_t at = format.begin;
    while (at < format.end) {
      in_.step();
      const size_t brace = std::min(all.find_first_of("{}", at), all.size());
      out.append(text, at, brace);
      at = brace;
      if (at >= all.size()) break;
      const char c = all[at++];
      if (at < all.size() && all[at] == c) {
        out.append(text, at, at + 1);
        ++at;
        continue;
      }
      if (c == '}') raise("Single '}' encountered in format string");
      if (at >= all.size()) raise("Single '{' encountered in format string");
      at = format_field(format, all, at, depth, out);
    }
    Text result = out.take();
    if (result.bytes.empty()) result.origin = format.origin();
    return in_.string(std::move(result), markup_ && depth == 2);
  }

 private:
  /// Formats the field whose name begins here; returns the offset behind its closing brace.
  size_t format_field(const String& format, std::string_view all, size_t at, int depth, Builder& out) {
    const size_t name_begin = at;
    bool bracket = false;
    for (; at < all.size(); ++at) {
      const char c = all[at];
      if (c == '[') bracket = true;
      if (c == ']') bracket = false;
      if (c == '{' && !bracket) raise("unexpected '{' in field name");
      if (!bracket && (c == '}' || c == ':' || c == '!')) break;
    }
    if (at >= all.size()) raise("expected '}' before end of string");
    std::string name(all.substr(name_begin, at - name_begin));
    char32_t conversion = 0;
    if (all[at] == '!') {
      ++at;
      if (at >= all.size() || all[at] == '}') raise("unmatched '{' in format spec");
      conversion = unicode::decode(all, at);
      if (at >= all.size()) raise("unmatched '{' in format spec");
      if (all[at] != ':' && all[at] != '}') raise("expected ':' after conversion specifier");
    }
    size_t spec_begin = at, spec_end = at;
    if (all[at] == ':') {
      spec_begin = ++at;
      int open = 1;
      for (; at < all.size(); ++at) {
        if (all[at] == '{') ++open;
        if (all[at] == '}' && --open == 0) break;
      }
      if (at >= all.size()) raise("unmatched '{' in format spec");
      spec_end = at;
    }
    Value value = convert(field_value(name), conversion);
    const Value spec_text = in_.substring(format, spec_begin, spec_end);
    const Value spec = run(spec_text.as<String>(), depth - 1);
    if (!markup_) {
      out.append(format_value(in_, value, spec));
    } else if (value.is_string() && value.as<String>().markup) {
      if (spec.as<String>().begin != spec.as<String>().end)
        raise("Unsupported format specification for Markup.");
      out.append(value);
    } else {
      out.append(escape(in_, format_value(in_, value, spec)));
    }
    return at + 1;
  }

  Value convert(const Value& value, char32_t conversion) {
    switch (conversion) {
    case 0:
      return value;
    case 's':
      return to_str(in_, value);
    case 'r':
      return repr_value(in_, value);
    case 'a':
      return ascii_repr(in_, value);
    default:
      raise("Unknown conversion specifier '" + unicode::encoded(conversion) + "'");
    }
  }

  static bool all_digits(std::string_view text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  }

  Value number_or_name(std::string_view text) {
    if (!all_digits(text)) return in_.string(text);
    if (text.size() > 15) raise("Too many decimal digits in format string");
    return Value::integer(std::stoll(std::string(text)));
  }

  Value field_value(std::string name) {
    if (name.empty()) {
      if (manual_) raise("cannot switch from manual field specification to automatic field numbering");
      name = std::to_string(automatic_++);
    } else if (all_digits(name)) {
      if (automatic_ > 0) raise("cannot switch from automatic field numbering to manual field specification");
      manual_ = true;
    }
    const size_t first_end = std::min(name.find_first_of(".["), name.size());
    Value value = first_value(std::string_view(name).substr(0, first_end));
    for (size_t at = first_end; at < name.size();) {
      in_.step();
      if (name[at] == '.') {
        const size_t end = std::min(name.find_first_of(".[", at + 1), name.size());
        if (end == at + 1) raise("Empty attribute in format string");
        value = get_attribute(in_, value, in_.string(std::string_view(name).substr(at + 1, end - at - 1)));
        at = end;
      } else if (name[at] == '[') {
        const size_t end = name.find(']', at);
        if (end == std::string::npos) raise("Missing ']' in format string");
        if (end == at + 1) raise("Empty attribute in format string");
        value = get_item(in_, value, number_or_name(std::string_view(name).substr(at + 1, end - at - 1)));
        at = end + 1;
      } else {
        raise("Only '.' or '[' may follow ']' in format field specifier");
      }
    }
    return value;
  }

  Value first_value(std::string_view name) {
    const Value key = number_or_name(name);
    if (!key.is_string()) {
      if (static_cast<size_t>(key.int_value()) >= positional_.size())
        raise("Replacement index " + std::string(name) + " out of range for positional args tuple");
      return positional_[static_cast<size_t>(key.int_value())];
    }
    auto value = subscript(in_, mapping_, key);
    if (!value) raise("no value named '" + std::string(name) + "' for the format string");
    return std::move(*value);
  }

  Interpreter& in_;
  const std::vector<Value>& positional_;
  const Value& mapping_;
  bool markup_;
  size_t automatic_ = 0;
  bool manual_ = false;
};

Value format_method(Interpreter& in, const Value& self, Arguments& arguments) {
  auto named = in.make<Dict>();
  for (auto& [key, value] : arguments.named)
    named->set(in, key, std::move(value));
  return format_braces(in, self, arguments.positional, Value(named));
}

Value format_map_method(Interpreter& in, const Value& self, Arguments& arguments) {
  Value mapping;
  bind_positional("format_map", arguments, 1, 1, &mapping);
  return format_braces(in, self, {}, mapping);
}

} // namespace

Value format_braces(Interpreter& in, const Value& format, const std::vector<Value>& positional,
                    const Value& mapping) {
  const auto& string = format.as<String>();
  return BraceFormatter(in, positional, mapping, string.markup).run(string, 2);
}

Value repr_value(Interpreter& in, const Value& value) {
  Builder out(in);
  append_repr(out, value);
  return out.finish();
}

Value ascii_repr(Interpreter& in, const Value& value) {
  const Value repr = repr_value(in, value);
  const auto& string = repr.as<String>();
  if (unicode::is_ascii(string.view())) return repr;
  Builder out(in);
  const Text& text = string.text();
  for (size_t at = string.begin; at < string.end;) {
    const size_t here = at;
    const char32_t c = unicode::decode(text.bytes, at);
    if (c < 0x80) {
      out.append(text, here, at);
      continue;
    }
    char escaped[12];
    std::snprintf(escaped, sizeof escaped,
                  c < 0x100     ? "\\x%02x"
                  : c < 0x10000 ? "\\u%04x"
                                : "\\U%08x",
                  static_cast<unsigned>(c));
    out.append(std::string_view(escaped), text.origin_at(here));
  }
  return out.finish();
}

void add_format_methods(MethodTable& table) {
  table.emplace("format", MethodSpec{"format", format_method});
  table.emplace("format_map", MethodSpec{"format_map", format_map_method});
}

} // namespace verbatim::jinja
