#pragma once

#include "base/log.h"

#include <string>

namespace verbatim {

/// Returns a sink that appends to `log` the lines that tell why a backend cannot be used.
LogSink keep_reasons(std::string& log);

/// Loads a backend that is a library of its own. Returns the reason why it cannot be used on this machine,
/// with a remedy; empty when it can.
std::string load_plugin(const std::string& path);

/// Returns the reason why a loaded backend cannot be used on this machine, with a remedy; empty when it can.
/// @param log kept by keep_reasons() while it was loaded
std::string plugin_problem(const char* backend_name, const std::string& log);

/// Returns the reason why CUDA kernels do not run on a device; empty when they run on all.
/// @param architectures the kernels were built for, as the backend lists them, such as "750,800"
/// @param log with the compute capability of every device
std::string architecture_problem(const std::string& architectures, const std::string& log);

/// Appends the remedy to a reason why a GPU cannot be used, if it is known.
std::string with_remedy(const std::string& reason);

} // namespace verbatim
