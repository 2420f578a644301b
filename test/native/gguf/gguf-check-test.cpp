// Header, metadata, tensor table and shards.

#include "gguf/gguf-file.h"

#include <limits>

using namespace gguf_test;
using verbatim::GgufMetadata;

namespace {

/// By value: CHECK_EQ keeps references, which would outlive a temporary optional.
template <class T> T get(const std::optional<T>& value) {
  if (!value) throw std::runtime_error("no value");
  return *value;
}

} // namespace

TEST(gguf_check_returns_the_sizes_of_the_model) {
  const auto summary = accepted(model());
  CHECK_EQ(summary.tensor_bytes, 4u * 34 + 3 * 128 + 2 * (32 * 32 + 32 * 16) * 2);
  CHECK_EQ(summary.vocab_size, 4u);
  CHECK_EQ(summary.layer_count, 2u);
  CHECK_EQ(summary.trained_context_length, 128u);
  CHECK_EQ(summary.embedding_length, 32u);
}

TEST(gguf_metadata_finds_values_by_their_type_only) {
  File file;
  file.string("text", std::string("a\0b", 3));
  file.put("small", File::scalar(GgufType::Int8, raw<int8_t>(-3)));
  file.put("large", File::scalar(GgufType::Uint64, raw<uint64_t>(~0ull)));
  file.put("precise", File::scalar(GgufType::Float64, raw(0.5)));
  file.boolean("yes", true);
  file.array<int16_t>("numbers", GgufType::Int16, {1, -2});
  file.array<float>("floats", GgufType::Float32, {0.25f});
  file.strings("texts", {"", "x"});
  const Folder folder;
  const auto metadata = GgufMetadata::read(folder.write("model.gguf", file.bytes()));
  CHECK_EQ(get(metadata.find_string("text")), std::string_view("a\0b", 3));
  CHECK_EQ(verbatim::llama_view(get(metadata.find_string("text"))), std::string_view("a"));
  CHECK_EQ(get(metadata.find_int("small")), -3);
  CHECK_EQ(get(metadata.find_int("large")), std::numeric_limits<int64_t>::max());
  CHECK_EQ(get(metadata.find_float("precise")), 0.5);
  CHECK(get(metadata.find_bool("yes")));
  CHECK((get(metadata.find_int_array("numbers")) == std::vector<int64_t>{1, -2}));
  CHECK((get(metadata.find_float_array("floats")) == std::vector<double>{0.25}));
  CHECK((get(metadata.find_string_array("texts")) == std::vector<std::string_view>{"", "x"}));
  CHECK_EQ(get(metadata.info("texts")).count, 2u);
  CHECK_EQ(metadata.keys().size(), 8u);
  CHECK(metadata.raw() == file.bytes());
  CHECK(!metadata.has("other") && !metadata.info("other"));
  CHECK(!metadata.find_int("text") && !metadata.find_int("yes") && !metadata.find_string("small"));
  CHECK(!metadata.find_int_array("texts") && !metadata.find_string_array("numbers"));
  CHECK(!metadata.find_bool("small") && !metadata.find_float("small") &&
        !metadata.find_float_array("numbers"));
}

TEST(gguf_refuses_paths_without_a_file) {
  const Folder folder;
  for (const std::string& path :
       {folder.file("none.gguf"), folder.file(""), std::string(), std::string("a\0b", 3)}) {
    try {
      check_file(path);
      CHECK(false);
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::ModelNotFound);
    }
  }
}

