#include "jinja/operations.h"
#include "jinja/search.h"

#include <algorithm>
#include <cmath>

namespace verbatim::jinja {

namespace {

/// The order of two numbers; nothing when one of them is NaN.
std::partial_ordering order_numbers(const Value& a, const Value& b) {
  const bool a_real = a.is(Kind::Float), b_real = b.is(Kind::Float);
  if (a_real && b_real) return a.real_value() <=> b.real_value();
  if (!a_real && !b_real) {
    if (!a.is(Kind::BigInt) && !b.is(Kind::BigInt)) return a.int_value() <=> b.int_value();
    return big_of(a) <=> big_of(b);
  }
  if (b_real) {
    const auto reversed = order_numbers(b, a);
    return reversed == std::partial_ordering::less      ? std::partial_ordering::greater
           : reversed == std::partial_ordering::greater ? std::partial_ordering::less
                                                        : reversed;
  }
  const double real = a.real_value();
  if (std::isnan(real)) return std::partial_ordering::unordered;
  if (std::isinf(real)) return real > 0 ? std::partial_ordering::greater : std::partial_ordering::less;
  if (!b.is(Kind::BigInt) && std::fabs(real) < 0x1p53 && std::llabs(b.int_value()) < (int64_t{1} << 53))
    return real <=> static_cast<double>(b.int_value());
  const auto whole = BigInt::from_double(real) <=> big_of(b);
  if (whole != 0) return whole;
  return real <=> std::trunc(real);
}

bool equal_lists(Interpreter& in, const List& a, const List& b) {
  if (a.items.size() != b.items.size()) return false;
  for (size_t i = 0; i < a.items.size(); ++i)
    if (!equals(in, a.items[i], b.items[i])) return false;
  return true;
}

bool equal_dicts(Interpreter& in, Dict& a, Dict& b) {
  if (a.entries.size() != b.entries.size()) return false;
  for (const Dict::Entry& entry : a.entries) {
    in.step();
    const Dict::Entry* other = b.find(in, entry.key);
    if (!other) return false;
    if (!entry.value.missing() && !equals(in, entry.value, other->value)) return false;
  }
  return true;
}

/// The keys or items of a view as a set that can be looked up.
bool equal_views(Interpreter& in, const View& a, const View& b) {
  if (a.part == View::Part::Values || b.part == View::Part::Values) return &a == &b;
  if (a.part != b.part) return a.dict->entries.empty() && b.dict->entries.empty();
  if (a.part == View::Part::Items) return equal_dicts(in, *a.dict, *b.dict);
  if (a.dict->entries.size() != b.dict->entries.size()) return false;
  return std::all_of(a.dict->entries.begin(), a.dict->entries.end(),
                     [&](const Dict::Entry& entry) { return b.dict->find(in, entry.key) != nullptr; });
}

bool ordered(std::partial_ordering order, Operator op) {
  switch (op) {
  case Operator::Less:
    return order < 0;
  case Operator::LessEqual:
    return order <= 0;
  case Operator::Greater:
    return order > 0;
  default:
    return order >= 0;
  }
}

const char* symbol_of(Operator op) {
  return op == Operator::Less ? "<" : op == Operator::LessEqual ? "<=" : op == Operator::Greater ? ">" : ">=";
}

bool subset(Interpreter& in, const Dict& a, Dict& b) {
  return std::all_of(a.entries.begin(), a.entries.end(), [&](const Dict::Entry& entry) {
    in.step();
    return b.find(in, entry.key) != nullptr;
  });
}

} // namespace

bool truthy(Interpreter& in, const Value& value) {
  switch (value.kind()) {
  case Kind::Missing:
  case Kind::None:
  case Kind::Undefined:
    return false;
  case Kind::Bool:
  case Kind::Int:
    return value.int_value() != 0;
  case Kind::Float:
    return value.real_value() != 0;
  case Kind::String:
    return value.as<String>().begin != value.as<String>().end;
  default:
    return !has_length(value) || length_of(in, value) > 0;
  }
}

bool identical(const Value& a, const Value& b) {
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
  case Kind::None:
    return true;
  case Kind::Bool:
  case Kind::Int:
    return a.int_value() == b.int_value();
  case Kind::Float:
    return a.real_value() == b.real_value();
  case Kind::String: {
    const String &x = a.as<String>(), &y = b.as<String>();
    if (&x == &y) return true;
    if (x.markup != y.markup) return false;
    const size_t size = x.end - x.begin;
    if (size <= 1) return !x.markup && x.view() == y.view();
    return x.buffer.get() == y.buffer.get() && x.begin == y.begin && x.end == y.end;
  }
  default:
    return a.object() == b.object();
  }
}

