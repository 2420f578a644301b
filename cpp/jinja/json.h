#pragma once

#include "jinja/value.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace verbatim::jinja {

/// The places of values in the caller's variables, indexed by origin. Paths are made on demand.
class OriginTable {
 public:
  /// Adds the member `key` of `parent`.
  int32_t add(int32_t parent, String* key) { return add({parent, 0, Ref<String>(key)}); }
  /// Adds element `index` of `parent`.
  int32_t add(int32_t parent, uint32_t index) { return add({parent, index, {}}); }
  /// Returns a path such as messages[2].content.
  std::string path(int32_t origin) const;
  /// Returns the origin of the variable that a value is a part of.
  int32_t variable_of(int32_t origin) const;
  /// True for a text or a number of the messages, other than roles and types.
  bool is_content(int32_t origin, Dict& variables) const;
  size_t size() const { return nodes_.size(); }

 private:
  struct Node {
    int32_t parent;
    uint32_t index;
    Ref<String> key; ///< Held, because a template may drop the caller's value.
  };
  int32_t add(Node node) {
    nodes_.push_back(std::move(node));
    return static_cast<int32_t>(nodes_.size() - 1);
  }
  std::vector<Node> nodes_;
};

/// Reads the variables: a JSON object, strictly, with every number exact and the order of keys kept. Fails
/// (Input) for anything else, for duplicate keys, lone surrogates and invalid UTF-8. A well-known role name
/// in messages[i].role counts as the template's, because templates compare and print it as a part of their
/// own syntax.
Ref<Dict> parse_variables(Interpreter& in, OriginTable& origins, std::string_view json);

/// The roles of the variables' messages, for Rendered::message_roles.
std::vector<std::optional<std::string>> message_roles(Dict& variables);

/// Computes Rendered::messages_are_blank.
bool messages_are_blank(Dict& variables);

/// Computes Variable::is_blank.
bool is_blank(const Value& value);

} // namespace verbatim::jinja