TEST(gguf_refuses_other_files_and_versions) {
  const auto code = [](const std::string& bytes, const std::string& part) {
    return refused(bytes, part).code();
  };
  CHECK(code("", "empty") == ErrorCode::ModelInvalid);
  CHECK(code("PK\3\4", "is a ZIP archive") == ErrorCode::ModelInvalid);
  CHECK(code(std::string("\x10\0\0\0\0\0\0\0{\"", 10), "is a safetensors file: ") == ErrorCode::ModelInvalid);
  CHECK(code("\x80\2", "is a pickle") == ErrorCode::ModelInvalid);
  CHECK(code("\x1f\x8b", "is compressed with gzip") == ErrorCode::ModelInvalid);
  CHECK(code(" \n<HTML>", "is a web page") == ErrorCode::ModelInvalid);
  CHECK(code("lmgg", "before GGUF") == ErrorCode::ModelInvalid);
  CHECK(code(std::string(100, '\0'), "begins with zeros") == ErrorCode::ModelInvalid);
  CHECK(code("X", "is not a GGUF file: it begins with 'X'") == ErrorCode::ModelInvalid);
  CHECK(code("Entry not found", "is not a GGUF file: it begins with 'Entry not found'") ==
        ErrorCode::ModelInvalid);
  CHECK(code("version https://git-lfs.github.com/spec/v1", "Git LFS") == ErrorCode::ModelInvalid);
  CHECK(code("GGUF" + raw<uint32_t>(0x03000000) + std::string(16, '\0'), "big-endian") ==
        ErrorCode::ModelInvalid);
  CHECK(code("GGUF" + raw<uint32_t>(0) + std::string(16, '\0'), "version 0, which does not exist") ==
        ErrorCode::ModelInvalid);
  CHECK(code("GGUF" + raw<uint32_t>(1) + std::string(16, '\0'), "version 1") == ErrorCode::ModelUnsupported);
  CHECK(code("GGUF" + raw<uint32_t>(4) + std::string(16, '\0'), "version 4") == ErrorCode::ModelUnsupported);
}

TEST(gguf_refuses_files_cut_at_any_byte) {
  const std::string whole = model().bytes();
  for (size_t size = 1; size < whole.size(); size += size < 1600 ? 1 : 53) {
    const Error error = refused(whole.substr(0, size), "");
    CHECK(error.code() == ErrorCode::ModelTruncated);
    CHECK_EQ(field(error, "file_bytes"), static_cast<int64_t>(size));
    CHECK(field(error, "expected_bytes") > static_cast<int64_t>(size));
  }
  // Once the tensor table is there the answer is exact.
  CHECK_EQ(field(refused(whole.substr(0, whole.size() - 1), ""), "expected_bytes"),
           static_cast<int64_t>(whole.size()));
}

TEST(gguf_refuses_broken_metadata) {
  const auto header = [](uint64_t tensors, uint64_t keys) {
    return "GGUF" + raw<uint32_t>(3) + raw(tensors) + raw(keys);
  };
  refused(header(1ull << 60, 0), "tensors");
  refused(header(0, 1ull << 60), "metadata keys");
  refused(header(0, 1) + raw<uint64_t>(1ull << 62), "metadata key 0 is longer");
  refused(header(0, 1) + text("k") + raw<uint32_t>(13), "unknown type 13");
  refused(header(0, 1) + text("k") + raw(GgufType::String) + raw<uint64_t>(1ull << 62),
          "longer than 16777216");
  refused(header(0, 1) + text("k") + raw(GgufType::Array) + raw(GgufType::Uint8) + raw<uint64_t>(~0ull),
          "too many");
  refused(header(0, 1) + text("k") + raw(GgufType::Array) + raw(GgufType::String) + raw<uint64_t>(~0ull),
          "too many");
  refused(header(0, 1) + text("k") + raw(GgufType::Array) + raw(GgufType::Array) + raw<uint64_t>(1),
          "array of arrays");
  refused(header(0, 1) + text("") + raw(GgufType::Bool) + "\1", "empty");
  refused(header(0, 1) + text(std::string("a\0b", 3)) + raw(GgufType::Bool) + "\1", "a\\x00b");
  invalid("occurs twice", [](File& file) { file.keys.push_back(file.keys[0]); });
}