bool equals(Interpreter& in, const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) return order_numbers(a, b) == 0;
  if (a.kind() != b.kind()) {
    const bool a_set = a.is(Kind::Set) || a.is(Kind::View), b_set = b.is(Kind::Set) || b.is(Kind::View);
    if (!a_set || !b_set) return false;
    const Value& set = a.is(Kind::Set) ? a : b;
    const auto& view = (a.is(Kind::Set) ? b : a).as<View>();
    if (view.part != View::Part::Keys) return false;
    return set.as<Dict>().entries.size() == view.dict->entries.size() &&
           subset(in, set.as<Dict>(), *view.dict);
  }
  switch (a.kind()) {
  case Kind::None:
  case Kind::Undefined:
    return true;
  case Kind::String: {
    const std::string_view x = a.as<String>().view(), y = b.as<String>().view();
    in.step(std::min(x.size(), y.size()) / 64);
    return x == y;
  }
  case Kind::Bytes:
    return a.as<Bytes>().content == b.as<Bytes>().content;
  case Kind::List:
  case Kind::Tuple: {
    const Interpreter::Deeper deeper(in);
    in.step(a.as<List>().items.size());
    return a.object() == b.object() || equal_lists(in, a.as<List>(), b.as<List>());
  }
  case Kind::Dict:
  case Kind::Set: {
    const Interpreter::Deeper deeper(in);
    return a.object() == b.object() || equal_dicts(in, a.as<Dict>(), b.as<Dict>());
  }
  case Kind::View: {
    const Interpreter::Deeper deeper(in);
    return a.object() == b.object() || equal_views(in, a.as<View>(), b.as<View>());
  }
  case Kind::Range: {
    const auto &x = a.as<Range>(), &y = b.as<Range>();
    if (x.length != y.length) return false;
    return x.length == 0 || (x.start == y.start && (x.length == 1 || x.step == y.step));
  }
  case Kind::Method: {
    const auto &x = a.as<Method>(), &y = b.as<Method>();
    return x.spec == y.spec && identical(x.self, y.self);
  }
  default:
    return a.object() == b.object();
  }
}

bool compare(Interpreter& in, Operator op, const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) return ordered(order_numbers(a, b), op);
  if (a.undefined()) raise(a.as<Undefined>().message(in));
  if (b.undefined()) raise(b.as<Undefined>().message(in));
  if (a.is_string() && b.is_string()) {
    // The order of UTF-8 bytes is that of code points.
    const std::string_view x = a.as<String>().view(), y = b.as<String>().view();
    in.step(std::min(x.size(), y.size()) / 64);
    return ordered(x.compare(y) <=> 0, op);
  }
  if (a.is(Kind::Bytes) && b.is(Kind::Bytes))
    return ordered(a.as<Bytes>().content.compare(b.as<Bytes>().content) <=> 0, op);
  if (a.kind() == b.kind() && (a.is(Kind::List) || a.is(Kind::Tuple))) {
    const Interpreter::Deeper deeper(in);
    const auto &x = a.as<List>().items, &y = b.as<List>().items;
    for (size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
      in.step();
      if (!identical(x[i], y[i]) && !equals(in, x[i], y[i])) return compare(in, op, x[i], y[i]);
    }
    return ordered(x.size() <=> y.size(), op);
  }
  const auto set_of = [](const Value& value) -> Dict* {
    if (value.is(Kind::Set)) return &value.as<Dict>();
    if (value.is(Kind::View) && value.as<View>().part == View::Part::Keys) return value.as<View>().dict.get();
    return nullptr;
  };
  Dict *x = set_of(a), *y = set_of(b);
  if (x && y) {
    if (op == Operator::Greater || op == Operator::GreaterEqual) std::swap(x, y);
    const bool strict = op == Operator::Less || op == Operator::Greater;
    return (strict ? x->entries.size() < y->entries.size() : x->entries.size() <= y->entries.size()) &&
           subset(in, *x, *y);
  }
  raise(std::string("'") + symbol_of(op) + "' not supported between instances of '" + type_name(a) +
        "' and '" + type_name(b) + "'");
}

bool hashable(const Value& value) {
  if (value.is(Kind::Tuple)) {
    const auto& items = value.as<List>().items;
    return std::all_of(items.begin(), items.end(), hashable);
  }
  return !value.is(Kind::List) && !value.is(Kind::Dict) && !value.is(Kind::Set) &&
         !(value.is(Kind::View) && value.as<View>().part != View::Part::Values);
}

uint64_t hash_value(Interpreter& in, const Value& value) {
  const auto mix = [](uint64_t word) {
    word *= 0xD6E8FEB86659FD93u;
    return (word ^ word >> 29) | 1;
  };
  switch (value.kind()) {
  case Kind::String:
    return value.as<String>().hash();
  case Kind::Bool:
  case Kind::Int:
    return mix(static_cast<uint64_t>(value.int_value()));
  case Kind::BigInt:
    return mix(value.as<Integer>().value.low_bits() ^ 0x5A5A);
  case Kind::Float: {
    // Equal numbers have equal hashes.
    const double real = value.real_value();
    if (!std::isfinite(real) || real != std::trunc(real))
      return mix(std::isnan(real) ? 7 : std::hash<double>()(real));
    return hash_value(in, in.big(BigInt::from_double(real)));
  }
  case Kind::Tuple: {
    const Interpreter::Deeper deeper(in);
    uint64_t state = 0x345678;
    for (const Value& item : value.as<List>().items) {
      in.step();
      state = mix(state ^ hash_value(in, item));
    }
    return state;
  }
  case Kind::Bytes:
    return hash_bytes(value.as<Bytes>().content);
  case Kind::Missing:
  case Kind::None:
    return mix(0x6E6F6E65);
  case Kind::Undefined:
    return mix(0x756E6465);
  case Kind::Range:
    return mix(static_cast<uint64_t>(value.as<Range>().length));
  case Kind::Method:
    return mix(reinterpret_cast<uintptr_t>(value.as<Method>().spec));
  default:
    if (!hashable(value)) raise(std::string("unhashable type: '") + type_name(value) + "'");
    return mix(reinterpret_cast<uintptr_t>(value.object()));
  }
}

