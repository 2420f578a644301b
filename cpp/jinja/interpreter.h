#pragma once

#include "jinja/ast.h"
#include "jinja/json.h"
#include "jinja/parser.h"
#include "jinja/raise.h"
#include "jinja/unicode.h"
#include "jinja/value.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace verbatim::jinja {

class Builder;
struct Loop;
struct MacroValue;
struct BlockValue;

/// Runs one render of a program; holds its variables, its output and the share of its limits spent.
class Interpreter {
 public:
  Interpreter(const Program& program, const Limits& limits, int64_t now_ms);
  ~Interpreter();

  Rendered render(std::string_view variables_json,
                  const std::vector<std::pair<std::string, std::string>>& special_tokens);

  // Limits
  void step(uint64_t count = 1) {
    steps_ += count;
    if (steps_ > limits_.steps) fail_steps();
  }
  /// Memory that may still be used.
  size_t room() const {
    const size_t used = heap_.used() + captured_;
    return used < limits_.memory_bytes ? limits_.memory_bytes - used : 0;
  }
  /// Fails unless `bytes` more of memory may be used.
  void need(size_t bytes) const {
    if (bytes > room()) fail_memory();
  }
  [[noreturn]] void fail_memory() const;
  [[noreturn]] void fail_steps() const;
  const Limits& limits() const { return limits_; }
  const StackGuard& stack() const { return stack_; }

  /// Counts the nesting of values that are printed, compared or hashed.
  struct Deeper {
    explicit Deeper(Interpreter& interpreter);
    ~Deeper() { --in.data_depth_; }
    Interpreter& in;
  };

  // Making values
  Heap& heap() { return heap_; }
  template <class T, class... Rest> Ref<T> make(Rest&&... rest) {
    if (heap_.used() > limits_.memory_bytes) fail_memory();
    return Ref<T>(heap_.make<T>(std::forward<Rest>(rest)...));
  }
  Value string(Text text, bool markup = false);
  Value string(std::string_view text, int32_t origin = template_origin) {
    return string(Text(std::string(text), origin));
  }
  /// Bytes [begin, end) of the string's buffer, shared with it.
  Value substring(const String& of, size_t begin, size_t end, bool markup = false);
  Value list(std::vector<Value> items, int32_t origin = template_origin);
  Value tuple(std::vector<Value> items, int32_t origin = template_origin);
  Value big(BigInt value, int32_t origin = template_origin); ///< An Int if it fits.
  Value undefined(std::string hint);
  Value undefined_name(std::string_view name);
  Value undefined_member(const Value& owner, Value name);
  Value unsafe_attribute(const Value& owner, std::string_view name);
  Value constant(StringId id);

  // Running
  bool autoescape() const { return autoescape_; }
  int64_t now_ms() const { return now_ms_; }
  const Program& program() const { return program_; }
  Value call(const Value& callee, Arguments& arguments);
  Value call_macro(const MacroValue& macro, Arguments& arguments);
  Value call_block(const BlockValue& block);
  Value call_loop(Loop& loop, const Value& iterable, int64_t depth);
  Value evaluate(const Expression* node, Frame* frame);
  void assign(const Expression* target, const Value& value, Frame* frame);
  bool passes_test(const For* node, Frame* frame, const Value& item);
  Ref<Frame> make_frame(const Ref<Frame>& parent, size_t slots);
  Ref<Frame> make_test_frame(const For* node, const Ref<Frame>& frame);

 private:
  friend struct Deeper;
  enum class Flow { Normal, Break, Continue };

  // Statements
  Flow execute(const Body& body, const Ref<Frame>& frame, Text& out);
  Flow execute(const Statement* node, const Ref<Frame>& frame, Text& out);
  void execute_output(const Output* node, const Ref<Frame>& frame, Text& out);
  Flow execute_for(const For* node, const Ref<Frame>& frame, Text& out);
  Flow run_loop(const For* node, const Value& iterable, const Ref<Frame>& outer, const Ref<Frame>& frame,
                int64_t depth, Text& out);
  Flow execute_if(const If* node, const Ref<Frame>& frame, Text& out);
  void execute_macro(const Macro* node, const Ref<Frame>& frame);
  void execute_call_block(const CallBlock* node, const Ref<Frame>& frame, Text& out);
  Flow execute_filter_block(const FilterBlock* node, const Ref<Frame>& frame, Text& out);
  Flow execute_with(const With* node, const Ref<Frame>& frame, Text& out);
  Flow execute_assign_block(const AssignBlock* node, const Ref<Frame>& frame, Text& out);
  Flow execute_autoescape(const AutoescapeScope* node, const Ref<Frame>& frame, Text& out);
  void execute_block(const Block* node, const Ref<Frame>& frame, Text& out);
  void enter(const Scope& scope, Frame* frame);
  void leave(const Scope& scope, Frame* frame);
  void print(const Value& value, bool escape, Text& out);
  void emit(const Text& text, size_t begin, size_t end, Text& out);
  void emit(const Value& string, Text& out);
  void charge_output(size_t more, const Text& out);
  Value captured(Text text, bool markup);
  bool escapes(Escaping escaping) const {
    return escaping == Escaping::On || (escaping == Escaping::Dynamic && autoescape_);
  }
  void export_variable(StringId name, const Value& value);
  Value& variable(const Slot& slot, Frame* frame);

