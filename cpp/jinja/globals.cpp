#include "jinja/builder.h"
#include "jinja/markup.h"
#include "jinja/operations.h"

#include <algorithm>

namespace verbatim::jinja {

namespace {

Value range_global(Interpreter& in, const Value&, Arguments& arguments) {
  Value values[3];
  bind_positional("range", arguments, 1, 3, values);
  int64_t numbers[3] = {0, 0, 1};
  int32_t origin = template_origin;
  for (int i = 0; i < 3; ++i) {
    if (values[i].missing()) continue;
    if (values[i].undefined()) raise(values[i].as<Undefined>().message(in));
    numbers[i] = index_of(in, values[i]);
    origin = merge_origins(origin, values[i].own_origin());
  }
  if (values[1].missing()) {
    numbers[1] = numbers[0];
    numbers[0] = 0;
  }
  const auto [start, stop, step] = std::tuple(numbers[0], numbers[1], numbers[2]);
  if (step == 0) raise("range() arg 3 must not be zero");
  const int64_t distance = step > 0 ? stop - start : start - stop;
  const int64_t length = distance > 0 ? (distance - 1) / (step > 0 ? step : -step) + 1 : 0;
  if (static_cast<uint64_t>(length) > in.limits().range_length)
    raise_limit("range_length", "Range too big. Ranges larger than " +
                                    std::to_string(in.limits().range_length) + " are blocked.");
  return Value(in.make<Range>(start, stop, step, length), origin);
}

Ref<Dict> make_dict(Interpreter& in, const char* name, Arguments& arguments) {
  auto dict = in.make<Dict>();
  if (arguments.positional.size() > 1)
    raise(std::string(name) + " expected at most 1 argument, got " +
          std::to_string(arguments.positional.size()));
  if (!arguments.positional.empty()) {
    const Value& source = arguments.positional[0];
    if (source.undefined()) raise(source.as<Undefined>().message(in));
    if (source.is(Kind::Dict)) {
      for (const Dict::Entry& entry : source.as<Dict>().entries) {
        in.step();
        dict->set(in, entry.key, entry.value);
      }
    } else {
      const Ref<Iterator> pairs = iterate(in, source);
      size_t index = 0;
      for (Value pair; pairs->next(in, pair); ++index) {
        in.step();
        const std::vector<Value> items = collect(in, pair);
        if (items.size() != 2)
          raise("dictionary update sequence element #" + std::to_string(index) + " has length " +
                std::to_string(items.size()) + "; 2 is required");
        dict->set(in, items[0], items[1]);
      }
    }
  }
  for (auto& [key, value] : arguments.named)
    dict->set(in, key, std::move(value));
  dict->settle();
  return dict;
}

Value dict_global(Interpreter& in, const Value&, Arguments& arguments) {
  const int32_t origin = arguments.positional.empty() ? template_origin : origin_of(arguments.positional[0]);
  return Value(make_dict(in, "dict", arguments), origin);
}

Value namespace_global(Interpreter& in, const Value&, Arguments& arguments) {
  return Value(in.make<Namespace>(make_dict(in, "namespace", arguments)));
}

Value cycler_global(Interpreter& in, const Value&, Arguments& arguments) {
  if (!arguments.named.empty()) raise("cycler() got an unexpected keyword argument");
  if (arguments.positional.empty()) raise("at least one item has to be provided");
  return Value(in.make<Cycler>(std::move(arguments.positional)));
}

Value joiner_global(Interpreter& in, const Value&, Arguments& arguments) {
  Value separator;
  bind("joiner", arguments, {"sep"}, 0, &separator);
  return Value(in.make<Joiner>(separator.missing() ? in.string(", ") : separator));
}

Value raise_exception_global(Interpreter& in, const Value&, Arguments& arguments) {
  Value message;
  bind("raise_exception", arguments, {"message"}, 1, &message);
  const Value text = to_str(in, message);
  throw Raise{Failure::Raised, std::string(text.as<String>().view()), {}, -1};
}

Value strftime_now_global(Interpreter& in, const Value&, Arguments& arguments) {
  Value format;
  bind("strftime_now", arguments, {"format"}, 1, &format);
  return format_time(in, format, in.now_ms());
}

/// Jinja2's placeholder text; its words are random there, so only the form matters.
Value lipsum_global(Interpreter& in, const Value&, Arguments& arguments) {
  Value values[4];
  bind("lipsum", arguments, {"n", "html", "min", "max"}, 0, values);
  const int64_t count = values[0].missing() ? 5 : index_of(in, values[0]);
  const bool html = values[1].missing() || truthy(in, values[1]);
  const int64_t least = values[2].missing() ? 20 : index_of(in, values[2]);
  const int64_t most = values[3].missing() ? 100 : index_of(in, values[3]);
  if (least >= most && count > 0) raise("empty range for the number of words");
  static constexpr std::string_view words[] = {"lorem", "ipsum", "dolor", "sit",   "amet",  "elit", "magna",
                                               "porta", "justo", "velit", "risus", "nulla", "quis", "massa"};
  uint64_t state = static_cast<uint64_t>(in.now_ms()) * 2 + 1;
  const auto random = [&](uint64_t bound) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % bound;
  };
  Builder out(in);
  for (int64_t i = 0; i < count; ++i) {
    if (i > 0) out.append(html ? "\n" : "\n\n", template_origin);
    if (html) out.append("<p>", template_origin);
    const int64_t length = least + static_cast<int64_t>(random(static_cast<uint64_t>(most - least)));
    for (int64_t word = 0; word < length; ++word) {
      in.step();
      std::string text(words[random(std::size(words))]);
      if (word == 0) text[0] = static_cast<char>(text[0] - 32);
      out.append((word ? " " : "") + text, template_origin);
    }
    out.append(html ? ".</p>" : ".", template_origin);
  }
  return out.finish(html);
}

struct Global {
  const char* name;
  NativeFunction function;
  bool is_class;
};
constexpr Global globals[] = {
    {"range", range_global, false},
    {"dict", dict_global, true},
    {"namespace", namespace_global, true},
    {"cycler", cycler_global, true},
    {"joiner", joiner_global, true},
    {"raise_exception", raise_exception_global, false},
    {"strftime_now", strftime_now_global, false},
    {"lipsum", lipsum_global, false},
};

} // namespace

bool is_global(std::string_view name) {
  return std::ranges::any_of(globals, [&](const Global& global) { return name == global.name; });
}

std::vector<std::pair<const char*, Value>> make_globals(Interpreter& in) {
  std::vector<std::pair<const char*, Value>> values;
  for (const Global& global : globals)
    values.emplace_back(global.name, Value(in.make<Function>(global.name, global.function, global.is_class)));
  return values;
}

} // namespace verbatim::jinja
