#pragma once

#include "jinja/operations.h"

namespace verbatim::jinja {

/// What filters do with their `attribute` argument: a dotted path into each item.
class AttributeGetter {
 public:
  /// attribute: None or Missing (the item itself), a str, or an index. fallback: for undefined members, if
  /// given.
  AttributeGetter(Interpreter& in, const Value& attribute, bool ignore_case = false, Value fallback = {});
  Value operator()(Interpreter& in, const Value& item) const;

 private:
  std::vector<Value> parts_;
  bool ignore_case_;
  Value fallback_;
};

/// A string in lower case, anything else as it is.
Value ignore_case(Interpreter& in, const Value& value);

} // namespace verbatim::jinja
