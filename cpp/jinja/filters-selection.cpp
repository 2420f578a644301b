#include "jinja/attributes.h"
#include "jinja/filters.h"
#include "jinja/operations.h"

#include <optional>

namespace verbatim::jinja {

namespace {

template <class T, class... Rest> Value generator(Interpreter& in, const Value& source, Rest&&... rest) {
  return Value(in.make<T>(source, std::forward<Rest>(rest)...), origin_of(source));
}

/// A generator over a value, which it begins to read when its first item is asked for.
struct Generator : Iterator {
  explicit Generator(const Value& value) : Iterator("generator"), source(value) {}
  Iterator& items(Interpreter& in) {
    in.stack().check(); // Generators over generators recurse.
    if (!iterator) iterator = iterate(in, source);
    return *iterator;
  }
  Value source;
  Ref<Iterator> iterator;
};

/// map and the select family, which read nothing from a value that is false.
struct LazyGenerator : Generator {
  LazyGenerator(const Value& value, Arguments given) : Generator(value), arguments(std::move(given)) {}
  bool next(Interpreter& in, Value& out) override {
    in.step();
    if (!started) {
      started = true;
      done = !truthy(in, source);
      if (!done) prepare(in);
    }
    return !done && produce(in, out);
  }
  virtual void prepare(Interpreter& in) = 0;
  virtual bool produce(Interpreter& in, Value& out) = 0;
  Arguments arguments;
  bool started = false, done = false;
};

struct MapGenerator : LazyGenerator {
  using LazyGenerator::LazyGenerator;
  void prepare(Interpreter& in) override {
    if (arguments.positional.empty()) {
      Value attribute = arguments.take("attribute");
      if (attribute.missing()) raise("map requires a filter argument");
      const Value fallback = arguments.take("default");
      if (!arguments.named.empty())
        raise("Unexpected keyword argument " + quoted(in, arguments.named[0].first));
      getter.emplace(in, attribute, false, fallback);
      return;
    }
    const Value name = arguments.positional.front();
    arguments.positional.erase(arguments.positional.begin());
    filter = name.is_string() ? find_filter(name.as<String>().view()) : nullptr;
    if (!filter) raise("No filter named " + quoted(in, name) + ".");
  }
  bool produce(Interpreter& in, Value& out) override {
    Value item;
    if (!items(in).next(in, item)) return false;
    if (getter) {
      out = (*getter)(in, item);
    } else {
      Arguments copy = arguments;
      out = filter->function(in, item, copy);
    }
    return true;
  }
  std::optional<AttributeGetter> getter;
  const FilterSpec* filter = nullptr;
};

struct SelectGenerator : LazyGenerator {
  SelectGenerator(const Value& value, Arguments given, bool wanted_result, bool by_attribute)
      : LazyGenerator(value, std::move(given)), wanted(wanted_result), attribute(by_attribute) {}
  void prepare(Interpreter& in) override {
    auto& values = arguments.positional;
    if (attribute) {
      if (values.empty()) raise("Missing parameter for attribute name");
      getter.emplace(in, values.front());
      values.erase(values.begin());
    }
    if (values.empty()) return;
    const Value name = values.front();
    values.erase(values.begin());
    test = name.is_string() ? find_test(name.as<String>().view()) : nullptr;
    if (!test) raise("No test named " + quoted(in, name) + ".");
  }
  bool produce(Interpreter& in, Value& out) override {
    while (items(in).next(in, out)) {
      in.step();
      const Value subject = getter ? (*getter)(in, out) : out;
      bool result;
      if (test) {
        Arguments copy = arguments;
        result = truthy(in, test->function(in, subject, copy));
      } else {
        result = truthy(in, subject);
      }
      if (result == wanted) return true;
    }
    return false;
  }
  bool wanted, attribute;
  std::optional<AttributeGetter> getter;
  const TestSpec* test = nullptr;
};

Value filter_map(Interpreter& in, const Value& self, Arguments& arguments) {
  return generator<MapGenerator>(in, self, std::move(arguments));
}

template <bool wanted, bool attribute>
Value filter_select(Interpreter& in, const Value& self, Arguments& arguments) {
  return generator<SelectGenerator>(in, self, std::move(arguments), wanted, attribute);
}

struct UniqueGenerator : Generator {
  UniqueGenerator(const Value& value, AttributeGetter key, Ref<Dict> keys)
      : Generator(value), getter(std::move(key)), seen(std::move(keys)) {}
  bool next(Interpreter& in, Value& out) override {
    while (items(in).next(in, out)) {
      in.step();
      const Value key = getter(in, out);
      if (seen->find(in, key)) continue;
      seen->set(in, key, Value());
      return true;
    }
    return false;
  }
  AttributeGetter getter;
  Ref<Dict> seen;
};

Value filter_unique(Interpreter& in, const Value& self, Arguments& arguments) {
  Value values[2];
  bind("unique", arguments, {"case_sensitive", "attribute"}, 0, values);
  const bool sensitive = !values[0].missing() && truthy(in, values[0]);
  return generator<UniqueGenerator>(in, self, AttributeGetter(in, values[1], !sensitive), in.make<Dict>());
}

struct BatchGenerator : Generator {
  BatchGenerator(const Value& value, Value size, Value fill)
      : Generator(value), count(std::move(size)), filler(std::move(fill)) {}
  bool next(Interpreter& in, Value& out) override {
    std::vector<Value> batch;
    if (!pending.missing()) batch.push_back(std::move(pending));
    pending = Value();
    for (Value item; items(in).next(in, item);) {
      in.step();
      if (equals(in, Value::integer(static_cast<int64_t>(batch.size())), count)) {
        // Only an empty batch can be full before its first item.
        pending = std::move(item);
        out = in.list(std::move(batch), origin_of(source));
        return true;
      }
      batch.push_back(std::move(item));
      check_items(in, batch.size());
    }
    if (batch.empty()) return false;
    if (!filler.missing() && !filler.is_none()) {
      const auto size = static_cast<int64_t>(batch.size());
      if (compare(in, Operator::Less, Value::integer(size), count)) {
        const int64_t missing = index_of(in, count) - size;
        if (missing > static_cast<int64_t>(in.room() / sizeof(Value))) in.fail_memory();
        in.step(static_cast<uint64_t>(missing));
        batch.insert(batch.end(), static_cast<size_t>(missing), filler);
      }
    }
    out = in.list(std::move(batch), origin_of(source));
    return true;
  }
  Value count, filler, pending;
};

Value filter_batch(Interpreter& in, const Value& self, Arguments& arguments) {
  Value values[2];
  bind("batch", arguments, {"linecount", "fill_with"}, 1, values);
  return generator<BatchGenerator>(in, self, values[0], values[1]);
}

struct SliceGenerator : Generator {
  SliceGenerator(const Value& value, Value slices, Value fill)
      : Generator(value), count(std::move(slices)), filler(std::move(fill)) {}
  bool next(Interpreter& in, Value& out) override {
    in.step();
    in.stack().check();
    if (!started) {
      started = true;
      sequence = collect(in, source);
      slices = index_of(in, count);
      if (slices == 0) raise("integer division or modulo by zero");
    }
    if (number >= slices) return false;
    const auto length = static_cast<int64_t>(sequence.size());
    const int64_t per_slice = length / slices, extra = length % slices;
    const int64_t start = offset + number * per_slice;
    if (number < extra) ++offset;
    const int64_t end = offset + (number + 1) * per_slice;
    std::vector<Value> items(sequence.begin() + start, sequence.begin() + end);
    in.need(items.size() * sizeof(Value));
    if (!filler.missing() && !filler.is_none() && number >= extra) items.push_back(filler);
    ++number;
    out = in.list(std::move(items), origin_of(source));
    return true;
  }
  Value count, filler;
  std::vector<Value> sequence;
  int64_t slices = 0, number = 0, offset = 0;
  bool started = false;
};

Value filter_slice(Interpreter& in, const Value& self, Arguments& arguments) {
  Value values[2];
  bind("slice", arguments, {"slices", "fill_with"}, 1, values);
  return generator<SliceGenerator>(in, self, values[0], values[1]);
}

struct ItemsGenerator : Generator {
  using Generator::Generator;
  bool next(Interpreter& in, Value& out) override {
    if (source.undefined()) return false;
    if (!source.is(Kind::Dict)) raise("Can only get item pairs from a mapping.");
    const auto& entries = source.as<Dict>().entries;
    if (at >= entries.size()) return false;
    out = in.tuple({entries[at].key, entries[at].value}, source.own_origin());
    ++at;
    return true;
  }
  size_t at = 0;
};

Value filter_items(Interpreter& in, const Value& self, Arguments& arguments) {
  bind("items", arguments, {}, 0, nullptr);
  return generator<ItemsGenerator>(in, self);
}

} // namespace

void add_selection_filters(FilterTable& table) {
  const FilterSpec filters[] = {
      {"map", filter_map},
      {"select", filter_select<true, false>},
      {"reject", filter_select<false, false>},
      {"selectattr", filter_select<true, true>},
      {"rejectattr", filter_select<false, true>},
      {"unique", filter_unique},
      {"batch", filter_batch},
      {"slice", filter_slice},
      {"items", filter_items},
  };
  for (const FilterSpec& filter : filters)
    table.emplace(filter.name, filter);
}

} // namespace verbatim::jinja
