#include "addon-data.h"
#include "backend/backend.h"
#include "chat-template-wrap.h"
#include "convert.h"
#include "gguf/gguf-reader.h"
#include "inference-wrap.h"
#include "model-loader.h"
#include "model-wrap.h"
#include "node-api.h"
#include "settlement.h"

#include <atomic>
#include <memory>

namespace verbatim {

namespace {

/// initialize(folder, plugins) -> [{ path, reason }]: see load_backends().
Napi::Value initialize(const Napi::CallbackInfo& info) {
  const auto plugins = to_strings(info[1].As<Napi::Array>());
  const auto& unusable = load_backends(info[0].As<Napi::String>().Utf8Value(), plugins);
  AddonData::shut_down_at_exit();
  auto array = Napi::Array::New(info.Env(), unusable.size());
  for (uint32_t i = 0; i < unusable.size(); ++i) {
    auto backend = Napi::Object::New(info.Env());
    backend.Set("path", unusable[i].path);
    backend.Set("reason", unusable[i].reason);
    array.Set(i, backend);
  }
  return array;
}

/// shutdown(): call when the process exits. See AddonData.
Napi::Value shutdown(const Napi::CallbackInfo& info) {
  AddonData::of(info.Env()).shutdown();
  return info.Env().Undefined();
}

/// deliveryStatistics() -> { count, longestMs } since the last call: see Mailbox::Statistics.
Napi::Value delivery_statistics(const Napi::CallbackInfo& info) {
  const auto statistics = AddonData::of(info.Env()).mailbox().take_statistics();
  auto object = Napi::Object::New(info.Env());
  object.Set("count", Napi::Number::New(info.Env(), static_cast<double>(statistics.count)));
  object.Set("longestMs", Napi::Number::New(info.Env(), statistics.longest_ms));
  return object;
}

/// loadModel(options, onProgress, onLog, onDone) -> cancel(). `onDone(error, model)` is called once.
Napi::Value load_model(const Napi::CallbackInfo& info) {
  auto options = to_load_options(info[0].As<Napi::Object>());
  auto& data = AddonData::of(info.Env());
  const uint64_t progress_id = data.keep(info[1].As<Napi::Function>());
  const uint64_t log_id = info[2].IsFunction() ? data.keep(info[2].As<Napi::Function>()) : 0;
  const uint64_t done_id = data.keep(info[3].As<Napi::Function>());
  const auto mailbox = data.shared_mailbox();
  const auto cancelled = std::make_shared<std::atomic<bool>>(false);
  data.track(cancelled);
  data.mailbox().begin_operation();

  if (log_id != 0)
    options.on_log = [mailbox, log_id](LogLevel level, const std::string& line) {
      mailbox->post([log_id, level, line](AddonData& addon) {
        addon.call(log_id, {Napi::String::New(addon.env(), log_level_name(level)),
                            Napi::String::New(addon.env(), line)});
      });
    };

  const auto done = [mailbox, progress_id, log_id, done_id](std::shared_ptr<Model> model,
                                                            std::shared_ptr<Error> error) {
    mailbox->post([model = std::move(model), error, progress_id, log_id, done_id](AddonData& addon) {
      addon.mailbox().end_operation();
      if (error)
        addon.call(done_id, {to_js(addon.env(), *error), addon.env().Null()});
      else
        addon.call(done_id, {addon.env().Null(), ModelWrap::create(addon.env(), model, log_id)});
      addon.forget(progress_id);
      addon.forget(done_id);
      if (error) addon.forget(log_id);
    });
  };
  auto load = [options = std::move(options), mailbox, cancelled, progress_id, done] {
    std::shared_ptr<Model> model;
    std::shared_ptr<Error> error;
    try {
      model = Model::load(
          options,
          [&](double fraction) {
            mailbox->post([progress_id, fraction](AddonData& addon) {
              addon.call(progress_id, {Napi::Number::New(addon.env(), fraction)});
            });
          },
          *cancelled);
    } catch (...) {
      error = std::make_shared<Error>(current_error());
    }
    done(std::move(model), std::move(error));
  };
  try {
    data.run_in_background(std::move(load));
  } catch (...) {
    done(nullptr, std::make_shared<Error>(current_error()));
  }
  return Napi::Function::New(info.Env(), [cancelled](const Napi::CallbackInfo&) { *cancelled = true; });
}

/// estimateMemory(options) -> Promise<MemoryEstimate>
Napi::Value estimate_memory(const Napi::CallbackInfo& info) {
  auto& data = AddonData::of(info.Env());
  return settle_later<MemoryEstimate>(
      info.Env(), [&data](std::function<void()> task) { data.run_in_background(std::move(task)); },
      [options = to_load_options(info[0].As<Napi::Object>())] { return ModelLoader(options).estimate(); });
}

/// hasWholeHeader(path) -> Promise<true>: rejects when the file is no GGUF, or ends before its header does.
Napi::Value has_whole_header(const Napi::CallbackInfo& info) {
  auto& data = AddonData::of(info.Env());
  return settle_later<bool>(
      info.Env(), [&data](std::function<void()> task) { data.run_in_background(std::move(task)); },
      [path = info[0].As<Napi::String>().Utf8Value()] {
        return !GgufMetadata::read(path, false).raw().empty();
      });
}

Napi::Object define_addon(Napi::Env env, Napi::Object exports) {
  auto* data = new AddonData(env); // owned by the environment
  env.SetInstanceData(data);
  env.AddCleanupHook([](AddonData* addon) { addon->shutdown(); }, data);
  data->model_class = Napi::Persistent(ModelWrap::define(env));
  data->inference_class = Napi::Persistent(InferenceWrap::define(env));
  exports.Set("version", VERBATIM_VERSION);
  exports.Set("llamaCppVersion", LLAMA_CPP_VERSION);
  exports.Set("ChatTemplate", ChatTemplateWrap::define(env));
  exports.Set("initialize", Napi::Function::New(env, initialize));
  exports.Set("shutdown", Napi::Function::New(env, shutdown));
  exports.Set("deliveryStatistics", Napi::Function::New(env, delivery_statistics));
  exports.Set("loadModel", Napi::Function::New(env, load_model));
  exports.Set("hasWholeHeader", Napi::Function::New(env, has_whole_header));
  exports.Set("estimateMemory", Napi::Function::New(env, estimate_memory));
  return exports;
}

} // namespace

} // namespace verbatim

static Napi::Object initialize_module(Napi::Env env, Napi::Object exports) {
  return verbatim::define_addon(env, exports);
}

NODE_API_MODULE(verbatim_llama, initialize_module)
