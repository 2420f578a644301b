#pragma once

#include "base/log.h"

#include <string>

namespace verbatim {

/// A sink that keeps what tells why a backend cannot be used.
LogSink keep_reasons(std::string& log);

/// Loads a backend that is a library of its own. Returns why it cannot be used on this machine, and what to
/// do about it; empty when it can.
std::string load_plugin(const std::string& path);

/// The same for a backend that is loaded already, with what was kept of the log meanwhile.
std::string plugin_problem(const char* backend_name, const std::string& log);

/// Why CUDA kernels that were built for some architectures do not run on a device; empty when they do.
/// @param architectures as the backend lists them, such as "750,800"
/// @param log in which it has said the compute capability of every device
std::string architecture_problem(const std::string& architectures, const std::string& log);

/// A reason why a GPU cannot be used, with the way to mend it where that is known.
std::string with_remedy(const std::string& reason);

} // namespace verbatim
