#pragma once

#include "base/error.h"
#include "engine/inference.h"
#include "engine/sequence.h"
#include "model.h"
#include "node-api.h"

#include <string>
#include <vector>

namespace verbatim {

// JavaScript values to engine values. lib/ has validated them; a wrong type is a bug there and throws.

LoadOptions to_load_options(const Napi::Object& options);
RenderInput to_render_input(const Napi::Object& request);
ControlTokenPolicy to_control_token_policy(const Napi::Object& request);
SpecialTokenTexts to_special_tokens(const Napi::Object& texts);
GenerateOptions to_generate_options(const Napi::Object& request);
LogitsProbeOptions to_logits_probe_options(const Napi::Object& options);
std::vector<std::string> to_strings(const Napi::Array& array);
std::vector<Token> to_tokens(const Napi::Int32Array& ids);

// Engine values to JavaScript values.

/// Makes a JavaScript Error with `code` and `fields`, of which lib/native-error.ts makes the public class.
Napi::Value to_js(Napi::Env env, const Error& error);
Napi::Value to_js(Napi::Env env, const ModelInfo& info);
Napi::Value to_js(Napi::Env env, const MemoryEstimate& estimate);
Napi::Value to_js(Napi::Env env, const jinja::Rendered& rendered);
Napi::Value to_js(Napi::Env env, const Prompt& prompt);
Napi::Value to_js(Napi::Env env, const std::string& text);
Napi::Value to_js(Napi::Env env, bool value);
/// Makes an Int32Array.
Napi::Value to_js(Napi::Env env, const std::vector<Token>& tokens);
Napi::Value to_js(Napi::Env env, const Inference::Delta& delta);
Napi::Value to_js(Napi::Env env, const Inference::Output& output);
Napi::Value to_js(Napi::Env env, const Inference::Result& result);
/// Makes a Float64Array with a row for each step: the members of StepTimes in their order.
Napi::Value to_js(Napi::Env env, const std::vector<StepTimes>& steps);
Napi::Value to_js(Napi::Env env, const LogitsProbe& probe);

/// Returns the exception in flight as an Error.
Error current_error();

} // namespace verbatim
