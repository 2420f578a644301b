#pragma once

#include "jinja/interpreter.h"

#include <optional>

namespace verbatim::jinja {

/// The name of a value's Python type.
const char* type_name(const Value& value);
/// The origin of a value; for a string, the first caller's origin in it.
int32_t origin_of(const Value& value);
/// The first of two origins that is not the template's.
inline int32_t merge_origins(int32_t a, int32_t b) {
  return a != template_origin ? a : b;
}

// Comparison
bool truthy(Interpreter& in, const Value& value);
bool equals(Interpreter& in, const Value& a, const Value& b);
/// Python's `is`.
bool identical(const Value& a, const Value& b);
/// <, <=, > or >=; fails for types without an order.
bool compare(Interpreter& in, Operator op, const Value& a, const Value& b);
/// Fails for values that are not hashable.
uint64_t hash_value(Interpreter& in, const Value& value);
bool hashable(const Value& value);
bool contains(Interpreter& in, const Value& container, const Value& item);
/// Sorts as Python's sorted(): stable, by the keys.
void sort_by_keys(Interpreter& in, std::vector<Value>& items, std::vector<Value> keys, bool reverse);

// Arithmetic
Value arithmetic(Interpreter& in, Operator op, const Value& a, const Value& b);
Value negative(Interpreter& in, const Value& value);
Value positive(Interpreter& in, const Value& value);
Value concatenate(Interpreter& in, const String& a, const String& b, bool markup);
/// str * count, list * count, tuple * count.
Value repeat(Interpreter& in, const Value& sequence, const Value& count);
/// The BigInt of an integral value.
BigInt big_of(const Value& value);
/// The nearest double of a number; fails with an overflow if there is none.
double real_of(const Value& value);

// Access
int64_t length_of(Interpreter& in, const Value& value);
/// Returns true if len() works.
bool has_length(const Value& value);
/// obj[key] as Python means it; nothing for a TypeError or LookupError.
std::optional<Value> subscript(Interpreter& in, const Value& owner, const Value& key);
/// getattr(obj, name) with the sandbox's rules; nothing if there is no such attribute.
std::optional<Value> native_attribute(Interpreter& in, const Value& owner, std::string_view name);
/// obj[key] as Jinja2 means it.
Value get_item(Interpreter& in, const Value& owner, const Value& key);
/// obj.name as Jinja2 means it.
Value get_attribute(Interpreter& in, const Value& owner, StringId name);
Value get_attribute(Interpreter& in, const Value& owner, const Value& name);
Value get_slice(Interpreter& in, const Value& owner, const Value& start, const Value& stop,
                const Value& step);
/// The method of a built-in type, nullptr if there is none.
const MethodSpec* find_method(const Value& self, std::string_view name);
/// An integer argument; fails for other types, and clamps big integers.
int64_t index_of(Interpreter& in, const Value& value, const char* what = "integer");

// Iteration
bool iterable(const Value& value);
Ref<Iterator> iterate(Interpreter& in, const Value& value);
/// reversed(value); nothing if that is a TypeError.
Ref<Iterator> iterate_reversed(Interpreter& in, const Value& value);
std::vector<Value> collect(Interpreter& in, const Value& value);
/// Fails unless a growing list of `count` items fits in the memory.
void check_items(Interpreter& in, size_t count);

// Text
/// str(value): a plain string.
Value to_str(Interpreter& in, const Value& value);
/// A string as it is, anything else through str().
Value soft_str(Interpreter& in, const Value& value);
void append_str(Builder& out, const Value& value);
void append_repr(Builder& out, const Value& value);
/// markupsafe.escape(value): a Markup.
Value escape(Interpreter& in, const Value& value);
/// A string flagged as Markup (or not).
Value as_markup(Interpreter& in, const Value& string, bool markup = true);

/// An error message's quotation of a value: its repr, shortened.
std::string quoted(Interpreter& in, const Value& value);

// Arguments
/// Gives positional and named arguments to parameters. The first `required` must be given, the others may
/// stay Missing.
void bind(const char* function, Arguments& arguments, std::initializer_list<const char*> names,
          size_t required, Value* out);
/// Gives arguments to the parameters of a function that accepts no names.
void bind_positional(const char* function, Arguments& arguments, size_t required, size_t maximum, Value* out);
/// A string argument; fails for other types.
const String& string_argument(const char* function, const Value& value);

/// The methods of a kind of value, by name.
using MethodTable = std::unordered_map<std::string_view, MethodSpec>;
void add_case_methods(MethodTable& table);
void add_search_methods(MethodTable& table);
void add_split_methods(MethodTable& table);
void add_layout_methods(MethodTable& table);
void add_format_methods(MethodTable& table);
const MethodTable& container_methods(Kind kind);
const MethodTable& number_methods(Kind kind);
const MethodTable& bytes_methods();

/// The global functions and classes.
bool is_global(std::string_view name);
std::vector<std::pair<const char*, Value>> make_globals(Interpreter& in);

} // namespace verbatim::jinja