Dict::Entry* Dict::find(Interpreter& in, const Value& key) {
  if (key.is_string()) return find(key.as<String>().view(), key.as<String>().hash());
  const uint64_t hash = hash_value(in, key);
  return probe(hash,
               [&](const Entry& entry) { return identical(entry.key, key) || equals(in, entry.key, key); });
}

void Dict::set(Interpreter& in, const Value& key, Value value) {
  if (Entry* entry = find(in, key)) {
    entry->value = std::move(value);
    return;
  }
  append(key, std::move(value), hash_value(in, key));
  if (entries.size() % 1024 == 0) check_items(in, entries.size() * 4);
}

bool contains(Interpreter& in, const Value& container, const Value& item) {
  switch (container.kind()) {
  case Kind::String: {
    if (!item.is_string())
      raise(std::string("'in <string>' requires string as left operand, not ") + type_name(item));
    const std::string_view text = container.as<String>().view();
    in.step(text.size() / 16);
    return find_text(text, item.as<String>().view()) != std::string_view::npos;
  }
  case Kind::Dict:
  case Kind::Set:
    return container.as<Dict>().find(in, item) != nullptr;
  case Kind::View:
    if (container.as<View>().part == View::Part::Keys)
      return container.as<View>().dict->find(in, item) != nullptr;
    if (container.as<View>().part == View::Part::Items) {
      if (!item.is(Kind::Tuple) || item.as<List>().items.size() != 2) return false;
      const auto& pair = item.as<List>().items;
      const Dict::Entry* entry = container.as<View>().dict->find(in, pair[0]);
      return entry && equals(in, entry->value, pair[1]);
    }
    break;
  case Kind::Range:
    if (item.is_integral()) {
      const auto& range = container.as<Range>();
      if (item.is(Kind::BigInt) || range.length == 0) return false;
      const int64_t offset = item.int_value() - range.start;
      return offset % range.step == 0 && offset / range.step >= 0 && offset / range.step < range.length;
    }
    break;
  case Kind::Bytes: {
    const std::string& content = container.as<Bytes>().content;
    if (item.is(Kind::Bytes)) return find_text(content, item.as<Bytes>().content) != std::string::npos;
    if (!item.is_integral())
      raise(std::string("a bytes-like object is required, not '") + type_name(item) + "'");
    return content.find(static_cast<char>(index_of(in, item))) != std::string::npos;
  }
  default:
    if (!iterable(container))
      raise(std::string("argument of type '") + type_name(container) + "' is not iterable");
  }
  const Ref<Iterator> iterator = iterate(in, container);
  for (Value other; iterator->next(in, other);) {
    in.step();
    if (identical(item, other) || equals(in, other, item)) return true;
  }
  return false;
}

namespace {

/// Merge sort by `key[b] < key[a]` alone, as Python's sort asks; safe for orders that are not consistent.
void merge_sort(Interpreter& in, const std::vector<Value>& keys, std::vector<size_t>& order,
                std::vector<size_t>& spare, size_t begin, size_t end) {
  if (end - begin < 2) return;
  const size_t middle = begin + (end - begin) / 2;
  merge_sort(in, keys, order, spare, begin, middle);
  merge_sort(in, keys, order, spare, middle, end);
  size_t left = begin, right = middle, to = begin;
  while (left < middle && right < end) {
    in.step();
    spare[to++] =
        compare(in, Operator::Less, keys[order[right]], keys[order[left]]) ? order[right++] : order[left++];
  }
  to = std::copy(order.begin() + left, order.begin() + middle, spare.begin() + to) - spare.begin();
  std::copy(order.begin() + right, order.begin() + end, spare.begin() + to);
  std::copy(spare.begin() + begin, spare.begin() + end, order.begin() + begin);
}

} // namespace

void sort_by_keys(Interpreter& in, std::vector<Value>& items, std::vector<Value> keys, bool reverse) {
  in.need(items.size() * 4 * sizeof(Value));
  std::vector<size_t> order(items.size()), spare(items.size());
  for (size_t i = 0; i < order.size(); ++i)
    order[i] = i;
  if (reverse) std::reverse(order.begin(), order.end());
  merge_sort(in, keys, order, spare, 0, order.size());
  if (reverse) std::reverse(order.begin(), order.end());
  std::vector<Value> sorted;
  sorted.reserve(items.size());
  for (const size_t index : order)
    sorted.push_back(std::move(items[index]));
  items = std::move(sorted);
}

} // namespace verbatim::jinja
