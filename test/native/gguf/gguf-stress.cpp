// gguf-stress FILE: does with a model file what the engine does, and ends in one of two ways:
//   0  loaded, a text tokenized, 12 tokens decoded, everything freed
//   3  refused with a typed error, printed to stderr as JSON
// Anything else (a signal, an abort, a hang) is a file that gguf-check lets through and should not.
//
// Options, before FILE: --no-check leaves out the check, to see what llama.cpp alone makes of the file;
// --guard turns aborts of llama.cpp into exceptions. VERBATIM_BACKENDS: the folder of ggml's backends.

#include "base/error.h"
#include "gguf/gguf-check.h"

#include "ggml-backend.h"
#include "llama.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using verbatim::Error;
using verbatim::ErrorCode;

namespace {

/// The last error that llama.cpp logged: its functions return only null.
std::string last_error;

void log(ggml_log_level level, const char* text, void*) {
  if (level == GGML_LOG_LEVEL_ERROR) last_error = text;
}

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    char escaped[8];
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte > 0x7e || c == '"' || c == '\\') {
      std::snprintf(escaped, sizeof escaped, "\\u%04x", byte);
      result += escaped;
    } else {
      result += c;
    }
  }
  return result + '"';
}

int refused(const Error& error) {
  std::string fields;
  for (const auto& [name, value] : error.fields()) {
    fields += "," + quoted(name) + ":";
    if (const auto* integer = std::get_if<int64_t>(&value))
      fields += std::to_string(*integer);
    else if (const auto* number = std::get_if<double>(&value))
      fields += std::to_string(*number);
    else
      fields += quoted(std::get<std::string>(value));
  }
  std::fprintf(stderr, "{\"code\":\"%s\",\"message\":%s%s}\n", verbatim::error_code_name(error.code()),
               quoted(error.what()).c_str(), fields.c_str());
  return 3;
}

llama_token greedy(llama_context* context, int32_t vocab_size) {
  const float* logits = llama_get_logits_ith(context, -1);
  if (!logits) throw Error(ErrorCode::DecodeFailed, "no logits");
  llama_token best = 0;
  for (llama_token token = 1; token < vocab_size; ++token)
    if (logits[token] > logits[best]) best = token;
  return best;
}

void decode(llama_context* context, std::vector<llama_token>& tokens) {
  const int32_t status = llama_decode(context, llama_batch_get_one(tokens.data(), int32_t(tokens.size())));
  if (status != 0) throw Error(ErrorCode::DecodeFailed, "llama_decode: " + std::to_string(status));
}

void run(const char* path) {
  llama_model_params model_params = llama_model_default_params();
  model_params.n_gpu_layers = 0;
  const std::unique_ptr<llama_model, decltype(&llama_model_free)> model(
      llama_model_load_from_file(path, model_params), llama_model_free);
  if (!model) throw Error(ErrorCode::ModelInvalid, "llama.cpp cannot load it: " + last_error);

  llama_context_params params = llama_context_default_params();
  params.n_ctx = 256;
  params.n_batch = 64;
  params.n_ubatch = 64;
  params.n_threads = params.n_threads_batch = 1;
  const std::unique_ptr<llama_context, decltype(&llama_free)> context(
      llama_init_from_model(model.get(), params), llama_free);
  if (!context) throw Error(ErrorCode::ModelInvalid, "llama.cpp cannot use it: " + last_error);

  const llama_vocab* vocab = llama_model_get_vocab(model.get());
  const int32_t vocab_size = llama_vocab_n_tokens(vocab);
  const std::string text = "Hello world,\n 12 caf\xc3\xa9s <|im_end|> \xe4\xbd\xa0\xe5\xa5\xbd </s> ok";
  std::vector<llama_token> tokens(text.size() + 8);
  int32_t count = -1;
  try {
    count = llama_tokenize(vocab, text.data(), int32_t(text.size()), tokens.data(), int32_t(tokens.size()),
                           false, true);
  } catch (const std::exception& error) { // for one, a byte without a token
    throw Error(ErrorCode::TokenizeFailed, std::string("llama_tokenize: ") + error.what());
  }
  if (count < 0) throw Error(ErrorCode::TokenizeFailed, "llama_tokenize: " + std::to_string(count));
  tokens.resize(count);
  // A vocabulary may have nothing for a text.
  tokens.resize(8, 0);
  char piece[256];
  for (llama_token token = 0; token < vocab_size; ++token)
    llama_token_to_piece(vocab, token, piece, sizeof piece, 0, true);

  decode(context.get(), tokens);
  for (int i = 0; i < 4; ++i) {
    std::vector<llama_token> next{greedy(context.get(), vocab_size)};
    decode(context.get(), next);
  }
}

} // namespace

int main(int argc, char** argv) {
  bool check = true;
  int arg = 1;
  for (; arg < argc - 1; ++arg) {
    if (std::strcmp(argv[arg], "--no-check") == 0) check = false;
    if (std::strcmp(argv[arg], "--guard") == 0) {
      ggml_set_abort_callback([](const char* message) { throw std::runtime_error(message); });
    }
  }
  if (arg >= argc) {
    std::fprintf(stderr, "usage: gguf-stress [--no-check] [--guard] FILE\n");
    return 2;
  }
  setenv("GGML_NO_BACKTRACE", "1", 1);
  llama_log_set(log, nullptr);
  try {
    if (check) verbatim::check_gguf(argv[arg]);
    const char* backends = std::getenv("VERBATIM_BACKENDS");
    if (backends) ggml_backend_load_all_from_path(backends);
    run(argv[arg]);
  } catch (const Error& error) {
    return refused(error);
  } catch (const std::bad_alloc&) {
    return refused(Error(ErrorCode::OutOfMemory, "out of memory"));
  } catch (const std::exception& error) {
    return refused(Error(ErrorCode::Internal, error.what()));
  }
  return 0;
}
