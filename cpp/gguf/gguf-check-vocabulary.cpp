// The vocabulary rules: src/llama-vocab.cpp (V) loads what it is given with few checks of its own.
#include "gguf/gguf-check.h"

#include "base/counted.h"
#include "gguf/gguf-rules.h"

#include <algorithm>
#include <unordered_set>

namespace verbatim {

namespace {

using namespace gguf_rules;

enum class Algorithm { bpe, spm, wpm, ugm, rwkv, plamo2 };

// llama.cpp spends a few hundred bytes and a few microseconds on each token and each merge.

/// Real vocabularies have some 300,000.
constexpr size_t max_tokens = 1u << 20;
/// Real vocabularies have some 600,000.
constexpr size_t max_merges = 2u << 20;
/// The longest tokens of real vocabularies are runs of some hundred spaces.
constexpr size_t max_token_bytes = 4096;
/// Limits the recursion of a trie with a map per byte (V:25) while it is filled and freed.
constexpr size_t max_trie_token_bytes = 1024;
/// Limits the memory of the trie.
constexpr size_t max_trie_bytes = 6u << 20;
/// Limits the memory of PLaMo-2, which stores every suffix of every token (V:1403).
constexpr size_t max_suffix_bytes = 128u << 20;
constexpr int64_t token_type_byte = 6;

Algorithm algorithm(const GgufMetadata& file) {
  const auto given = file.find_string("tokenizer.ggml.model");
  if (!given) invalid(file, "has no vocabulary: it lacks the metadata key 'tokenizer.ggml.model'");
  const std::string model(llama_view(*given));
  if (model == "gpt2" || model == "gemma4" || model == "hybriddna" || model == "whitespace") {
    return Algorithm::bpe;
  }
  if (model == "llama") return Algorithm::spm;
  if (model == "bert") return Algorithm::wpm;
  if (model == "t5") return Algorithm::ugm;
  if (model == "rwkv") return Algorithm::rwkv;
  if (model == "plamo2") return Algorithm::plamo2;
  // Also "none", "no_vocab" and "test", from which llama.cpp makes tokens without text.
  unsupported(file, "has a vocabulary of the unsupported type " + printable(model), "tokenizer", model);
}

/// Refuses a key that is not an array of one of `types` with an element for each token; it may be absent.
void check_parallel(const GgufMetadata& file, const char* key, size_t tokens,
                    std::initializer_list<GgufType> types) {
  const auto info = file.info(key);
  if (!info) return;
  const bool known = std::find(types.begin(), types.end(), info->element_type) != types.end();
  if (info->type != GgufType::Array || !known || info->count < tokens) {
    invalid_part(file, std::string("'") + key + "' must have a number for each token, " +
                           std::to_string(tokens) + " in all");
  }
}

/// V:2539 asserts that no two tokens are the same, after NULs and empty tokens have been dealt with.
void check_unique(const GgufMetadata& file, const std::vector<std::string_view>& tokens) {
  std::unordered_set<std::string> seen;
  seen.reserve(tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i) {
    std::string text(llama_view(tokens[i]));
    if (text.empty()) text = "[EMPTY_" + std::to_string(i) + "]";
    if (!seen.insert(text).second) {
      invalid_part(file, "token " + std::to_string(i) + ", " + printable(text) + ", occurs twice");
    }
  }
}

void check_lengths(const GgufMetadata& file, const std::vector<std::string_view>& tokens, Algorithm kind) {
  const bool trie = kind == Algorithm::ugm || kind == Algorithm::rwkv;
  const size_t longest = trie ? max_trie_token_bytes : max_token_bytes;
  size_t total = 0, suffixes = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const size_t size = tokens[i].size();
    if (size > longest) {
      invalid_part(file,
                   "token " + std::to_string(i) + " is longer than " + std::to_string(longest) + " bytes");
    }
    total += size;
    suffixes += size * size;
  }
  if ((trie && total > max_trie_bytes) || (kind == Algorithm::plamo2 && suffixes > max_suffix_bytes)) {
    invalid_part(file, "the texts of its tokens are too long");
  }
}

/// Byte tokens are looked into for their two hex digits (V:3190), which aborts for WPM.
void check_byte_tokens(const GgufMetadata& file, const std::vector<std::string_view>& tokens,
                       Algorithm kind) {
  const auto types = file.find_int_array("tokenizer.ggml.token_type");
  if (!types || kind == Algorithm::rwkv || kind == Algorithm::plamo2) return;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if ((*types)[i] != token_type_byte) continue;
    // An empty token has a longer text by then.
    const size_t size = llama_view(tokens[i]).size();
    if (kind == Algorithm::wpm || (size > 0 && size < 3)) {
      invalid_part(file, "token " + std::to_string(i) + ", " + printable(tokens[i]) + ", is no byte token");
    }
  }
}