TEST(gguf_refuses_broken_tensor_tables) {
  invalid("occurs twice", [](File& file) { file.tensors.push_back(file.tensors[0]); });
  invalid("dimension 1", [](File& file) { file.tensors[0].shape = {32, 0}; });
  invalid("dimension 0", [](File& file) { file.tensors[0].shape = {-32}; });
  invalid("whole blocks", [](File& file) { file.tensors[0].shape = {33, 4}; });
  invalid("longer than 63", [](File& file) { file.tensors[0].name = std::string(64, 'x'); });
  invalid("name of tensor 0", [](File& file) { file.tensors[0].name = ""; });
  invalid("dimensions", [](File& file) { file.tensors[0].shape = {32, 1, 1, 1, 1}; });
  for (const uint32_t alignment : {0u, 1u, 16u, 48u}) {
    invalid("general.alignment", [&](File& file) { file.u32("general.alignment", alignment); });
  }
  File aligned = model();
  aligned.u32("general.alignment", 64);
  aligned.alignment = 64;
  accepted(aligned);
  // 2^40 by 2^40 elements, which overflow, and a type that there is not.
  const auto with = [](const std::string& info) {
    std::string bytes = "GGUF" + raw<uint32_t>(3) + raw<uint64_t>(1) + raw<uint64_t>(0);
    return bytes + text("t") + info;
  };
  refused(
      with(raw<uint32_t>(2) + raw<int64_t>(1ll << 40) + raw<int64_t>(1ll << 40) + raw(0) + raw<uint64_t>(0)),
      "dimension 1");
  refused(with(raw<uint32_t>(1) + raw<int64_t>(32) + raw(4) + raw<uint64_t>(0)), "unknown type 4");
  refused(with(raw<uint32_t>(1) + raw<int64_t>(32) + raw(-1) + raw<uint64_t>(0)), "unknown type -1");
  refused(with(raw<uint32_t>(1) + raw<int64_t>(32) + raw(0) + raw<uint64_t>(32)), "expected at 0");
  invalid("no tensors", [](File& file) { file.tensors.clear(); });
}

TEST(gguf_refuses_tensor_types_that_operations_cannot_take) {
  for (const ggml_type type : {GGML_TYPE_I32, GGML_TYPE_I64, GGML_TYPE_F64, GGML_TYPE_Q8_1}) {
    invalid("no type for weights", [&](File& file) { file.tensors[0].type = type; });
  }
  for (const char* name : {"output_norm.weight", "blk.0.attn_q.bias", "rope_freqs.weight",
                           "blk.0.attn_sinks.weight", "blk.0.ssm_conv1d.weight", "blk.0.ffn_up.scale"}) {
    invalid("only F32", [&](File& file) { file.tensors[1] = {name, {32}, GGML_TYPE_F16}; });
  }
  File tables = model();
  tables.tensors.push_back({"d2t.weight", {8}, GGML_TYPE_I64});
  tables.tensors.push_back({"blk.1.ffn_gate_tid2eid.weight", {8, 4}, GGML_TYPE_I32});
  accepted(tables);
  invalid("scale for an output", [](File& file) {
    file.tensors[0] = {"token_embd.weight", {64, 4}, GGML_TYPE_NVFP4};
    file.tensors.push_back({"output.scale", {1}});
  });
}

TEST(gguf_checks_every_shard_of_a_split_model) {
  const Folder folder;
  File first = model(), second;
  first.u16("split.no", 0);
  first.u16("split.count", 2);
  second.u16("split.no", 1);
  second.tensors = {{"blk.1.attn_v.weight", {32, 16}}};
  const auto part = [&](const File& file, const char* name) { return folder.write(name, file.bytes()); };
  const std::string path = part(first, "m-00001-of-00002.gguf");
  const auto code = [](const std::string& file) {
    try {
      check_file(file);
    } catch (const Error& error) {
      return std::string(error_code_name(error.code()));
    }
    return std::string();
  };
  CHECK_EQ(code(path), std::string("MODEL_NOT_FOUND"));
  part(second, "m-00002-of-00002.gguf");
  CHECK_EQ(check_file(path).tensor_bytes, accepted(model()).tensor_bytes + 32 * 16 * 4);
  // A number of another type would abort in llama.cpp.
  second.u32("split.no", 1);
  part(second, "m-00002-of-00002.gguf");
  CHECK_EQ(code(path), std::string("MODEL_INVALID"));
  second.u16("split.no", 1);
  second.tensors[0].name = "token_embd.weight";
  part(second, "m-00002-of-00002.gguf");
  CHECK_EQ(code(path), std::string("MODEL_INVALID"));
  folder.write("m-00002-of-00002.gguf", second.bytes().substr(0, 100));
  CHECK_EQ(code(path), std::string("MODEL_TRUNCATED"));
  CHECK_EQ(code(part(first, "other.gguf")), std::string("MODEL_INVALID"));
  first.u16("split.no", 1);
  CHECK_EQ(code(part(first, "m-00001-of-00002.gguf")), std::string("MODEL_INVALID"));
}

