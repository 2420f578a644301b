#include "gguf/gguf-shards.h"

#include "gguf/gguf-rules.h"

#include <charconv>
#include <cstdio>
#include <filesystem>
#include <optional>

namespace verbatim {

namespace {

using namespace gguf_rules;

/// The end of a shard's name, as llama_split_path writes it; `number` counts from 1.
std::string suffix(int64_t number, int64_t count) {
  char text[64];
  std::snprintf(text, sizeof text, "-%05d-of-%05d.gguf", static_cast<int>(number), static_cast<int>(count));
  return text;
}

/// A shard as its name has it: its number, from 1, and the path of all before that.
struct ShardName {
  std::string prefix;
  int64_t number = 0;
  int64_t count = 0;
};

std::optional<ShardName> parse_name(const std::string& path) {
  const size_t length = suffix(1, 1).size();
  if (path.size() <= length) return std::nullopt;
  const std::string end = path.substr(path.size() - length);
  ShardName name{path.substr(0, path.size() - length)};
  std::from_chars(end.data() + 1, end.data() + 6, name.number);
  std::from_chars(end.data() + 10, end.data() + 15, name.count);
  if (name.number < 1 || name.number > name.count || end != suffix(name.number, name.count))
    return std::nullopt;
  return name;
}

bool exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(reinterpret_cast<const char8_t*>(path.c_str()), ignored);
}

std::string shard(int64_t number, int64_t count) {
  return "shard " + std::to_string(number) + " of " + std::to_string(count);
}

[[noreturn]] void refuse_later_shard(const GgufMetadata& file, int64_t number, int64_t count) {
  const auto name = parse_name(file.path());
  std::string advice = ": load the first one, whose name ends in " + suffix(1, count);
  if (name && name->number == number && name->count == count) {
    const std::string first = name->prefix + suffix(1, count);
    advice =
        exists(first) ? ": load the first one, " + first : ", and the first one, " + first + ", is missing";
  } else if (name) {
    advice = ", but named as " + shard(name->number, name->count) + ": give the shards their own names again";
  }
  invalid(file, "is " + shard(number, count) + advice);
}

/// llama-model-loader.cpp:620: a shard's number is read without a look at its type.
void check_shard(const GgufMetadata& file, int64_t number, int64_t count) {
  const auto info = file.info("split.no");
  if (info && info->type == GgufType::Uint16 && file.find_int("split.no") == number - 1) return;
  invalid(file, "is not " + shard(number, count) +
                    ", as its name says: its 'split.no' must be the 16-bit number " +
                    std::to_string(number - 1));
}

} // namespace

std::vector<GgufMetadata> read_other_shards(const GgufMetadata& first) {
  const auto name = parse_name(first.path());
  const int64_t count = first.find_int("split.count").value_or(1);
  if (count <= 1) {
    // Tools that split a file may leave all metadata to the first.
    if (name && name->number > 1 && !first.has("general.architecture"))
      refuse_later_shard(first, name->number, name->count);
    return {};
  }
  if (count > UINT16_MAX)
    invalid_part(first, "'split.count' is " + std::to_string(count) + ": must be up to 65535");
  const int64_t index = first.find_int("split.no").value_or(0);
  if (index < 0 || index >= count) {
    invalid_part(first, "'split.no' is " + std::to_string(index) +
                            ": must be from 0 to below 'split.count', " + std::to_string(count));
  }
  if (index > 0) refuse_later_shard(first, index + 1, count);
  if (!name || name->number != 1 || name->count != count) {
    invalid(first, "is " + shard(1, count) + ", so its name must end in " + suffix(1, count));
  }
  std::vector<GgufMetadata> others;
  for (int64_t number = 2; number <= count; ++number) {
    const std::string path = name->prefix + suffix(number, count);
    if (!exists(path)) {
      throw Error(ErrorCode::ModelNotFound,
                  path + " is missing: it is " + shard(number, count) + ", and all of them must be beside " +
                      first.path(),
                  {{"path", path}});
    }
    others.push_back(GgufMetadata::read(path));
    check_shard(others.back(), number, count);
  }
  return others;
}

} // namespace verbatim
