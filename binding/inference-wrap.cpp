#include "inference-wrap.h"

#include "addon-data.h"
#include "convert.h"

namespace verbatim {

Napi::Function InferenceWrap::define(Napi::Env env) {
  return DefineClass(env, "NativeInference",
                     {
                         InstanceMethod<&InferenceWrap::take>("take"),
                         InstanceMethod<&InferenceWrap::cancel>("cancel"),
                         InstanceMethod<&InferenceWrap::finished>("finished"),
                         InstanceMethod<&InferenceWrap::snapshot>("snapshot"),
                         InstanceMethod<&InferenceWrap::result>("result"),
                     });
}

Napi::Object InferenceWrap::create(Napi::Env env, std::shared_ptr<Model> model,
                                   std::shared_ptr<Inference> inference, uint64_t callback_id) {
  auto object = AddonData::of(env).inference_class.New({});
  auto* wrap = Unwrap(object);
  wrap->model_ = std::move(model);
  wrap->inference_ = std::move(inference);
  wrap->callback_id_ = callback_id;
  return object;
}

InferenceWrap::~InferenceWrap() {
  if (model_) AddonData::of(Env()).release(std::move(model_));
}

Napi::Value InferenceWrap::take(const Napi::CallbackInfo& info) {
  const auto delta = inference_->take();
  return delta.empty() ? info.Env().Null() : to_js(info.Env(), delta);
}

Napi::Value InferenceWrap::cancel(const Napi::CallbackInfo& info) {
  model_->cancel(*inference_);
  return info.Env().Undefined();
}

Napi::Value InferenceWrap::finished(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), inference_->finished());
}

Napi::Value InferenceWrap::snapshot(const Napi::CallbackInfo& info) {
  return to_js(info.Env(), inference_->snapshot());
}

/// Ends the operation that generate() began. Call when the request has finished.
Napi::Value InferenceWrap::result(const Napi::CallbackInfo& info) {
  auto& data = AddonData::of(info.Env());
  if (callback_id_ != 0) {
    data.forget(callback_id_);
    data.mailbox().end_operation();
    callback_id_ = 0;
  }
  return to_js(info.Env(), inference_->result());
}

} // namespace verbatim
