#pragma once

#include "model.h"
#include "node-api.h"

#include <functional>
#include <memory>

namespace verbatim {

/// JavaScript's handle on a loaded model. Methods start work and return at once.
class ModelWrap : public Napi::ObjectWrap<ModelWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  static Napi::Object create(Napi::Env env, std::shared_ptr<Model> model, uint64_t log_callback_id);

  explicit ModelWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ModelWrap>(info) {}
  ~ModelWrap() override;

 private:
  Napi::Value info(const Napi::CallbackInfo& info);
  Napi::Value status(const Napi::CallbackInfo& info);
  Napi::Value generate(const Napi::CallbackInfo& info);
  Napi::Value render(const Napi::CallbackInfo& info);
  Napi::Value tokenize(const Napi::CallbackInfo& info);
  Napi::Value detokenize(const Napi::CallbackInfo& info);
  Napi::Value token_ids_sha256(const Napi::CallbackInfo& info);
  Napi::Value start_step_profile(const Napi::CallbackInfo& info);
  Napi::Value take_step_profile(const Napi::CallbackInfo& info);
  Napi::Value probe_logits(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);

  /// Runs `work` on the model's pool, and returns a promise of its result.
  template <typename Result> Napi::Value promise(Napi::Env env, std::function<Result(const Model&)> work);

  std::shared_ptr<Model> model_;
  uint64_t log_callback_id_ = 0;
};

} // namespace verbatim
