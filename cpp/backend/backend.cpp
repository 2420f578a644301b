#include "backend/backend.h"

#include "backend/backend-plugin.h"
#include "base/error.h"
#include "base/log.h"

#include <llama.h>

#include <filesystem>
#include <mutex>
#include <optional>

namespace verbatim {

namespace {

/// Returns the CUDA backend beside the addon if it cannot be used, which ggml passes over silently.
std::optional<UnusableBackend> unusable_cuda(const std::string& folder, const std::string& log) {
  for (const char* name : {"/libggml-cuda.so", "/ggml-cuda.dll"}) {
    const std::string path = folder + name;
    if (!std::filesystem::exists(path)) continue;
    const bool loaded = ggml_backend_reg_by_name("CUDA") != nullptr;
    const auto problem = loaded ? plugin_problem("CUDA", log) : load_plugin(path);
    if (!problem.empty()) return UnusableBackend{path, problem};
  }
  return std::nullopt;
}

} // namespace

const std::vector<UnusableBackend>& load_backends(const std::string& folder,
                                                  const std::vector<std::string>& plugins) {
  static std::once_flag once;
  static std::vector<UnusableBackend> unusable;
  std::call_once(once, [&] {
    install_log_router();
    std::string log;
    const LogSink keep = keep_reasons(log);
    {
      const LogScope scope(&keep);
      ggml_backend_load_all_from_path(folder.c_str());
    }
    if (!ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU))
      throw Error(ErrorCode::Internal, "no CPU backend beside the addon in " + folder +
                                           "; the installation is incomplete, install the package anew");
    if (auto cuda = unusable_cuda(folder, log)) unusable.push_back(std::move(*cuda));
    for (const std::string& plugin : plugins)
      if (auto problem = load_plugin(plugin); !problem.empty())
        unusable.push_back({plugin, std::move(problem)});
    llama_backend_init();
  });
  return unusable;
}

} // namespace verbatim
