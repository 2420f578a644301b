#include "prompt/test-vocabulary.h"

#include "backend/backend.h"

#include <ggml-backend.h>
#include <gguf.h>

#include <algorithm>
#include <filesystem>
#include <random>
#include <stdexcept>
#include <unordered_set>

namespace test_vocabulary {

namespace {

using Model = std::unique_ptr<llama_model, decltype(&llama_model_free)>;

Model load(const std::string& path) {
  static const bool loaded = [] {
    verbatim::load_backends(VERBATIM_OUTPUT_DIR);
    return true;
  }();
  (void)loaded;
  llama_model_params params = llama_model_default_params();
  params.vocab_only = true;
  Model model(llama_model_load_from_file(path.c_str(), params), llama_model_free);
  if (!model) throw std::runtime_error("cannot load " + path);
  return model;
}

void write(const Recipe& recipe, const std::string& path) {
  const std::unique_ptr<gguf_context, decltype(&gguf_free)> file(gguf_init_empty(), gguf_free);
  const auto key = [](const std::string& name) { return "tokenizer.ggml." + name; };
  gguf_set_val_str(file.get(), "general.architecture", "llama");
  if (!recipe.name.empty()) gguf_set_val_str(file.get(), "general.name", recipe.name.c_str());
  gguf_set_val_str(file.get(), key("model").c_str(), recipe.model.c_str());
  if (!recipe.pre.empty()) gguf_set_val_str(file.get(), key("pre").c_str(), recipe.pre.c_str());
  std::vector<const char*> texts, merges;
  std::vector<int32_t> types;
  std::vector<float> scores;
  std::unordered_set<std::string_view> seen;
  for (const Entry& entry : recipe.entries) {
    // llama.cpp aborts over two tokens of one text.
    if (!seen.insert(entry.text).second) continue;
    texts.push_back(entry.text.c_str());
    types.push_back(static_cast<int32_t>(entry.type));
    scores.push_back(entry.score);
  }
  for (const std::string& merge : recipe.merges)
    merges.push_back(merge.c_str());
  gguf_set_arr_str(file.get(), key("tokens").c_str(), texts.data(), texts.size());
  gguf_set_arr_data(file.get(), key("token_type").c_str(), GGUF_TYPE_INT32, types.data(), types.size());
  gguf_set_arr_data(file.get(), key("scores").c_str(), GGUF_TYPE_FLOAT32, scores.data(), scores.size());
  if (recipe.model == "gpt2")
    gguf_set_arr_str(file.get(), key("merges").c_str(), merges.data(), merges.size());
  for (const auto& [name, value] : recipe.flags)
    gguf_set_val_bool(file.get(), key(name).c_str(), value);
  for (const auto& [name, value] : recipe.ids)
    gguf_set_val_u32(file.get(), key(name).c_str(), value);
  if (!gguf_write_to_file(file.get(), path.c_str(), true)) throw std::runtime_error("cannot write " + path);
}

std::string utf8(uint32_t c) {
  if (c < 0x80) return {static_cast<char>(c)};
  return {static_cast<char>(0xc0 | c >> 6), static_cast<char>(0x80 | (c & 0x3f))};
}

std::vector<Entry> concatenate(std::initializer_list<std::vector<Entry>> lists) {
  std::vector<Entry> all;
  for (const auto& list : lists)
    all.insert(all.end(), list.begin(), list.end());
  return all;
}

std::vector<Entry> ascii_entries() {
  std::vector<Entry> entries;
  for (char c = '!'; c <= '~'; ++c)
    entries.push_back({std::string(1, c), Type::Normal, -10});
  return entries;
}

/// Every way from single characters to a control token, and to a byte token, that SPM's merges could take.
std::vector<Entry> spm_entries() {
  std::vector<Entry> entries{{"<unk>", Type::Unknown},    {"<s>", Type::Control},
                             {"</s>", Type::Control},     {"<|sys|>", Type::UserDefined},
                             {"<sys", Type::UserDefined}, {"\u2581<PRE>", Type::Control},
                             {"¶", Type::Control},        {"@", Type::Control},
                             {"  ", Type::UserDefined},   {"\n\n", Type::UserDefined}};
  float score = -1;
  for (const char* text :
       {"<s", "</", "</s", "<0", "<0x", "<0x0", "<0x0A", "\u2581<", "\u2581<P", "\u2581<PR", "\u2581<PRE",
        "\u2581", "us", "er", "user", "\u2581user", "<|", "|>", "sys"})
    entries.push_back({text, Type::Normal, score -= 1});
  return entries;
}

/// Makes a vocabulary of RWKV: the token for each byte that all of them have, and a few more.
Recipe rwkv_recipe() {
  std::vector<Entry> entries{{"<s>", Type::Control}};
  for (int byte = 0; byte < 256; ++byte) {
    char text[8];
    std::snprintf(text, sizeof text, "\\x%02x", byte);
    entries.push_back({text});
  }
  for (const char* text : {"user", " the", "<s", "im_", "\\n ", "an"})
    entries.push_back({text});
  for (const char* text : {"<|im_start|>", "<|im_end|>", "</s>", "\\n\\n\\n"})
    entries.push_back({text, Type::Control});
  entries.push_back({"<|ud|>", Type::UserDefined});
  return {.model = "rwkv", .entries = entries};
}

Recipe plamo2_recipe() {
  std::vector<Entry> entries{{"<|plamo:unk|>", Type::Unknown},
                             {"<|plamo:bos|>", Type::Control},
                             {"<|plamo:eos|>", Type::Control},
                             {"<|plamo:op|>", Type::Control}};
  for (const char* text : {"user", " ", "\n", "the", "plamo", "<|", "|>", "ab"})
    entries.push_back({text, Type::Normal, -3});
  entries.push_back({"<|ud|>", Type::UserDefined});
  return {.model = "plamo2", .entries = concatenate({entries, byte_entries()})};
}

Recipe ugm_recipe(bool add_space, bool merge_spaces) {
  std::vector<Entry> entries{{"<pad>", Type::Control},
                             {"</s>"},
                             {"<unk>", Type::Unknown},
                             {"<|sys|>", Type::UserDefined},
                             {"\u2581", Type::Normal, -2}};
  for (const char* text : {"\u2581user", "user", "sys", "|>", "\u2581<", "the", "龍", "字"})
    entries.push_back({text, Type::Normal, -5});
  for (Entry& entry : ascii_entries())
    if (entry.text != "~") entries.push_back(entry);
  return {.model = "t5",
          .entries = entries,
          .flags = {{"add_space_prefix", add_space}, {"remove_extra_whitespaces", merge_spaces}}};
}

/// gpt-oss's control tokens, one that the merges can reach, and an umlaut for a template to contain.
Recipe bpe_recipe() {
  std::vector<Entry> entries{{"ö", Type::UserDefined}}; // its own bytes are written as "Ã" and "¶"
  for (const Entry& entry : byte_level_entries())
    entries.push_back(entry);
  std::vector<std::string> merges;
  for (const auto& [left, right] : {std::pair{"S", "T"},
                                    {"ST", "O"},
                                    {"STO", "P"},
                                    {"u", "s"},
                                    {"e", "r"},
                                    {"us", "er"},
                                    {"<", "|"},
                                    {"|", ">"},
                                    {"c", "h"}}) {
    merges.push_back(std::string(left) + " " + right);
    const bool stop = merges.back() == "STO P";
    entries.push_back({std::string(left) + right, stop ? Type::Control : Type::Normal});
  }
  for (const char* text : {"<|return|>", "<|call|>", "<|channel|>", "<|message|>", "<|start|>",
                           "<|constrain|>", "<|end|>", "<|endoftext|>", "<mask>"})
    entries.push_back({text, Type::Control});
  for (const char* text : {"   ", "<|start|>x", "a<|end|", "marker"})
    entries.push_back({text, Type::UserDefined});
  return {.model = "gpt2", .entries = entries, .merges = merges, .pre = "jina-v2-de"};
}

/// Thousands of short special tokens that overlap in every way. The name makes them swallow white space.
Recipe overlaps_recipe(const std::string& name, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<Entry> entries{{"<unk>", Type::Unknown},
                             {"<s>", Type::Control},
                             {"</s>", Type::Control},
                             {"<|endoftext|>", Type::Control},
                             {"\u2581"}};
  for (int i = 0; i < 120; ++i) {
    std::string text;
    const size_t size = 2 + random() % 5;
    while (text.size() < size)
      text += "ab<| \n"[random() % 6];
    entries.push_back({text, random() % 2 ? Type::Control : Type::UserDefined});
  }
  return {.model = "llama", .entries = concatenate({entries, byte_entries()}), .name = name};
}

std::vector<Vocabulary> make_synthetic() {
  const auto spm = concatenate({spm_entries(), ascii_entries(), byte_entries()});
  std::vector<Vocabulary> all;
  all.emplace_back("spm", Recipe{.model = "llama", .entries = spm});
  all.emplace_back("spm-no-prefix",
                   Recipe{.model = "llama", .entries = spm, .flags = {{"add_space_prefix", false}}});
  all.emplace_back("spm-no-bytes", Recipe{.model = "llama",
                                          .entries = concatenate(
                                              {spm_entries(), ascii_entries(), {{"\n"}, {"龍"}, {"字"}}})});
  all.emplace_back("bpe", bpe_recipe());
  all.emplace_back("rwkv", rwkv_recipe());
  all.emplace_back("plamo2", plamo2_recipe());
  all.emplace_back("ugm", ugm_recipe(true, true));
  all.emplace_back("ugm-spaces", ugm_recipe(true, false));
  all.emplace_back("ugm-no-prefix", ugm_recipe(false, false));
  for (uint32_t seed = 0; seed < 6; ++seed)
    all.emplace_back("overlaps-" + std::to_string(seed), overlaps_recipe(seed % 2 ? "phi-3" : "", seed));
  return all;
}

const Vocabulary& named(const std::vector<Vocabulary>& all, std::string_view name) {
  for (const Vocabulary& vocabulary : all)
    if (vocabulary.name() == name) return vocabulary;
  throw std::runtime_error("no vocabulary " + std::string(name));
}

} // namespace

std::vector<Entry> byte_entries() {
  std::vector<Entry> entries;
  for (int byte = 0; byte < 256; ++byte) {
    char text[8];
    std::snprintf(text, sizeof text, "<0x%02X>", byte);
    entries.push_back({text, Type::Byte});
  }
  return entries;
}

std::vector<Entry> byte_level_entries() {
  std::vector<Entry> entries;
  uint32_t next = 256;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const bool itself = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte != 0xad);
    entries.push_back({utf8(itself ? byte : next)});
    if (!itself) ++next;
  }
  return entries;
}

