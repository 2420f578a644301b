#include "gguf/gguf-check.h"

#include "gguf/gguf-rules.h"
#include "gguf/gguf-shards.h"

#include "ggml.h"

#include <limits>

namespace verbatim {

namespace gguf_rules {

void invalid(const GgufMetadata& file, const std::string& what) {
  throw Error(ErrorCode::ModelInvalid, file.path() + " " + what, {{"path", file.path()}});
}

void invalid_part(const GgufMetadata& file, const std::string& what) {
  throw Error(ErrorCode::ModelInvalid, file.path() + ": " + what, {{"path", file.path()}});
}

void unsupported(const GgufMetadata& file, const std::string& what, const std::string& field,
                 const std::string& value) {
  throw Error(ErrorCode::ModelUnsupported, file.path() + " " + what, {{"path", file.path()}, {field, value}});
}

void check_tensors(const GgufMetadata& file, const Tensors& tensors) {
  const auto ends_with = [](std::string_view name, std::string_view end) { return name.ends_with(end); };
  const auto contains = [](std::string_view name, std::string_view part) {
    return name.find(part) != std::string_view::npos;
  };
  for (const auto& [name, tensor] : tensors) {
    const auto type = static_cast<ggml_type>(tensor->type);
    const std::string is = "tensor " + printable(name) + " is of type " + ggml_type_name(type);
    switch (type) {
    // Lookup tables of speculative heads and of DeepSeek 4, the only tensors which are not weights.
    case GGML_TYPE_I32:
    case GGML_TYPE_I64:
      if (contains(name, "d2t") || contains(name, "tid2eid")) break;
      [[fallthrough]];
    // ggml-cpu.c, type_traits_cpu: no dot product, a call of a null pointer.
    case GGML_TYPE_I8:
    case GGML_TYPE_I16:
    case GGML_TYPE_F64:
    case GGML_TYPE_Q8_1:
    case GGML_TYPE_Q8_K:
      invalid_part(file, is + ", which is no type for weights");
    default:
      break;
    }
    // Norms and biases are multiplied and added, frequency factors and sinks asserted to be F32:
    // binary-ops.cpp:135, ggml.c ggml_rope_impl, ggml_soft_max_add_sinks; ops.cpp for convolutions.
    const bool plain = ends_with(name, ".bias") || ends_with(name, "norm.weight") ||
                       ends_with(name, "scale") || ends_with(name, "scale.weight") ||
                       contains(name, "rope_f") || contains(name, "attn_sinks") ||
                       contains(name, "ssm_conv1d") || contains(name, "shortconv.conv") ||
                       ends_with(name, ".ssm_a") || ends_with(name, ".ssm_d");
    if (plain && type != GGML_TYPE_F32) invalid_part(file, is + ", only F32 can be used for it");
  }
  const auto embedding = tensors.find("token_embd.weight");
  // llama-model.cpp:1723: tied NVFP4 weights with a scale of their own.
  if (embedding != tensors.end() && embedding->second->type == GGML_TYPE_NVFP4 &&
      !tensors.contains("output.weight") &&
      (tensors.contains("output.scale") || tensors.contains("output.input_scale"))) {
    invalid(file, "has a scale for an output that is the token embedding");
  }
}

} // namespace gguf_rules

namespace {

using namespace gguf_rules;

uint32_t small(std::optional<int64_t> value) {
  return value && *value > 0 && *value <= std::numeric_limits<uint32_t>::max() ? static_cast<uint32_t>(*value)
                                                                               : 0;
}

} // namespace

GgufSummary check_gguf(const GgufMetadata& file) {
  const std::vector<GgufMetadata> shards = read_other_shards(file);
  const KnownArchitecture architecture = check_architecture(file);
  GgufSummary summary;
  summary.vocab_size = check_gguf_vocabulary(file);

  Tensors tensors;
  const auto add = [&](const GgufMetadata& shard) {
    for (const GgufTensor& tensor : shard.tensors()) {
      if (!tensors.emplace(tensor.name, &tensor).second) {
        invalid_part(shard, "tensor " + printable(tensor.name) + " is in an earlier shard, too");
      }
      summary.tensor_bytes += tensor.bytes;
    }
    if (tensors.size() > GgufMetadata::max_tensors) invalid(shard, "has too many tensors");
  };
  add(file);
  for (const GgufMetadata& shard : shards)
    add(shard);
  if (tensors.empty()) invalid(file, "has no tensors: it is only a vocabulary");

  check_hyperparameters(file, architecture, tensors);
  check_tensors(file, tensors);

  const auto key = [&](const char* name) { return architecture.name + name; };
  summary.layer_count = small(file.find_int(key(".block_count")));
  summary.trained_context_length = small(file.find_int(key(".context_length")));
  summary.embedding_length = small(file.find_int(key(".embedding_length")));
  summary.rope = read_rope(file, architecture, tensors);
  return summary;
}

} // namespace verbatim
