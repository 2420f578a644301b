// What JavaScript asks for, as the engine takes it.
#include "convert.h"

namespace verbatim {

namespace {

std::string text_or_empty(const Napi::Object& object, const char* key) {
  const Napi::Value value = object.Get(key);
  return value.IsString() ? value.As<Napi::String>().Utf8Value() : std::string();
}

double number(const Napi::Object& object, const char* key) {
  return object.Get(key).As<Napi::Number>().DoubleValue();
}

uint32_t unsigned_number(const Napi::Object& object, const char* key) {
  return object.Get(key).As<Napi::Number>().Uint32Value();
}

bool boolean(const Napi::Object& object, const char* key) {
  return object.Get(key).As<Napi::Boolean>().Value();
}

ggml_type kv_cache_type(const std::string& name) {
  static constexpr std::pair<const char*, ggml_type> types[] = {
      {"f32", GGML_TYPE_F32},   {"f16", GGML_TYPE_F16},   {"bf16", GGML_TYPE_BF16},
      {"q8_0", GGML_TYPE_Q8_0}, {"q5_1", GGML_TYPE_Q5_1}, {"q5_0", GGML_TYPE_Q5_0},
      {"q4_1", GGML_TYPE_Q4_1}, {"q4_0", GGML_TYPE_Q4_0}, {"iq4_nl", GGML_TYPE_IQ4_NL},
  };
  for (const auto& [known, type] : types)
    if (name == known) return type;
  throw Error(ErrorCode::InvalidOption, "unknown kvCacheType " + name, {{"path", "kvCacheType"}});
}

} // namespace

LoadOptions to_memory_options(const Napi::Object& options) {
  LoadOptions result;
  result.path = text_or_empty(options, "path");
  result.context_size = unsigned_number(options, "contextSize");
  result.cache_size = unsigned_number(options, "cacheSize");
  result.max_sequences = unsigned_number(options, "maxSequences");
  result.gpu_layers = options.Get("gpuLayers").As<Napi::Number>().Int32Value();
  result.devices.names = to_strings(options.Get("devices").As<Napi::Array>());
  result.devices.single = text_or_empty(options, "splitMode") == "none";
  result.devices.main_gpu = options.Get("mainGpu").As<Napi::Number>().Int32Value();
  const auto shares = options.Get("tensorSplit").As<Napi::Array>();
  for (uint32_t i = 0; i < shares.Length(); ++i)
    result.devices.shares.push_back(shares.Get(i).As<Napi::Number>().FloatValue());
  result.flash_attention =
      static_cast<llama_flash_attn_type>(options.Get("flashAttention").As<Napi::Number>().Int32Value());
  if (const auto type = text_or_empty(options, "kvCacheType"); !type.empty())
    result.kv_cache_type = kv_cache_type(type);
  result.fit_memory = boolean(options, "fitMemory");
  return result;
}

LoadOptions to_load_options(const Napi::Object& options) {
  LoadOptions result = to_memory_options(options);
  result.max_queue = unsigned_number(options, "maxQueue");
  if (const double size = number(options, "prefixCacheSize"); size >= 0)
    result.prefix_cache_size = static_cast<uint32_t>(size);
  result.threads = options.Get("threads").As<Napi::Number>().Int32Value();
  const Napi::Value chat_template = options.Get("chatTemplate");
  if (chat_template.IsString()) result.chat_template = chat_template.As<Napi::String>().Utf8Value();
  const Napi::Value chat_template_name = options.Get("chatTemplateName");
  if (chat_template_name.IsString())
    result.chat_template_name = chat_template_name.As<Napi::String>().Utf8Value();
  const auto special_tokens = options.Get("specialTokens").As<Napi::Object>();
  const auto names = special_tokens.GetPropertyNames();
  for (uint32_t i = 0; i < names.Length(); ++i) {
    const auto name = names.Get(i).As<Napi::String>();
    const Napi::Value text = special_tokens.Get(name);
    result.special_tokens.emplace_back(name.Utf8Value(),
                                       text.IsString() ? std::optional(text.As<Napi::String>().Utf8Value())
                                                       : std::nullopt);
  }
  return result;
}

RenderInput to_render_input(const Napi::Object& request) {
  RenderInput input;
  input.messages = text_or_empty(request, "messages");
  input.tools = text_or_empty(request, "tools");
  input.documents = text_or_empty(request, "documents");
  input.template_variables = text_or_empty(request, "templateVariables");
  input.add_generation_prompt = boolean(request, "addGenerationPrompt");
  input.now_ms = static_cast<int64_t>(number(request, "now"));
  return input;
}

ControlTokenPolicy to_control_token_policy(const Napi::Object& request) {
  ControlTokenPolicy policy;
  policy.anywhere = boolean(request, "controlTokensAnywhere");
  const auto trusted = request.Get("trustedMessages").As<Napi::Array>();
  for (uint32_t i = 0; i < trusted.Length(); ++i)
    policy.trusted_messages.push_back(trusted.Get(i).As<Napi::Number>().Uint32Value());
  return policy;
}

GenerateOptions to_generate_options(const Napi::Object& request) {
  GenerateOptions options;
  options.max_tokens = unsigned_number(request, "maxTokens");
  options.ignore_end_of_sequence = boolean(request, "ignoreEndOfSequence");
  options.reproducible = boolean(request, "reproducible");
  options.prompt_lookup = boolean(request, "promptLookup");
  options.stop = to_strings(request.Get("stop").As<Napi::Array>());
  auto& sampling = options.sampling;
  sampling.temperature = number(request, "temperature");
  sampling.top_p = number(request, "topP");
  sampling.min_p = number(request, "minP");
  sampling.top_k = request.Get("topK").As<Napi::Number>().Int32Value();
  sampling.repetition_penalty = number(request, "repetitionPenalty");
  sampling.presence_penalty = number(request, "presencePenalty");
  sampling.frequency_penalty = number(request, "frequencyPenalty");
  sampling.seed = static_cast<uint64_t>(number(request, "seed"));
  sampling.logprobs = request.Get("logprobs").As<Napi::Number>().Int32Value();
  return options;
}

} // namespace verbatim
