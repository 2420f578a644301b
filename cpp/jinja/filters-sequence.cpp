#include "jinja/attributes.h"
#include "jinja/filters.h"
#include "jinja/strings.h"

#include <algorithm>

namespace verbatim::jinja {

Value ignore_case(Interpreter& in, const Value& value) {
  if (!value.is_string()) return value;
  const auto& string = value.as<String>();
  return change_case(in, string, unicode::Case::Lower, string.markup);
}

AttributeGetter::AttributeGetter(Interpreter& in, const Value& attribute, bool ignore, Value fallback)
    : ignore_case_(ignore), fallback_(std::move(fallback)) {
  if (fallback_.is_none()) fallback_ = Value();
  if (attribute.missing() || attribute.is_none()) return;
  if (!attribute.is_string()) {
    parts_.push_back(attribute);
    return;
  }
  const std::string_view path = attribute.as<String>().view();
  for (size_t at = 0;;) {
    const size_t dot = std::min(path.find('.', at), path.size());
    const std::string_view part = path.substr(at, dot - at);
    const bool index = !part.empty() && part.size() < 18 &&
                       std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
    parts_.push_back(index ? Value::integer(std::stoll(std::string(part))) : in.string(part));
    if (dot == path.size()) break;
    at = dot + 1;
  }
}

Value AttributeGetter::operator()(Interpreter& in, const Value& item) const {
  Value value = item;
  for (const Value& part : parts_) {
    in.step();
    value = get_item(in, value, part);
    if (!fallback_.missing() && value.undefined()) value = fallback_;
  }
  return ignore_case_ ? ignore_case(in, value) : value;
}

namespace {

bool flag(Interpreter& in, const Value& value) {
  return !value.missing() && truthy(in, value);
}

Value filter_default(Interpreter& in, const Value& self, Arguments& arguments) {
  Value values[2];
  bind("default", arguments, {"default_value", "boolean"}, 0, values);
  if (self.undefined() || (flag(in, values[1]) && !truthy(in, self)))
    return values[0].missing() ? in.string("") : values[0];
  return self;
}

Value filter_length(Interpreter& in, const Value& self, Arguments& arguments) {
  bind_positional("len", arguments, 0, 0, nullptr);
  return Value::integer(length_of(in, self), origin_of(self));
}

Value filter_list(Interpreter& in, const Value& self, Arguments& arguments) {
  bind("list", arguments, {}, 0, nullptr);
  return in.list(collect(in, self), origin_of(self));
}

Value filter_first(Interpreter& in, const Value& self, Arguments& arguments) {
  bind("first", arguments, {}, 0, nullptr);
  Value item;
  if (iterate(in, self)->next(in, item)) return item;
  return in.undefined("No first item, sequence was empty.");
}

Value filter_last(Interpreter& in, const Value& self, Arguments& arguments) {
  bind("last", arguments, {}, 0, nullptr);
  const Ref<Iterator> iterator = iterate_reversed(in, self);
  if (!iterator) raise(std::string("'") + type_name(self) + "' object is not reversible");
  Value item;
  if (iterator->next(in, item)) return item;
  return in.undefined("No last item, sequence was empty.");
}

Value filter_reverse(Interpreter& in, const Value& self, Arguments& arguments) {
  bind("reverse", arguments, {}, 0, nullptr);
  if (self.is_string()) return get_slice(in, self, Value::none(), Value::none(), Value::integer(-1));
  if (const Ref<Iterator> iterator = iterate_reversed(in, self)) return Value(iterator, self.own_origin());
  if (!iterable(self)) raise("argument must be iterable");
  std::vector<Value> items = collect(in, self);
  std::reverse(items.begin(), items.end());
  return in.list(std::move(items), self.own_origin());
}

Value filter_random(Interpreter& in, const Value& self, Arguments& arguments) {
  bind("random", arguments, {}, 0, nullptr);
  const int64_t length = length_of(in, self);
  if (length == 0) return in.undefined("No random item, sequence was empty.");
  const uint64_t seed = static_cast<uint64_t>(in.now_ms()) * 6364136223846793005u + 1442695040888963407u;
  const auto item =
      subscript(in, self, Value::integer(static_cast<int64_t>((seed >> 33) % static_cast<uint64_t>(length))));
  if (!item) raise(std::string("'") + type_name(self) + "' object is not subscriptable by number");
  return *item;
}

Value filter_join(Interpreter& in, const Value& self, Arguments& arguments) {
  Value values[2];
  bind("join", arguments, {"d", "attribute"}, 0, values);
  const Value separator = values[0].missing() ? in.string("") : values[0];
  Value items = self;
  if (!values[1].missing() && !values[1].is_none()) {
    const AttributeGetter getter(in, values[1]);
    std::vector<Value> members = collect(in, self);
    for (Value& item : members)
      item = getter(in, item);
    items = in.list(std::move(members), origin_of(self));
  }
  if (!in.autoescape()) {
    const Value plain = to_str(in, separator);
    return join_text(in, plain.as<String>(), items, false, to_str);
  }
  const auto is_markup = [](const Value& value) { return value.is_string() && value.as<String>().markup; };
  if (is_markup(separator)) return join_text(in, separator.as<String>(), items, true, escape);
  const std::vector<Value> all = collect(in, items);
  const bool any = std::any_of(all.begin(), all.end(), is_markup);
  const Value between = any ? escape(in, separator) : to_str(in, separator);
  return join_text(in, between.as<String>(), in.list(all), any, any ? escape : to_str);
}

Value filter_sort(Interpreter& in, const Value& self, Arguments& arguments) {
  Value values[3];
  bind("sort", arguments, {"reverse", "case_sensitive", "attribute"}, 0, values);
  const bool ignore = !flag(in, values[1]);
  std::vector<AttributeGetter> getters;
  if (values[2].is_string()) {
    const auto& text = values[2].as<String>();
    const std::string_view paths = text.view();
    for (size_t at = 0;;) {
      const size_t comma = std::min(paths.find(',', at), paths.size());
      getters.emplace_back(in, in.substring(text, text.begin + at, text.begin + comma), ignore);
      if (comma == paths.size()) break;
      at = comma + 1;
    }
  } else {
    getters.emplace_back(in, values[2], ignore);
  }
  std::vector<Value> items = collect(in, self), keys;
  in.need(items.size() * (sizeof(List) + 4 * sizeof(Value)));
  for (const Value& item : items) {
    std::vector<Value> key;
    for (const AttributeGetter& getter : getters)
      key.push_back(getter(in, item));
    keys.push_back(in.list(std::move(key)));
  }
  sort_by_keys(in, items, std::move(keys), flag(in, values[0]));
  return in.list(std::move(items), origin_of(self));
}

Value filter_dictsort(Interpreter& in, const Value& self, Arguments& arguments) {
  Value values[3];
  bind("dictsort", arguments, {"case_sensitive", "by", "reverse"}, 0, values);
  const std::string_view by = values[1].missing()     ? "key"
                              : values[1].is_string() ? values[1].as<String>().view()
                                                      : "?";
  if (by != "key" && by != "value") raise("You can only sort by either \"key\" or \"value\"");
  if (self.undefined()) raise(self.as<Undefined>().message(in));
  if (!self.is(Kind::Dict)) raise(std::string("'") + type_name(self) + "' object has no attribute 'items'");
  std::vector<Value> items, keys;
  for (const Dict::Entry& entry : self.as<Dict>().entries) {
    in.step();
    items.push_back(in.tuple({entry.key, entry.value}, self.own_origin()));
    const Value& key = by == "key" ? entry.key : entry.value;
    keys.push_back(flag(in, values[0]) ? key : ignore_case(in, key));
  }
  sort_by_keys(in, items, std::move(keys), flag(in, values[2]));
  return in.list(std::move(items), self.own_origin());
}

template <bool largest> Value filter_extreme(Interpreter& in, const Value& self, Arguments& arguments) {
  Value values[2];
  bind(largest ? "max" : "min", arguments, {"case_sensitive", "attribute"}, 0, values);
  const AttributeGetter getter(in, values[1], !flag(in, values[0]));
  const Ref<Iterator> iterator = iterate(in, self);
  Value best;
  if (!iterator->next(in, best)) return in.undefined("No aggregated item, sequence was empty.");
  Value best_key = getter(in, best);
  for (Value item; iterator->next(in, item);) {
    in.step();
    Value key = getter(in, item);
    if (!compare(in, largest ? Operator::Greater : Operator::Less, key, best_key)) continue;
    best = item;
    best_key = std::move(key);
  }
  return best;
}

Value filter_sum(Interpreter& in, const Value& self, Arguments& arguments) {
  Value values[2];
  bind("sum", arguments, {"attribute", "start"}, 0, values);
  const AttributeGetter getter(in, values[0]);
  Value total = values[1].missing() ? Value::integer(0) : values[1];
  if (!iterable(self)) raise(std::string("'") + type_name(self) + "' object is not iterable");
  if (total.is_string()) raise("sum() can't sum strings [use ''.join(seq) instead]");
  const Ref<Iterator> iterator = iterate(in, self);
  for (Value item; iterator->next(in, item);) {
    in.step();
    total = arithmetic(in, Operator::Add, total, getter(in, item));
  }
  return total;
}

Value filter_groupby(Interpreter& in, const Value& self, Arguments& arguments) {
  Value values[3];
  bind("groupby", arguments, {"attribute", "default", "case_sensitive"}, 1, values);
  const bool ignore = !flag(in, values[2]);
  const AttributeGetter getter(in, values[0], ignore, values[1]),
      plain_getter(in, values[0], false, values[1]);
  std::vector<Value> items = collect(in, self), keys;
  for (const Value& item : items)
    keys.push_back(getter(in, item));
  sort_by_keys(in, items, keys, false);
  const int32_t origin = origin_of(self);
  std::vector<Value> groups;
  for (size_t begin = 0; begin < items.size();) {
    const Value key = getter(in, items[begin]);
    std::vector<Value> members;
    size_t end = begin;
    for (; end < items.size(); ++end) {
      const Value other = getter(in, items[end]);
      if (!identical(key, other) && !equals(in, key, other)) break;
      members.push_back(items[end]);
    }
    Value group = in.tuple(
        {ignore ? plain_getter(in, items[begin]) : key, in.list(std::move(members), origin)}, origin);
    group.as<List>().group = true;
    groups.push_back(std::move(group));
    begin = end;
  }
  return in.list(std::move(groups), origin);
}

Value filter_attr(Interpreter& in, const Value& self, Arguments& arguments) {
  Value name;
  bind("attr", arguments, {"name"}, 1, &name);
  string_argument("attr", name);
  if (auto value = native_attribute(in, self, name.as<String>().view())) return std::move(*value);
  return in.undefined_member(self, name);
}

} // namespace

void add_sequence_filters(FilterTable& table) {
  const FilterSpec filters[] = {
      {"default", filter_default},    {"d", filter_default},         {"length", filter_length},
      {"count", filter_length},       {"list", filter_list},         {"first", filter_first},
      {"last", filter_last},          {"reverse", filter_reverse},   {"random", filter_random},
      {"join", filter_join},          {"sort", filter_sort},         {"dictsort", filter_dictsort},
      {"min", filter_extreme<false>}, {"max", filter_extreme<true>}, {"sum", filter_sum},
      {"groupby", filter_groupby},    {"attr", filter_attr},
  };
  for (const FilterSpec& filter : filters)
    table.emplace(filter.name, filter);
}

} // namespace verbatim::jinja
