#pragma once

#include "jinja/bigint.h"
#include "jinja/object.h"
#include "jinja/text.h"

#include <string>
#include <string_view>
#include <vector>

namespace verbatim::jinja {

class Interpreter;
class Builder;

/// A value of the template language: a scalar or a counted reference, and its origin. (Strings know the
/// origin of each character; their own origin field is unused.)
class Value {
 public:
  Value() = default;
  template <class T>
  explicit Value(const Ref<T>& object, int32_t origin = template_origin)
      : kind_(object->kind), origin_(origin) {
    payload_.object = object.get();
    ++payload_.object->refs;
  }
  Value(const Value& other) : kind_(other.kind_), origin_(other.origin_), payload_(other.payload_) {
    if (is_object()) ++payload_.object->refs;
  }
  Value(Value&& other) noexcept : kind_(other.kind_), origin_(other.origin_), payload_(other.payload_) {
    other.kind_ = Kind::Missing;
  }
  Value& operator=(Value other) noexcept {
    std::swap(kind_, other.kind_);
    std::swap(origin_, other.origin_);
    std::swap(payload_, other.payload_);
    return *this;
  }
  ~Value() {
    if (is_object() && --payload_.object->refs == 0) payload_.object->heap->retire(payload_.object);
  }

  static Value none(int32_t origin = template_origin) { return Value(Kind::None, origin); }
  static Value boolean(bool value, int32_t origin = template_origin) {
    Value result(Kind::Bool, origin);
    result.payload_.integer = value;
    return result;
  }
  static Value integer(int64_t value, int32_t origin = template_origin) {
    Value result(Kind::Int, origin);
    result.payload_.integer = value;
    return result;
  }
  static Value real(double value, int32_t origin = template_origin) {
    Value result(Kind::Float, origin);
    result.payload_.real = value;
    return result;
  }

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool missing() const { return kind_ == Kind::Missing; }
  bool undefined() const { return kind_ == Kind::Undefined; }
  bool is_none() const { return kind_ == Kind::None; }
  bool is_string() const { return kind_ == Kind::String; }
  bool is_object() const { return kind_ >= Kind::Undefined; }
  /// Bool, Int or BigInt: all are int in Python.
  bool is_integral() const { return kind_ == Kind::Bool || kind_ == Kind::Int || kind_ == Kind::BigInt; }
  bool is_number() const { return is_integral() || kind_ == Kind::Float; }
  /// The value of a Bool or an Int.
  int64_t int_value() const { return payload_.integer; }
  bool bool_value() const { return payload_.integer != 0; }
  double real_value() const { return payload_.real; }
  Object* object() const { return payload_.object; }
  /// The object, as the type that belongs to its kind.
  template <class T> T& as() const { return static_cast<T&>(*payload_.object); }

  /// The origin of a value that is not a string.
  int32_t own_origin() const { return origin_; }
  Value with_origin(int32_t origin) const {
    Value copy = *this;
    copy.origin_ = origin;
    return copy;
  }

 private:
  Value(Kind kind, int32_t origin) : kind_(kind), origin_(origin) {}

  Kind kind_ = Kind::Missing;
  int32_t origin_ = template_origin;
  union Payload {
    int64_t integer = 0;
    double real;
    Object* object;
  } payload_;
};

/// The bytes that strings are views of. Grows at its end only, so that views stay valid.
struct Buffer : Object {
  explicit Buffer(Text content) : Object(Kind::Buffer), text(std::move(content)) {}

  /// The number of code points that begin before a byte offset.
  size_t index_of(size_t offset);
  /// The byte offset of a code point.
  size_t offset_of(size_t index);
  bool ascii();

  Text text;

 private:
  void extend_marks();

  std::vector<size_t> marks_; ///< Code points before every 256th byte, as far as asked for.
  size_t ascii_checked_ = 0;
  bool ascii_ = true;
};

/// A str: a view of a buffer. markup: it is a Markup, safe for HTML.
struct String : Object {
  String(Ref<Buffer> bytes, size_t first, size_t last, bool is_markup)
      : Object(Kind::String), buffer(std::move(bytes)), begin(first), end(last), markup(is_markup) {}

  std::string_view view() const { return std::string_view(buffer->text.bytes).substr(begin, end - begin); }
  const Text& text() const { return buffer->text; }
  /// The number of code points.
  size_t length();
  bool ascii() { return length() == end - begin; }
  /// The byte offset in the buffer of a code point of this string (index <= length()).
  size_t offset_of(size_t index);
  /// The first caller's origin in it, otherwise the template's.
  int32_t origin() const { return buffer->text.caller_origin(begin, end); }
  uint64_t hash();

  Ref<Buffer> buffer;
  size_t begin, end;
  bool markup;

 private:
  size_t length_ = SIZE_MAX;
  uint64_t hash_ = 0;
};

/// Jinja2's Undefined. The message is made when somebody uses it.
struct Undefined : Object {
  Undefined() : Object(Kind::Undefined) {}
  std::string message(Interpreter& in) const;

