// Measurements for benchmarks as JavaScript values.
#include "convert.h"

namespace verbatim {

LogitsProbeOptions to_logits_probe_options(const Napi::Object& options) {
  const auto number = [&options](const char* name) {
    return options.Get(name).As<Napi::Number>().Uint32Value();
  };
  LogitsProbeOptions probe;
  probe.sequences = static_cast<int32_t>(number("sequences"));
  probe.depth = number("depth");
  probe.steps = number("steps");
  return probe;
}

Napi::Value to_js(Napi::Env env, const std::vector<StepTimes>& steps) {
  constexpr size_t width = 4 + StepTimes::part_count;
  auto rows = Napi::Float64Array::New(env, steps.size() * width);
  double* value = rows.Data();
  for (const auto& step : steps) {
    *value++ = step.generating;
    *value++ = step.prompt_tokens;
    *value++ = step.drafted;
    *value++ = step.total;
    for (const double part : step.parts)
      *value++ = part;
  }
  return rows;
}

Napi::Value to_js(Napi::Env env, const LogitsProbe& probe) {
  auto object = Napi::Object::New(env);
  for (const auto& [name, step] : {std::pair{"all", probe.all}, {"one", probe.one}, {"none", probe.none}}) {
    auto times = Napi::Object::New(env);
    times.Set("submitMs", Napi::Number::New(env, step.submit));
    times.Set("waitMs", Napi::Number::New(env, step.wait));
    object.Set(name, times);
  }
  return object;
}

} // namespace verbatim
