#include "jinja/builder.h"
#include "jinja/interpreter.h"
#include "jinja/operations.h"

namespace verbatim::jinja {

void Interpreter::enter(const Scope& scope, Frame* frame) {
  step(scope.lookups.size() / 4);
  for (const ScopeLookup& lookup : scope.lookups) {
    switch (lookup.action) {
    case ScopeLookup::Action::Resolve:
      frame->slots[lookup.slot] = resolve(lookup.name);
      break;
    case ScopeLookup::Action::Alias:
      frame->slots[lookup.slot] = Value(variable(lookup.from, frame));
      break;
    case ScopeLookup::Action::Undefined:
      frame->slots[lookup.slot] = Value();
      break;
    }
  }
}

void Interpreter::leave(const Scope& scope, Frame* frame) {
  for (const uint32_t slot : scope.resets)
    frame->slots[slot] = Value();
}

Value& Interpreter::variable(const Slot& slot, Frame* frame) {
  for (uint32_t hops = slot.hops; hops > 0; --hops)
    frame = frame->parent.get();
  return frame->slots[slot.index];
}

void Interpreter::charge_output(size_t more, const Text& out) {
  step(more / 64);
  captured_ += more;
  if (out.bytes.size() + more > limits_.output_bytes)
    raise_limit("output_bytes",
                "the output is longer than " + std::to_string(limits_.output_bytes) + " bytes");
  if (room() == 0) fail_memory();
}

void Interpreter::emit(const Text& text, size_t begin, size_t end, Text& out) {
  charge_output(end - begin, out);
  out.append(text, begin, end);
}

void Interpreter::emit(const Value& string, Text& out) {
  const String& content = string.as<String>();
  emit(content.text(), content.begin, content.end, out);
}

/// The value of captured output.
Value Interpreter::captured(Text text, bool markup) {
  captured_ -= text.bytes.size();
  return string(std::move(text), markup);
}

void Interpreter::print(const Value& value, bool escaping, Text& out) {
  if (escaping)
    emit(escape(*this, value), out);
  else if (value.is_string())
    emit(value, out);
  else if (!value.undefined())
    emit(to_str(*this, value), out);
}

Interpreter::Flow Interpreter::execute(const Body& body, const Ref<Frame>& frame, Text& out) {
  for (const Statement* node : body) {
    const Flow flow = execute(node, frame, out);
    if (flow != Flow::Normal) return flow;
  }
  return Flow::Normal;
}

Interpreter::Flow Interpreter::execute(const Statement* node, const Ref<Frame>& frame, Text& out) {
  step();
  stack_.check();
  switch (node->kind) {
  case NodeKind::Output:
    execute_output(static_cast<const Output*>(node), frame, out);
    return Flow::Normal;
  case NodeKind::For:
    return execute_for(static_cast<const For*>(node), frame, out);
  case NodeKind::If:
    return execute_if(static_cast<const If*>(node), frame, out);
  case NodeKind::Macro:
    execute_macro(static_cast<const Macro*>(node), frame);
    return Flow::Normal;
  case NodeKind::CallBlock:
    execute_call_block(static_cast<const CallBlock*>(node), frame, out);
    return Flow::Normal;
  case NodeKind::FilterBlock:
    return execute_filter_block(static_cast<const FilterBlock*>(node), frame, out);
  case NodeKind::With:
    return execute_with(static_cast<const With*>(node), frame, out);
  case NodeKind::Assign: {
    const auto* assignment = static_cast<const Assign*>(node);
    assign(assignment->target, evaluate(assignment->value, frame.get()), frame.get());
    for (const Name* name : assignment->exported)
      export_variable(name->name, variable(name->slot, frame.get()));
    return Flow::Normal;
  }
  case NodeKind::AssignBlock:
    return execute_assign_block(static_cast<const AssignBlock*>(node), frame, out);
  case NodeKind::AutoescapeScope:
    return execute_autoescape(static_cast<const AutoescapeScope*>(node), frame, out);
  case NodeKind::Block:
    execute_block(static_cast<const Block*>(node), frame, out);
    return Flow::Normal;
  case NodeKind::Break:
    return Flow::Break;
  case NodeKind::Continue:
    return Flow::Continue;
  default:
    raise("not a statement");
  }
}

void Interpreter::execute_output(const Output* node, const Ref<Frame>& frame, Text& out) {
  for (const Expression* item : node->items) {
    if (item->kind == NodeKind::Data) {
      const std::string& text = static_cast<const Data*>(item)->text;
      charge_output(text.size(), out);
      out.append(text, template_origin);
      continue;
    }
    const Value value = evaluate(item, frame.get());
    position_ = item->position;
    print(value, escapes(node->escaping), out);
  }
}

Interpreter::Flow Interpreter::execute_if(const If* node, const Ref<Frame>& frame, Text& out) {
  for (const auto& [test, body] : node->branches) {
    step();
    if (truthy(*this, evaluate(test, frame.get()))) return execute(body, frame, out);
  }
  return execute(node->otherwise, frame, out);
}

void Interpreter::execute_macro(const Macro* node, const Ref<Frame>& frame) {
  const Value macro(make<MacroValue>(node, frame, autoescape_));
  if (node->exported) export_variable(node->name, macro);
  variable(node->target, frame.get()) = macro;
}

void Interpreter::execute_call_block(const CallBlock* node, const Ref<Frame>& frame, Text& out) {
  const Value caller(make<MacroValue>(node, frame, autoescape_));
  Value result;
  if (!node->call) {
    Arguments none;
    result = call_macro(caller.as<MacroValue>(), none);
  } else {
    const Value callee = evaluate(node->call->operand, frame.get());
    Arguments arguments = evaluate_arguments(node->call->arguments, frame.get());
    arguments.named.emplace_back(string("caller"), caller);
    position_ = node->call->position;
    result = call(callee, arguments);
  }
  if (!result.is_string()) raise(std::string("a call block needs a string, got ") + type_name(result));
  emit(result, out);
}

Interpreter::Flow Interpreter::execute_filter_block(const FilterBlock* node, const Ref<Frame>& frame,
                                                    Text& out) {
  enter(node->scope, frame.get());
  Text text;
  const Flow flow = execute(node->body, frame, text);
  if (flow != Flow::Normal) {
    captured_ -= text.bytes.size();
    return flow;
  }
  const Value body = captured(std::move(text), escapes(node->filter->escaping));
  const Value result = evaluate_filter(node->filter, frame.get(), &body);
  if (!result.is_string()) raise(std::string("a filter block needs a string, got ") + type_name(result));
  emit(result, out);
  leave(node->scope, frame.get());
  return flow;
}

Interpreter::Flow Interpreter::execute_with(const With* node, const Ref<Frame>& frame, Text& out) {
  enter(node->scope, frame.get());
  for (size_t i = 0; i < node->targets.size(); ++i)
    assign(node->targets[i], evaluate(node->values[i], frame.get()), frame.get());
  const Flow flow = execute(node->body, frame, out);
  if (flow == Flow::Normal) leave(node->scope, frame.get());
  return flow;
}

Interpreter::Flow Interpreter::execute_assign_block(const AssignBlock* node, const Ref<Frame>& frame, Text&) {
  enter(node->scope, frame.get());
  Text text;
  const Flow flow = execute(node->body, frame, text);
  if (flow != Flow::Normal) {
    captured_ -= text.bytes.size();
    return flow;
  }
  const bool markup = node->filter && escapes(node->filter->escaping);
  Value value = captured(std::move(text), markup);
  if (node->filter) value = evaluate_filter(node->filter, frame.get(), &value);
  if (autoescape_) value = as_markup(*this, soft_str(*this, value));
  assign(node->target, value, frame.get());
  for (const Name* name : node->exported)
    export_variable(name->name, variable(name->slot, frame.get()));
  leave(node->scope, frame.get());
  return flow;
}

Interpreter::Flow Interpreter::execute_autoescape(const AutoescapeScope* node, const Ref<Frame>& frame,
                                                  Text& out) {
  enter(node->scope, frame.get());
  const bool before = autoescape_;
  autoescape_ = truthy(*this, evaluate(node->value, frame.get()));
  const Flow flow = execute(node->body, frame, out);
  if (flow == Flow::Normal) {
    autoescape_ = before;
    leave(node->scope, frame.get());
  }
  return flow;
}

void Interpreter::execute_block(const Block* node, const Ref<Frame>& frame, Text& out) {
  if (node->required) raise("Required block '" + program_.strings[node->name] + "' not found");
  const size_t depth = block_locals_.size();
  if (node->scoped) {
    auto locals = make<Dict>();
    for (const auto& [name, slot] : node->visible) {
      const Value& value = variable(slot, frame.get());
      if (!value.missing()) locals->set(*this, constant(name), value);
    }
    block_locals_.push_back(std::move(locals));
  }
  emit(call_block(BlockValue(node)), out);
  block_locals_.resize(depth);
}

Interpreter::Flow Interpreter::execute_for(const For* node, const Ref<Frame>& frame, Text& out) {
  const Value iterable = evaluate(node->iterable, frame.get());
  position_ = node->iterable->position;
  if (!node->recursive) return run_loop(node, iterable, frame, frame, 0, out);
  const Recursion recursion(*this);
  run_loop(node, iterable, frame, make_frame(frame, node->slot_count), 0, out);
  return Flow::Normal;
}

namespace {

/// The items that pass a loop's `if`, which in Jinja2 is a generator of its own.
struct FilteredIterator : Iterator {
  FilteredIterator(Ref<Iterator> values, const For* loop, Ref<Frame> variables)
      : Iterator("generator"), source(std::move(values)), node(loop), frame(std::move(variables)) {}
  bool next(Interpreter& in, Value& out) override {
    while (source->next(in, out)) {
      in.step();
      if (!in.passes_test(node, frame.get(), out)) continue;
      if (node->test_target->kind == NodeKind::Tuple) out = in.evaluate(node->test_target, frame.get());
      return true;
    }
    return false;
  }
  Ref<Iterator> source;
  const For* node;
  Ref<Frame> frame;
};

} // namespace

bool Interpreter::passes_test(const For* node, Frame* frame, const Value& item) {
  assign(node->test_target, item, frame);
  return truthy(*this, evaluate(node->test, frame));
}

Ref<Frame> Interpreter::make_test_frame(const For* node, const Ref<Frame>& frame) {
  Ref<Frame> test_frame = make_frame(frame, node->test_slot_count);
  enter(node->test_scope, test_frame.get());
  return test_frame;
}

/// Runs a loop. `outer` is the frame around it, `frame` its own if it is recursive, otherwise the same.
Interpreter::Flow Interpreter::run_loop(const For* node, const Value& iterable, const Ref<Frame>& outer,
                                        const Ref<Frame>& frame, int64_t depth, Text& out) {
  Ref<Iterator> iterator = iterate(*this, iterable);
  Value source = iterable;
  if (node->test) {
    iterator = Ref<Iterator>(make<FilteredIterator>(iterator, node, make_test_frame(node, outer)).get());
    source = Value(Ref<Object>(iterator.get()));
  }
  Ref<Loop> loop;
  if (node->has_loop) {
    loop = make<Loop>(source, iterator, depth);
    if (node->recursive) {
      loop->recursive = node;
      loop->closure = outer;
    }
  }
  bool ran_through = false;
  Value item;
  for (;;) {
    step();
    if (loop) {
      if (!loop->advance(*this)) break;
      item = loop->current;
      assign(node->target, item, frame.get());
      variable(node->loop, frame.get()) = Value(loop);
    } else {
      if (!iterator->next(*this, item)) break;
      assign(node->target, item, frame.get());
    }
    enter(node->scope, frame.get());
    const Flow flow = execute(node->body, frame, out);
    if (flow == Flow::Break) break;
    // As in Jinja2, only an iteration that reaches its end keeps the else block from running.
    if (flow == Flow::Normal) ran_through = true;
  }
  leave(node->scope, frame.get());
  if (!node->has_else || ran_through) return Flow::Normal;
  enter(node->else_scope, frame.get());
  const Flow flow = execute(node->otherwise, frame, out);
  if (flow == Flow::Normal) leave(node->else_scope, frame.get());
  return flow;
}

Value Interpreter::call_loop(Loop& loop, const Value& iterable, int64_t depth) {
  if (!loop.recursive) raise("The loop must have the 'recursive' marker to be called recursively.");
  const Recursion recursion(*this);
  const For* node = loop.recursive;
  const Ref<Frame> outer = loop.closure;
  Text text;
  run_loop(node, iterable, outer, make_frame(outer, node->slot_count), depth, text);
  return captured(std::move(text), escapes(node->escaping));
}

void Loop::clear() {
  iterable = before = current = after = changed = Value();
  iterator = {};
  closure = {};
}

bool Loop::peek(Interpreter& in) {
  if (after.missing() && !iterator->next(in, after)) after = Value();
  return !after.missing();
}

bool Loop::advance(Interpreter& in) {
  Value item;
  if (!after.missing())
    std::swap(item, after);
  else if (!iterator->next(in, item))
    return false;
  ++index0;
  before = std::move(current);
  current = std::move(item);
  return true;
}

int64_t Loop::length(Interpreter& in) {
  if (known_length >= 0) return known_length;
  if (has_length(iterable)) return known_length = length_of(in, iterable);
  std::vector<Value> rest;
  for (Value item; iterator->next(in, item);) {
    in.step();
    rest.push_back(item);
    check_items(in, rest.size());
  }
  known_length = static_cast<int64_t>(rest.size()) + index0 + 1 + (after.missing() ? 0 : 1);
  iterator = iterate(in, in.list(std::move(rest)));
  return known_length;
}

} // namespace verbatim::jinja