/// The first byte of an RWKV token, which is stored escaped (V:1262), and whether it has no other.
std::pair<unsigned char, bool> rwkv_first_byte(std::string_view text) {
  const auto digit = [](char c) { return static_cast<unsigned>(c >= 'a' ? c - 'a' + 10 : c - '0'); };
  if (text[0] != '\\') return {static_cast<unsigned char>(text[0]), text.size() == 1};
  if (text.size() < 2) return {0, false};
  switch (text[1]) {
  case 't':
    return {'\t', text.size() == 2};
  case 'n':
    return {'\n', text.size() == 2};
  case 'r':
    return {'\r', text.size() == 2};
  case 'x':
    if (text.size() < 4) return {0, false};
    return {static_cast<unsigned char>((digit(text[2]) << 4) + digit(text[3])), text.size() == 4};
  default:
    return {static_cast<unsigned char>(text[1]), text.size() == 2};
  }
}

/// The tokenizer never advances over text that starts a token without completing any (V:1333): whatever
/// byte begins a token must be a token.
void check_rwkv(const GgufMetadata& file, const std::vector<std::string_view>& tokens) {
  bool starts[256] = {}, single[256] = {};
  for (const std::string_view token : tokens) {
    const std::string_view text = llama_view(token);
    if (text.empty()) {
      starts[static_cast<unsigned char>('[')] = true;
      continue;
    }
    const auto [byte, whole] = rwkv_first_byte(text);
    (whole ? single : starts)[byte] = true;
  }
  for (int byte = 0; byte < 256; ++byte) {
    if (starts[byte] && !single[byte]) {
      invalid_part(file, "its vocabulary lacks a token for the single byte " + std::to_string(byte));
    }
  }
}

} // namespace

uint32_t check_gguf_vocabulary(const GgufMetadata& file) {
  const Algorithm kind = algorithm(file);
  const auto found = file.info("tokenizer.ggml.tokens");
  if (!found || found->type != GgufType::Array || found->element_type != GgufType::String) {
    invalid_part(file, "'tokenizer.ggml.tokens' must be an array of strings");
  }
  if (found->count == 0 || found->count > max_tokens) {
    invalid_part(file, "'tokenizer.ggml.tokens' has " + counted(found->count, "token"));
  }
  const std::vector<std::string_view> tokens = *file.find_string_array("tokenizer.ggml.tokens");
  check_parallel(file, "tokenizer.ggml.scores", tokens.size(), {GgufType::Float32, GgufType::Int32});
  check_parallel(file, "tokenizer.ggml.token_type", tokens.size(), {GgufType::Int32});
  if (const auto merges = file.info("tokenizer.ggml.merges"); merges && merges->count > max_merges) {
    invalid_part(file, "'tokenizer.ggml.merges' has " + counted(merges->count, "merge"));
  }
  check_lengths(file, tokens, kind);
  check_unique(file, tokens);
  check_byte_tokens(file, tokens, kind);
  if (kind == Algorithm::rwkv) check_rwkv(file, tokens);
  return static_cast<uint32_t>(tokens.size());
}

} // namespace verbatim
