#include "jinja/builder.h"
#include "jinja/markup.h"
#include "jinja/numbers.h"
#include "jinja/operations.h"

#include <cmath>

namespace verbatim::jinja {

namespace {

/// A run of json.dumps.
class JsonWriter {
 public:
  JsonWriter(Interpreter& in, bool ensure_ascii, bool sort_keys)
      : in_(in), out_(in), ascii_(ensure_ascii), sort_(sort_keys) {}

  void set_indent(const Value& indent) {
    pretty_ = true;
    item_separator_ = ",";
    if (indent.is_string()) {
      indent_ = indent.as<String>().view();
    } else {
      const int64_t width = index_of(in_, indent);
      if (width > 0) {
        in_.need(static_cast<size_t>(width));
        indent_.assign(static_cast<size_t>(width), ' ');
      }
    }
  }
  void set_separators(const Value& separators) {
    const std::vector<Value> parts = collect(in_, separators);
    if (parts.size() != 2) raise("separators must be two strings");
    item_separator_ = string_argument("tojson", parts[0]).view();
    key_separator_ = string_argument("tojson", parts[1]).view();
  }
  void write(const Value& value);
  Value finish() { return out_.finish(); }

 private:
  void write_string(const String& string);
  void write_list(const Value& value);
  void write_dict(const Value& value);
  void write_key(const Value& key);
  void new_line(int32_t origin) {
    if (!pretty_) return;
    out_.append("\n", origin);
    out_.repeat(indent_, level_, origin);
  }
  static std::string real_text(double real) {
    if (std::isnan(real)) return "NaN";
    if (std::isinf(real)) return real > 0 ? "Infinity" : "-Infinity";
    return float_repr(real);
  }

  Interpreter& in_;
  Builder out_;
  bool ascii_, sort_, pretty_ = false;
  std::string indent_, item_separator_ = ", ", key_separator_ = ": ";
  size_t level_ = 0;
};

void JsonWriter::write(const Value& value) {
  in_.step();
  const int32_t origin = value.own_origin();
  switch (value.kind()) {
  case Kind::None:
    out_.append("null", origin);
    return;
  case Kind::Bool:
    out_.append(value.bool_value() ? "true" : "false", origin);
    return;
  case Kind::Int:
  case Kind::BigInt:
    append_repr(out_, value);
    return;
  case Kind::Float:
    out_.append(real_text(value.real_value()), origin);
    return;
  case Kind::String:
    write_string(value.as<String>());
    return;
  case Kind::List:
  case Kind::Tuple:
    write_list(value);
    return;
  case Kind::Dict:
    write_dict(value);
    return;
  default:
    raise(std::string("Object of type ") + type_name(value) + " is not JSON serializable");
  }
}

void JsonWriter::write_string(const String& string) {
  const Text& text = string.text();
  const int32_t origin = string.origin();
  in_.step((string.end - string.begin) / 16);
  out_.append("\"", origin);
  size_t plain = string.begin;
  for (size_t at = string.begin; at < string.end;) {
    const auto byte = static_cast<unsigned char>(text.bytes[at]);
    if (byte >= 0x20 && byte != '"' && byte != '\\' && (!ascii_ || byte < 0x7F)) {
      ++at;
      continue;
    }
    const size_t here = at;
    const char32_t c = unicode::decode(text.bytes, at);
    char escaped[16];
    constexpr std::string_view special = "\"\\\n\r\t\b\f", letters = "\"\\nrtbf";
    const size_t found = c < 0x80 ? special.find(static_cast<char>(c)) : std::string_view::npos;
    if (found != std::string_view::npos)
      std::snprintf(escaped, sizeof escaped, "\\%c", letters[found]);
    else if (c < 0x10000)
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
    else
      std::snprintf(escaped, sizeof escaped, "\\u%04x\\u%04x",
                    static_cast<unsigned>(0xD800 + ((c - 0x10000) >> 10)),
                    static_cast<unsigned>(0xDC00 + ((c - 0x10000) & 0x3FF)));
    out_.append(text, plain, here);
    out_.append(std::string_view(escaped), text.origin_at(here));
    plain = at;
  }
  out_.append(text, plain, string.end);
  out_.append("\"", origin);
}

void JsonWriter::write_list(const Value& value) {
  const Interpreter::Deeper deeper(in_);
  const int32_t origin = value.own_origin();
  const auto& items = value.as<List>().items;
  if (items.empty()) {
    out_.append("[]", origin);
    return;
  }
  out_.append("[", origin);
  ++level_;
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out_.append(item_separator_, origin);
    new_line(origin);
    write(items[i]);
  }
  --level_;
  new_line(origin);
  out_.append("]", origin);
}

void JsonWriter::write_key(const Value& key) {
  const int32_t origin = key.own_origin();
  switch (key.kind()) {
  case Kind::String:
    write_string(key.as<String>());
    return;
  case Kind::None:
  case Kind::Bool:
  case Kind::Int:
  case Kind::BigInt:
  case Kind::Float:
    out_.append("\"", origin);
    write(key);
    out_.append("\"", origin);
    return;
  default:
    raise(std::string("keys must be str, int, float, bool or None, not ") + type_name(key));
  }
}

void JsonWriter::write_dict(const Value& value) {
  const Interpreter::Deeper deeper(in_);
  const int32_t origin = value.own_origin();
  const auto& entries = value.as<Dict>().entries;
  if (entries.empty()) {
    out_.append("{}", origin);
    return;
  }
  std::vector<Value> order, keys;
  for (size_t i = 0; i < entries.size(); ++i) {
    order.push_back(Value::integer(static_cast<int64_t>(i)));
    if (sort_) keys.push_back(entries[i].key);
  }
  if (sort_) sort_by_keys(in_, order, std::move(keys), false);
  out_.append("{", origin);
  ++level_;
  bool first = true;
  for (const Value& index : order) {
    const Dict::Entry& entry = entries[static_cast<size_t>(index.int_value())];
    if (!first) out_.append(item_separator_, origin);
    first = false;
    new_line(origin);
    write_key(entry.key);
    out_.append(key_separator_, origin);
    write(entry.value);
  }
  --level_;
  new_line(origin);
  out_.append("}", origin);
}

} // namespace

Value to_json(Interpreter& in, const Value& value, bool ensure_ascii, const Value& indent,
              const Value& separators, bool sort_keys) {
  JsonWriter writer(in, ensure_ascii, sort_keys);
  if (!indent.missing() && !indent.is_none()) writer.set_indent(indent);
  if (!separators.missing() && !separators.is_none()) writer.set_separators(separators);
  writer.write(value);
  return writer.finish();
}

} // namespace verbatim::jinja
