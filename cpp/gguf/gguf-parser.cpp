// Reads a GGUF file into a GgufMetadata. Mirrors ggml/src/gguf.cpp, which trusts lengths more than we can.
#include "gguf/gguf-reader.h"

#include "base/counted.h"
#include "gguf/file-kind.h"

#include "ggml.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <unordered_set>

namespace verbatim {

namespace fs = std::filesystem;

/// Reads bytes as they are needed, each time after a check against the size of the file.
class GgufParser {
 public:
  GgufParser(const std::string& path, bool with_weights) : with_weights_(with_weights) {
    result_.path_ = path;
    open();
  }

  GgufMetadata parse() {
    header();
    for (uint64_t i = 0; i < key_count_; ++i)
      value(i);
    tensor_table();
    return std::move(result_);
  }

 private:
  /// Refuses what the file is or has: `what` reads on from its name.
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorCode::ModelInvalid, result_.path_ + " " + what, {{"path", result_.path_}});
  }

  /// Refuses something in the file: `what` is a sentence of its own.
  [[noreturn]] void fail_part(const std::string& what) const {
    throw Error(ErrorCode::ModelInvalid, result_.path_ + ": " + what, {{"path", result_.path_}});
  }

  [[noreturn]] void truncated(uint64_t expected) const {
    throw Error(ErrorCode::ModelTruncated,
                result_.path_ + " is incomplete: it has " + counted(result_.file_bytes_, "byte") +
                    " of at least " + std::to_string(expected) + "; download or copy it anew",
                {{"path", result_.path_},
                 {"expected_bytes", static_cast<int64_t>(expected)},
                 {"file_bytes", static_cast<int64_t>(result_.file_bytes_)}});
  }

  void open() {
    const std::string& path = result_.path_;
    const auto missing = [&](const std::string& why) {
      return Error(ErrorCode::ModelNotFound, path + " " + why, {{"path", path}});
    };
    if (path.find('\0') != std::string::npos) throw missing("is no path: it contains a NUL character");
    const fs::path native(reinterpret_cast<const char8_t*>(path.c_str()));
    std::error_code error;
    const fs::file_status status = fs::status(native, error);
    if (status.type() == fs::file_type::not_found) throw missing("does not exist");
    if (status.type() == fs::file_type::directory)
      throw missing("is a directory: pass the path of a GGUF file in it");
    // A pipe would block forever, a device might never end.
    if (status.type() != fs::file_type::regular) throw missing("is not a regular file");
    result_.file_bytes_ = fs::file_size(native, error);
    if (!error) file_.open(native, std::ios::binary);
    if (error || !file_) throw missing("cannot be read: look at its permissions");
  }

  /// Makes the next `count` bytes available; returns the position of the first.
  size_t take(uint64_t count) {
    std::string& bytes = result_.bytes_;
    if (count > result_.file_bytes_ - position_) truncated(position_ + count);
    if (position_ + count > GgufMetadata::max_metadata_bytes) fail_part("metadata is longer than 96 MiB");
    if (position_ + count > loaded_) {
      const uint64_t more = std::min(std::max(position_ + count, loaded_ + (1 << 20)), result_.file_bytes_);
      bytes.resize(more);
      file_.read(bytes.data() + loaded_, static_cast<std::streamsize>(more - loaded_));
      // Shorter than its directory entry says: it is being written, or the disk fails.
      if (static_cast<uint64_t>(file_.gcount()) != more - loaded_) truncated(more);
      loaded_ = more;
    }
    const size_t start = position_;
    position_ += count;
    return start;
  }

  template <class T> T number() {
    const size_t start = take(sizeof(T));
    T value;
    std::memcpy(&value, result_.bytes_.data() + start, sizeof value);
    return value;
  }

  /// Skips over a string; the view is valid until the next take().
  std::string_view text(uint64_t longest, const std::string& what) {
    const auto size = number<uint64_t>();
    if (size > longest) fail_part(what + " is longer than " + std::to_string(longest) + " bytes");
    const size_t start = take(size);
    return std::string_view(result_.bytes_).substr(start, size);
  }

  void header() {
    if (result_.file_bytes_ == 0) fail("is empty: download or copy it anew");
    constexpr std::string_view magic = "GGUF";
    const size_t size = std::min<uint64_t>(result_.file_bytes_, magic.size());
    take(size);
    const auto beginning = std::string_view(result_.bytes_).substr(0, 512);
    if (!magic.starts_with(beginning.substr(0, size))) fail(describe_other_file(beginning));
    const auto version = number<uint32_t>();
    if ((version & 0xffff) == 0 && version != 0)
      fail("is a big-endian GGUF file: turn it round with llama.cpp's gguf_convert_endian.py");
    if (version == 0) fail("has GGUF version 0, which does not exist");
    if (version != 2 && version != 3) {
      throw Error(ErrorCode::ModelUnsupported,
                  result_.path_ + " has GGUF version " + std::to_string(version) +
                      ", and only 2 and 3 are supported; download or convert the model anew",
                  {{"path", result_.path_}, {"version", static_cast<int64_t>(version)}});
    }
    result_.version_ = version;
    tensor_count_ = number<uint64_t>();
    key_count_ = number<uint64_t>();
    if (tensor_count_ > GgufMetadata::max_tensors) fail("has more than 32768 tensors");
    if (key_count_ > GgufMetadata::max_keys) fail("has more than 8192 metadata keys");
  }

  GgufType type(const std::string& key) {
    const auto type = number<uint32_t>();
    if (type > static_cast<uint32_t>(GgufType::Float64)) {
      fail_part("metadata key " + printable(key) + " has unknown type " + std::to_string(type));
    }
    return static_cast<GgufType>(type);
  }

  void value(uint64_t index) {
    const std::string key(text(UINT16_MAX, "metadata key " + std::to_string(index)));
    // llama.cpp compares keys as C strings: after a NUL anything could hide.
    if (key.empty() || key.find('\0') != std::string::npos) {
      fail_part("metadata key " + std::to_string(index) + " is " + (key.empty() ? "empty" : printable(key)));
    }
    const std::string what = "metadata value " + printable(key);
    GgufMetadata::Value value{type(key), {}, 1, 0};
    value.element_type = value.type;
    if (value.type == GgufType::Array) {
      value.element_type = type(key);
      if (value.element_type == GgufType::Array) fail_part(what + " is an array of arrays");
      value.count = number<uint64_t>();
    }
    value.position = position_;
    if (value.count > GgufMetadata::max_elements - elements_) fail_part(what + " has too many elements");
    elements_ += value.count;
    if (value.element_type == GgufType::String) {
      for (uint64_t i = 0; i < value.count; ++i)
        text(GgufMetadata::max_string_bytes, what);
    } else {
      take(value.count * element_bytes(value.element_type));
    }
    if (!result_.values_.emplace(key, value).second)
      fail_part("metadata key " + printable(key) + " occurs twice");
    result_.keys_.push_back(key);
  }

  static uint64_t element_bytes(GgufType type) {
    constexpr uint8_t sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return sizes[static_cast<uint32_t>(type)];
  }

  uint64_t alignment() const {
    const auto info = result_.info("general.alignment");
    if (!info) return 32;
    const int64_t alignment = result_.find_int("general.alignment").value_or(0);
    // Weights are used where they are mapped; llama.cpp's CPU buffers abort below 32.
    if (info->type != GgufType::Uint32 || alignment < 32 || (alignment & (alignment - 1)) != 0) {
      fail_part("general.alignment must be a power of two of at least 32");
    }
    return static_cast<uint64_t>(alignment);
  }

  void tensor_table() {
    const uint64_t align = alignment();
    std::unordered_set<std::string> names;
    result_.tensors_.reserve(tensor_count_);
    uint64_t offset = 0;
    for (uint64_t i = 0; i < tensor_count_; ++i) {
      GgufTensor tensor = this->tensor(i);
      if (!names.insert(tensor.name).second) fail_part("tensor " + printable(tensor.name) + " occurs twice");
      if (tensor.offset != offset) {
        fail_part("tensor " + printable(tensor.name) + " is at " + std::to_string(tensor.offset) +
                  ", expected at " + std::to_string(offset));
      }
      // Far from overflow: no disk has this many bytes.
      if (tensor.bytes > max_data || (offset += padded(tensor.bytes, align)) > max_data) {
        fail_part("tensor " + printable(tensor.name) + " is too large");
      }
      result_.tensors_.push_back(std::move(tensor));
    }
    result_.bytes_.resize(position_);
    result_.bytes_.shrink_to_fit();
    if (result_.tensors_.empty()) return;
    const uint64_t start = padded(position_, align);
    for (GgufTensor& tensor : result_.tensors_)
      tensor.offset += start;
    const uint64_t end = result_.tensors_.back().offset + result_.tensors_.back().bytes;
    if (with_weights_ && end > result_.file_bytes_) truncated(end);
  }

  GgufTensor tensor(uint64_t index) {
    GgufTensor tensor{};
    tensor.name = text(GGML_MAX_NAME - 1, "the name of tensor " + std::to_string(index));
    if (tensor.name.empty() || tensor.name.find('\0') != std::string::npos) {
      fail_part("the name of tensor " + std::to_string(index) + " is " + printable(tensor.name));
    }
    const std::string what = "tensor " + printable(tensor.name);
    const auto dimensions = number<uint32_t>();
    if (dimensions > GGML_MAX_DIMS) fail_part(what + " has " + std::to_string(dimensions) + " dimensions");
    tensor.shape = {1, 1, 1, 1};
    uint64_t elements = 1;
    for (uint32_t d = 0; d < dimensions; ++d) {
      const auto extent = number<int64_t>();
      // llama.cpp lets empty tensors through its overflow check, and has no use for them.
      if (extent <= 0 || static_cast<uint64_t>(extent) > max_data / elements) {
        fail_part("dimension " + std::to_string(d) + " of " + what + " is " + std::to_string(extent));
      }
      tensor.shape[d] = extent;
      elements *= static_cast<uint64_t>(extent);
    }
    tensor.type = number<int32_t>();
    if (tensor.type < 0 || tensor.type >= GGML_TYPE_COUNT ||
        ggml_blck_size(static_cast<ggml_type>(tensor.type)) <= 0) {
      fail_part(what + " has unknown type " + std::to_string(tensor.type));
    }
    const auto type = static_cast<ggml_type>(tensor.type);
    const int64_t block = ggml_blck_size(type);
    if (tensor.shape[0] % block != 0)
      fail_part(what + " has rows which are not whole blocks of " + ggml_type_name(type));
    const uint64_t blocks = elements / static_cast<uint64_t>(block);
    if (blocks > max_data / ggml_type_size(type)) fail_part(what + " is too large");
    tensor.bytes = blocks * ggml_type_size(type);
    tensor.offset = number<uint64_t>();
    return tensor;
  }

  static uint64_t padded(uint64_t size, uint64_t align) { return (size + align - 1) / align * align; }

  static constexpr uint64_t max_data = 1ull << 52;

  const bool with_weights_;
  GgufMetadata result_;
  std::ifstream file_;
  uint64_t position_ = 0;
  uint64_t loaded_ = 0;
  uint64_t elements_ = 0;
  uint64_t tensor_count_ = 0;
  uint64_t key_count_ = 0;
};

GgufMetadata GgufMetadata::read(const std::string& path, bool with_weights) {
  return GgufParser(path, with_weights).parse();
}

} // namespace verbatim
