#pragma once

#include "engine/inference.h"
#include "model.h"
#include "node-api.h"

#include <memory>

namespace verbatim {

/// JavaScript's handle on a request: take(), cancel(), finished(), snapshot(), result().
class InferenceWrap : public Napi::ObjectWrap<InferenceWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  static Napi::Object create(Napi::Env env, std::shared_ptr<Model> model,
                             std::shared_ptr<Inference> inference, uint64_t callback_id);

  explicit InferenceWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<InferenceWrap>(info) {}
  ~InferenceWrap() override;

 private:
  Napi::Value take(const Napi::CallbackInfo& info);
  Napi::Value cancel(const Napi::CallbackInfo& info);
  Napi::Value finished(const Napi::CallbackInfo& info);
  Napi::Value snapshot(const Napi::CallbackInfo& info);
  Napi::Value result(const Napi::CallbackInfo& info);

  std::shared_ptr<Model> model_;
  std::shared_ptr<Inference> inference_;
  uint64_t callback_id_ = 0; ///< 0 after result()
};

} // namespace verbatim
