#pragma once

#include "prompt/tokenizer.h"

#include <llama.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// Vocabularies to test with: those that come with llama.cpp, and small ones made up.
namespace test_vocabulary {

/// The token types of GGUF files.
enum class Type : int32_t { Normal = 1, Unknown = 2, Control = 3, UserDefined = 4, Unused = 5, Byte = 6 };

struct Entry {
  std::string text;
  Type type = Type::Normal;
  float score = 0;
};

/// Contents of a vocabulary's GGUF file.
struct Recipe {
  std::string model; ///< "llama", "gpt2", "bert", "t5", "rwkv", "plamo2"
  std::vector<Entry> entries;
  std::vector<std::string> merges = {};
  std::string pre = {};
  std::string name = {};
  std::vector<std::pair<std::string, bool>> flags = {}; ///< by key, without "tokenizer.ggml."
  std::vector<std::pair<std::string, uint32_t>> ids = {};
};

/// A loaded vocabulary.
class Vocabulary {
 public:
  Vocabulary(std::string name, const std::string& path);
  Vocabulary(std::string name, const Recipe& recipe);

  const llama_vocab* get() const { return llama_model_get_vocab(model_.get()); }
  const std::string& name() const { return name_; }
  verbatim::Token find(std::string_view text) const;
  std::string text(verbatim::Token token) const { return llama_vocab_get_text(get(), token); }

 private:
  std::string name_;
  std::unique_ptr<llama_model, decltype(&llama_model_free)> model_{nullptr, llama_model_free};
};

/// All that come with llama.cpp; loaded once.
const std::vector<Vocabulary>& shipped();
const Vocabulary& shipped(std::string_view name);
/// One or more of every type, with the traps of the type; built once.
const std::vector<Vocabulary>& synthetic();
const Vocabulary& synthetic(std::string_view name);

/// "<0x00>" to "<0xFF>".
std::vector<Entry> byte_entries();
/// The characters by which byte-level BPE writes the 256 bytes.
std::vector<Entry> byte_level_entries();

} // namespace test_vocabulary