  std::string hint;            ///< The whole message, if not empty.
  const char* owner = nullptr; ///< The type name of the object that has no such attribute or element.
  Value name;                  ///< The name or key.
};

struct Integer : Object {
  explicit Integer(BigInt number) : Object(Kind::BigInt), value(std::move(number)) {}
  BigInt value;
};

struct Bytes : Object {
  explicit Bytes(std::string content) : Object(Kind::Bytes), content(std::move(content)) {}
  std::string content;
};

/// A list or a tuple (by kind).
struct List : Object {
  List(Kind kind, std::vector<Value> values) : Object(kind), items(std::move(values)) {}
  std::vector<Value> items;
  bool group = false; ///< The (grouper, list) tuple of groupby.
};

/// A dict, or a set (whose values are Missing). Keeps the order of insertion.
struct Dict : Object {
  explicit Dict(Kind kind = Kind::Dict) : Object(kind) {}

  struct Entry {
    Value key;
    Value value;
    uint64_t hash;
  };

  Entry* find(Interpreter& in, const Value& key);
  Entry* find(std::string_view key, uint64_t hash);
  Entry* find(std::string_view key);
  /// Sets a member; an existing one keeps its place and its key.
  void set(Interpreter& in, const Value& key, Value value);
  /// Adds a member that is known to be new.
  void append(Value key, Value value, uint64_t hash);
  void settle() { hold(entries.capacity() * sizeof(Entry) + table_.capacity() * sizeof(uint32_t)); }

  std::vector<Entry> entries;

 private:
  template <class Same> Entry* probe(uint64_t hash, const Same& same) {
    if (table_.empty()) {
      for (Entry& entry : entries)
        if (entry.hash == hash && same(entry)) return &entry;
      return nullptr;
    }
    const size_t mask = table_.size() - 1;
    for (size_t at = hash & mask; table_[at]; at = (at + 1) & mask) {
      Entry& entry = entries[table_[at] - 1];
      if (entry.hash == hash && same(entry)) return &entry;
    }
    return nullptr;
  }
  void link(size_t index);

  std::vector<uint32_t> table_; ///< Open addressing, entry index + 1; only for more than 8 entries.
};

/// dict.keys(), dict.values() or dict.items().
struct View : Object {
  enum class Part { Keys, Values, Items };
  View(Ref<Dict> of, Part which) : Object(Kind::View), dict(std::move(of)), part(which) {}
  Ref<Dict> dict;
  Part part;
};

struct Range : Object {
  Range(int64_t first, int64_t last, int64_t by, int64_t count)
      : Object(Kind::Range), start(first), stop(last), step(by), length(count) {}
  int64_t at(int64_t index) const { return start + index * step; }
  int64_t start, stop, step, length;
};

/// Something that yields values once: Python's iterators and generators.
struct Iterator : Object {
  explicit Iterator(const char* name) : Object(Kind::Iterator), type_name(name) {}
  /// Yields the next value; false at the end.
  virtual bool next(Interpreter& in, Value& out) = 0;
  const char* type_name;
  bool is_generator = true;
};

struct Namespace : Cyclic {
  explicit Namespace(Ref<Dict> members) : Cyclic(Kind::Namespace), attributes(std::move(members)) {}
  void clear() override { attributes = {}; }
  Ref<Dict> attributes;
};

/// The variables of one run of a function: the template, a macro, a block, a recursive loop.
struct Frame : Cyclic {
  Frame(Ref<Frame> outer, size_t slot_count)
      : Cyclic(Kind::Frame), parent(std::move(outer)), slots(slot_count) {}
  void clear() override {
    parent = {};
    std::vector<Value>().swap(slots);
  }
  Ref<Frame> parent;
  std::vector<Value> slots;
};

struct Cycler : Cyclic {
  explicit Cycler(std::vector<Value> values) : Cyclic(Kind::Cycler), items(std::move(values)) {}
  void clear() override { std::vector<Value>().swap(items); }
  std::vector<Value> items;
  size_t position = 0;
};

struct Joiner : Object {
  explicit Joiner(Value text) : Object(Kind::Joiner), separator(std::move(text)) {}
  Value separator;
  bool used = false;
};

/// Positional and named arguments of a call.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<Value, Value>> named; ///< Names are strings.

  /// Removes a named argument; Missing if there is none.
  Value take(std::string_view name);
};

using NativeFunction = Value (*)(Interpreter& in, const Value& self, Arguments& arguments);

/// A method of a built-in type, by name.
struct MethodSpec {
  const char* name;
  NativeFunction function; ///< nullptr: the sandbox refuses it.
  bool property = false;   ///< Reading it calls it: an attribute such as int.real.
};

struct Method : Object {
  Method(Value bound, const MethodSpec* method)
      : Object(Kind::Method), self(std::move(bound)), spec(method) {}
  Value self;
  const MethodSpec* spec;
};

/// A global function or class.
struct Function : Object {
  Function(const char* function_name, NativeFunction code, bool class_like)
      : Object(Kind::Function), name(function_name), function(code), is_class(class_like) {}
  const char* name;
  NativeFunction function;
  bool is_class;
};

/// The hash of string bytes; the same in every place that looks up names.
uint64_t hash_bytes(std::string_view bytes);

} // namespace verbatim::jinja
