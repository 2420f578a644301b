#include "gguf/gguf-reader.h"

#include <bit>
#include <cstdio>
#include <cstring>

namespace verbatim {

static_assert(std::endian::native == std::endian::little, "GGUF values are read in place");

namespace {

/// 0 for types without a fixed size.
size_t size_of(GgufType type) {
  switch (type) {
  case GgufType::Uint8:
  case GgufType::Int8:
  case GgufType::Bool:
    return 1;
  case GgufType::Uint16:
  case GgufType::Int16:
    return 2;
  case GgufType::Uint32:
  case GgufType::Int32:
  case GgufType::Float32:
    return 4;
  case GgufType::Uint64:
  case GgufType::Int64:
  case GgufType::Float64:
    return 8;
  case GgufType::String:
  case GgufType::Array:
    return 0;
  }
  return 0;
}

bool is_integer(GgufType type) {
  return size_of(type) > 0 && type != GgufType::Float32 && type != GgufType::Float64 &&
         type != GgufType::Bool;
}

/// The value at a position that has been checked before; GGUF does not align anything.
template <class T> T value_at(const std::string& bytes, size_t position) {
  T value;
  std::memcpy(&value, bytes.data() + position, sizeof value);
  return value;
}

} // namespace

std::string printable(std::string_view text) {
  constexpr size_t longest = 64;
  std::string result = "'";
  for (const char c : text.substr(0, longest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      result += c;
    } else {
      char escaped[5];
      std::snprintf(escaped, sizeof escaped, "\\x%02x", byte);
      result += escaped;
    }
  }
  return result + (text.size() > longest ? "…'" : "'");
}

const GgufMetadata::Value* GgufMetadata::find(std::string_view key) const {
  const auto found = values_.find(std::string(key));
  return found == values_.end() ? nullptr : &found->second;
}

std::optional<GgufValueInfo> GgufMetadata::info(std::string_view key) const {
  const Value* value = find(key);
  if (!value) return std::nullopt;
  return GgufValueInfo{value->type, value->element_type, value->count};
}

std::optional<std::string_view> GgufMetadata::find_string(std::string_view key) const {
  const Value* value = find(key);
  if (!value || value->type != GgufType::String) return std::nullopt;
  const auto size = value_at<uint64_t>(bytes_, value->position);
  return std::string_view(bytes_).substr(value->position + sizeof(uint64_t), size);
}

int64_t GgufMetadata::int_at(GgufType type, size_t position) const {
  switch (type) {
  case GgufType::Uint8:
    return value_at<uint8_t>(bytes_, position);
  case GgufType::Int8:
    return value_at<int8_t>(bytes_, position);
  case GgufType::Bool:
    return value_at<uint8_t>(bytes_, position) != 0;
  case GgufType::Uint16:
    return value_at<uint16_t>(bytes_, position);
  case GgufType::Int16:
    return value_at<int16_t>(bytes_, position);
  case GgufType::Uint32:
    return value_at<uint32_t>(bytes_, position);
  case GgufType::Int32:
    return value_at<int32_t>(bytes_, position);
  case GgufType::Int64:
    return value_at<int64_t>(bytes_, position);
  default: {
    const auto value = value_at<uint64_t>(bytes_, position);
    return value > INT64_MAX ? INT64_MAX : static_cast<int64_t>(value);
  }
  }
}

std::optional<int64_t> GgufMetadata::find_int(std::string_view key) const {
  const Value* value = find(key);
  if (!value || !is_integer(value->type)) return std::nullopt;
  return int_at(value->type, value->position);
}

std::optional<double> GgufMetadata::find_float(std::string_view key) const {
  const Value* value = find(key);
  if (value && value->type == GgufType::Float32) return value_at<float>(bytes_, value->position);
  if (value && value->type == GgufType::Float64) return value_at<double>(bytes_, value->position);
  return std::nullopt;
}

std::optional<bool> GgufMetadata::find_bool(std::string_view key) const {
  const Value* value = find(key);
  if (!value || value->type != GgufType::Bool) return std::nullopt;
  return int_at(value->type, value->position) != 0;
}

std::optional<std::vector<int64_t>> GgufMetadata::find_int_array(std::string_view key) const {
  const Value* value = find(key);
  if (!value || value->type != GgufType::Array) return std::nullopt;
  if (!is_integer(value->element_type) && value->element_type != GgufType::Bool) return std::nullopt;
  std::vector<int64_t> result(value->count);
  const size_t step = size_of(value->element_type);
  for (size_t i = 0; i < result.size(); ++i)
    result[i] = int_at(value->element_type, value->position + i * step);
  return result;
}

std::optional<std::vector<double>> GgufMetadata::find_float_array(std::string_view key) const {
  const Value* value = find(key);
  if (!value || value->type != GgufType::Array) return std::nullopt;
  const bool narrow = value->element_type == GgufType::Float32;
  if (!narrow && value->element_type != GgufType::Float64) return std::nullopt;
  std::vector<double> result(value->count);
  for (size_t i = 0; i < result.size(); ++i)
    result[i] = narrow ? value_at<float>(bytes_, value->position + i * sizeof(float))
                       : value_at<double>(bytes_, value->position + i * sizeof(double));
  return result;
}

std::optional<std::vector<std::string_view>> GgufMetadata::find_string_array(std::string_view key) const {
  const Value* value = find(key);
  if (!value || value->type != GgufType::Array || value->element_type != GgufType::String) {
    return std::nullopt;
  }
  std::vector<std::string_view> result;
  result.reserve(value->count);
  size_t position = value->position;
  for (uint64_t i = 0; i < value->count; ++i) {
    const auto size = value_at<uint64_t>(bytes_, position);
    position += sizeof(uint64_t);
    result.push_back(std::string_view(bytes_).substr(position, size));
    position += size;
  }
  return result;
}

} // namespace verbatim
