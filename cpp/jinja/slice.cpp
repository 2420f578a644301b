#include "jinja/builder.h"
#include "jinja/operations.h"

#include <algorithm>

namespace verbatim::jinja {

namespace {

/// start, stop and step of a slice of a length, as Python's slice.indices.
struct Indices {
  int64_t start, stop, step, count;
};

Indices slice_indices(Interpreter& in, const Value& start, const Value& stop, const Value& step,
                      int64_t length) {
  const auto part = [&](const Value& value) {
    if (!value.is_integral() && !value.undefined())
      raise("slice indices must be integers or None or have an __index__ method");
    if (value.undefined()) raise(value.as<Undefined>().message(in));
    return index_of(in, value);
  };
  Indices result{};
  result.step = step.is_none() ? 1 : part(step);
  if (result.step == 0) raise("slice step cannot be zero");
  const bool down = result.step < 0;
  const int64_t lowest = down ? -1 : 0, highest = down ? length - 1 : length;
  const auto bound = [&](const Value& value, int64_t missing) {
    if (value.is_none()) return missing;
    int64_t index = part(value);
    if (index < 0) index += length;
    return std::clamp(index, lowest, highest);
  };
  result.start = bound(start, down ? highest : lowest);
  result.stop = bound(stop, down ? lowest : highest);
  const int64_t distance = down ? result.start - result.stop : result.stop - result.start;
  const int64_t stride = down ? -result.step : result.step;
  result.count = distance > 0 ? (distance - 1) / stride + 1 : 0;
  return result;
}

Value slice_string(Interpreter& in, String& string, const Indices& at) {
  if (at.step == 1)
    return in.substring(string, string.offset_of(at.start), string.offset_of(std::max(at.start, at.stop)),
                        string.markup);
  in.step(at.count / 8 + 1);
  Builder out(in);
  const std::string& bytes = string.text().bytes;
  const auto take = [&](size_t begin) {
    size_t end = begin;
    unicode::decode(bytes, end);
    out.append(string.text(), begin, end);
  };
  if (at.step == -1 && at.count > 0) {
    size_t begin = string.offset_of(at.start + 1);
    for (int64_t i = 0; i < at.count; ++i) {
      unicode::decode_back(bytes, begin);
      take(begin);
    }
  } else {
    for (int64_t i = 0; i < at.count; ++i)
      take(string.offset_of(at.start + i * at.step));
  }
  Text text = out.take();
  if (text.bytes.empty()) text.origin = string.origin();
  return in.string(std::move(text), string.markup);
}

} // namespace

Value get_slice(Interpreter& in, const Value& owner, const Value& start, const Value& stop,
                const Value& step) {
  if (owner.undefined()) raise(owner.as<Undefined>().message(in));
  if (owner.is(Kind::Dict)) raise("unhashable type: 'slice'");
  const bool sliceable = owner.is_string() || owner.is(Kind::List) || owner.is(Kind::Tuple) ||
                         owner.is(Kind::Range) || owner.is(Kind::Bytes);
  if (!sliceable) raise(std::string("'") + type_name(owner) + "' object is not subscriptable");
  const Indices at = slice_indices(in, start, stop, step, length_of(in, owner));
  if (owner.is_string()) return slice_string(in, owner.as<String>(), at);
  if (owner.is(Kind::Range)) {
    const auto& range = owner.as<Range>();
    return Value(in.make<Range>(range.at(at.start), range.at(at.stop), range.step * at.step, at.count),
                 owner.own_origin());
  }
  in.step(at.count / 4 + 1);
  if (owner.is(Kind::Bytes)) {
    std::string out;
    for (int64_t i = 0; i < at.count; ++i)
      out.push_back(owner.as<Bytes>().content[at.start + i * at.step]);
    return Value(in.make<Bytes>(std::move(out)), owner.own_origin());
  }
  const auto& items = owner.as<List>().items;
  in.need(at.count * sizeof(Value));
  std::vector<Value> out;
  out.reserve(at.count);
  for (int64_t i = 0; i < at.count; ++i)
    out.push_back(items[at.start + i * at.step]);
  return owner.is(Kind::List) ? in.list(std::move(out), owner.own_origin())
                              : in.tuple(std::move(out), owner.own_origin());
}

} // namespace verbatim::jinja
