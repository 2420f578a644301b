#include "backend/device.h"

#include "base/counted.h"
#include "base/error.h"

#include <algorithm>
#include <cstring>

namespace verbatim {

namespace {

/// Returns every GPU once, though several backends may list it; without any, the integrated GPUs.
std::vector<ggml_backend_dev_t> all_gpus() {
  for (const auto type : {GGML_BACKEND_DEVICE_TYPE_GPU, GGML_BACKEND_DEVICE_TYPE_IGPU}) {
    std::vector<ggml_backend_dev_t> found;
    std::vector<std::string> ids;
    for (size_t i = 0; i < ggml_backend_dev_count(); ++i) {
      const auto device = ggml_backend_dev_get(i);
      if (ggml_backend_dev_type(device) != type) continue;
      ggml_backend_dev_props properties{};
      ggml_backend_dev_get_props(device, &properties);
      if (properties.device_id) {
        if (std::ranges::find(ids, properties.device_id) != ids.end()) continue;
        ids.emplace_back(properties.device_id);
      }
      found.push_back(device);
    }
    if (!found.empty()) return found;
  }
  return {};
}

std::string names_of(const std::vector<ggml_backend_dev_t>& devices) {
  return listed(devices, "none", [](ggml_backend_dev_t device) { return ggml_backend_dev_name(device); });
}

} // namespace

Placement::Placement(std::vector<ggml_backend_dev_t> devices, const std::vector<float>& tensor_split)
    : devices_(std::move(devices)), terminated_(devices_) {
  terminated_.push_back(nullptr);
  if (tensor_split.empty()) return;
  tensor_split_ = tensor_split;
  tensor_split_.resize(std::max(tensor_split.size(), llama_max_devices()), 0.0F);
}

Placement Placement::choose(const DeviceOptions& options) {
  const auto gpus = all_gpus();
  std::vector<ggml_backend_dev_t> devices;
  for (size_t i = 0; i < options.names.size(); ++i) {
    const auto device = std::ranges::find(gpus, options.names[i], ggml_backend_dev_name);
    if (device == gpus.end())
      throw Error(ErrorCode::InvalidOption,
                  "there is no GPU " + options.names[i] + " that can be used; there are: " + names_of(gpus),
                  {{"path", "devices[" + std::to_string(i) + "]"}});
    devices.push_back(*device);
  }
  if (options.names.empty()) devices = gpus;
  if (options.tensor_split.size() > devices.size())
    throw Error(ErrorCode::InvalidOption,
                "tensorSplit has " + counted(options.tensor_split.size(), "share") +
                    ", but the GPUs to use are: " + names_of(devices),
                {{"path", "tensorSplit"}});
  if (options.main_gpu > 0 && static_cast<size_t>(options.main_gpu) >= devices.size())
    throw Error(ErrorCode::InvalidOption,
                "mainGpu is " + std::to_string(options.main_gpu) +
                    ", counted from 0, but the GPUs to use are: " + names_of(devices),
                {{"path", "mainGpu"}});
  if (options.split_mode == SplitMode::None && !devices.empty())
    devices = {devices[static_cast<size_t>(options.main_gpu)]};
  return {std::move(devices), options.tensor_split};
}

llama_model_params Placement::model_params(int32_t gpu_layers) const {
  auto params = llama_model_default_params();
  // An empty list keeps llama.cpp from using GPUs; null would not.
  params.devices = const_cast<ggml_backend_dev_t*>(terminated_.data());
  params.tensor_split = tensor_split_.empty() ? nullptr : tensor_split_.data();
  params.n_gpu_layers = gpu_layers;
  params.split_mode = devices_.size() > 1 ? LLAMA_SPLIT_MODE_LAYER : LLAMA_SPLIT_MODE_NONE;
  return params;
}

} // namespace verbatim
