#include "jinja/operations.h"

namespace verbatim::jinja {

void bind(const char* function, Arguments& arguments, std::initializer_list<const char*> names,
          size_t required, Value* out) {
  const size_t given = arguments.positional.size();
  if (given > names.size())
    raise(std::string(function) + "() takes at most " + std::to_string(names.size()) + " argument(s) (" +
          std::to_string(given) + " given)");
  for (size_t i = 0; i < given; ++i)
    out[i] = std::move(arguments.positional[i]);
  for (auto& [key, value] : arguments.named) {
    const std::string_view name = key.as<String>().view();
    size_t index = 0;
    while (index < names.size() && name != names.begin()[index])
      ++index;
    if (index == names.size())
      raise(std::string(function) + "() got an unexpected keyword argument '" + std::string(name) + "'");
    if (!out[index].missing())
      raise(std::string(function) + "() got multiple values for argument '" + std::string(name) + "'");
    out[index] = std::move(value);
  }
  for (size_t i = 0; i < required; ++i)
    if (out[i].missing())
      raise(std::string(function) + "() missing required argument: '" + names.begin()[i] + "'");
}

void bind_positional(const char* function, Arguments& arguments, size_t required, size_t maximum,
                     Value* out) {
  if (!arguments.named.empty()) raise(std::string(function) + "() takes no keyword arguments");
  const size_t given = arguments.positional.size();
  if (given < required || given > maximum)
    raise(std::string(function) + "() takes " +
          (required == maximum ? std::to_string(required)
                               : "from " + std::to_string(required) + " to " + std::to_string(maximum)) +
          " argument(s) (" + std::to_string(given) + " given)");
  for (size_t i = 0; i < given; ++i)
    out[i] = std::move(arguments.positional[i]);
}

const String& string_argument(const char* function, const Value& value) {
  if (!value.is_string()) raise(std::string(function) + "() argument must be str, not " + type_name(value));
  return value.as<String>();
}

} // namespace verbatim::jinja
