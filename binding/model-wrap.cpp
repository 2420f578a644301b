#include "model-wrap.h"

#include "addon-data.h"
#include "convert.h"
#include "inference-wrap.h"

#include <variant>

namespace verbatim {

namespace {

/// A promise that a letter from another thread settles. It may cross threads: apart from the first turn
/// it holds no handle, and it is settled on the JavaScript thread only.
class Settlement {
 public:
  explicit Settlement(Napi::Env env) : deferred_(Napi::Promise::Deferred::New(env)) {
    AddonData::of(env).mailbox().begin_operation();
  }
  Napi::Promise promise() const { return deferred_.Promise(); }
  void settle(AddonData& data, const std::function<Napi::Value(Napi::Env)>& value, const Error* error) const {
    data.mailbox().end_operation();
    if (error)
      deferred_.Reject(to_js(data.env(), *error));
    else
      deferred_.Resolve(value(data.env()));
  }

 private:
  Napi::Promise::Deferred deferred_;
};

} // namespace

Napi::Function ModelWrap::define(Napi::Env env) {
  return DefineClass(env, "NativeModel",
                     {
                         InstanceMethod<&ModelWrap::info>("info"),
                         InstanceMethod<&ModelWrap::load>("load"),
                         InstanceMethod<&ModelWrap::generate>("generate"),
                         InstanceMethod<&ModelWrap::render>("render"),
                         InstanceMethod<&ModelWrap::tokenize>("tokenize"),
                         InstanceMethod<&ModelWrap::detokenize>("detokenize"),
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
  // Perhaps collected without dispose(). Runs own the model too and go on.
  if (!model_) return;
  auto& data = AddonData::of(Env());
  data.forget(log_callback_id_);
  data.release(std::move(model_));
}

Napi::Value ModelWrap::info(const Napi::CallbackInfo& info) {
  return to_js(info.Env(), model_->info());
}

Napi::Value ModelWrap::load(const Napi::CallbackInfo& info) {
  const auto load = model_->load_state();
  auto object = Napi::Object::New(info.Env());
  object.Set("waiting", Napi::Number::New(info.Env(), static_cast<double>(load.waiting)));
  object.Set("running", Napi::Number::New(info.Env(), static_cast<double>(load.running)));
  object.Set("usedCells", Napi::Number::New(info.Env(), static_cast<double>(load.used_cells)));
  return object;
}

/// generate(request, onNews): `onNews` is called as Inference::Listener says, the last time at the end.
Napi::Value ModelWrap::generate(const Napi::CallbackInfo& info) {
  const auto request = info[0].As<Napi::Object>();
  auto& data = AddonData::of(info.Env());
  auto input = to_render_input(request);
  auto options = to_generate_options(request);
  const uint64_t callback_id = data.keep(info[1].As<Napi::Function>());
  data.mailbox().begin_operation(); // until InferenceWrap::outcome()
  auto inference =
      model_->generate(std::move(input), std::move(options), [mailbox = data.shared_mailbox(), callback_id] {
        mailbox->post([callback_id](AddonData& addon) { addon.call(callback_id); });
      });
  return InferenceWrap::create(info.Env(), model_, std::move(inference), callback_id);
}

template <typename Result>
Napi::Value ModelWrap::promise(Napi::Env env, std::function<Result(const Model&)> work) {
  const auto settlement = std::make_shared<const Settlement>(env);
  Model* model = model_.get(); // outlives its pool's tasks
  model_->post([model, settlement, work = std::move(work), mailbox = AddonData::of(env).shared_mailbox()] {
    std::variant<Result, Error> result = Error(ErrorCode::Internal, "");
    try {
      model->require_alive();
      result = work(*model);
    } catch (...) {
      result = current_error();
    }
    mailbox->post([settlement, result = std::move(result)](AddonData& data) {
      settlement->settle(
          data, [&](Napi::Env env) { return to_js(env, std::get<Result>(result)); },
          std::get_if<Error>(&result));
    });
  });
  return settlement->promise();
}

Napi::Value ModelWrap::render(const Napi::CallbackInfo& info) {
  return promise<Prompt>(info.Env(), [input = to_render_input(info[0].As<Napi::Object>())](
                                         const Model& model) { return model.prepare(input); });
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
  const auto ids = info[0].As<Napi::Int32Array>();
  const bool with_control_tokens = info[1].As<Napi::Boolean>().Value();
  return promise<std::string>(info.Env(),
                              [tokens = std::vector<Token>(ids.Data(), ids.Data() + ids.ElementLength()),
                               with_control_tokens](const Model& model) {
                                return model.tokenizer().detokenize(tokens, with_control_tokens);
                              });
}

Napi::Value ModelWrap::dispose(const Napi::CallbackInfo& info) {
  auto& data = AddonData::of(info.Env());
  const auto settlement = std::make_shared<const Settlement>(info.Env());
  data.run_in_background(
      [model = model_, settlement, log_callback_id = log_callback_id_, mailbox = data.shared_mailbox()] {
        model->shutdown();
        mailbox->post([settlement, log_callback_id](AddonData& addon) {
          addon.forget(log_callback_id);
          settlement->settle(addon, [](Napi::Env env) { return env.Undefined(); }, nullptr);
        });
      });
  return settlement->promise();
}

} // namespace verbatim
