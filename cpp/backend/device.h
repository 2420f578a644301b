#pragma once

#include "load-options.h"

#include <ggml-backend.h>
#include <llama.h>

#include <string>
#include <vector>

namespace verbatim {

/// The devices that compute a model beside the CPU.
class Placement {
 public:
  /// Makes a placement on the CPU alone.
  Placement() : Placement(std::vector<ggml_backend_dev_t>{}, {}) {}
  Placement(std::vector<ggml_backend_dev_t> devices, const std::vector<float>& tensor_split);
  /// Chooses devices by options. Throws Error InvalidOption for a device that does not exist.
  static Placement choose(const DeviceOptions& options);

  const std::vector<ggml_backend_dev_t>& devices() const { return devices_; }
  /// Returns parameters for loading a model, with pointers into this object.
  llama_model_params model_params(int32_t gpu_layers) const;

 private:
  std::vector<ggml_backend_dev_t> devices_;
  std::vector<ggml_backend_dev_t> terminated_; ///< devices_, null-terminated for llama.cpp
  std::vector<float> tensor_split_;
};

} // namespace verbatim
