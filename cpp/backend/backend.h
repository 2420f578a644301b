#pragma once

#include <string>
#include <vector>

namespace verbatim {

/// A backend that cannot be used on this machine.
struct UnusableBackend {
  std::string path;   ///< of its library
  std::string reason; ///< with a remedy
};

/// Loads the backends (CPU, CUDA, …) in the addon's folder and these plugins, and returns those that cannot
/// be used (no driver, no device, a library missing). ggml's own search would also look into the current
/// directory. Once per process; later calls load nothing.
const std::vector<UnusableBackend>& load_backends(const std::string& folder,
                                                  const std::vector<std::string>& plugins = {});

} // namespace verbatim
