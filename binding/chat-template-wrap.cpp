#include "chat-template-wrap.h"

#include "addon-data.h"
#include "convert.h"
#include "settlement.h"

namespace verbatim {

Napi::Function ChatTemplateWrap::define(Napi::Env env) {
  return DefineClass(env, "NativeChatTemplate", {InstanceMethod<&ChatTemplateWrap::render>("render")});
}

ChatTemplateWrap::ChatTemplateWrap(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<ChatTemplateWrap>(info) {
  try {
    template_ = std::make_shared<const ChatTemplate>(info[0].As<Napi::String>().Utf8Value());
  } catch (const Error& error) {
    throw Napi::Error(info.Env(), to_js(info.Env(), error));
  }
}

/// render(variables, specialTokens, now) -> Promise<{ text, spans }>
Napi::Value ChatTemplateWrap::render(const Napi::CallbackInfo& info) {
  auto& data = AddonData::of(info.Env());
  return settle_later<jinja::Rendered>(
      info.Env(), [&data](std::function<void()> task) { data.pool().post(std::move(task)); },
      [parsed = template_, variables = info[0].As<Napi::String>().Utf8Value(),
       special_tokens = to_special_tokens(info[1].As<Napi::Object>()),
       now_ms = info[2].As<Napi::Number>().Int64Value()] {
        return parsed->render(variables, special_tokens, now_ms);
      });
}

} // namespace verbatim
