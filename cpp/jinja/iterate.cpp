#include "jinja/operations.h"

namespace verbatim::jinja {

namespace {

/// Over a list or tuple, either way.
struct ListIterator : Iterator {
  ListIterator(const char* name, Ref<List> items, bool backwards)
      : Iterator(name), list(std::move(items)), reversed(backwards) {
    is_generator = false;
  }
  bool next(Interpreter&, Value& out) override {
    if (at >= list->items.size()) return false;
    out = list->items[reversed ? list->items.size() - 1 - at : at];
    ++at;
    return true;
  }
  Ref<List> list;
  bool reversed;
  size_t at = 0;
};

/// Over the characters of a string.
struct StringIterator : Iterator {
  StringIterator(Ref<String> text, bool backwards)
      : Iterator(backwards ? "reversed" : "str_iterator"), string(std::move(text)), reversed(backwards),
        at(backwards ? string->end : string->begin) {
    is_generator = false;
  }
  bool next(Interpreter& in, Value& out) override {
    const std::string& bytes = string->text().bytes;
    const size_t from = at;
    if (reversed) {
      if (at <= string->begin) return false;
      unicode::decode_back(bytes, at);
      out = in.substring(*string, at, from);
    } else {
      if (at >= string->end) return false;
      unicode::decode(bytes, at);
      out = in.substring(*string, from, at);
    }
    return true;
  }
  Ref<String> string;
  bool reversed;
  size_t at;
};

/// Over the keys, values or items of a dict, or the members of a set.
struct DictIterator : Iterator {
  DictIterator(const char* name, Ref<Dict> of, View::Part which, bool backwards, int32_t pair_origin)
      : Iterator(name), dict(std::move(of)), part(which), reversed(backwards), origin(pair_origin) {
    is_generator = false;
  }
  bool next(Interpreter& in, Value& out) override {
    const auto& entries = dict->entries;
    if (at >= entries.size()) return false;
    const Dict::Entry& entry = entries[reversed ? entries.size() - 1 - at : at];
    ++at;
    if (part == View::Part::Keys)
      out = entry.key;
    else if (part == View::Part::Values)
      out = entry.value;
    else
      out = in.tuple({entry.key, entry.value}, origin);
    return true;
  }
  Ref<Dict> dict;
  View::Part part;
  bool reversed;
  int32_t origin;
  size_t at = 0;
};

struct RangeIterator : Iterator {
  RangeIterator(Ref<Range> of, bool backwards, int32_t number_origin)
      : Iterator("range_iterator"), range(std::move(of)), reversed(backwards), origin(number_origin) {
    is_generator = false;
  }
  bool next(Interpreter&, Value& out) override {
    if (at >= range->length) return false;
    out = Value::integer(range->at(reversed ? range->length - 1 - at : at), origin);
    ++at;
    return true;
  }
  Ref<Range> range;
  bool reversed;
  int32_t origin;
  int64_t at = 0;
};

struct BytesIterator : Iterator {
  BytesIterator(Ref<Bytes> of, bool backwards)
      : Iterator(backwards ? "reversed" : "bytes_iterator"), bytes(std::move(of)), reversed(backwards) {
    is_generator = false;
  }
  bool next(Interpreter&, Value& out) override {
    const std::string& content = bytes->content;
    if (at >= content.size()) return false;
    out = Value::integer(static_cast<unsigned char>(content[reversed ? content.size() - 1 - at : at]));
    ++at;
    return true;
  }
  Ref<Bytes> bytes;
  bool reversed;
  size_t at = 0;
};

/// `loop` itself, which yields the rest of its items with itself.
struct LoopIterator : Iterator {
  explicit LoopIterator(Ref<Loop> of) : Iterator("LoopContext"), loop(std::move(of)) {}
  bool next(Interpreter& in, Value& out) override {
    if (!loop->advance(in)) return false;
    out = in.tuple({loop->current, Value(loop)});
    return true;
  }
  Ref<Loop> loop;
};

struct EmptyIterator : Iterator {
  EmptyIterator() : Iterator("generator") {}
  bool next(Interpreter&, Value&) override { return false; }
};

template <class T, class... Rest> Ref<Iterator> make_iterator(Interpreter& in, Rest&&... rest) {
  return Ref<Iterator>(in.make<T>(std::forward<Rest>(rest)...).get());
}

template <class T> Ref<T> ref_of(const Value& value) {
  return Ref<T>(&value.as<T>());
}

Ref<Iterator> sized_iterator(Interpreter& in, const Value& value, bool reversed) {
  switch (value.kind()) {
  case Kind::Undefined:
    return make_iterator<EmptyIterator>(in);
  case Kind::String:
    return make_iterator<StringIterator>(in, ref_of<String>(value), reversed);
  case Kind::Bytes:
    return make_iterator<BytesIterator>(in, ref_of<Bytes>(value), reversed);
  case Kind::List:
    return make_iterator<ListIterator>(in, reversed ? "list_reverseiterator" : "list_iterator",
                                       ref_of<List>(value), reversed);
  case Kind::Tuple:
    return make_iterator<ListIterator>(in, reversed ? "reversed" : "tuple_iterator", ref_of<List>(value),
                                       reversed);
  case Kind::Dict:
    return make_iterator<DictIterator>(in, reversed ? "dict_reversekeyiterator" : "dict_keyiterator",
                                       ref_of<Dict>(value), View::Part::Keys, reversed, value.own_origin());
  case Kind::View: {
    const auto& view = value.as<View>();
    static constexpr const char* names[3][2] = {{"dict_keyiterator", "dict_reversekeyiterator"},
                                                {"dict_valueiterator", "dict_reversevalueiterator"},
                                                {"dict_itemiterator", "dict_reverseitemiterator"}};
    const char* name = names[static_cast<int>(view.part)][reversed ? 1 : 0];
    return make_iterator<DictIterator>(in, name, view.dict, view.part, reversed, value.own_origin());
  }
  case Kind::Range:
    return make_iterator<RangeIterator>(in, ref_of<Range>(value), reversed, value.own_origin());
  default:
    return {};
  }
}

} // namespace

bool iterable(const Value& value) {
  return value.is(Kind::Iterator) || has_length(value);
}

Ref<Iterator> iterate(Interpreter& in, const Value& value) {
  if (value.is(Kind::Iterator)) return ref_of<Iterator>(value);
  if (value.is(Kind::Loop)) return make_iterator<LoopIterator>(in, ref_of<Loop>(value));
  if (value.is(Kind::Set))
    return make_iterator<DictIterator>(in, "set_iterator", ref_of<Dict>(value), View::Part::Keys, false,
                                       value.own_origin());
  Ref<Iterator> iterator = sized_iterator(in, value, false);
  if (!iterator) raise(std::string("'") + type_name(value) + "' object is not iterable");
  return iterator;
}

Ref<Iterator> iterate_reversed(Interpreter& in, const Value& value) {
  return sized_iterator(in, value, true);
}

void check_items(Interpreter& in, size_t count) {
  if (count % 1024 == 0) in.need(count * sizeof(Value));
}

std::vector<Value> collect(Interpreter& in, const Value& value) {
  if (value.is(Kind::List) || value.is(Kind::Tuple)) {
    const auto& items = value.as<List>().items;
    in.need(items.size() * sizeof(Value));
    in.step(items.size() / 4 + 1);
    return items;
  }
  const Ref<Iterator> iterator = iterate(in, value);
  std::vector<Value> items;
  for (Value item; iterator->next(in, item);) {
    in.step();
    items.push_back(std::move(item));
    check_items(in, items.size());
  }
  return items;
}

} // namespace verbatim::jinja
