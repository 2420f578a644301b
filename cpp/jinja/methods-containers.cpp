#include "jinja/builder.h"
#include "jinja/operations.h"

#include <algorithm>

namespace verbatim::jinja {

namespace {

void no_arguments(const char* name, Arguments& arguments) {
  bind_positional(name, arguments, 0, 0, nullptr);
}

Value list_index(Interpreter& in, const Value& self, Arguments& arguments) {
  Value values[3];
  bind_positional("index", arguments, 1, 3, values);
  const auto& items = self.as<List>().items;
  const auto size = static_cast<int64_t>(items.size());
  const auto bound = [&](const Value& value, int64_t missing) {
    if (value.missing()) return missing;
    if (!value.is_integral()) raise("slice indices must be integers or have an __index__ method");
    const int64_t index = index_of(in, value);
    return index < 0 ? std::max<int64_t>(0, index + size) : index;
  };
  const int64_t last = std::min(size, bound(values[2], size));
  for (int64_t i = bound(values[1], 0); i < last; ++i) {
    in.step();
    if (identical(items[i], values[0]) || equals(in, items[i], values[0]))
      return Value::integer(i, self.own_origin());
  }
  raise(quoted(in, values[0]) + " is not in list");
}

Value list_count(Interpreter& in, const Value& self, Arguments& arguments) {
  Value value;
  bind_positional("count", arguments, 1, 1, &value);
  int64_t count = 0;
  for (const Value& item : self.as<List>().items) {
    in.step();
    count += identical(item, value) || equals(in, item, value);
  }
  return Value::integer(count, self.own_origin());
}

Value list_copy(Interpreter& in, const Value& self, Arguments& arguments) {
  no_arguments("copy", arguments);
  return in.list(collect(in, self), self.own_origin());
}

/// The sandbox lets list.pop and list.clear through, so they change the list, as they do in Jinja2.
Value list_pop(Interpreter& in, const Value& self, Arguments& arguments) {
  Value value;
  bind_positional("pop", arguments, 0, 1, &value);
  auto& items = self.as<List>().items;
  const auto size = static_cast<int64_t>(items.size());
  if (size == 0) raise("pop from empty list");
  int64_t index = value.missing() ? -1 : index_of(in, value);
  if (index < 0) index += size;
  if (index < 0 || index >= size) raise("pop index out of range");
  in.step(static_cast<uint64_t>(size - index) / 8);
  Value item = std::move(items[index]);
  items.erase(items.begin() + index);
  return item;
}

Value list_clear(Interpreter&, const Value& self, Arguments& arguments) {
  no_arguments("clear", arguments);
  std::vector<Value> dropped;
  dropped.swap(self.as<List>().items);
  return Value::none();
}

Value dict_get(Interpreter& in, const Value& self, Arguments& arguments) {
  Value values[2];
  bind_positional("get", arguments, 1, 2, values);
  const Dict::Entry* entry = self.as<Dict>().find(in, values[0]);
  if (entry) return entry->value;
  return values[1].missing() ? Value::none() : values[1];
}

template <View::Part part> Value dict_view(Interpreter& in, const Value& self, Arguments& arguments) {
  no_arguments("dict view", arguments);
  return Value(in.make<View>(Ref<Dict>(&self.as<Dict>()), part), self.own_origin());
}

Ref<Dict> copied(Interpreter& in, const Dict& dict) {
  in.need(dict.entries.size() * sizeof(Dict::Entry) * 2);
  in.step(dict.entries.size() + 1);
  auto copy = in.make<Dict>(dict.kind);
  for (const Dict::Entry& entry : dict.entries)
    copy->append(entry.key, entry.value, entry.hash);
  copy->settle();
  return copy;
}

Value dict_copy(Interpreter& in, const Value& self, Arguments& arguments) {
  no_arguments("copy", arguments);
  return Value(copied(in, self.as<Dict>()), self.own_origin());
}

Value dict_fromkeys(Interpreter& in, const Value&, Arguments& arguments) {
  Value values[2];
  bind_positional("fromkeys", arguments, 1, 2, values);
  auto dict = in.make<Dict>();
  for (const Value& key : collect(in, values[0])) {
    in.step();
    dict->set(in, key, values[1].missing() ? Value::none() : values[1]);
  }
  dict->settle();
  return Value(dict);
}

Value view_isdisjoint(Interpreter& in, const Value& self, Arguments& arguments) {
  Value other;
  bind_positional("isdisjoint", arguments, 1, 1, &other);
  for (const Value& item : collect(in, other))
    if (contains(in, self, item)) return Value::boolean(false);
  return Value::boolean(true);
}

Value view_mapping(Interpreter&, const Value& self, Arguments&) {
  return Value(self.as<View>().dict, self.own_origin());
}

template <bool wants_index> Value range_find(Interpreter& in, const Value& self, Arguments& arguments) {
  Value value;
  bind_positional("range method", arguments, 1, 1, &value);
  const auto& range = self.as<Range>();
  for (int64_t i = 0; i < range.length; ++i) {
    in.step();
    if (equals(in, Value::integer(range.at(i)), value))
      return Value::integer(wants_index ? i : 1, self.own_origin());
  }
  if (wants_index) raise(quoted(in, value) + " is not in range");
  return Value::integer(0, self.own_origin());
}

template <int64_t Range::* part> Value range_part(Interpreter&, const Value& self, Arguments&) {
  return Value::integer(self.as<Range>().*part, self.own_origin());
}

Value loop_cycle(Interpreter&, const Value& self, Arguments& arguments) {
  if (!arguments.named.empty()) raise("cycle() got an unexpected keyword argument");
  if (arguments.positional.empty()) raise("no items for cycling given");
  return arguments.positional[static_cast<size_t>(self.as<Loop>().index0) % arguments.positional.size()];
}

Value loop_changed(Interpreter& in, const Value& self, Arguments& arguments) {
  if (!arguments.named.empty()) raise("changed() got an unexpected keyword argument");
  auto& loop = self.as<Loop>();
  const Value values = in.tuple(std::move(arguments.positional));
  if (!loop.changed.missing() && equals(in, loop.changed, values)) return Value::boolean(false);
  loop.changed = values;
  return Value::boolean(true);
}

Value cycler_next(Interpreter&, const Value& self, Arguments& arguments) {
  no_arguments("next", arguments);
  auto& cycler = self.as<Cycler>();
  Value current = cycler.items[cycler.position];
  cycler.position = (cycler.position + 1) % cycler.items.size();
  return current;
}

Value cycler_reset(Interpreter&, const Value& self, Arguments& arguments) {
  no_arguments("reset", arguments);
  self.as<Cycler>().position = 0;
  return Value::none();
}

MethodTable table_of(std::initializer_list<MethodSpec> methods) {
  MethodTable table;
  for (const MethodSpec& method : methods)
    table.emplace(method.name, method);
  return table;
}

} // namespace

const MethodTable& container_methods(Kind kind) {
  static const MethodTable list = table_of({{"index", list_index},
                                            {"count", list_count},
                                            {"copy", list_copy},
                                            {"append", nullptr},
                                            {"reverse", nullptr},
                                            {"insert", nullptr},
                                            {"sort", nullptr},
                                            {"extend", nullptr},
                                            {"remove", nullptr},
                                            {"clear", list_clear},
                                            {"pop", list_pop}});
  static const MethodTable tuple = table_of({{"index", list_index}, {"count", list_count}});
  static const MethodTable dict = table_of({{"get", dict_get},
                                            {"keys", dict_view<View::Part::Keys>},
                                            {"values", dict_view<View::Part::Values>},
                                            {"items", dict_view<View::Part::Items>},
                                            {"copy", dict_copy},
                                            {"fromkeys", dict_fromkeys},
                                            {"clear", nullptr},
                                            {"pop", nullptr},
                                            {"popitem", nullptr},
                                            {"setdefault", nullptr},
                                            {"update", nullptr}});
  static const MethodTable set = table_of({{"isdisjoint", view_isdisjoint}, {"copy", dict_copy}});
  static const MethodTable view =
      table_of({{"isdisjoint", view_isdisjoint}, {"mapping", view_mapping, true}});
  static const MethodTable range = table_of({{"index", range_find<true>},
                                             {"count", range_find<false>},
                                             {"start", range_part<&Range::start>, true},
                                             {"stop", range_part<&Range::stop>, true},
                                             {"step", range_part<&Range::step>, true}});
  static const MethodTable loop = table_of({{"cycle", loop_cycle}, {"changed", loop_changed}});
  static const MethodTable cycler = table_of({{"next", cycler_next}, {"reset", cycler_reset}});
  static const MethodTable function = table_of({{"fromkeys", dict_fromkeys}});
  switch (kind) {
  case Kind::List:
    return list;
  case Kind::Tuple:
    return tuple;
  case Kind::Dict:
    return dict;
  case Kind::Set:
    return set;
  case Kind::View:
    return view;
  case Kind::Range:
    return range;
  case Kind::Loop:
    return loop;
  case Kind::Cycler:
    return cycler;
  default:
    return function;
  }
}

} // namespace verbatim::jinja
