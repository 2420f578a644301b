#pragma once

// A complete Jinja2 engine for chat templates, configured as Hugging Face transformers configures Jinja2,
// that knows for every rendered character whether the template or the caller wrote it.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace verbatim::jinja {

/// Limits of a template. An exceeded one is a TemplateError with Failure::Limit and the field's name.
struct Limits {
  size_t source_bytes = 4u << 20;        ///< Size of the template source.
  size_t output_bytes = 256u << 20;      ///< Size of the rendered text, and of any captured part of it.
  size_t memory_bytes = size_t{1} << 30; ///< Memory of all live values of one render, temporaries included.
  uint64_t steps = 100'000'000;          ///< Nodes evaluated; long operations are charged by their length.
  uint32_t recursion = 200;              ///< Nested calls of macros, callers, blocks and recursive loops.
  uint32_t source_depth = 256;           ///< Nesting of statements and expressions in the source.
  uint32_t data_depth = 512;             ///< Nesting of the variables' JSON and of values being printed.
  uint64_t range_length = 100'000;       ///< Length of a range(); Jinja2's sandbox has the same number.
  size_t integer_bits = 262'144;         ///< Size of an arbitrary-precision integer.
  size_t stack_bytes = 384u << 10;       ///< Native stack to use, for threads that have at least 512 KiB.
};

/// Kinds of TemplateError.
enum class Failure {
  Syntax, ///< The template cannot be parsed.
  Render, ///< An operation failed while rendering, as it would in Jinja2.
  Raised, ///< The template called raise_exception.
  Limit,  ///< A limit was exceeded; TemplateError::limit names it.
  Input,  ///< The variables are not acceptable JSON.
};

/// Spells NUL characters, at which what() would end.
inline std::string without_nul(std::string text) {
  for (size_t at = 0; (at = text.find('\0', at)) != std::string::npos;)
    text.replace(at, 1, "\\0");
  return text;
}

/// A failure to parse or render a template. line and column are 1-based (code points), 0 when unknown.
class TemplateError : public std::runtime_error {
 public:
  TemplateError(Failure failure_kind, const std::string& message, uint32_t at_line = 0,
                uint32_t at_column = 0, std::string source_snippet = {}, std::string limit_name = {})
      : std::runtime_error(without_nul(message)), failure(failure_kind), line(at_line), column(at_column),
        snippet(std::move(source_snippet)), limit(std::move(limit_name)) {}

  Failure failure;
  uint32_t line;
  uint32_t column;
  std::string snippet; ///< The source line and, below it, a caret under the column.
  std::string limit;   ///< The exceeded field of Limits when failure is Limit.
  std::string path;    ///< With Input: the place in the variables, of which what() reads on.
};

/// A stretch of rendered text of one origin, in byte offsets.
struct Span {
  size_t begin;
  size_t end;
  int32_t origin; ///< -1: the template's own; otherwise an index into Rendered::origins.
};

/// One of the caller's variables.
struct Variable {
  std::string name;
  std::string path; ///< As in Rendered::origins: the name, or ["the name"] where it is no identifier.
  bool is_blank;    ///< True where its value has nothing to print but white space, as "" and [] have.
};

/// A rendered prompt. The spans cover the text completely; neighbours differ in origin.
struct Rendered {
  std::string text;
  std::vector<Span> spans;
  std::vector<std::string> origins; ///< Paths such as messages[2].content; only those that occur in spans.
  std::vector<std::optional<std::string>> message_roles; ///< messages[i].role by i; none: it is no string.
  bool messages_are_blank = true; ///< True if no message holds more than white space, a role and types.
  /// The variables of whose value no character is in the text; of messages, texts and numbers count that are
  /// neither roles nor types.
  std::vector<Variable> unreached;
};

struct Program;

/// A parsed template. Immutable: any number of threads may render it at once.
class Template {
 public:
  /// Parses a template; throws TemplateError (Syntax or Limit).
  static std::shared_ptr<const Template> parse(std::string_view source, const Limits& limits = {});

  /// Renders with the caller's variables (a JSON object as text) and the special tokens (name, text), which
  /// count as the template's own text; a variable of the same name wins. now_ms is the time that strftime_now
  /// sees, in milliseconds since the epoch.
  Rendered render(std::string_view variables_json,
                  const std::vector<std::pair<std::string, std::string>>& special_tokens, int64_t now_ms,
                  const Limits& limits = {}) const;

  /// Returns true if the template reads a variable of the context, in whichever branch.
  bool reads(std::string_view name) const;
  /// Returns true if the template does more with a variable of the context than print or loop over it: its
  /// output may then depend on it without any of its characters.
  bool tests(std::string_view name) const;
  /// Returns the variables of the context that the template reads, by name in ascending order.
  std::vector<std::string> variables() const;

  explicit Template(std::unique_ptr<const Program> program);
  ~Template();
  Template(const Template&) = delete;
  Template& operator=(const Template&) = delete;

 private:
  std::unique_ptr<const Program> program_;
};

} // namespace verbatim::jinja
