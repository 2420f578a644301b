#pragma once

// Tiny models with random weights, for tests that must compute.

#include "backend/context.h"
#include "support.h"

#include <algorithm>
#include <filesystem>

namespace support {

class TinyModel {
 public:
  /// Loads it once. None when it has not been made; npm test makes it.
  static TinyModel* get() {
    static const std::unique_ptr<TinyModel> model = []() -> std::unique_ptr<TinyModel> {
      for (const char* name : {"tiny-llama-Q8_0", "tiny-Q8_0"}) { // the first has fewer words, and is faster
        const std::string path = std::string(SOURCE_DIR "/models/generated/") + name + ".gguf";
        if (std::filesystem::exists(path)) return std::unique_ptr<TinyModel>(new TinyModel(path));
      }
      std::cout << "skipped: no tiny model in models/generated\n";
      return nullptr;
    }();
    return model.get();
  }

  /// Returns the models made whose memory can be neither shared nor cut.
  static std::vector<TinyModel*> special() {
    static const auto models = [] {
      std::vector<std::unique_ptr<TinyModel>> found;
      for (const char* name : {"tiny-mamba-Q8_0", "tiny-lfm2-Q8_0", "tiny-cohere2-Q8_0"}) {
        const std::string path = std::string(SOURCE_DIR "/models/generated/") + name + ".gguf";
        if (std::filesystem::exists(path))
          found.push_back(std::unique_ptr<TinyModel>(new TinyModel(path)));
        else
          std::cout << "skipped: no " << name << " in models/generated\n";
      }
      return found;
    }();
    std::vector<TinyModel*> pointers;
    for (const auto& model : models)
      pointers.push_back(model.get());
    return pointers;
  }

  /// Makes a context with one thread, because threads that spin are slow on shared processors.
  template <typename Kind = Context>
  std::unique_ptr<Kind>
  context(ContextOptions options, std::function<bool()> should_abort = [] { return false; }) {
    options.threads = 1;
    const auto threads = std::make_shared<CpuThreadPool>(1);
    return std::make_unique<Kind>(weights_.get(), options, threads, std::move(should_abort), nullptr);
  }

  const std::string path;
  const llama_model* weights() const { return weights_.get(); }
  const Tokenizer& tokenizer() const { return tokenizer_; }
  size_t vocabulary_size() const { return static_cast<size_t>(tokenizer_.size()); }

  std::vector<Token> random_tokens(std::mt19937_64& random, size_t count) const {
    std::vector<Token> tokens(count);
    for (Token& token : tokens)
      token = pick<Token>(random, 0, tokenizer_.size() - 1);
    return tokens;
  }

 private:
  struct Free {
    void operator()(llama_model* model) const { llama_model_free(model); }
  };
  explicit TinyModel(const std::string& path) : path(path), weights_(load(path)), tokenizer_(vocab()) {}
  static llama_model* load(const std::string& path) {
    load_backends();
    llama_model* model = llama_model_load_from_file(path.c_str(), llama_model_default_params());
    if (!model) throw std::runtime_error("cannot load " + path);
    return model;
  }
  const llama_vocab* vocab() const { return llama_model_get_vocab(weights_.get()); }

  const std::unique_ptr<llama_model, Free> weights_;
  const Tokenizer tokenizer_;
};

} // namespace support
