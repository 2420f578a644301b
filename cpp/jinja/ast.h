#pragma once

#include "jinja/bigint.h"
#include "jinja/jinja.h"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace verbatim::jinja {

struct FilterSpec;
struct TestSpec;

/// An index into Program::strings.
using StringId = uint32_t;

enum class NodeKind : uint8_t {
  // Expressions
  Const,
  Name,
  Tuple,
  ListDisplay,
  DictDisplay,
  Conditional,
  Filter,
  Test,
  Call,
  Attribute,
  Item,
  Slice,
  Concat,
  Compare,
  Binary,
  And,
  Or,
  Not,
  Negative,
  Positive,
  NamespaceTarget,
  // Statements
  Output,
  Data,
  For,
  If,
  Macro,
  CallBlock,
  FilterBlock,
  With,
  Assign,
  AssignBlock,
  AutoescapeScope,
  Block,
  Break,
  Continue,
};

/// A node of the syntax tree. position is its byte offset in Program::source.
struct Node {
  Node(NodeKind node_kind, uint32_t at) : kind(node_kind), position(at) {}
  virtual ~Node() = default;
  NodeKind kind;
  uint32_t position;
  uint32_t depth = 1;    ///< Longest way from an expression down to a leaf.
  bool constant = false; ///< Jinja2 evaluates it at compile time.
};
using Expression = Node;
using Statement = Node;
using Body = std::vector<Statement*>;

/// The place of a variable: at `index` in the frame `hops` functions out.
struct Slot {
  uint32_t hops = 0;
  uint32_t index = 0;
};

/// The look-up of a variable on entering its scope, as Jinja2's compiler decides it.
struct ScopeLookup {
  enum class Action { Resolve, Alias, Undefined };
  uint32_t slot;
  Action action;
  Slot from;     ///< Alias
  StringId name; ///< Resolve
};
struct Scope {
  std::vector<ScopeLookup> lookups;
  std::vector<uint32_t> resets; ///< Slots to unset on the way out.
};

/// HTML-escaping of text: as the enclosing autoescape blocks say, or as found while rendering.
enum class Escaping : uint8_t { Off, On, Dynamic };

struct Const : Node {
  enum class Type : uint8_t { None, Bool, Int, BigInt, Float, String };
  explicit Const(uint32_t at) : Node(NodeKind::Const, at) {}
  Type type = Type::None;
  int64_t integer = 0; ///< Bool, Int
  double real = 0;
  bool unknown_name = false; ///< An infinite literal that Jinja2 compiles to the unknown name `inf`.
  BigInt big;
  StringId string = 0;
};

struct Name : Node {
  enum class Use : uint8_t { Read, Store, Parameter };
  Name(uint32_t at, StringId id, Use how) : Node(NodeKind::Name, at), name(id), use(how) {}
  StringId name;
  Use use;
  Slot slot;
};

/// {% set ns.attribute = … %}
struct NamespaceTarget : Node {
  NamespaceTarget(uint32_t at, StringId id, StringId member)
      : Node(NodeKind::NamespaceTarget, at), name(id), attribute(member) {}
  StringId name, attribute;
  Slot slot;
};

/// A tuple, a list or the operands of ~.
struct Sequence : Node {
  using Node::Node;
  std::vector<Expression*> items;
  Escaping escaping = Escaping::Off; ///< Concat
};

struct DictDisplay : Node {
  explicit DictDisplay(uint32_t at) : Node(NodeKind::DictDisplay, at) {}
  std::vector<std::pair<Expression*, Expression*>> items;
};

struct Conditional : Node {
  explicit Conditional(uint32_t at) : Node(NodeKind::Conditional, at) {}
  Expression* test = nullptr;
  Expression* yes = nullptr;
  Expression* no = nullptr; ///< May be absent.
};

struct CallArguments {
  std::vector<Expression*> positional;
  std::vector<std::pair<StringId, Expression*>> named;
  Expression* rest = nullptr;       ///< *args
  Expression* named_rest = nullptr; ///< **kwargs
};

/// A filter, a test or a call.
struct Application : Node {
  using Node::Node;
  Expression* operand = nullptr; ///< Absent in the filters of filter blocks and set blocks.
  StringId name = 0;
  CallArguments arguments;
  const FilterSpec* filter = nullptr;
  const TestSpec* test = nullptr;
  Escaping escaping = Escaping::Off; ///< Escaping of a filter block's text.
};

struct Attribute : Node {
  explicit Attribute(uint32_t at) : Node(NodeKind::Attribute, at) {}
  Expression* operand = nullptr;
  StringId name = 0;
};

struct Item : Node {
  explicit Item(uint32_t at) : Node(NodeKind::Item, at) {}
  Expression* operand = nullptr;
  Expression* key = nullptr; ///< May be a Slice.
  bool lenient = false;      ///< A slice that Jinja2's optimizer evaluates, which knows no TypeError.
};

struct Slice : Node {
  explicit Slice(uint32_t at) : Node(NodeKind::Slice, at) {}
  Expression* start = nullptr;
  Expression* stop = nullptr;
  Expression* step = nullptr;
};

