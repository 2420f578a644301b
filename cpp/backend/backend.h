#pragma once

#include <string>
#include <vector>

namespace verbatim {

/// The library of a backend that cannot be used on this machine.
struct UnusableBackend {
  std::string path;
  std::string reason; ///< and what to do about it
};

/// Loads the backends (CPU, CUDA, …) that lie in the folder of the addon and these plugins, and from nowhere
/// else: ggml's own search would also look into the current directory. Once per process; later calls do
/// nothing. Returns those that cannot be used (no driver, no device, a library missing).
const std::vector<UnusableBackend>& load_backends(const std::string& folder,
                                                  const std::vector<std::string>& plugins = {});

} // namespace verbatim
