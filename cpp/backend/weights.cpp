#include "backend/weights.h"

#include "base/error.h"

#include <algorithm>
#include <array>

namespace verbatim {

namespace {

ErrorCode classify(const std::string& log) {
  const auto says = [&](auto... texts) {
    return std::ranges::any_of(std::array{texts...},
                               [&](const char* text) { return log.find(text) != std::string::npos; });
  };
  if (says("failed to allocate", "unable to allocate", "out of memory", "bad_alloc",
           "Cannot allocate memory"))
    return ErrorCode::OutOfMemory;
  if (says("unknown model architecture", "unsupported model architecture"))
    return ErrorCode::ModelUnsupported;
  if (says("not within the file bounds", "corrupted or incomplete")) return ErrorCode::ModelTruncated;
  return ErrorCode::ModelInvalid;
}

} // namespace

ModelWeights load_weights(const std::string& path, const llama_model_params& params, const LogSink& on_log) {
  ModelWeights weights;
  std::string errors;
  const LogSink sink = [&](LogLevel level, const std::string& line) {
    if (level == LogLevel::Error) errors += (errors.empty() ? "" : "; ") + line;
    if (on_log) on_log(level, line);
  };
  try {
    const LogScope log_scope(&sink);
    weights.reset(llama_model_load_from_file(path.c_str(), params));
  } catch (const std::exception& error) {
    errors += error.what();
  }
  if (!weights)
    throw Error(classify(errors), "llama.cpp could not load " + path + ": " + errors, {{"path", path}});
  if (!llama_model_has_decoder(weights.get()) || llama_model_has_encoder(weights.get()))
    throw Error(ErrorCode::ModelUnsupported,
                path + " is not a decoder-only language model; it cannot answer messages", {{"path", path}});
  return weights;
}

} // namespace verbatim
