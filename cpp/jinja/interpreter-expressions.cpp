#include "jinja/builder.h"
#include "jinja/filters.h"
#include "jinja/interpreter.h"
#include "jinja/operations.h"

namespace verbatim::jinja {

Value Interpreter::evaluate(const Expression* node, Frame* frame) {
  step();
  stack_.check();
  switch (node->kind) {
  case NodeKind::Const:
    return evaluate_const(static_cast<const Const*>(node));
  case NodeKind::Name:
    return evaluate_name(static_cast<const Name*>(node), frame);
  case NodeKind::Tuple:
    return tuple(evaluate_all(static_cast<const Sequence*>(node)->items, frame));
  case NodeKind::ListDisplay:
    return list(evaluate_all(static_cast<const Sequence*>(node)->items, frame));
  case NodeKind::DictDisplay:
    return evaluate_dict(static_cast<const DictDisplay*>(node), frame);
  case NodeKind::Conditional: {
    const auto* conditional = static_cast<const Conditional*>(node);
    if (truthy(*this, evaluate(conditional->test, frame))) return evaluate(conditional->yes, frame);
    if (conditional->no) return evaluate(conditional->no, frame);
    return undefined("the inline if-expression evaluated to false and no else section was defined.");
  }
  case NodeKind::Filter:
    return evaluate_filter(static_cast<const Application*>(node), frame, nullptr);
  case NodeKind::Test: {
    const auto* test = static_cast<const Application*>(node);
    const Value operand = evaluate(test->operand, frame);
    Arguments arguments = evaluate_arguments(test->arguments, frame);
    position_ = node->position;
    if (!test->test) raise("No test named '" + program_.strings[test->name] + "' found.");
    return test->test->function(*this, operand, arguments);
  }
  case NodeKind::Call:
    return evaluate_call(static_cast<const Application*>(node), frame);
  case NodeKind::Attribute: {
    const auto* attribute = static_cast<const Attribute*>(node);
    const Value operand = evaluate(attribute->operand, frame);
    position_ = node->position;
    return get_attribute(*this, operand, attribute->name);
  }
  case NodeKind::Item:
    return evaluate_item(static_cast<const Item*>(node), frame);
  case NodeKind::Concat:
    return evaluate_concat(static_cast<const Sequence*>(node), frame);
  case NodeKind::Compare:
    return evaluate_compare(static_cast<const Compare*>(node), frame);
  case NodeKind::Binary:
    return evaluate_binary(static_cast<const Operation*>(node), frame);
  case NodeKind::And:
  case NodeKind::Or: {
    const auto* operation = static_cast<const Operation*>(node);
    Value left = evaluate(operation->left, frame);
    if (truthy(*this, left) == (node->kind == NodeKind::Or)) return left;
    return evaluate(operation->right, frame);
  }
  case NodeKind::Not:
    return Value::boolean(!truthy(*this, evaluate(static_cast<const Operation*>(node)->right, frame)));
  case NodeKind::Negative:
  case NodeKind::Positive: {
    const Value operand = evaluate(static_cast<const Operation*>(node)->right, frame);
    position_ = node->position;
    return node->kind == NodeKind::Negative ? negative(*this, operand) : positive(*this, operand);
  }
  default:
    position_ = node->position;
    raise("not an expression");
  }
}

Value Interpreter::evaluate_const(const Const* node) {
  switch (node->type) {
  case Const::Type::None:
    return Value::none();
  case Const::Type::Bool:
    return Value::boolean(node->integer != 0);
  case Const::Type::Int:
    return Value::integer(node->integer);
  case Const::Type::Float:
    if (node->unknown_name) {
      position_ = node->position;
      raise("name 'inf' is not defined");
    }
    return Value::real(node->real);
  case Const::Type::BigInt:
    return big(node->big);
  case Const::Type::String:
    break;
  }
  return constant(node->string);
}

Value Interpreter::evaluate_name(const Name* node, Frame* frame) {
  const Value& value = variable(node->slot, frame);
  return value.missing() ? undefined_name(program_.strings[node->name]) : value;
}

std::vector<Value> Interpreter::evaluate_all(const std::vector<Expression*>& nodes, Frame* frame) {
  std::vector<Value> values;
  values.reserve(nodes.size());
  for (const Expression* node : nodes)
    values.push_back(evaluate(node, frame));
  return values;
}

Value Interpreter::evaluate_dict(const DictDisplay* node, Frame* frame) {
  auto dict = make<Dict>();
  for (const auto& [key_node, value_node] : node->items) {
    const Value key = evaluate(key_node, frame);
    Value value = evaluate(value_node, frame);
    position_ = key_node->position;
    dict->set(*this, key, std::move(value));
  }
  dict->settle();
  return Value(dict);
}

Value Interpreter::evaluate_item(const Item* node, Frame* frame) {
  const Value operand = evaluate(node->operand, frame);
  if (node->key->kind != NodeKind::Slice) {
    const Value key = evaluate(node->key, frame);
    position_ = node->position;
    return get_item(*this, operand, key);
  }
  const auto* slice = static_cast<const Slice*>(node->key);
  const auto part = [&](const Expression* part_node) {
    return part_node ? evaluate(part_node, frame) : Value::none();
  };
  const Value start = part(slice->start), stop = part(slice->stop), step_by = part(slice->step);
  position_ = node->position;
  if (node->lenient) {
    const auto fits = [](const Value& value) { return value.is_none() || value.is_integral(); };
    const bool sliceable = has_length(operand) && !operand.is(Kind::Dict) && !operand.is(Kind::View);
    if (!sliceable || !fits(start) || !fits(stop) || !fits(step_by))
      return undefined_member(operand, Value::none());
  }
  return get_slice(*this, operand, start, stop, step_by);
}

Value Interpreter::evaluate_concat(const Sequence* node, Frame* frame) {
  const std::vector<Value> parts = evaluate_all(node->items, frame);
  position_ = node->position;
  Builder out(*this);
  bool escaping = false;
  // Jinja2's optimizer joins constants without a look at markup.
  if (escapes(node->escaping) && !(node->constant && node->escaping == Escaping::On)) {
    // Once one part is Markup, all are escaped.
    for (const Value& part : parts)
      escaping = escaping || (part.is_string() && part.as<String>().markup);
  }
  for (const Value& part : parts) {
    if (escaping)
      out.append(escape(*this, part));
    else
      append_str(out, part);
  }
  return out.finish(escaping);
}

Value Interpreter::evaluate_compare(const Compare* node, Frame* frame) {
  Value left = evaluate(node->first, frame);
  bool result = true;
  for (const auto& [op, operand] : node->rest) {
    Value right = evaluate(operand, frame);
    position_ = node->position;
    switch (op) {
    case Operator::Equal:
      result = equals(*this, left, right);
      break;
    case Operator::NotEqual:
      result = !equals(*this, left, right);
      break;
    case Operator::In:
      result = contains(*this, right, left);
      break;
    case Operator::NotIn:
      result = !contains(*this, right, left);
      break;
    default:
      result = compare(*this, op, left, right);
    }
    if (!result) break;
    left = std::move(right);
  }
  return Value::boolean(result);
}

Value Interpreter::evaluate_binary(const Operation* node, Frame* frame) {
  const Value left = evaluate(node->left, frame);
  const Value right = evaluate(node->right, frame);
  position_ = node->position;
  return arithmetic(*this, node->op, left, right);
}

Arguments Interpreter::evaluate_arguments(const CallArguments& nodes, Frame* frame) {
  Arguments arguments;
  arguments.positional = evaluate_all(nodes.positional, frame);
  for (const auto& [name, node] : nodes.named)
    arguments.named.emplace_back(constant(name), evaluate(node, frame));
  if (nodes.rest) {
    const Value rest = evaluate(nodes.rest, frame);
    position_ = nodes.rest->position;
    for (Value& value : collect(*this, rest))
      arguments.positional.push_back(std::move(value));
  }
  if (nodes.named_rest) {
    const Value rest = evaluate(nodes.named_rest, frame);
    position_ = nodes.named_rest->position;
    if (!rest.is(Kind::Dict))
      raise(std::string("argument after ** must be a mapping, not ") + type_name(rest));
    for (const Dict::Entry& entry : rest.as<Dict>().entries) {
      step();
      if (!entry.key.is_string()) raise("keywords must be strings");
      for (const auto& named : nodes.named)
        if (program_.strings[named.first] == entry.key.as<String>().view())
          raise("got multiple values for keyword argument '" + program_.strings[named.first] + "'");
      arguments.named.emplace_back(entry.key, entry.value);
    }
  }
  return arguments;
}

Value Interpreter::evaluate_filter(const Application* node, Frame* frame, const Value* operand) {
  Value self;
  if (operand && node->operand)
    // Of a chain of filters on a block, the innermost gets the block's text.
    self = evaluate_filter(static_cast<const Application*>(node->operand), frame, operand);
  else if (operand)
    self = *operand;
  else
    self = evaluate(node->operand, frame);
  Arguments arguments = evaluate_arguments(node->arguments, frame);
  position_ = node->position;
  if (!node->filter) raise("No filter named '" + program_.strings[node->name] + "' found.");
  return node->filter->function(*this, self, arguments);
}

Value Interpreter::evaluate_call(const Application* node, Frame* frame) {
  if (node->operand->kind == NodeKind::Attribute) {
    // A method call needs no bound method in between.
    const auto* attribute = static_cast<const Attribute*>(node->operand);
    const Value self = evaluate(attribute->operand, frame);
    const MethodSpec* method = find_method(self, program_.strings[attribute->name]);
    if (method && method->function && !method->property) {
      Arguments arguments = evaluate_arguments(node->arguments, frame);
      position_ = attribute->position;
      return method->function(*this, self, arguments);
    }
    position_ = attribute->position;
    const Value callee = get_attribute(*this, self, attribute->name);
    Arguments arguments = evaluate_arguments(node->arguments, frame);
    position_ = attribute->position;
    return call(callee, arguments);
  }
  const Value callee = evaluate(node->operand, frame);
  Arguments arguments = evaluate_arguments(node->arguments, frame);
  position_ = node->operand->position;
  return call(callee, arguments);
}

void Interpreter::assign(const Expression* target, const Value& value, Frame* frame) {
  if (target->kind == NodeKind::Name) {
    variable(static_cast<const Name*>(target)->slot, frame) = value;
    return;
  }
  position_ = target->position;
  if (target->kind == NodeKind::NamespaceTarget) {
    const auto* member = static_cast<const NamespaceTarget*>(target);
    const Value& owner = variable(member->slot, frame);
    if (!owner.is(Kind::Namespace)) raise("cannot assign attribute on non-namespace object");
    const Ref<Dict> attributes = owner.as<Namespace>().attributes;
    attributes->set(*this, constant(member->attribute), value);
    attributes->settle();
    return;
  }
  const auto& targets = static_cast<const Sequence*>(target)->items;
  std::vector<Value> values;
  const Ref<Iterator> iterator = iterate(*this, value);
  for (Value item; values.size() <= targets.size() && iterator->next(*this, item);)
    values.push_back(item);
  if (values.size() > targets.size())
    raise("too many values to unpack (expected " + std::to_string(targets.size()) + ")");
  if (values.size() < targets.size())
    raise("not enough values to unpack (expected " + std::to_string(targets.size()) + ", got " +
          std::to_string(values.size()) + ")");
  for (size_t i = 0; i < targets.size(); ++i)
    assign(targets[i], values[i], frame);
}

} // namespace verbatim::jinja
