#pragma once

#include "jinja/operations.h"

namespace verbatim::jinja {

/// Follows the `attribute` argument of filters, a dotted path, into items.
class AttributeGetter {
 public:
  /// `attribute` is None or Missing (the item itself), a str, or an index. `fallback`, if given, stands for
  /// undefined members.
  AttributeGetter(Interpreter& in, const Value& attribute, bool ignore_case = false, Value fallback = {});
  Value operator()(Interpreter& in, const Value& item) const;

 private:
  std::vector<Value> parts_;
  bool ignore_case_;
  Value fallback_;
};

/// Returns a string in lower case, anything else as it is.
Value ignore_case(Interpreter& in, const Value& value);

} // namespace verbatim::jinja