  // Expressions
  Value evaluate_const(const Const* node);
  Value evaluate_name(const Name* node, Frame* frame);
  Value evaluate_call(const Application* node, Frame* frame);
  Value evaluate_filter(const Application* node, Frame* frame, const Value* operand);
  Value evaluate_compare(const Compare* node, Frame* frame);
  Value evaluate_concat(const Sequence* node, Frame* frame);
  Value evaluate_item(const Item* node, Frame* frame);
  Value evaluate_dict(const DictDisplay* node, Frame* frame);
  Value evaluate_binary(const Operation* node, Frame* frame);
  Arguments evaluate_arguments(const CallArguments& arguments, Frame* frame);
  std::vector<Value> evaluate_all(const std::vector<Expression*>& nodes, Frame* frame);

  Value resolve(StringId name);
  Value global(std::string_view name);
  Rendered finish(Text text) const;

  struct Recursion {
    explicit Recursion(Interpreter& interpreter);
    ~Recursion() { --in.recursion_; }
    Interpreter& in;
  };

  const Program& program_;
  const Limits& limits_;
  int64_t now_ms_;
  StackGuard stack_;
  uint64_t steps_ = 0;
  uint32_t recursion_ = 0;
  uint32_t data_depth_ = 0;
  uint32_t position_ = 0;
  size_t captured_ = 0; ///< Bytes of output, finished and in the making.
  bool autoescape_ = false;
  Heap heap_; // Before everything that holds values.
  OriginTable origins_;
  std::vector<Value> constants_;
  Ref<Dict> variables_;                 ///< From the caller.
  Ref<Dict> tokens_;                    ///< The special tokens.
  Ref<Dict> exported_;                  ///< The template's variables that blocks see.
  std::vector<Ref<Dict>> block_locals_; ///< The variables around scoped blocks that they see.
  std::vector<Value> globals_;
};

/// Fails where the render's data are nested too deeply.
inline Interpreter::Deeper::Deeper(Interpreter& interpreter) : in(interpreter) {
  in.stack_.check();
  if (in.data_depth_ >= in.limits_.data_depth) raise_limit("data_depth", "a value nests too deeply");
  ++in.data_depth_;
}

/// A macro, or the body of a call block, with the variables around it.
struct MacroValue : Object {
  MacroValue(const Macro* macro, Ref<Frame> around, bool escapes)
      : Object(Kind::Macro), node(macro), closure(std::move(around)), autoescape(escapes) {}
  const Macro* node;
  Ref<Frame> closure;
  bool autoescape;
};

/// self.name: calling it renders the block.
struct BlockValue : Object {
  explicit BlockValue(const Block* which) : Object(Kind::Block), block(which) {}
  const Block* block;
};

/// The `self` variable.
struct SelfValue : Object {
  SelfValue() : Object(Kind::Self) {}
};

/// The `loop` variable.
struct Loop : Cyclic {
  Loop(Value sequence, Ref<Iterator> source, int64_t outer_depth)
      : Cyclic(Kind::Loop), iterable(std::move(sequence)), iterator(std::move(source)), depth0(outer_depth) {}
  void clear() override;

  /// Moves on; false at the end.
  bool advance(Interpreter& in);
  bool peek(Interpreter& in);
  int64_t length(Interpreter& in);

  Value iterable;
  Ref<Iterator> iterator;
  int64_t depth0;
  int64_t index0 = -1;
  int64_t known_length = -1;
  Value before, current, after; ///< `after` is Missing unless peeked.
  Value changed;                ///< The tuple last given to changed().
  const For* recursive = nullptr;
  Ref<Frame> closure;
};

} // namespace verbatim::jinja
