// Options as lib/options/ has checked them, as the engine takes them. A value that is null or absent leaves a
// member at its default, and so does the word auto in place of a number: the engine chooses.
#include "convert.h"

namespace verbatim {

namespace {

bool is_absent(const Napi::Value& value) {
  return value.IsNull() || value.IsUndefined();
}

void assign(const Napi::Value& value, bool& member) {
  member = value.As<Napi::Boolean>().Value();
}

void assign(const Napi::Value& value, int32_t& member) {
  if (!value.IsString()) member = value.As<Napi::Number>().Int32Value();
}

void assign(const Napi::Value& value, uint32_t& member) {
  member = value.As<Napi::Number>().Uint32Value();
}

void assign(const Napi::Value& value, int64_t& member) {
  member = value.As<Napi::Number>().Int64Value();
}

void assign(const Napi::Value& value, uint64_t& member) {
  member = static_cast<uint64_t>(value.As<Napi::Number>().DoubleValue());
}

void assign(const Napi::Value& value, float& member) {
  member = value.As<Napi::Number>().FloatValue();
}

void assign(const Napi::Value& value, double& member) {
  member = value.As<Napi::Number>().DoubleValue();
}

void assign(const Napi::Value& value, std::string& member) {
  member = value.As<Napi::String>().Utf8Value();
}

template <typename Visit> void each_member(const Napi::Object& object, const Visit& visit) {
  const auto names = object.GetPropertyNames();
  for (uint32_t i = 0; i < names.Length(); ++i) {
    const auto name = names.Get(i).As<Napi::String>();
    if (!object.HasOwnProperty(name)) continue; // of a prototype that somebody added to
    visit(name.Utf8Value(), Napi::Value(object.Get(name)));
  }
}

void assign(const Napi::Value& value, Speculative& member) {
  member = value.IsString() ? Speculative::PromptLookup : Speculative::None;
}

void assign(const Napi::Value& value, IgnoredInputs& member) {
  member = value.As<Napi::String>().Utf8Value() == "allow" ? IgnoredInputs::Allow : IgnoredInputs::Refuse;
}

void assign(const Napi::Value& value, SplitMode& member) {
  member = value.As<Napi::String>().Utf8Value() == "none" ? SplitMode::None : SplitMode::Layer;
}

void assign(const Napi::Value& value, OnOutOfMemory& member) {
  member = value.As<Napi::String>().Utf8Value() == "fit" ? OnOutOfMemory::Fit : OnOutOfMemory::Throw;
}

void assign(const Napi::Value& value, llama_flash_attn_type& member) {
  if (value.IsString()) return;
  member = value.As<Napi::Boolean>().Value() ? LLAMA_FLASH_ATTN_TYPE_ENABLED : LLAMA_FLASH_ATTN_TYPE_DISABLED;
}

void assign(const Napi::Value& value, ggml_type& member) {
  const std::string name = value.As<Napi::String>().Utf8Value();
  for (int type = 0; type < GGML_TYPE_COUNT; ++type) {
    member = static_cast<ggml_type>(type);
    const char* const known = ggml_type_name(member);
    if (known && name == known) return;
  }
  throw Error(ErrorCode::InvalidOption, "unknown kvCacheType " + name, {{"path", "kvCacheType"}});
}

template <typename Element> void assign(const Napi::Value& value, std::vector<Element>& member) {
  const auto array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i)
    assign(array.Get(i), member.emplace_back());
}

void assign(const Napi::Value& value, RopeScalingOptions& member);

template <typename Value> void assign(const Napi::Value& value, std::optional<Value>& member) {
  assign(value, member.emplace());
}

void assign(const Napi::Value& value, ControlTokenPolicy& member) {
  member.anywhere = value.IsString();
  if (!member.anywhere) assign(value, member.trusted_roles);
}

void assign(const Napi::Value& value, ChatTemplateChoice& member) {
  if (value.IsString())
    assign(value, member.source);
  else
    assign(value.As<Napi::Object>().Get("name"), member.name);
}

void assign(const Napi::Value& value, RopeScalingType& member) {
  const std::string name = value.As<Napi::String>().Utf8Value();
  member = name == "yarn"     ? RopeScalingType::Yarn
           : name == "linear" ? RopeScalingType::Linear
                              : RopeScalingType::None;
}

void assign(const Napi::Value& value, SpecialTokenReplacements& member) {
  each_member(value.As<Napi::Object>(), [&](std::string name, const Napi::Value& text) {
    auto& replacement = member.emplace_back(std::move(name), std::nullopt);
    if (!is_absent(text)) assign(text, replacement.second);
  });
}

template <typename Options> void assign_options(const Napi::Object& object, Options& options) {
  visit_options(options, [&](const char* name, auto& member) {
    if (!object.HasOwnProperty(name)) return;
    const Napi::Value value = object.Get(name);
    if (!is_absent(value)) assign(value, member);
  });
}

void assign(const Napi::Value& value, RopeScalingOptions& member) {
  assign_options(value.As<Napi::Object>(), member);
}

template <typename Options> Options to_options(const Napi::Object& object) {
  Options options;
  assign_options(object, options);
  return options;
}

} // namespace

LoadOptions to_load_options(const Napi::Object& options) {
  return to_options<LoadOptions>(options);
}

RenderInput to_render_input(const Napi::Object& request) {
  return to_options<RenderInput>(request);
}

GenerateOptions to_generate_options(const Napi::Object& request) {
  return to_options<GenerateOptions>(request);
}

ControlTokenPolicy to_control_token_policy(const Napi::Object& request) {
  ControlTokenPolicy policy;
  assign(request.Get("controlTokens"), policy);
  return policy;
}

SpecialTokenTexts to_special_tokens(const Napi::Object& texts) {
  SpecialTokenTexts result;
  each_member(texts, [&](std::string name, const Napi::Value& text) {
    assign(text, result.emplace_back(std::move(name), "").second);
  });
  return result;
}

std::vector<std::string> to_strings(const Napi::Array& array) {
  std::vector<std::string> strings;
  assign(array, strings);
  return strings;
}

} // namespace verbatim
