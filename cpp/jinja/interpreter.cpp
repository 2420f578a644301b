#include "jinja/interpreter.h"

#include "jinja/builder.h"
#include "jinja/operations.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

namespace verbatim::jinja {

namespace {

/// A failure with its place in the source: line, column and the line itself with a caret.
TemplateError located(const Raise& raised, std::string_view source) {
  if (raised.position < 0) {
    TemplateError error(raised.failure, raised.message, 0, 0, {}, raised.limit);
    error.path = raised.path;
    return error;
  }
  const size_t at = std::min<size_t>(raised.position, source.size());
  const size_t before = at == 0 ? std::string_view::npos : source.rfind('\n', at - 1);
  const size_t begin = before == std::string_view::npos ? 0 : before + 1;
  const auto line = static_cast<uint32_t>(std::count(source.begin(), source.begin() + begin, '\n') + 1);
  const auto column = static_cast<uint32_t>(unicode::count(source.substr(begin, at - begin)) + 1);
  // Long lines are cut to the surroundings of the error.
  constexpr size_t reach = 60;
  size_t first = begin, last = std::min(source.find('\n', at), source.size());
  if (at - first > reach) first = at - reach;
  if (last - at > reach) last = at + reach;
  const auto continues = [&](size_t i) { return i < source.size() && (source[i] & 0xC0) == 0x80; };
  while (first < at && continues(first))
    ++first;
  while (last > at && continues(last))
    --last;
  std::string snippet(source.substr(first, last - first));
  for (char& c : snippet)
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  snippet += "\n" + std::string(unicode::count(source.substr(first, at - first)), ' ') + "^";
  const std::string place = " (line " + std::to_string(line) + ", column " + std::to_string(column) + ")";
  return {raised.failure, raised.message + place, line, column, std::move(snippet), raised.limit};
}

} // namespace

Template::Template(std::unique_ptr<const Program> program) : program_(std::move(program)) {
}
Template::~Template() = default;

bool Template::reads(std::string_view name) const {
  return std::ranges::any_of(program_->context,
                             [&](const auto& variable) { return program_->strings[variable.first] == name; });
}

bool Template::tests(std::string_view name) const {
  return std::ranges::any_of(program_->context, [&](const auto& variable) {
    return variable.second && program_->strings[variable.first] == name;
  });
}

std::vector<std::string> Template::variables() const {
  std::vector<std::string> names;
  for (const auto& [id, tested] : program_->context)
    if (!is_global(program_->strings[id])) names.push_back(program_->strings[id]);
  std::ranges::sort(names);
  return names;
}

std::shared_ptr<const Template> Template::parse(std::string_view source, const Limits& limits) {
  if (source.size() > limits.source_bytes)
    throw TemplateError(Failure::Limit, "the template source is too large", 0, 0, {}, "source_bytes");
  const size_t invalid = unicode::find_invalid(source);
  if (invalid != std::string_view::npos)
    throw TemplateError(Failure::Syntax,
                        "the template source is not valid UTF-8 at byte " + std::to_string(invalid));
  auto program = std::make_unique<Program>();
  program->source = normalize_source(source);
  try {
    Parser(*program, limits).parse();
  } catch (const Raise& raised) {
    throw located(raised, program->source);
  }
  return std::make_shared<const Template>(std::move(program));
}

Rendered Template::render(std::string_view variables_json,
                          const std::vector<std::pair<std::string, std::string>>& special_tokens,
                          int64_t now_ms, const Limits& limits) const {
  Interpreter interpreter(*program_, limits, now_ms);
  return interpreter.render(variables_json, special_tokens);
}

Interpreter::Interpreter(const Program& program, const Limits& limits, int64_t now_ms)
    : program_(program), limits_(limits), now_ms_(now_ms), stack_(limits.stack_bytes),
      constants_(program.strings.size()) {
}

Interpreter::~Interpreter() {
  heap_.clear_cycles();
}

Rendered Interpreter::render(std::string_view variables_json,
                             const std::vector<std::pair<std::string, std::string>>& special_tokens) {
  try {
    variables_ = parse_variables(*this, origins_, variables_json);
    auto roles = message_roles(*variables_);
    const bool blank = messages_are_blank(*variables_);
    tokens_ = make<Dict>();
    for (const auto& [name, text] : special_tokens) {
      if (unicode::find_invalid(text) != std::string_view::npos ||
          unicode::find_invalid(name) != std::string_view::npos)
        raise("the special token " + name + " is not valid UTF-8");
      tokens_->set(*this, string(name), string(text));
    }
    exported_ = make<Dict>();
    const Ref<Frame> frame = make_frame({}, program_.slot_count);
    if (program_.uses_self) frame->slots[program_.self.index] = Value(make<SelfValue>());
    enter(program_.scope, frame.get());
    Text out;
    execute(program_.body, frame, out);
    Rendered rendered = finish(std::move(out));
    rendered.message_roles = std::move(roles);
    rendered.messages_are_blank = blank;
    return rendered;
  } catch (Raise& raised) {
    if (raised.position < 0 && raised.failure != Failure::Input) raised.position = position_;
    throw located(raised, program_.source);
  } catch (const std::bad_alloc&) {
    throw located({Failure::Limit, "out of memory", "memory_bytes", position_}, program_.source);
  }
}

Rendered Interpreter::finish(Text text) const {
  // A lone surrogate can come from a literal's escape; it has no UTF-8 form.
  for (size_t at = text.bytes.find('\xED'); at != std::string::npos; at = text.bytes.find('\xED', at + 1))
    if (static_cast<unsigned char>(text.bytes[at + 1]) >= 0xA0)
      raise("the rendered text contains a lone surrogate");
  Rendered result;
  result.text = std::move(text.bytes);
  std::unordered_map<int32_t, int32_t> numbers;
  std::unordered_set<int32_t> reached;
  const auto* const of_messages = variables_->find("messages");
  const int32_t messages = of_messages ? of_messages->key.as<String>().buffer->text.origin : template_origin;
  size_t begin = 0;
  const auto add = [&](size_t end, int32_t origin) {
    if (begin == end) return;
    int32_t number = -1;
    if (origin != template_origin) {
      const auto [found, added] = numbers.try_emplace(origin, static_cast<int32_t>(result.origins.size()));
      if (added) {
        result.origins.push_back(origins_.path(origin));
        const int32_t variable = origins_.variable_of(origin);
        if (!reached.contains(variable) && (variable != messages || origins_.is_content(origin, *variables_)))
          reached.insert(variable);
      }
      number = found->second;
    }
    result.spans.push_back({begin, end, number});
    begin = end;
  };
  for (const Run& run : text.runs)
    add(run.end, run.origin);
  if (text.runs.empty()) add(result.text.size(), text.origin);
  for (const Dict::Entry& entry : variables_->entries) {
    const String& name = entry.key.as<String>();
    const int32_t origin = name.buffer->text.origin;
    if (!reached.contains(origin))
      result.unreached.push_back({std::string(name.view()), origins_.path(origin), is_blank(entry.value)});
  }
  return result;
}

void Interpreter::fail_memory() const {
  raise_limit("memory_bytes",
              "the template needs more than " + std::to_string(limits_.memory_bytes) + " bytes of memory");
}

void Interpreter::fail_steps() const {
  raise_limit("steps", "the template takes more than " + std::to_string(limits_.steps) + " steps");
}

Interpreter::Recursion::Recursion(Interpreter& interpreter) : in(interpreter) {
  in.stack_.check();
  if (in.recursion_ >= in.limits_.recursion) raise_limit("recursion", "maximum recursion depth exceeded");
  ++in.recursion_;
}

Value Interpreter::string(Text text, bool markup) {
  const size_t size = text.bytes.size();
  need(size);
  auto buffer = make<Buffer>(std::move(text));
  buffer->hold(buffer->text.bytes.capacity() + buffer->text.runs.capacity() * sizeof(Run));
  return Value(make<String>(std::move(buffer), size_t{0}, size, markup));
}

Value Interpreter::substring(const String& of, size_t begin, size_t end, bool markup) {
  return Value(make<String>(of.buffer, begin, std::max(begin, end), markup));
}

Value Interpreter::list(std::vector<Value> items, int32_t origin) {
  auto result = make<List>(Kind::List, std::move(items));
  result->hold(result->items.capacity() * sizeof(Value));
  return Value(result, origin);
}

Value Interpreter::tuple(std::vector<Value> items, int32_t origin) {
  auto result = make<List>(Kind::Tuple, std::move(items));
  result->hold(result->items.capacity() * sizeof(Value));
  return Value(result, origin);
}

Value Interpreter::big(BigInt value, int32_t origin) {
  if (value.fits_int64()) return Value::integer(value.to_int64(), origin);
  if (value.bits() > limits_.integer_bits) raise_limit("integer_bits", "an integer is too large");
  auto result = make<Integer>(std::move(value));
  result->hold(result->value.limbs() * sizeof(uint32_t));
  return Value(result, origin);
}

Value Interpreter::undefined(std::string hint) {
  auto result = make<Undefined>();
  result->hint = std::move(hint);
  return Value(result);
}

Value Interpreter::undefined_name(std::string_view name) {
  auto result = make<Undefined>();
  result->name = string(name);
  return Value(result);
}

Value Interpreter::undefined_member(const Value& owner, Value name) {
  auto result = make<Undefined>();
  result->owner = type_name(owner);
  result->name = std::move(name);
  return Value(result);
}

Value Interpreter::unsafe_attribute(const Value& owner, std::string_view name) {
  return undefined("access to attribute '" + std::string(name) + "' of '" + type_name(owner) +
                   "' object is unsafe.");
}

Value Interpreter::constant(StringId id) {
  Value& value = constants_[id];
  if (value.missing()) value = string(program_.strings[id]);
  return value;
}

Ref<Frame> Interpreter::make_frame(const Ref<Frame>& parent, size_t slots) {
  need(slots * sizeof(Value));
  step(slots / 8);
  auto frame = make<Frame>(parent, slots);
  frame->hold(slots * sizeof(Value));
  return frame;
}

Value Interpreter::global(std::string_view name) {
  if (globals_.empty())
    for (auto& item : make_globals(*this))
      globals_.push_back(std::move(item.second));
  for (const Value& value : globals_)
    if (name == value.as<Function>().name) return value;
  return {};
}

/// Looks a name up in the context: the variables around a scoped block, the template's own (in blocks), the
/// caller's, the special tokens, the globals.
Value Interpreter::resolve(StringId id) {
  const std::string_view name = program_.strings[id];
  const uint64_t hash = program_.hashes[id];
  for (size_t i = block_locals_.size(); i-- > 0;)
    if (const auto* entry = block_locals_[i]->find(name, hash)) return entry->value;
  if (const auto* entry = exported_->find(name, hash)) return entry->value;
  if (const auto* entry = variables_->find(name, hash)) return entry->value;
  if (const auto* entry = tokens_->find(name, hash)) return entry->value;
  return global(name);
}

void Interpreter::export_variable(StringId name, const Value& value) {
  if (!program_.blocks.empty()) exported_->set(*this, constant(name), value);
}

std::string Undefined::message(Interpreter& in) const {
  if (!hint.empty()) return hint;
  std::string text(1, '\'');
  if (!owner) return text.append(name.as<String>().view()).append("' is undefined");
  if (name.is_string())
    return text.append(owner).append(" object' has no attribute ").append(quoted(in, name));
  return std::string(owner) + " object has no element " + quoted(in, name);
}

} // namespace verbatim::jinja
