#include "jinja/builder.h"
#include "jinja/interpreter.h"
#include "jinja/operations.h"

namespace verbatim::jinja {

Value Interpreter::call(const Value& callee, Arguments& arguments) {
  switch (callee.kind()) {
  case Kind::Macro:
    return call_macro(callee.as<MacroValue>(), arguments);
  case Kind::Function:
    return callee.as<Function>().function(*this, callee, arguments);
  case Kind::Method: {
    const auto& method = callee.as<Method>();
    return method.spec->function(*this, method.self, arguments);
  }
  case Kind::Loop: {
    Value iterable;
    bind("loop", arguments, {"iterable"}, 1, &iterable);
    auto& loop = callee.as<Loop>();
    return call_loop(loop, iterable, loop.depth0 + 1);
  }
  case Kind::Joiner: {
    bind("joiner", arguments, {}, 0, nullptr);
    auto& joiner = callee.as<Joiner>();
    if (joiner.used) return joiner.separator;
    joiner.used = true;
    return string("");
  }
  case Kind::Block:
    bind("block", arguments, {}, 0, nullptr);
    return call_block(callee.as<BlockValue>());
  case Kind::Undefined:
    raise(callee.as<Undefined>().message(*this));
  default:
    raise(std::string("'") + type_name(callee) + "' object is not callable");
  }
}

Value Interpreter::call_block(const BlockValue& value) {
  const Recursion recursion(*this);
  const Block& block = *value.block;
  const Ref<Frame> frame = make_frame({}, block.slot_count);
  if (block.uses_self) frame->slots[block.self.index] = Value(make<SelfValue>());
  if (block.uses_super)
    frame->slots[block.super.index] =
        undefined("there is no parent block called '" + program_.strings[block.name] + "'.");
  enter(block.scope, frame.get());
  Text text;
  execute(block.body, frame, text);
  return captured(std::move(text), autoescape_);
}

Value Interpreter::call_macro(const MacroValue& macro, Arguments& arguments) {
  const Recursion recursion(*this);
  const Macro& node = *macro.node;
  const auto name = [&] {
    return node.has_name ? "'" + program_.strings[node.name] + "'" : std::string("None");
  };
  const bool escaping = autoescape_;
  const size_t count = node.parameters.size();
  step(arguments.named.size() * (count + 1) / 8);
  // The parts of the macro stay alive during the call even if the template drops the macro itself.
  const Ref<Frame> closure = macro.closure;
  const Ref<Frame> frame = make_frame(closure, node.slot_count);
  bool found_caller = arguments.positional.size() >= count && node.explicit_caller;
  for (size_t i = 0; i < count; ++i) {
    const Name* parameter = node.parameters[i];
    Value value;
    if (i < arguments.positional.size()) {
      value = arguments.positional[i];
    } else {
      value = arguments.take(program_.strings[parameter->name]);
      if (program_.strings[parameter->name] == "caller") found_caller = true;
    }
    frame->slots[parameter->slot.index] = std::move(value);
  }
  if (node.uses_caller && !found_caller) {
    Value caller = arguments.take("caller");
    if (caller.missing() || caller.is_none()) caller = undefined("No caller defined");
    if (!node.explicit_caller) frame->slots[node.caller.index] = std::move(caller);
  }
  if (node.uses_kwargs) {
    auto rest = make<Dict>();
    for (auto& [key, value] : arguments.named)
      rest->set(*this, key, std::move(value));
    frame->slots[node.kwargs.index] = Value(rest);
  } else if (!arguments.named.empty()) {
    const std::string first(arguments.named[0].first.as<String>().view());
    if (first == "caller")
      raise("macro " + name() +
            " was invoked with two values for the special caller argument, or takes no caller");
    raise("macro " + name() + " takes no keyword argument '" + first + "'");
  }
  if (node.uses_varargs) {
    std::vector<Value> rest;
    for (size_t i = count; i < arguments.positional.size(); ++i)
      rest.push_back(arguments.positional[i]);
    frame->slots[node.varargs.index] = tuple(std::move(rest));
  } else if (arguments.positional.size() > count) {
    raise("macro " + name() + " takes not more than " + std::to_string(count) + " argument(s)");
  }
  enter(node.scope, frame.get());
  for (size_t i = 0; i < count; ++i) {
    Value& slot = frame->slots[node.parameters[i]->slot.index];
    if (!slot.missing()) continue;
    const size_t without_default = count - node.defaults.size();
    if (i < without_default)
      slot = undefined("parameter '" + program_.strings[node.parameters[i]->name] + "' was not provided");
    else
      slot = evaluate(node.defaults[i - without_default], frame.get());
  }
  Text text;
  execute(node.body, frame, text);
  return captured(std::move(text), escaping);
}

} // namespace verbatim::jinja
