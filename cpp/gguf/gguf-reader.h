#pragma once

#include "base/error.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace verbatim {

/// The value types of GGUF metadata, with their numbers in the file.
enum class GgufType : uint32_t {
  Uint8,
  Int8,
  Uint16,
  Int16,
  Uint32,
  Int32,
  Float32,
  Bool,
  String,
  Array,
  Uint64,
  Int64,
  Float64,
};

/// One entry of the tensor table.
struct GgufTensor {
  std::string name;
  /// A ggml_type that is known to have a size.
  int32_t type;
  /// Elements per dimension, the fastest first; 1 where the file gives none. Never 0 or negative.
  std::array<int64_t, 4> shape;
  /// Position of the tensor's first byte in the file.
  uint64_t offset;
  uint64_t bytes;
};

/// The type of a metadata value, and how many elements an array has.
struct GgufValueInfo {
  GgufType type;
  /// The type of an array's elements; otherwise the same as `type`.
  GgufType element_type;
  uint64_t count;
};

/// The header, metadata and tensor table of one GGUF file. Immutable; views handed out live as long as it.
class GgufMetadata {
 public:
  /// Metadata beyond this is refused: real files have up to some 30 MiB, nearly all of it vocabulary.
  static constexpr uint64_t max_metadata_bytes = 96ull << 20;
  /// Elements of all arrays together; real files have up to some 1.5 million. llama.cpp reads and prints
  /// each by itself.
  static constexpr uint64_t max_elements = 6ull << 20;
  /// The longest strings of real files are chat templates, of up to some 100 KiB.
  static constexpr uint64_t max_string_bytes = 16ull << 20;
  /// llama.cpp compares every key with all the ones before it.
  static constexpr uint64_t max_keys = 8192;
  /// llama.cpp compares every tensor name with all the ones before it.
  static constexpr uint64_t max_tensors = 32768;

  /// Reads a file up to its weights. Allocates nothing that the file is too short to hold. Throws Error:
  /// ModelNotFound (missing, a directory, unreadable), ModelInvalid, ModelUnsupported (GGUF version 1 or from
  /// the future), ModelTruncated (fields expected_bytes, file_bytes): with `with_weights` also for a file
  /// that is too short for its weights.
  static GgufMetadata read(const std::string& path, bool with_weights = true);

  const std::string& path() const { return path_; }
  uint32_t version() const { return version_; }
  uint64_t file_bytes() const { return file_bytes_; }
  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  /// The bytes of the file up to the padding before the weights.
  std::string_view raw() const { return bytes_; }
  /// Returns the keys of the metadata, in the order of the file.
  const std::vector<std::string>& keys() const { return keys_; }

  bool has(std::string_view key) const { return find(key) != nullptr; }
  std::optional<GgufValueInfo> info(std::string_view key) const;

  // Each of these is nullopt if the key is absent or of another kind.

  /// May contain NULs, unlike what llama.cpp sees of it: see llama_view().
  std::optional<std::string_view> find_string(std::string_view key) const;
  /// Any integer type; not booleans. Unsigned values above INT64_MAX give INT64_MAX.
  std::optional<int64_t> find_int(std::string_view key) const;
  /// 32 or 64 bit floats.
  std::optional<double> find_float(std::string_view key) const;
  std::optional<bool> find_bool(std::string_view key) const;
  /// Arrays of integers or booleans.
  std::optional<std::vector<int64_t>> find_int_array(std::string_view key) const;
  std::optional<std::vector<double>> find_float_array(std::string_view key) const;
  std::optional<std::vector<std::string_view>> find_string_array(std::string_view key) const;

 private:
  friend class GgufParser;

  struct Value {
    GgufType type;
    GgufType element_type;
    uint64_t count;
    // The place in bytes_ of the value, or of an array's first element.
    size_t position;
  };

  const Value* find(std::string_view key) const;
  int64_t int_at(GgufType type, size_t position) const;

  std::string path_;
  uint32_t version_ = 0;
  uint64_t file_bytes_ = 0;
  std::string bytes_;
  std::vector<std::string> keys_;
  std::unordered_map<std::string, Value> values_;
  std::vector<GgufTensor> tensors_;
};

/// A string as llama.cpp sees it: it gets C strings, which end at the first NUL.
inline std::string_view llama_view(std::string_view text) {
  return text.substr(0, text.find('\0'));
}

/// Quotes a text for messages, with control characters and broken UTF-8 escaped, and cut if long.
std::string printable(std::string_view text);

} // namespace verbatim
