#include "jinja/builder.h"
#include "jinja/markup.h"
#include "jinja/numbers.h"
#include "jinja/operations.h"

#include <cstdio>

namespace verbatim::jinja {

void Builder::repeat(std::string_view content, size_t count, int32_t origin) {
  if (content.empty() || count == 0) return;
  if (count > room_ / content.size()) in_.fail_memory();
  reserve(content.size() * count);
  std::string all;
  all.reserve(content.size() * count);
  for (size_t i = 0; i < count; ++i)
    all.append(content);
  text_.append(all, origin);
}

namespace {

/// repr of a string: each character keeps its origin, the quotes have the string's.
void append_string_repr(Builder& out, const String& string) {
  const std::string_view view = string.view();
  const int32_t origin = string.origin();
  out.interpreter().step(view.size() / 16);
  const bool single = view.find('\'') != std::string_view::npos && view.find('"') == std::string_view::npos;
  const char quote = single ? '"' : '\'';
  const std::string_view mark = single ? "\"" : "'";
  if (string.markup) out.append("Markup(", origin);
  out.append(mark, origin);
  const Text& text = string.text();
  size_t plain = string.begin; // Everything up to here is written.
  const auto flush = [&](size_t to) {
    if (plain < to) out.append(text, plain, to);
  };
  for (size_t at = string.begin; at < string.end;) {
    const size_t begin = at;
    const char32_t c = unicode::decode(text.bytes, at);
    char escaped[12] = "";
    if (c == '\\' || c == static_cast<char32_t>(quote))
      std::snprintf(escaped, sizeof escaped, "\\%c", static_cast<char>(c));
    else if (c == '\n' || c == '\r' || c == '\t')
      std::snprintf(escaped, sizeof escaped, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
    else if (c < 0x20 || c == 0x7F || (c >= 0x80 && !unicode::has(c, unicode::Printable)))
      std::snprintf(escaped, sizeof escaped,
                    c < 0x100     ? "\\x%02x"
                    : c < 0x10000 ? "\\u%04x"
                                  : "\\U%08x",
                    static_cast<unsigned>(c));
    if (!escaped[0]) continue;
    flush(begin);
    out.append(std::string_view(escaped), text.origin_at(begin));
    plain = at;
  }
  flush(string.end);
  out.append(mark, origin);
  if (string.markup) out.append(")", origin);
}

void append_bytes_repr(Builder& out, const std::string& content, int32_t origin) {
  const bool single = content.find('\'') != std::string::npos && content.find('"') == std::string::npos;
  const char quote = single ? '"' : '\'';
  std::string text = std::string("b") + quote;
  for (const char c : content) {
    char escaped[8];
    const auto byte = static_cast<unsigned char>(c);
    if (c == quote || c == '\\')
      text += std::string("\\") + c;
    else if (c == '\n' || c == '\r' || c == '\t')
      text += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
    else if (byte < 0x20 || byte >= 0x7F) {
      std::snprintf(escaped, sizeof escaped, "\\x%02x", byte);
      text += escaped;
    } else
      text.push_back(c);
  }
  out.append(text + quote, origin);
}

void append_items(Builder& out, const std::vector<Value>& items, int32_t origin) {
  bool first = true;
  for (const Value& item : items) {
    out.interpreter().step();
    if (!first) out.append(", ", origin);
    first = false;
    append_repr(out, item);
  }
}

void append_dict_repr(Builder& out, const Dict& dict, View::Part part, int32_t origin, std::string_view open,
                      std::string_view close) {
  out.append(open, origin);
  bool first = true;
  for (const Dict::Entry& entry : dict.entries) {
    out.interpreter().step();
    if (!first) out.append(", ", origin);
    first = false;
    const bool pairs = part == View::Part::Items && open.back() == '[';
    if (pairs) out.append("(", origin);
    if (part != View::Part::Values) append_repr(out, entry.key);
    if (part == View::Part::Items) out.append(pairs ? ", " : ": ", origin);
    if (part != View::Part::Keys) append_repr(out, entry.value);
    if (pairs) out.append(")", origin);
  }
  out.append(close, origin);
}

std::string integer_text(Interpreter& in, const Value& value) {
  if (!value.is(Kind::BigInt)) return std::to_string(value.int_value());
  const BigInt& number = value.as<Integer>().value;
  // Python's own limit; it also keeps the conversion cheap.
  constexpr size_t digit_limit = 4300;
  if (number.bits() > digit_limit * 10 / 3) raise("Exceeds the limit (4300) for integer string conversion");
  in.step(number.limbs() * number.limbs() / 8);
  std::string text = number.to_string();
  if (text.size() > digit_limit + (number.negative() ? 1 : 0))
    raise("Exceeds the limit (4300) for integer string conversion");
  return text;
}

std::string object_repr(Interpreter& in, const Value& value) {
  const auto& strings = in.program().strings;
  switch (value.kind()) {
  case Kind::Undefined:
    return "Undefined";
  case Kind::Macro: {
    const Macro* node = value.as<MacroValue>().node;
    return node->has_name ? "<Macro '" + strings[node->name] + "'>" : "<Macro anonymous>";
  }
  case Kind::Function: {
    const auto& function = value.as<Function>();
    return std::string(function.is_class ? "<class '" : "<function ") + function.name +
           (function.is_class ? "'>" : " at 0x7f0000000000>");
  }
  case Kind::Method:
    return std::string("<built-in method ") + value.as<Method>().spec->name + " of " +
           type_name(value.as<Method>().self) + " object at 0x7f0000000000>";
  case Kind::Loop: {
    auto& loop = value.as<Loop>();
    return "<LoopContext " + std::to_string(loop.index0 + 1) + "/" + std::to_string(loop.length(in)) + ">";
  }
  case Kind::Block:
    return "<BlockReference '" + strings[value.as<BlockValue>().block->name] + "'>";
  case Kind::Self:
    return "<TemplateReference None>";
  case Kind::Cycler:
  case Kind::Joiner:
    return std::string("<jinja2.utils.") + type_name(value) + " object at 0x7f0000000000>";
  case Kind::Iterator:
    // Python prints an address; this has the length of one.
    if (value.as<Iterator>().is_generator)
      return std::string("<generator object ") + value.as<Iterator>().type_name + " at 0x7f0000000000>";
    return std::string("<") + type_name(value) + " object at 0x7f0000000000>";
  default:
    return std::string("<") + type_name(value) + " object at 0x7f0000000000>";
  }
}

} // namespace

void append_repr(Builder& out, const Value& value) {
  const int32_t origin = value.own_origin();
  switch (value.kind()) {
  case Kind::Missing:
  case Kind::None:
    out.append("None", origin);
    return;
  case Kind::Bool:
    out.append(value.bool_value() ? "True" : "False", origin);
    return;
  case Kind::Int:
  case Kind::BigInt:
    out.append(integer_text(out.interpreter(), value), origin);
    return;
  case Kind::Float:
    out.append(float_repr(value.real_value()), origin);
    return;
  case Kind::String:
    append_string_repr(out, value.as<String>());
    return;
  case Kind::Bytes:
    append_bytes_repr(out, value.as<Bytes>().content, origin);
    return;
  default:
    break;
  }
  const Interpreter::Deeper deeper(out.interpreter());
  switch (value.kind()) {
  case Kind::List:
    out.append("[", origin);
    append_items(out, value.as<List>().items, origin);
    out.append("]", origin);
    return;
  case Kind::Tuple:
    out.append("(", origin);
    append_items(out, value.as<List>().items, origin);
    out.append(value.as<List>().items.size() == 1 ? ",)" : ")", origin);
    return;
  case Kind::Dict:
    append_dict_repr(out, value.as<Dict>(), View::Part::Items, origin, "{", "}");
    return;
  case Kind::Set:
    if (value.as<Dict>().entries.empty())
      out.append("set()", origin);
    else
      append_dict_repr(out, value.as<Dict>(), View::Part::Keys, origin, "{", "}");
    return;
  case Kind::View: {
    const auto& view = value.as<View>();
    append_dict_repr(out, *view.dict, view.part, origin, std::string(type_name(value)) + "([", "])");
    return;
  }
  case Kind::Range: {
    const auto& range = value.as<Range>();
    std::string text = "range(" + std::to_string(range.start) + ", " + std::to_string(range.stop);
    if (range.step != 1) text += ", " + std::to_string(range.step);
    out.append(text + ")", origin);
    return;
  }
  case Kind::Namespace:
    out.append("<Namespace ", origin);
    append_repr(out, Value(value.as<Namespace>().attributes));
    out.append(">", origin);
    return;
  default:
    out.append(object_repr(out.interpreter(), value), origin);
  }
}

void append_str(Builder& out, const Value& value) {
  if (value.is_string())
    out.append(value);
  else if (!value.undefined())
    append_repr(out, value);
}

Value to_str(Interpreter& in, const Value& value) {
  if (value.is_string()) return as_markup(in, value, false);
  if (value.undefined()) return in.string("");
  Builder out(in);
  append_repr(out, value);
  return out.finish();
}

Value soft_str(Interpreter& in, const Value& value) {
  return value.is_string() ? value : to_str(in, value);
}

Value as_markup(Interpreter& in, const Value& value, bool markup) {
  const auto& string = value.as<String>();
  if (string.markup == markup) return value;
  return in.substring(string, string.begin, string.end, markup);
}

Value escape(Interpreter& in, const Value& value) {
  const Value text = soft_str(in, value);
  const auto& string = text.as<String>();
  if (string.markup) return text;
  const std::string_view view = string.view();
  in.step(view.size() / 32);
  if (view.find_first_of("&<>'\"") == std::string_view::npos) return as_markup(in, text);
  Builder out(in);
  size_t plain = string.begin;
  for (size_t at = view.find_first_of("&<>'\""); at != std::string_view::npos;
       at = view.find_first_of("&<>'\"", at + 1)) {
    const size_t here = string.begin + at;
    out.append(string.text(), plain, here);
    const char c = view[at];
    const char* entity = c == '&'   ? "&amp;"
                         : c == '<' ? "&lt;"
                         : c == '>' ? "&gt;"
                         : c == '"' ? "&#34;"
                                    : "&#39;";
    out.append(std::string_view(entity), string.text().origin_at(here));
    plain = here + 1;
  }
  out.append(string.text(), plain, string.end);
  return out.finish(true);
}

std::string quoted(Interpreter& in, const Value& value) {
  Builder out(in);
  append_repr(out, value);
  std::string text = out.take().bytes;
  if (text.size() > 60) {
    size_t cut = 57;
    while (cut > 0 && (text[cut] & 0xC0) == 0x80)
      --cut;
    text = text.substr(0, cut) + "...";
  }
  return text;
}

} // namespace verbatim::jinja
