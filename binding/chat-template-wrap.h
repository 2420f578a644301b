#pragma once

#include "node-api.h"
#include "prompt/chat-template.h"

#include <memory>

namespace verbatim {

/// JavaScript's handle on a parsed template without a model.
class ChatTemplateWrap : public Napi::ObjectWrap<ChatTemplateWrap> {
 public:
  static Napi::Function define(Napi::Env env);

  /// new NativeChatTemplate(source): throws an error with `code` and `fields`.
  explicit ChatTemplateWrap(const Napi::CallbackInfo& info);

 private:
  Napi::Value render(const Napi::CallbackInfo& info);

  std::shared_ptr<const ChatTemplate> template_;
};

} // namespace verbatim
