#include "jinja/builder.h"
#include "jinja/operations.h"

#include <algorithm>

namespace verbatim::jinja {

const char* type_name(const Value& value) {
  switch (value.kind()) {
  case Kind::Missing:
    return "missing";
  case Kind::None:
    return "NoneType";
  case Kind::Bool:
    return "bool";
  case Kind::Int:
  case Kind::BigInt:
    return "int";
  case Kind::Float:
    return "float";
  case Kind::Undefined:
    return "Undefined";
  case Kind::String:
    return value.as<String>().markup ? "Markup" : "str";
  case Kind::Bytes:
    return "bytes";
  case Kind::List:
    return "list";
  case Kind::Tuple:
    return value.as<List>().group ? "_GroupTuple" : "tuple";
  case Kind::Dict:
    return "dict";
  case Kind::Set:
    return "set";
  case Kind::View:
    return value.as<View>().part == View::Part::Keys     ? "dict_keys"
           : value.as<View>().part == View::Part::Values ? "dict_values"
                                                         : "dict_items";
  case Kind::Range:
    return "range";
  case Kind::Iterator:
    return value.as<Iterator>().type_name;
  case Kind::Namespace:
    return "Namespace";
  case Kind::Macro:
    return "Macro";
  case Kind::Function:
    return value.as<Function>().is_class ? "type" : "function";
  case Kind::Method:
    return "builtin_function_or_method";
  case Kind::Loop:
    return "LoopContext";
  case Kind::Cycler:
    return "Cycler";
  case Kind::Joiner:
    return "Joiner";
  case Kind::Block:
    return "BlockReference";
  case Kind::Self:
    return "TemplateReference";
  case Kind::Buffer:
  case Kind::Frame:
    break;
  }
  return "object";
}

int32_t origin_of(const Value& value) {
  return value.is_string() ? value.as<String>().origin() : value.own_origin();
}

bool has_length(const Value& value) {
  switch (value.kind()) {
  case Kind::Undefined:
  case Kind::String:
  case Kind::Bytes:
  case Kind::List:
  case Kind::Tuple:
  case Kind::Dict:
  case Kind::Set:
  case Kind::View:
  case Kind::Range:
  case Kind::Loop:
    return true;
  default:
    return false;
  }
}

int64_t length_of(Interpreter& in, const Value& value) {
  switch (value.kind()) {
  case Kind::Undefined:
    return 0;
  case Kind::String:
    in.step((value.as<String>().end - value.as<String>().begin) / 256);
    return static_cast<int64_t>(value.as<String>().length());
  case Kind::Bytes:
    return static_cast<int64_t>(value.as<Bytes>().content.size());
  case Kind::List:
  case Kind::Tuple:
    return static_cast<int64_t>(value.as<List>().items.size());
  case Kind::Dict:
  case Kind::Set:
    return static_cast<int64_t>(value.as<Dict>().entries.size());
  case Kind::View:
    return static_cast<int64_t>(value.as<View>().dict->entries.size());
  case Kind::Range:
    return value.as<Range>().length;
  case Kind::Loop:
    return value.as<Loop>().length(in);
  default:
    raise(std::string("object of type '") + type_name(value) + "' has no len()");
  }
}

int64_t index_of(Interpreter&, const Value& value, const char* what) {
  if (value.is(Kind::BigInt)) return value.as<Integer>().value.negative() ? INT64_MIN / 4 : INT64_MAX / 4;
  if (!value.is_integral())
    raise(std::string("'") + type_name(value) + "' object cannot be interpreted as an " + what);
  return std::clamp<int64_t>(value.int_value(), INT64_MIN / 4, INT64_MAX / 4);
}

namespace {

/// A Python index into a sequence of a length; nothing outside of it.
std::optional<int64_t> element_index(Interpreter& in, const Value& key, int64_t length) {
  if (!key.is_integral()) return std::nullopt;
  int64_t index = index_of(in, key);
  if (index < 0) index += length;
  if (index < 0 || index >= length) return std::nullopt;
  return index;
}

/// Names that Python gives to every object's own attributes, all of which the sandbox hides.
bool is_object_attribute(const Value& owner, std::string_view name) {
  static constexpr std::string_view names[] = {
      "__class__", "__delattr__",      "__dir__",    "__doc__",  "__eq__",          "__format__",
      "__ge__",    "__getattribute__", "__gt__",     "__hash__", "__init__",        "__init_subclass__",
      "__le__",    "__lt__",           "__ne__",     "__new__",  "__reduce__",      "__reduce_ex__",
      "__repr__",  "__setattr__",      "__sizeof__", "__str__",  "__subclasshook__"};
  static constexpr std::string_view container_names[] = {"__contains__", "__getitem__", "__iter__",
                                                         "__len__"};
  static constexpr std::string_view dict_names[] = {
      "__class_getitem__", "__delitem__", "__ior__", "__or__", "__reversed__", "__ror__", "__setitem__"};
  const auto among = [&](const auto& list) {
    return std::find(std::begin(list), std::end(list), name) != std::end(list);
  };
  return among(names) || (has_length(owner) && among(container_names)) ||
         (owner.is(Kind::Dict) && among(dict_names));
}

std::optional<Value> loop_attribute(Interpreter& in, Loop& loop, std::string_view name) {
  if (name == "index0") return Value::integer(loop.index0);
  if (name == "index") return Value::integer(loop.index0 + 1);
  if (name == "first") return Value::boolean(loop.index0 == 0);
  if (name == "last") return Value::boolean(!loop.peek(in));
  if (name == "length") return Value::integer(loop.length(in));
  if (name == "revindex") return Value::integer(loop.length(in) - loop.index0);
  if (name == "revindex0") return Value::integer(loop.length(in) - loop.index0 - 1);
  if (name == "depth") return Value::integer(loop.depth0 + 1);
  if (name == "depth0") return Value::integer(loop.depth0);
  if (name == "previtem") return loop.index0 == 0 ? in.undefined("there is no previous item") : loop.before;
  if (name == "nextitem") return loop.peek(in) ? loop.after : in.undefined("there is no next item");
  return std::nullopt;
}

std::optional<Value> macro_attribute(Interpreter& in, const MacroValue& macro, std::string_view name) {
  const Macro& node = *macro.node;
  const auto& strings = in.program().strings;
  if (name == "name") return node.has_name ? in.string(strings[node.name]) : Value::none();
  if (name == "arguments") {
    std::vector<Value> names;
    for (const Name* parameter : node.parameters)
      names.push_back(in.string(strings[parameter->name]));
    return in.tuple(std::move(names));
  }
  if (name == "catch_kwargs") return Value::boolean(node.uses_kwargs);
  if (name == "catch_varargs") return Value::boolean(node.uses_varargs);
  if (name == "caller") return Value::boolean(node.uses_caller);
  if (name == "explicit_caller") return Value::boolean(node.explicit_caller);
  return std::nullopt;
}

std::optional<Value> special_attribute(Interpreter& in, const Value& owner, std::string_view name) {
  switch (owner.kind()) {
  case Kind::Loop:
    return loop_attribute(in, owner.as<Loop>(), name);
  case Kind::Macro:
    return macro_attribute(in, owner.as<MacroValue>(), name);
  case Kind::Cycler: {
    const auto& cycler = owner.as<Cycler>();
    if (name == "current") return cycler.items[cycler.position];
    if (name == "pos") return Value::integer(static_cast<int64_t>(cycler.position));
    if (name == "items") return in.tuple(cycler.items);
    return std::nullopt;
  }
  case Kind::Joiner:
    if (name == "sep") return owner.as<Joiner>().separator;
    if (name == "used") return Value::boolean(owner.as<Joiner>().used);
    return std::nullopt;
  case Kind::Block:
    if (name == "name") return in.constant(owner.as<BlockValue>().block->name);
    if (name == "super")
      return in.undefined("there is no parent block called '" +
                          in.program().strings[owner.as<BlockValue>().block->name] + "'.");
    return std::nullopt;
  default:
    return std::nullopt;
  }
}

} // namespace

std::optional<Value> subscript(Interpreter& in, const Value& owner, const Value& key) {
  switch (owner.kind()) {
  case Kind::Undefined:
    raise(owner.as<Undefined>().message(in));
  case Kind::String: {
    auto& string = owner.as<String>();
    const auto index = element_index(in, key, static_cast<int64_t>(string.length()));
    if (!index) return std::nullopt;
    const size_t begin = string.offset_of(*index);
    size_t end = begin;
    unicode::decode(string.text().bytes, end);
    return in.substring(string, begin, end, string.markup);
  }
  case Kind::Bytes: {
    const std::string& content = owner.as<Bytes>().content;
    const auto index = element_index(in, key, static_cast<int64_t>(content.size()));
    if (!index) return std::nullopt;
    return Value::integer(static_cast<unsigned char>(content[*index]), owner.own_origin());
  }
  case Kind::List:
  case Kind::Tuple: {
    const auto& items = owner.as<List>().items;
    const auto index = element_index(in, key, static_cast<int64_t>(items.size()));
    if (!index) return std::nullopt;
    return items[*index];
  }
  case Kind::Range: {
    const auto& range = owner.as<Range>();
    const auto index = element_index(in, key, range.length);
    if (!index) return std::nullopt;
    return Value::integer(range.at(*index), owner.own_origin());
  }
  case Kind::Dict: {
    if (!hashable(key)) return std::nullopt;
    const Dict::Entry* entry = owner.as<Dict>().find(in, key);
    if (!entry) return std::nullopt;
    return entry->value;
  }
  case Kind::Self: {
    if (!key.is_string()) return std::nullopt;
    const auto& blocks = in.program().blocks;
    const auto found = blocks.find(key.as<String>().view());
    if (found == blocks.end()) return std::nullopt;
    return Value(in.make<BlockValue>(found->second));
  }
  default:
    return std::nullopt;
  }
}

std::optional<Value> native_attribute(Interpreter& in, const Value& owner, std::string_view name) {
  if (owner.is(Kind::Namespace)) {
    if (name == "__class__") return in.unsafe_attribute(owner, name);
    const Dict::Entry* entry = owner.as<Namespace>().attributes->find(name);
    if (!entry) return std::nullopt;
    return name.substr(0, 1) == "_" ? in.unsafe_attribute(owner, name) : entry->value;
  }
  if (name.substr(0, 1) == "_") {
    if (is_object_attribute(owner, name)) return in.unsafe_attribute(owner, name);
    if (owner.undefined()) {
      if (name.substr(0, 11) == "_undefined_" || name == "_fail_with_undefined_error")
        return in.unsafe_attribute(owner, name);
      if (name.substr(0, 2) != "__") raise(owner.as<Undefined>().message(in));
    }
    return std::nullopt;
  }
  if (owner.undefined()) raise(owner.as<Undefined>().message(in));
  if (owner.is(Kind::Tuple) && owner.as<List>().group) {
    if (name == "grouper") return owner.as<List>().items[0];
    if (name == "list") return owner.as<List>().items[1];
  }
  if (const MethodSpec* method = find_method(owner, name)) {
    if (!method->function) return in.unsafe_attribute(owner, name);
    if (method->property) {
      Arguments none;
      return method->function(in, owner, none);
    }
    return Value(in.make<Method>(owner, method));
  }
  return special_attribute(in, owner, name);
}

Value get_item(Interpreter& in, const Value& owner, const Value& key) {
  if (auto value = subscript(in, owner, key)) return std::move(*value);
  if (key.is_string())
    if (auto value = native_attribute(in, owner, key.as<String>().view())) return std::move(*value);
  return in.undefined_member(owner, key);
}

Value get_attribute(Interpreter& in, const Value& owner, StringId name) {
  // Members of a dict are what templates ask for most; only a method of the same name comes first.
  if (owner.is(Kind::Dict)) {
    const std::string& text = in.program().strings[name];
    if (text[0] != '_' && !find_method(owner, text)) {
      const Dict::Entry* entry = owner.as<Dict>().find(text, in.program().hashes[name]);
      return entry ? entry->value : in.undefined_member(owner, in.constant(name));
    }
  }
  return get_attribute(in, owner, in.constant(name));
}

Value get_attribute(Interpreter& in, const Value& owner, const Value& name) {
  if (auto value = native_attribute(in, owner, name.as<String>().view())) return std::move(*value);
  if (auto value = subscript(in, owner, name)) return std::move(*value);
  return in.undefined_member(owner, name);
}

} // namespace verbatim::jinja
