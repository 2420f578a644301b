#include "jinja/markup.h"
#include "jinja/strings.h"

#include <algorithm>

namespace verbatim::jinja {

Value align_text(Interpreter& in, const Value& value, int64_t width, const String* fill, int side,
                 bool markup) {
  auto& string = value.as<String>();
  const auto length = static_cast<int64_t>(string.length());
  if (width <= length) return in.substring(string, string.begin, string.end, markup);
  const int64_t pad = width - length;
  const int64_t left = side < 0 ? 0 : side > 0 ? pad : pad / 2 + (pad & width & 1);
  const std::string_view character = fill ? fill->view() : std::string_view(" ");
  const int32_t origin = fill && fill->origin() != template_origin ? fill->origin() : string.origin();
  Builder out(in);
  out.repeat(character, static_cast<size_t>(left), origin);
  out.append(string);
  out.repeat(character, static_cast<size_t>(pad - left), origin);
  return out.finish(markup);
}

namespace {

template <int side> Value align(Interpreter& in, const Value& self, Arguments& arguments) {
  const char* name = side < 0 ? "ljust" : side > 0 ? "rjust" : "center";
  Value values[2];
  bind_positional(name, arguments, 1, 2, values);
  const int64_t width = index_of(in, values[0]);
  const bool markup = self.as<String>().markup;
  const String* fill = nullptr;
  if (!values[1].missing()) {
    if (!values[1].is_string() || (markup ? escape(in, values[1]) : values[1]).as<String>().length() != 1)
      raise("The fill character must be exactly one character long");
    fill = &values[1].as<String>();
  }
  return align_text(in, self, width, fill, side, markup);
}

Value zfill(Interpreter& in, const Value& self, Arguments& arguments) {
  Value value;
  bind_positional("zfill", arguments, 1, 1, &value);
  auto& string = self.as<String>();
  const int64_t pad = index_of(in, value) - static_cast<int64_t>(string.length());
  if (pad <= 0) return in.substring(string, string.begin, string.end, string.markup);
  Builder out(in);
  const std::string_view text = string.view();
  const size_t sign = !text.empty() && (text[0] == '+' || text[0] == '-') ? 1 : 0;
  out.append(string.text(), string.begin, string.begin + sign);
  out.repeat("0", static_cast<size_t>(pad), string.origin());
  out.append(string.text(), string.begin + sign, string.end);
  return out.finish(string.markup);
}

Value expandtabs(Interpreter& in, const Value& self, Arguments& arguments) {
  Value value;
  bind("expandtabs", arguments, {"tabsize"}, 0, &value);
  const int64_t size = value.missing() ? 8 : index_of(in, value);
  const auto& string = self.as<String>();
  const Text& text = string.text();
  in.step((string.end - string.begin) / 8);
  Builder out(in);
  int64_t column = 0;
  for (size_t at = string.begin; at < string.end;) {
    const size_t here = at;
    const char32_t c = unicode::decode(text.bytes, at);
    if (c == '\t') {
      if (size <= 0) continue;
      const int64_t pad = size - column % size;
      out.repeat(" ", static_cast<size_t>(pad), text.origin_at(here));
      column += pad;
      continue;
    }
    ++column;
    if (c == '\n' || c == '\r') column = 0;
    out.append(text, here, at);
  }
  return out.finish(string.markup);
}

Value translate(Interpreter& in, const Value& self, Arguments& arguments) {
  Value table;
  bind_positional("translate", arguments, 1, 1, &table);
  const auto& string = self.as<String>();
  const Text& text = string.text();
  Builder out(in);
  for (size_t at = string.begin; at < string.end;) {
    in.step();
    const size_t here = at;
    const char32_t c = unicode::decode(text.bytes, at);
    const auto found = subscript(in, table, Value::integer(static_cast<int64_t>(c)));
    const int32_t origin = text.origin_at(here);
    if (!found) {
      const bool table_like =
          table.is(Kind::Dict) || table.is(Kind::List) || table.is(Kind::Tuple) || table.is_string();
      if (!table_like) raise(std::string("'") + type_name(table) + "' object is not subscriptable");
      out.append(text, here, at);
    } else if (found->is_string()) {
      // A replacement has the origin of its character.
      out.append(found->as<String>().view(), merge_origins(origin, origin_of(*found)));
    } else if (found->is_integral()) {
      const int64_t code = index_of(in, *found);
      if (code < 0 || code > 0x10FFFF) raise("character mapping must be in range(0x110000)");
      out.append(static_cast<char32_t>(code), merge_origins(origin, found->own_origin()));
    } else if (!found->is_none()) {
      raise("character mapping must return integer, None or str");
    }
  }
  return out.finish(string.markup);
}

Value maketrans(Interpreter& in, const Value&, Arguments& arguments) {
  Value values[3];
  bind_positional("maketrans", arguments, 1, 3, values);
  auto table = in.make<Dict>();
  const auto code_of = [&](const Value& key) {
    if (key.is_integral()) return key;
    auto& text = string_argument("maketrans", key);
    if (const_cast<String&>(text).length() != 1) raise("string keys in translate table must be of length 1");
    size_t at = 0;
    return Value::integer(static_cast<int64_t>(unicode::decode(text.view(), at)));
  };
  if (values[1].missing()) {
    if (!values[0].is(Kind::Dict)) raise("if you give only one argument to maketrans it must be a dict");
    for (const Dict::Entry& entry : values[0].as<Dict>().entries) {
      in.step();
      table->set(in, code_of(entry.key), entry.value);
    }
    return Value(table);
  }
  string_argument("maketrans", values[0]);
  string_argument("maketrans", values[1]);
  auto &from = values[0].as<String>(), &to = values[1].as<String>();
  if (from.length() != to.length()) raise("the first two maketrans arguments must have equal length");
  const Ref<Iterator> keys = iterate(in, values[0]), targets = iterate(in, values[1]);
  for (Value key, target; keys->next(in, key) && targets->next(in, target);) {
    in.step();
    table->set(in, code_of(key), code_of(target));
  }
  if (!values[2].missing()) {
    string_argument("maketrans", values[2]);
    const Ref<Iterator> removed = iterate(in, values[2]);
    for (Value key; removed->next(in, key);)
      table->set(in, code_of(key), Value::none());
  }
  return Value(table);
}

Value encode(Interpreter& in, const Value& self, Arguments& arguments) {
  Value values[2];
  bind("encode", arguments, {"encoding", "errors"}, 0, values);
  std::string encoding =
      values[0].missing() ? "utf-8" : std::string(string_argument("encode", values[0]).view());
  const std::string errors =
      values[1].missing() ? "strict" : std::string(string_argument("encode", values[1]).view());
  for (char& c : encoding)
    c = c == '_' || c == ' ' ? '-' : c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  const std::string_view text = self.as<String>().view();
  in.need(text.size() * 2);
  in.step(text.size() / 16);
  std::string out;
  if (encoding == "utf-8" || encoding == "utf8" || encoding == "u8") {
    out = text;
  } else {
    const bool ascii = encoding == "ascii" || encoding == "us-ascii" || encoding == "646";
    if (!ascii && encoding != "latin-1" && encoding != "latin1" && encoding != "iso-8859-1" &&
        encoding != "l1")
      raise("unknown encoding: " + encoding);
    for (size_t at = 0; at < text.size();) {
      const char32_t c = unicode::decode(text, at);
      if (c < (ascii ? 0x80u : 0x100u))
        out.push_back(static_cast<char>(c));
      else if (errors == "replace")
        out.push_back('?');
      else if (errors == "xmlcharrefreplace")
        out += "&#" + std::to_string(static_cast<uint32_t>(c)) + ";";
      else if (errors != "ignore")
        raise("'" + encoding + "' codec can't encode a character");
    }
  }
  return Value(in.make<Bytes>(std::move(out)), origin_of(self));
}

Value striptags_method(Interpreter& in, const Value& self, Arguments& arguments) {
  bind_positional("striptags", arguments, 0, 0, nullptr);
  return strip_tags(in, self);
}

Value unescape_method(Interpreter& in, const Value& self, Arguments& arguments) {
  bind_positional("unescape", arguments, 0, 0, nullptr);
  return unescape_html(in, self);
}

Value escape_method(Interpreter& in, const Value&, Arguments& arguments) {
  Value value;
  bind_positional("escape", arguments, 1, 1, &value);
  return escape(in, value);
}

} // namespace

void add_layout_methods(MethodTable& table) {
  const MethodSpec methods[] = {
      {"center", align<0>},       {"ljust", align<-1>},     {"rjust", align<1>},      {"zfill", zfill},
      {"expandtabs", expandtabs}, {"translate", translate}, {"maketrans", maketrans}, {"encode", encode},
  };
  for (const MethodSpec& method : methods)
    table.emplace(method.name, method);
}

namespace {

MethodTable string_methods(bool markup) {
  MethodTable table;
  add_case_methods(table);
  add_search_methods(table);
  add_split_methods(table);
  add_layout_methods(table);
  add_format_methods(table);
  if (markup) {
    table.emplace("striptags", MethodSpec{"striptags", striptags_method});
    table.emplace("unescape", MethodSpec{"unescape", unescape_method});
    table.emplace("escape", MethodSpec{"escape", escape_method});
  }
  return table;
}

} // namespace

const MethodSpec* find_method(const Value& self, std::string_view name) {
  const MethodTable* table;
  switch (self.kind()) {
  case Kind::String: {
    static const MethodTable plain = string_methods(false), markup = string_methods(true);
    table = self.as<String>().markup ? &markup : &plain;
    break;
  }
  case Kind::Bytes:
    table = &bytes_methods();
    break;
  case Kind::Bool:
  case Kind::Int:
  case Kind::BigInt:
  case Kind::Float:
    table = &number_methods(self.kind());
    break;
  case Kind::List:
  case Kind::Tuple:
  case Kind::Dict:
  case Kind::Set:
  case Kind::View:
  case Kind::Range:
  case Kind::Loop:
  case Kind::Cycler:
  case Kind::Function:
    table = &container_methods(self.kind());
    break;
  default:
    return nullptr;
  }
  const auto found = table->find(name);
  if (found == table->end()) return nullptr;
  // Only the class dict has fromkeys; other functions share its table.
  if (self.is(Kind::Function) && std::string_view(self.as<Function>().name) != "dict") return nullptr;
  return &found->second;
}

} // namespace verbatim::jinja