TEST(gguf_names_the_first_shard_for_a_later_one_and_the_shard_that_is_missing) {
  const Folder folder;
  File first = model(), later;
  first.u16("split.no", 0);
  first.u16("split.count", 3);
  later.tensors = {{"blk.1.attn_v.weight", {32, 16}}};
  const std::string name = "m-00001-of-00003.gguf";
  const auto message = [](const std::string& file) {
    try {
      check_file(file);
    } catch (const Error& error) {
      return std::string(error_code_name(error.code())) + " " + error.what();
    }
    return std::string();
  };
  const auto shard = [&](const File& file, const char* of) { return folder.write(of, file.bytes()); };
  const std::string second = folder.file("m-00002-of-00003.gguf"),
                    third = folder.file("m-00003-of-00003.gguf");
  later.u16("split.no", 1);
  later.u16("split.count", 3);
  shard(later, "m-00002-of-00003.gguf");
  CHECK_EQ(message(second), "MODEL_INVALID " + second + " is shard 2 of 3, and the first one, " +
                                folder.file(name) + ", is missing");
  const std::string path = shard(first, name.c_str());
  CHECK_EQ(message(second), "MODEL_INVALID " + second + " is shard 2 of 3: load the first one, " + path);
  CHECK_EQ(message(path), "MODEL_NOT_FOUND " + third +
                              " is missing: it is shard 3 of 3, and all of them must be beside " + path);
  // By its keys alone, and by its name alone.
  const std::string other = shard(later, "other.gguf");
  CHECK_EQ(message(other),
           "MODEL_INVALID " + other +
               " is shard 2 of 3: load the first one, whose name ends in -00001-of-00003.gguf");
  CHECK_EQ(message(shard(later, "n-00001-of-00003.gguf")),
           "MODEL_INVALID " + folder.file("n-00001-of-00003.gguf") +
               " is shard 2 of 3, but named as shard 1 of 3: give the shards their own names again");
  later.drop("split.no");
  later.drop("split.count");
  shard(later, "m-00002-of-00003.gguf");
  CHECK_EQ(message(second), "MODEL_INVALID " + second + " is shard 2 of 3: load the first one, " + path);
  CHECK_EQ(message(path),
           "MODEL_INVALID " + second +
               " is not shard 2 of 3, as its name says: its 'split.no' must be the 16-bit number 1");
  CHECK_EQ(message(shard(first, "first.gguf")),
           "MODEL_INVALID " + folder.file("first.gguf") +
               " is shard 1 of 3, so its name must end in -00001-of-00003.gguf");
}

TEST(gguf_refuses_hostile_numbers_of_shards) {
  const auto number = [](GgufType type, auto value) { return File::scalar(type, raw(value)); };
  const std::string numbers[] = {number(GgufType::Uint64, ~0ull), number(GgufType::Int64, INT64_MIN),
                                 number(GgufType::Int8, int8_t{-1}), number(GgufType::Uint32, 3u)};
  for (const std::string& no : numbers) {
    invalid("'split.no' is", [&](File& file) {
      file.put("split.no", no);
      file.u16("split.count", 3);
    });
  }
  invalid("'split.count' is 9223372036854775807", [&](File& file) { file.put("split.count", numbers[0]); });
  for (const std::string& count : {numbers[1], numbers[2], File::scalar(GgufType::String, text("3"))}) {
    File file = model();
    file.put("split.count", count);
    accepted(file);
  }
}
