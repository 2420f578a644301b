#include "backend.h"

#include "error.h"
#include "log.h"

#include <ggml-cpu.h>
#include <llama.h>

#include <mutex>

namespace verbatim {

namespace {

/// The CPU backend is a plugin: its functions are found by name, not by linking.
template <typename Function> Function cpu_function(const char* name) {
  const auto device = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
  if (!device) return nullptr;
  return reinterpret_cast<Function>(
      ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(device), name));
}

} // namespace

void load_backends(const std::string& folder) {
  static std::once_flag once;
  std::call_once(once, [&] {
    install_log_router();
    ggml_backend_load_all_from_path(folder.c_str());
    if (!ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU))
      throw Error(ErrorCode::Internal, "no CPU backend beside the addon in " + folder +
                                           "; the installation is incomplete, install the package anew");
    llama_backend_init();
  });
}

ThreadPool::ThreadPool(int thread_count) {
  const auto create = cpu_function<decltype(&ggml_threadpool_new)>("ggml_threadpool_new");
  if (!create) return;
  auto params = ggml_threadpool_params_default(thread_count);
  pool_ = create(&params);
}

ThreadPool::~ThreadPool() {
  if (!pool_) return;
  const auto destroy = cpu_function<decltype(&ggml_threadpool_free)>("ggml_threadpool_free");
  if (destroy) destroy(pool_);
}

} // namespace verbatim
