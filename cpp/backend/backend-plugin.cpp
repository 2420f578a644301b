#include "backend/backend-plugin.h"

#include <ggml-backend.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <utility>

namespace verbatim {

namespace {

std::string cuda_architectures(ggml_backend_reg_t backend) {
  const auto features = reinterpret_cast<ggml_backend_get_features_t>(
      ggml_backend_reg_get_proc_address(backend, "ggml_backend_get_features"));
  if (!features) return "";
  for (auto* feature = features(backend); feature->name; ++feature)
    if (std::strcmp(feature->name, "ARCHS") == 0) return feature->value;
  return "";
}

std::string problem_of(ggml_backend_reg_t backend, const std::string& log) {
  if (ggml_backend_reg_dev_count(backend) == 0) return log.empty() ? "it finds no device" : log;
  auto problem = architecture_problem(cuda_architectures(backend), log);
  // CUDA would end the process at the first kernel.
  if (!problem.empty()) ggml_backend_unload(backend);
  return problem;
}

} // namespace

LogSink keep_reasons(std::string& log) {
  return [&log](LogLevel level, const std::string& line) {
    if (level == LogLevel::Error || line.find("compute capability") != std::string::npos)
      log += (log.empty() ? "" : "; ") + line;
  };
}

std::string load_plugin(const std::string& path) {
  std::string log;
  const LogSink sink = keep_reasons(log);
  const LogScope scope(&sink);
  const auto backend = ggml_backend_load(path.c_str());
  if (!backend) return with_remedy(log.empty() ? "it is no backend of this llama.cpp" : log);
  return with_remedy(problem_of(backend, log));
}

std::string plugin_problem(const char* backend_name, const std::string& log) {
  const auto backend = ggml_backend_reg_by_name(backend_name);
  return backend ? with_remedy(problem_of(backend, log)) : "";
}

std::string architecture_problem(const std::string& architectures, const std::string& log) {
  int least = 0;
  std::istringstream list(architectures);
  for (std::string architecture; std::getline(list, architecture, ',');) {
    const int number = std::atoi(architecture.c_str());
    if (number > 0) least = least == 0 ? number : std::min(least, number);
  }
  static const std::string words = "compute capability ";
  for (size_t at = log.find(words); least > 0 && at != std::string::npos; at = log.find(words, at)) {
    at += words.size();
    int major = 0, minor = 0;
    if (std::sscanf(log.c_str() + at, "%d.%d", &major, &minor) != 2) continue;
    // Newer devices compile what is in the library for them.
    if (100 * major + 10 * minor >= least) continue;
    return "a GPU has compute capability " + std::to_string(major) + "." + std::to_string(minor) +
           ", and this library was built for " + std::to_string(least / 100) + "." +
           std::to_string(least % 100 / 10) + " and later";
  }
  return "";
}

std::string with_remedy(const std::string& reason) {
  static constexpr std::pair<const char*, const char*> remedies[] = {
      {"libcuda.so", "install the NVIDIA driver"},
      {"libcublas", "install cuBLAS of the CUDA version that the library was built with"},
      {"libcudart", "install the CUDA runtime of the version that the library was built with"},
      {"driver version is insufficient", "update the NVIDIA driver"},
      {"compute capability", "build it for this GPU: npm run build:cuda -- --architectures native"},
      {"no CUDA-capable device", "nvidia-smi must list a GPU; a container has to be given it"},
      {"finds no device", "nvidia-smi must list a GPU; a container has to be given it"},
  };
  const auto remedy = std::ranges::find_if(
      remedies, [&](const auto& each) { return reason.find(each.first) != std::string::npos; });
  return remedy == std::end(remedies) ? reason : reason + ". To use it, " + remedy->second;
}

} // namespace verbatim
