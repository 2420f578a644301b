#pragma once

#include "base/log.h"

#include <llama.h>

#include <memory>
#include <string>

namespace verbatim {

struct FreeModel {
  void operator()(llama_model* model) const { llama_model_free(model); }
};
using ModelWeights = std::unique_ptr<llama_model, FreeModel>;

/// Has llama.cpp load a file that has been checked. Throws Error with the reason that llama.cpp only logs;
/// loading that the parameters' progress callback has ended fails like any other.
ModelWeights load_weights(const std::string& path, const llama_model_params& params, const LogSink& on_log);

} // namespace verbatim