enum class Operator : uint8_t {
  Add,
  Subtract,
  Multiply,
  Divide,
  FloorDivide,
  Modulo,
  Power,
  Equal,
  NotEqual,
  Less,
  LessEqual,
  Greater,
  GreaterEqual,
  In,
  NotIn,
};

struct Compare : Node {
  explicit Compare(uint32_t at) : Node(NodeKind::Compare, at) {}
  Expression* first = nullptr;
  std::vector<std::pair<Operator, Expression*>> rest;
};

/// Binary arithmetic, and, or; not and the signs use only the right operand.
struct Operation : Node {
  Operation(NodeKind kind, uint32_t at) : Node(kind, at) {}
  Operator op = Operator::Add;
  Expression* left = nullptr;
  Expression* right = nullptr;
};

/// Text and printed expressions.
struct Output : Node {
  explicit Output(uint32_t at) : Node(NodeKind::Output, at) {}
  std::vector<Expression*> items; ///< Data nodes are template text.
  Escaping escaping = Escaping::Off;
};

struct Data : Node {
  Data(uint32_t at, std::string content) : Node(NodeKind::Data, at), text(std::move(content)) {}
  std::string text;
};

struct For : Node {
  explicit For(uint32_t at) : Node(NodeKind::For, at) {}
  Expression* target = nullptr;
  Expression* iterable = nullptr;
  Expression* test = nullptr;
  Body body, otherwise;
  bool recursive = false;
  bool has_else = false;
  bool has_loop = false;             ///< The body uses `loop`.
  Escaping escaping = Escaping::Off; ///< Escaping of a recursive loop's result.
  Slot loop;
  Expression* test_target = nullptr; ///< The target once more, in the variables of the test's function.
  uint32_t slot_count = 0;           ///< Slots of the loop's own frame, when recursive.
  uint32_t test_slot_count = 0;
  Scope scope, else_scope, test_scope;
};

struct If : Node {
  explicit If(uint32_t at) : Node(NodeKind::If, at) {}
  std::vector<std::pair<Expression*, Body>> branches;
  Body otherwise;
};

/// A macro, or the body of a call block, which is a macro without a name.
struct Macro : Node {
  Macro(NodeKind kind, uint32_t at) : Node(kind, at) {}
  StringId name = 0;
  std::vector<Name*> parameters;
  std::vector<Expression*> defaults; ///< Defaults of the last parameters.
  Body body;
  bool has_name = false;
  bool uses_caller = false, uses_kwargs = false, uses_varargs = false;
  bool explicit_caller = false;
  Slot caller, kwargs, varargs;
  uint32_t slot_count = 0;
  Scope scope;
  Slot target;           ///< The variable that holds the macro.
  bool exported = false; ///< True at the top level: blocks see the macro as a variable, too.
};

struct CallBlock : Macro {
  explicit CallBlock(uint32_t at) : Macro(NodeKind::CallBlock, at) {}
  Application* call = nullptr; ///< Absent: a generation block, which calls its body.
};

struct FilterBlock : Node {
  explicit FilterBlock(uint32_t at) : Node(NodeKind::FilterBlock, at) {}
  Application* filter = nullptr;
  Body body;
  Scope scope;
};

struct With : Node {
  explicit With(uint32_t at) : Node(NodeKind::With, at) {}
  std::vector<Expression*> targets, values;
  Body body;
  Scope scope;
};

struct Assign : Node {
  explicit Assign(uint32_t at) : Node(NodeKind::Assign, at) {}
  Expression* target = nullptr;
  Expression* value = nullptr;
  std::vector<Name*> exported; ///< Names that become variables of blocks.
};

struct AssignBlock : Node {
  explicit AssignBlock(uint32_t at) : Node(NodeKind::AssignBlock, at) {}
  Expression* target = nullptr;
  Application* filter = nullptr;
  Body body;
  Scope scope;
  std::vector<Name*> exported;
};

struct AutoescapeScope : Node {
  explicit AutoescapeScope(uint32_t at) : Node(NodeKind::AutoescapeScope, at) {}
  Expression* value = nullptr;
  Body body;
  Scope scope;
};

struct Block : Node {
  explicit Block(uint32_t at) : Node(NodeKind::Block, at) {}
  StringId name = 0;
  bool scoped = false, required = false;
  Body body;
  bool uses_self = false, uses_super = false;
  Slot self, super;
  uint32_t slot_count = 0;
  Scope scope;
  std::vector<std::pair<StringId, Slot>> visible; ///< Scoped: the variables around it.
};

/// A parsed template.
struct Program {
  std::string source; ///< With normalised line ends.
  Body body;
  Scope scope;
  uint32_t slot_count = 0;
  bool uses_self = false;
  Slot self;
  std::map<std::string, Block*, std::less<>> blocks;
  std::vector<std::string> strings; ///< Every name and string literal, once.
  std::vector<uint64_t> hashes;     ///< Hashes of `strings`.
  std::map<StringId, bool> context; ///< Names that may be read from the context; true: see Template::tests().
  std::vector<std::unique_ptr<Node>> nodes;
};

} // namespace verbatim::jinja
