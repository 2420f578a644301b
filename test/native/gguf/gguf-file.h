#pragma once

// Makes GGUF files for tests, and expects them to be refused.

#include "check.h"

#include "gguf/gguf-check.h"

#include "ggml.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>

namespace gguf_test {

using verbatim::Error;
using verbatim::ErrorCode;
using verbatim::GgufType;

namespace fs = std::filesystem;

/// A folder that goes away with the test.
class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / ("gguf-check-" + std::to_string(std::random_device{}()))) {
    fs::create_directories(path_);
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  std::string write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path_ / name, std::ios::binary) << bytes;
    return file(name);
  }
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

template <class T> std::string raw(T value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

inline std::string text(const std::string& value) {
  return raw<uint64_t>(value.size()) + value;
}

struct Tensor {
  std::string name;
  std::vector<int64_t> shape;
  ggml_type type = GGML_TYPE_F32;
};

/// A GGUF file in the making: keys with their type and value as bytes, and tensors.
struct File {
  uint32_t version = 3;
  std::vector<std::pair<std::string, std::string>> keys;
  std::vector<Tensor> tensors;
  uint64_t alignment = 32;

  static std::string scalar(GgufType type, const std::string& value) { return raw(type) + value; }

  void put(const std::string& key, const std::string& bytes) {
    for (auto& entry : keys) {
      if (entry.first == key) {
        entry.second = bytes;
        return;
      }
    }
    keys.emplace_back(key, bytes);
  }
  void drop(const std::string& key) {
    std::erase_if(keys, [&](const auto& entry) { return entry.first == key; });
  }
  void u32(const std::string& key, uint32_t value) { put(key, scalar(GgufType::Uint32, raw(value))); }
  void u16(const std::string& key, uint16_t value) { put(key, scalar(GgufType::Uint16, raw(value))); }
  void f32(const std::string& key, float value) { put(key, scalar(GgufType::Float32, raw(value))); }
  void boolean(const std::string& key, bool value) { put(key, scalar(GgufType::Bool, raw<uint8_t>(value))); }
  void string(const std::string& key, const std::string& value) {
    put(key, scalar(GgufType::String, text(value)));
  }
  void strings(const std::string& key, const std::vector<std::string>& values) {
    std::string bytes = raw(GgufType::Array) + raw(GgufType::String) + raw<uint64_t>(values.size());
    for (const std::string& value : values)
      bytes += text(value);
    put(key, bytes);
  }
  template <class T> void array(const std::string& key, GgufType type, const std::vector<T>& values) {
    std::string bytes = raw(GgufType::Array) + raw(type) + raw<uint64_t>(values.size());
    for (const T value : values)
      bytes += raw(value);
    put(key, bytes);
  }

  static uint64_t bytes_of(const Tensor& tensor) {
    uint64_t elements = 1;
    for (const int64_t extent : tensor.shape)
      elements *= extent > 0 ? static_cast<uint64_t>(extent) : 0;
    return elements / ggml_blck_size(tensor.type) * ggml_type_size(tensor.type);
  }
  static std::string pad(std::string bytes, uint64_t alignment) {
    bytes.resize((bytes.size() + alignment - 1) / alignment * alignment);
    return bytes;
  }
  std::string head() const {
    std::string bytes = "GGUF" + raw(version) + raw<uint64_t>(tensors.size()) + raw<uint64_t>(keys.size());
    for (const auto& [key, value] : keys)
      bytes += text(key) + value;
    uint64_t offset = 0;
    for (const Tensor& tensor : tensors) {
      bytes += text(tensor.name) + raw<uint32_t>(static_cast<uint32_t>(tensor.shape.size()));
      for (const int64_t extent : tensor.shape)
        bytes += raw(extent);
      bytes += raw<int32_t>(tensor.type) + raw(offset);
      offset += (bytes_of(tensor) + alignment - 1) / alignment * alignment;
    }
    return bytes;
  }
  std::string bytes() const {
    std::string result = head();
    for (const Tensor& tensor : tensors)
      result = pad(std::move(result), alignment) + std::string(bytes_of(tensor), '\0');
    return result;
  }
};

/// A model of two layers that passes: architecture llama, a byte pair vocabulary.
inline File model(const std::string& name = "llama") {
  File file;
  file.string("general.architecture", name);
  file.string("general.name", "tiny");
  file.u32(name + ".block_count", 2);
  file.u32(name + ".context_length", 128);
  file.u32(name + ".embedding_length", 32);
  file.u32(name + ".feed_forward_length", 64);
  file.u32(name + ".attention.head_count", 4);
  file.u32(name + ".attention.head_count_kv", 2);
  file.f32(name + ".attention.layer_norm_rms_epsilon", 1e-6f);
  file.string("tokenizer.ggml.model", "gpt2");
  file.strings("tokenizer.ggml.tokens", {"a", "b", "ab", "<s>"});
  file.array<int32_t>("tokenizer.ggml.token_type", GgufType::Int32, {1, 1, 1, 3});
  file.strings("tokenizer.ggml.merges", {"a b"});
  file.tensors = {{"token_embd.weight", {32, 4}, GGML_TYPE_Q8_0}, {"output_norm.weight", {32}}};
  for (const std::string layer : {"blk.0.", "blk.1."}) {
    file.tensors.push_back({layer + "attn_norm.weight", {32}});
    file.tensors.push_back({layer + "attn_q.weight", {32, 32}, GGML_TYPE_F16});
    file.tensors.push_back({layer + "attn_k.weight", {32, 16}, GGML_TYPE_F16});
  }
  return file;
}

inline verbatim::GgufSummary check_file(const std::string& path) {
  return verbatim::check_gguf(verbatim::GgufMetadata::read(path));
}

/// The error that these bytes are refused with; `part` must be in its message.
inline Error refused(const std::string& bytes, const std::string& part) {
  const Folder folder;
  try {
    check_file(folder.write("model.gguf", bytes));
  } catch (const Error& error) {
    const std::string message = error.what();
    if (message.find(part) == std::string::npos) {
      throw std::runtime_error(message + ", does not contain '" + part + "'");
    }
    return error;
  }
  throw std::runtime_error("not refused: " + part);
}

/// Changes a model that passes, and expects this error with this part of a message.
inline void expect(ErrorCode code, const std::string& part, const std::function<void(File&)>& change,
                   const std::string& name = "llama") {
  File file = model(name);
  change(file);
  CHECK_EQ(std::string(verbatim::error_code_name(refused(file.bytes(), part).code())),
           std::string(verbatim::error_code_name(code)));
}

inline void invalid(const std::string& part, const std::function<void(File&)>& change,
                    const std::string& name = "llama") {
  expect(ErrorCode::ModelInvalid, part, change, name);
}

inline verbatim::GgufSummary accepted(const File& file) {
  const Folder folder;
  return check_file(folder.write("model.gguf", file.bytes()));
}

inline int64_t field(const Error& error, const std::string& name) {
  for (const auto& [key, value] : error.fields())
    if (key == name) return std::get<int64_t>(value);
  return -1;
}

} // namespace gguf_test
