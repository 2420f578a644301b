// Memory estimates as JavaScript values.
#include "convert.h"

namespace verbatim {

namespace {

void set_bytes(Napi::Object& object, const char* key, uint64_t bytes) {
  object.Set(key, Napi::Number::New(object.Env(), static_cast<double>(bytes)));
}

void set_plan(Napi::Object& object, const MemoryPlan& plan) {
  object.Set("gpuLayers", Napi::Number::New(object.Env(), plan.gpu_layers));
  object.Set("cacheSize", Napi::Number::New(object.Env(), plan.cache_size));
  object.Set("batchSize", Napi::Number::New(object.Env(), plan.batch_size));
  object.Set("kvCacheType", ggml_type_name(plan.kv_cache_type));
}

const char* outcome_name(MemoryAttempt::Outcome outcome) {
  switch (outcome) {
  case MemoryAttempt::Outcome::Taken:
    return "taken";
  case MemoryAttempt::Outcome::TooLarge:
    return "too-large";
  case MemoryAttempt::Outcome::Failed:
    return "failed";
  case MemoryAttempt::Outcome::Unusable:
    break;
  }
  return "unusable";
}

Napi::Object device_to_js(Napi::Env env, const DeviceUse& use) {
  auto object = Napi::Object::New(env);
  object.Set("name", use.name);
  object.Set("description", use.description);
  object.Set("type", use.type);
  object.Set("backend", use.backend);
  set_bytes(object, "totalBytes", use.total);
  set_bytes(object, "freeBytes", use.budget.free);
  set_bytes(object, "marginBytes", use.budget.margin);
  set_bytes(object, "weightsBytes", use.need.weights);
  set_bytes(object, "mappedBytes", use.need.mapped);
  set_bytes(object, "cacheBytes", use.need.cache);
  set_bytes(object, "computeBytes", use.need.compute);
  return object;
}

Napi::Object attempt_to_js(Napi::Env env, const MemoryEstimate& estimate, const MemoryAttempt& attempt) {
  auto object = Napi::Object::New(env);
  set_plan(object, attempt.plan);
  auto devices = Napi::Array::New(env, attempt.needs.size());
  for (uint32_t i = 0; i < attempt.needs.size(); ++i) {
    auto device = Napi::Object::New(env);
    device.Set("name", estimate.devices[i].name);
    const auto [needed, free] = balance(attempt.needs[i], attempt.budgets[i]);
    set_bytes(device, "neededBytes", needed);
    set_bytes(device, "freeBytes", free);
    devices.Set(i, device);
  }
  object.Set("devices", devices);
  object.Set("outcome", outcome_name(attempt.outcome));
  object.Set("reason",
             attempt.reason.empty() ? env.Null() : Napi::Value(Napi::String::New(env, attempt.reason)));
  return object;
}

} // namespace

Napi::Value to_js(Napi::Env env, const MemoryEstimate& estimate) {
  auto object = Napi::Object::New(env);
  object.Set("fits", estimate.fits);
  set_plan(object, estimate.plan);
  object.Set("contextSize", Napi::Number::New(env, estimate.context_size));
  auto devices = Napi::Array::New(env, estimate.devices.size());
  for (uint32_t i = 0; i < estimate.devices.size(); ++i)
    devices.Set(i, device_to_js(env, estimate.devices[i]));
  object.Set("devices", devices);
  auto attempts = Napi::Array::New(env, estimate.attempts.size());
  for (uint32_t i = 0; i < estimate.attempts.size(); ++i)
    attempts.Set(i, attempt_to_js(env, estimate, estimate.attempts[i]));
  object.Set("attempts", attempts);
  return object;
}

} // namespace verbatim
