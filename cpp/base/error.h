#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace verbatim {

/// The kinds of failure. Their names cross to TypeScript (error_code_name).
enum class ErrorCode {
  InvalidOption,
  InvalidMessages,
  ModelNotFound,
  ModelInvalid,
  ModelTruncated,
  ModelUnsupported,
  OutOfMemory,
  NoChatTemplate,
  TemplateSyntax,
  TemplateRender,
  TemplateLimit,
  TemplateIgnoresInput,
  TokenizeFailed,
  ContextOverflow,
  DecodeFailed,
  QueueFull,
  Cancelled,
  Disposed,
  Internal,
};

/// Returns the `code` of the error in TypeScript: "INVALID_OPTION", "MODEL_NOT_FOUND", …
const char* error_code_name(ErrorCode code);

/// A failure: a message for people, a code and fields for programs. Names in fields are in snake_case.
class Error : public std::runtime_error {
 public:
  using Scalar = std::variant<int64_t, double, std::string>;
  using Record = std::vector<std::pair<std::string, Scalar>>;
  using Value = std::variant<int64_t, double, std::string, std::vector<Record>>;
  using Fields = std::vector<std::pair<std::string, Value>>;

  Error(ErrorCode code, const std::string& message, Fields fields = {})
      : std::runtime_error(message), code_(code), fields_(std::move(fields)) {}

  ErrorCode code() const { return code_; }
  const Fields& fields() const { return fields_; }

 private:
  ErrorCode code_;
  Fields fields_;
};

} // namespace verbatim
