#include "base/error.h"

namespace verbatim {

const char* error_code_name(ErrorCode code) {
  switch (code) {
  case ErrorCode::InvalidOption:
    return "INVALID_OPTION";
  case ErrorCode::InvalidMessages:
    return "INVALID_MESSAGES";
  case ErrorCode::ModelNotFound:
    return "MODEL_NOT_FOUND";
  case ErrorCode::ModelInvalid:
    return "MODEL_INVALID";
  case ErrorCode::ModelTruncated:
    return "MODEL_TRUNCATED";
  case ErrorCode::ModelUnsupported:
    return "MODEL_UNSUPPORTED";
  case ErrorCode::OutOfMemory:
    return "OUT_OF_MEMORY";
  case ErrorCode::NoChatTemplate:
    return "NO_CHAT_TEMPLATE";
  case ErrorCode::TemplateSyntax:
    return "TEMPLATE_SYNTAX";
  case ErrorCode::TemplateRender:
    return "TEMPLATE_RENDER";
  case ErrorCode::TemplateLimit:
    return "TEMPLATE_LIMIT";
  case ErrorCode::TemplateIgnoresInput:
    return "TEMPLATE_IGNORES_INPUT";
  case ErrorCode::TokenizeFailed:
    return "TOKENIZE_FAILED";
  case ErrorCode::ContextOverflow:
    return "CONTEXT_OVERFLOW";
  case ErrorCode::DecodeFailed:
    return "DECODE_FAILED";
  case ErrorCode::QueueFull:
    return "QUEUE_FULL";
  case ErrorCode::Cancelled:
    return "CANCELLED";
  case ErrorCode::Disposed:
    return "DISPOSED";
  case ErrorCode::Internal:
    return "INTERNAL";
  }
  return "INTERNAL";
}

} // namespace verbatim
