#pragma once

#include "jinja/value.h"

#include <string_view>
#include <unordered_map>

namespace verbatim::jinja {

/// A filter: self is the value it is applied to.
struct FilterSpec {
  const char* name;
  NativeFunction function;
};

/// A test; it returns a Bool.
struct TestSpec {
  const char* name;
  NativeFunction function;
};

/// The filter or test of a name, nullptr if there is none.
const FilterSpec* find_filter(std::string_view name);
const TestSpec* find_test(std::string_view name);

/// Filters by name; each file of filters adds its own.
using FilterTable = std::unordered_map<std::string_view, FilterSpec>;
void add_string_filters(FilterTable& table);
void add_text_filters(FilterTable& table);
void add_number_filters(FilterTable& table);
void add_sequence_filters(FilterTable& table);
void add_selection_filters(FilterTable& table);

} // namespace verbatim::jinja