Vocabulary::Vocabulary(std::string name, const std::string& path)
    : name_(std::move(name)), model_(load(path)) {
}

Vocabulary::Vocabulary(std::string name, const Recipe& recipe) : name_(std::move(name)) {
  const auto path = std::filesystem::temp_directory_path() /
                    ("verbatim-test-" + std::to_string(std::random_device{}()) + "-" + name_ + ".gguf");
  write(recipe, path.string());
  model_ = load(path.string());
  std::filesystem::remove(path);
}

verbatim::Token Vocabulary::find(std::string_view text) const {
  for (verbatim::Token token = 0; token < llama_vocab_n_tokens(get()); ++token)
    if (llama_vocab_get_text(get(), token) == text) return token;
  throw std::runtime_error(name_ + " has no token " + std::string(text));
}

const std::vector<Vocabulary>& shipped() {
  static const std::vector<Vocabulary> all = [] {
    std::vector<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::directory_iterator(LLAMA_CPP_DIR "/models"))
      if (entry.path().extension() == ".gguf") paths.push_back(entry.path());
    std::ranges::sort(paths);
    std::vector<Vocabulary> vocabularies;
    for (const auto& path : paths)
      vocabularies.emplace_back(path.stem().string().substr(sizeof "ggml-vocab-" - 1), path.string());
    return vocabularies;
  }();
  return all;
}

const std::vector<Vocabulary>& synthetic() {
  static const std::vector<Vocabulary> all = make_synthetic();
  return all;
}

const Vocabulary& shipped(std::string_view name) {
  return named(shipped(), name);
}
const Vocabulary& synthetic(std::string_view name) {
  return named(synthetic(), name);
}

} // namespace test_vocabulary
