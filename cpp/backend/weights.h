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

/// Makes llama.cpp load a checked file. Throws Error with the reason, which llama.cpp only logs; also when
/// the progress callback ends the load.
ModelWeights load_weights(const std::string& path, const llama_model_params& params, const LogSink& on_log);

} // namespace verbatim
