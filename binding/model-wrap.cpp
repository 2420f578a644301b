#include "model-wrap.h"

#include "addon-data.h"
#include "convert.h"
#include "inference-wrap.h"
#include "settlement.h"

namespace verbatim {

Napi::Function ModelWrap::define(Napi::Env env) {
  return DefineClass(env, "NativeModel",
                     {
                         InstanceMethod<&ModelWrap::info>("info"),
                         InstanceMethod<&ModelWrap::status>("status"),
                         InstanceMethod<&ModelWrap::generate>("generate"),
                         InstanceMethod<&ModelWrap::render>("render"),
                         InstanceMethod<&ModelWrap::tokenize>("tokenize"),
                         InstanceMethod<&ModelWrap::detokenize>("detokenize"),
                         InstanceMethod<&ModelWrap::token_ids_sha256>("tokenIdsSha256"),
                         InstanceMethod<&ModelWrap::start_step_profile>("startStepProfile"),
                         InstanceMethod<&ModelWrap::take_step_profile>("takeStepProfile"),
                         InstanceMethod<&ModelWrap::probe_logits>("probeLogits"),
                         InstanceMethod<&ModelWrap::dispose>("dispose"),
                     });
}

Napi::Object ModelWrap::create(Napi::Env env, std::shared_ptr<Model> model, uint64_t log_callback_id) {
  auto& data = AddonData::of(env);
  data.track(model);
  auto object = data.model_class.New({});
  auto* wrap = Unwrap(object);
  wrap->model_ = std::move(model);
  wrap->log_callback_id_ = log_callback_id;
  return object;
}

ModelWrap::~ModelWrap() {
  // Collected, perhaps without dispose(). Requests own the model too and go on.
  if (!model_) return;
  auto& data = AddonData::of(Env());
  data.forget(log_callback_id_);
  data.release(std::move(model_));
}

Napi::Value ModelWrap::info(const Napi::CallbackInfo& info) {
  return to_js(info.Env(), model_->info());
}

Napi::Value ModelWrap::status(const Napi::CallbackInfo& info) {
  const auto status = model_->status();
  auto object = Napi::Object::New(info.Env());
  object.Set("waiting", Napi::Number::New(info.Env(), static_cast<double>(status.waiting)));
  object.Set("running", Napi::Number::New(info.Env(), static_cast<double>(status.running)));
  object.Set("usedCells", Napi::Number::New(info.Env(), static_cast<double>(status.used_cells)));
  object.Set("savedTokens", Napi::Number::New(info.Env(), static_cast<double>(status.saved_tokens)));
  return object;
}

/// generate(request, onNews) -> NativeInference. `onNews` is called like Inference::Listener, the last time
/// at the end.
Napi::Value ModelWrap::generate(const Napi::CallbackInfo& info) {
  const auto request = info[0].As<Napi::Object>();
  auto& data = AddonData::of(info.Env());
  auto input = to_render_input(request);
  auto policy = to_control_token_policy(request);
  auto options = to_generate_options(request);
  const uint64_t callback_id = data.keep(info[1].As<Napi::Function>());
  data.mailbox().begin_operation(); // until InferenceWrap::result()
  auto inference =
      model_->generate(std::move(input), std::move(policy), std::move(options),
                       [mailbox = data.shared_mailbox(), callback_id] {
                         mailbox->post([callback_id](AddonData& addon) { addon.call(callback_id); });
                       });
  return InferenceWrap::create(info.Env(), model_, std::move(inference), callback_id);
}

template <typename Result>
Napi::Value ModelWrap::promise(Napi::Env env, std::function<Result(const Model&)> work) {
  Model* model = model_.get(); // outlives its pool's tasks
  return settle_later<Result>(
      env, [model](std::function<void()> task) { model->post(std::move(task)); },
      [model, work = std::move(work)] {
        model->require_alive();
        return work(*model);
      });
}

Napi::Value ModelWrap::render(const Napi::CallbackInfo& info) {
  const auto request = info[0].As<Napi::Object>();
  return promise<Prompt>(info.Env(),
                         [input = to_render_input(request), policy = to_control_token_policy(request)](
                             const Model& model) { return model.prepare(input, policy); });
}

Napi::Value ModelWrap::tokenize(const Napi::CallbackInfo& info) {
  const auto control_tokens = info[1].As<Napi::Boolean>().Value() ? Tokenizer::ControlTokens::Parse
                                                                  : Tokenizer::ControlTokens::AsText;
  return promise<std::vector<Token>>(
      info.Env(), [text = info[0].As<Napi::String>().Utf8Value(), control_tokens](const Model& model) {
        return model.tokenizer().tokenize(text, control_tokens);
      });
}

Napi::Value ModelWrap::detokenize(const Napi::CallbackInfo& info) {
  const bool with_control_tokens = info[1].As<Napi::Boolean>().Value();
  return promise<std::string>(info.Env(), [tokens = to_tokens(info[0].As<Napi::Int32Array>()),
                                           with_control_tokens](const Model& model) {
    return model.tokenizer().detokenize(tokens, with_control_tokens);
  });
}

Napi::Value ModelWrap::token_ids_sha256(const Napi::CallbackInfo& info) {
  return promise<std::string>(info.Env(), [tokens = to_tokens(info[0].As<Napi::Int32Array>())](const Model&) {
    return verbatim::token_ids_sha256(tokens);
  });
}

Napi::Value ModelWrap::start_step_profile(const Napi::CallbackInfo& info) {
  model_->step_profile().start(info[0].As<Napi::Number>().Uint32Value());
  return info.Env().Undefined();
}

Napi::Value ModelWrap::take_step_profile(const Napi::CallbackInfo& info) {
  return to_js(info.Env(), model_->step_profile().take());
}

Napi::Value ModelWrap::probe_logits(const Napi::CallbackInfo& info) {
  Model* model = model_.get(); // outlives its engine's tasks
  const auto given = std::make_shared<Decoder*>(nullptr);
  return settle_later<LogitsProbe>(
      info.Env(),
      [model, given](std::function<void()> task) {
        model->when_idle([given, task = std::move(task)](Decoder* decoder) {
          *given = decoder;
          task();
          return *given == decoder;
        });
      },
      [model, given, options = to_logits_probe_options(info[0].As<Napi::Object>())] {
        return model->probe_logits(*given, options);
      });
}

Napi::Value ModelWrap::dispose(const Napi::CallbackInfo& info) {
  auto& data = AddonData::of(info.Env());
  const auto settlement = std::make_shared<const Settlement>(info.Env());
  const auto shutdown = [model = model_, settlement, log_callback_id = log_callback_id_,
                         mailbox = data.shared_mailbox()] {
    model->shutdown();
    mailbox->post([settlement, log_callback_id](AddonData& addon) {
      addon.forget(log_callback_id);
      settlement->settle(addon, [](Napi::Env env) { return env.Undefined(); }, nullptr);
    });
  };
  try {
    data.run_in_background(shutdown);
  } catch (const std::exception&) {
    shutdown(); // without a thread JavaScript waits, because giving back memory must not fail
  }
  return settlement->promise();
}

} // namespace verbatim
