#pragma once

#include "load-options.h"

#include <ggml-backend.h>
#include <llama.h>

#include <string>
#include <vector>

namespace verbatim {

/// The devices that a model is computed on beside the CPU. Empty where it is computed on the CPU alone.
class Placement {
 public:
  /// The CPU alone.
  Placement() : Placement(std::vector<ggml_backend_dev_t>{}, {}) {}
  Placement(std::vector<ggml_backend_dev_t> devices, const std::vector<float>& shares);
  /// Throws Error InvalidOption for a device that there is not.
  static Placement choose(const DeviceOptions& options);

  const std::vector<ggml_backend_dev_t>& devices() const { return devices_; }
  /// Point into this object.
  llama_model_params model_params(int32_t gpu_layers) const;

 private:
  std::vector<ggml_backend_dev_t> devices_;
  std::vector<ggml_backend_dev_t> terminated_; ///< the same and a null, as llama.cpp wants it
  std::vector<float> shares_;
};

} // namespace verbatim
