#include "convert.h"

#include <cstring>

namespace verbatim {

namespace {

Napi::Value or_null(Napi::Env env, const std::optional<std::string>& text) {
  return text ? Napi::Value(Napi::String::New(env, *text)) : env.Null();
}

template <typename Array, typename Element>
Napi::Value to_typed_array(Napi::Env env, const std::vector<Element>& elements) {
  const size_t bytes = elements.size() * sizeof(Element);
  auto buffer = Napi::ArrayBuffer::New(env, bytes);
  if (bytes > 0) std::memcpy(buffer.Data(), elements.data(), bytes);
  return Array::New(env, elements.size(), buffer, 0);
}

/// Returns the length of valid UTF-8 text in JavaScript's code units.
int32_t utf16_length(const std::string& text) {
  int32_t length = 0;
  for (const char c : text)
    length += ((c & 0xc0) != 0x80) + ((c & 0xf8) == 0xf0);
  return length;
}

/// Converts to flat arrays, of which lib/logprobs.ts makes objects: here, thousands of objects would take too
/// long.
Napi::Value to_js(Napi::Env env, const std::vector<ChosenTokenLogprob>& logprobs) {
  std::vector<int32_t> token_ids, text_lengths, top_counts;
  std::vector<float> values;
  std::string text;
  const auto add = [&](const TokenLogprob& token) {
    token_ids.push_back(token.token);
    values.push_back(token.logprob);
    text_lengths.push_back(utf16_length(token.text));
    text += token.text;
  };
  for (const auto& [chosen, top] : logprobs) {
    add(chosen);
    top_counts.push_back(static_cast<int32_t>(top.size()));
    for (const auto& token : top)
      add(token);
  }
  auto object = Napi::Object::New(env);
  object.Set("tokenIds", to_typed_array<Napi::Int32Array>(env, token_ids));
  object.Set("values", to_typed_array<Napi::Float32Array>(env, values));
  object.Set("text", text);
  object.Set("textLengths", to_typed_array<Napi::Int32Array>(env, text_lengths));
  object.Set("topCounts", to_typed_array<Napi::Int32Array>(env, top_counts));
  return object;
}

Napi::Value to_js(Napi::Env env, const PromptDigest& digest) {
  auto object = Napi::Object::New(env);
  const auto set = [&](const char* key, const std::string& hash) {
    object.Set(key, hash.empty() ? env.Null() : Napi::Value(Napi::String::New(env, hash)));
  };
  set("messages", digest.messages);
  set("tools", digest.tools);
  set("documents", digest.documents);
  set("templateVariables", digest.template_variables);
  set("promptText", digest.text);
  set("promptTokenIds", digest.token_ids);
  set("chatTemplate", digest.chat_template);
  object.Set("chatTemplateName", or_null(env, digest.chat_template_name));
  return object;
}

Napi::Value to_js(Napi::Env env, const std::optional<RopeScaling>& scaling) {
  if (!scaling) return env.Null();
  auto object = Napi::Object::New(env);
  const bool yarn = scaling->type == RopeScalingType::Yarn;
  const auto set = [&](const char* key, std::optional<double> value) {
    object.Set(key, value ? Napi::Value(Napi::Number::New(env, *value)) : env.Null());
  };
  const auto of_yarn = [&](double value) { return yarn ? std::optional(value) : std::nullopt; };
  object.Set("type", rope_scaling_type_name(scaling->type));
  set("factor", scaling->factor);
  set("originalContextSize", scaling->original_context_size);
  set("frequencyBase", scaling->frequency_base);
  object.Set("frequencyFactors", scaling->frequency_factors);
  set("extrapolationFactor", of_yarn(scaling->extrapolation_factor));
  set("attentionFactor", yarn ? scaling->attention_factor : std::nullopt);
  set("betaFast", of_yarn(scaling->beta_fast));
  set("betaSlow", of_yarn(scaling->beta_slow));
  return object;
}

} // namespace

std::vector<Token> to_tokens(const Napi::Int32Array& ids) {
  return {ids.Data(), ids.Data() + ids.ElementLength()};
}

namespace {

Napi::Value field_to_js(Napi::Env env, int64_t value) {
  return Napi::Number::New(env, static_cast<double>(value));
}

Napi::Value field_to_js(Napi::Env env, double value) {
  return Napi::Number::New(env, value);
}

Napi::Value field_to_js(Napi::Env env, const std::string& value) {
  return Napi::String::New(env, value);
}

Napi::Value field_to_js(Napi::Env env, const std::vector<Error::Record>& records) {
  auto array = Napi::Array::New(env, records.size());
  for (uint32_t i = 0; i < records.size(); ++i) {
    auto object = Napi::Object::New(env);
    for (const auto& [name, value] : records[i])
      object.Set(name, std::visit([&](const auto& each) { return field_to_js(env, each); }, value));
    array.Set(i, object);
  }
  return array;
}

} // namespace

Napi::Value to_js(Napi::Env env, const Error& error) {
  auto object = Napi::Error::New(env, error.what()).Value();
  auto fields = Napi::Object::New(env);
  for (const auto& [name, value] : error.fields())
    fields.Set(name, std::visit([&](const auto& each) { return field_to_js(env, each); }, value));
  object.Set("code", Napi::String::New(env, error_code_name(error.code())));
  object.Set("fields", fields);
  return object;
}

Napi::Value to_js(Napi::Env env, const ModelInfo& info) {
  auto object = Napi::Object::New(env);
  const auto set_number = [&](const char* key, double value) {
    object.Set(key, Napi::Number::New(env, value));
  };
  object.Set("path", info.path);
  object.Set("name", or_null(env, info.name));
  object.Set("description", info.description);
  object.Set("architecture", info.architecture);
  set_number("parameterCount", static_cast<double>(info.parameters));
  set_number("sizeBytes", static_cast<double>(info.size_bytes));
  set_number("vocabularySize", info.vocabulary_size);
  set_number("layerCount", info.layers);
  set_number("embeddingLength", info.embedding_length);
  set_number("trainedContextSize", info.trained_context_size);
  set_number("contextSize", info.context_size);
  object.Set("ropeScaling", to_js(env, info.rope_scaling));
  set_number("cacheSize", info.cache_size);
  set_number("maxSequences", info.max_sequences);
  set_number("maxQueue", info.max_queue);
  set_number("prefixCacheSize", info.prefix_cache_size);
  auto sharing = Napi::Object::New(env);
  sharing.Set("enabled", !info.no_prefix_sharing);
  sharing.Set("reason", or_null(env, info.no_prefix_sharing));
  object.Set("prefixSharing", sharing);
  set_number("batchSize", info.batch_size);
  set_number("threads", info.threads);
  object.Set("chatTemplate", or_null(env, info.chat_template));
  auto chat_templates = Napi::Array::New(env, info.chat_templates.size());
  for (uint32_t i = 0; const auto& [name, sha256] : info.chat_templates) {
    auto chat_template = Napi::Object::New(env);
    chat_template.Set("name", name);
    chat_template.Set("sha256", sha256);
    chat_templates.Set(i++, chat_template);
  }
  object.Set("chatTemplates", chat_templates);
  object.Set("metadataSha256", info.metadata_sha256);
  auto special_tokens = Napi::Object::New(env);
  for (const auto& [name, text] : info.special_tokens)
    special_tokens.Set(name, text);
  object.Set("specialTokens", special_tokens);
  set_number("gpuLayers", info.memory.plan.gpu_layers);
  object.Set("kvCacheType", ggml_type_name(info.memory.plan.kv_cache_type));
  const auto memory = to_js(env, info.memory).As<Napi::Object>();
  object.Set("devices", memory.Get("devices"));
  auto attempts = Napi::Object::New(env);
  attempts.Set("attempts", memory.Get("attempts"));
  object.Set("memory", attempts);
  return object;
}

Napi::Value to_js(Napi::Env env, const std::string& text) {
  return Napi::String::New(env, text);
}

Napi::Value to_js(Napi::Env env, bool value) {
  return Napi::Boolean::New(env, value);
}

Napi::Value to_js(Napi::Env env, const std::vector<Token>& tokens) {
  return to_typed_array<Napi::Int32Array>(env, tokens);
}

Napi::Value to_js(Napi::Env env, const jinja::Rendered& rendered) {
  auto object = Napi::Object::New(env);
  object.Set("text", rendered.text);
  const auto spans = utf16_spans(rendered);
  auto array = Napi::Array::New(env, spans.size());
  for (uint32_t i = 0; i < spans.size(); ++i) {
    auto span = Napi::Object::New(env);
    span.Set("start", Napi::Number::New(env, static_cast<double>(spans[i].begin)));
    span.Set("end", Napi::Number::New(env, static_cast<double>(spans[i].end)));
    span.Set("origin", spans[i].origin < 0 ? "template" : "caller");
    span.Set("path", spans[i].origin < 0 ? env.Null()
                                         : Napi::Value(Napi::String::New(
                                               env, rendered.origins[static_cast<size_t>(spans[i].origin)])));
    array.Set(i, span);
  }
  object.Set("spans", array);
  return object;
}

Napi::Value to_js(Napi::Env env, const Prompt& prompt) {
  auto object = to_js(env, prompt.rendered).As<Napi::Object>();
  object.Set("tokenIds", to_js(env, prompt.tokens));
  object.Set("digest", to_js(env, prompt.digest));
  return object;
}

Napi::Value to_js(Napi::Env env, const Inference::Delta& delta) {
  auto object = Napi::Object::New(env);
  object.Set("text", delta.text);
  object.Set("tokenIds", to_js(env, delta.tokens));
  if (!delta.logprobs.empty()) object.Set("logprobs", to_js(env, delta.logprobs));
  return object;
}

Napi::Value to_js(Napi::Env env, const Inference::Output& output) {
  auto object = Napi::Object::New(env);
  object.Set("text", output.text);
  object.Set("tokenIds", to_js(env, output.tokens));
  if (!output.logprobs.empty()) object.Set("logprobs", to_js(env, output.logprobs));
  auto usage = Napi::Object::New(env);
  usage.Set("promptTokens", output.usage.prompt_tokens);
  usage.Set("cachedTokens", output.usage.cached_tokens);
  usage.Set("completionTokens", output.usage.completion_tokens);
  object.Set("usage", usage);
  auto timings = Napi::Object::New(env);
  timings.Set("queueMs", output.timings.queue_ms);
  timings.Set("prefillMs", output.timings.prefill_ms);
  timings.Set("firstTokenMs", output.timings.first_token_ms);
  timings.Set("perTokenMs", output.timings.per_token_ms);
  timings.Set("totalMs", output.timings.total_ms);
  timings.Set("draftedTokens", output.timings.drafted_tokens);
  timings.Set("acceptedTokens", output.timings.accepted_tokens);
  object.Set("timings", timings);
  return object;
}

Napi::Value to_js(Napi::Env env, const Inference::Result& result) {
  auto object = to_js(env, static_cast<const Inference::Output&>(result)).As<Napi::Object>();
  object.Set("finishReason",
             result.finish_reason
                 ? Napi::Value(Napi::String::New(env, finish_reason_name(*result.finish_reason)))
                 : env.Null());
  object.Set("error", result.error ? to_js(env, *result.error) : env.Null());
  object.Set("digest", to_js(env, result.prompt));
  object.Set("outputTokenIdsSha256", result.token_ids_sha256);
  return object;
}

Error current_error() {
  try {
    throw;
  } catch (const Error& error) {
    return error;
  } catch (const std::bad_alloc&) {
    return Error(ErrorCode::OutOfMemory, "not enough memory");
  } catch (const std::exception& error) {
    return Error(ErrorCode::Internal, error.what());
  }
}

} // namespace verbatim
