#include "backend/cpu-threads.h"

#include "base/error.h"

#include <ggml-cpu.h>

#include <algorithm>
#include <fstream>
#include <future>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#ifdef __linux__
#include <sched.h>
#endif

namespace verbatim {

namespace {

/// Finds a function of the CPU backend, which is a plugin, by name.
template <typename Function> Function cpu_function(const char* name) {
  const auto device = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
  if (!device) return nullptr;
  return reinterpret_cast<Function>(
      ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(device), name));
}

/// Counts the processors the process may run on, hyperthreads of one core once. 0: unknown.
uint32_t physical_cores() {
  uint32_t cores = 0;
#ifdef __linux__
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 0;
  std::set<std::string> siblings;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    std::ifstream file("/sys/devices/system/cpu/cpu" + std::to_string(cpu) +
                       "/topology/thread_siblings_list");
    std::string line;
    if (!std::getline(file, line)) return 0;
    siblings.insert(line);
  }
  cores = static_cast<uint32_t>(siblings.size());
#endif
  return cores;
}

/// Reads the whole processors that a container's quota allows. 0: no quota.
uint32_t processor_quota() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  double time = 0, period = 0;
  return file >> time >> period && period > 0 ? static_cast<uint32_t>(std::max(1.0, time / period)) : 0;
}

/// Starts and ends as many threads as ggml is about to start, because ggml ends the process where it cannot.
/// Their stacks stay with the C library for ggml's threads.
void require_threads(int32_t count) {
  std::promise<void> all_started;
  const std::shared_future<void> wait = all_started.get_future();
  std::vector<std::future<void>> threads;
  try {
    for (int32_t i = 0; i < count; ++i)
      threads.push_back(std::async(std::launch::async, [wait] { wait.wait(); }));
  } catch (const std::system_error& error) {
    all_started.set_value();
    throw Error(ErrorCode::OutOfMemory,
                "the system starts no more threads to compute with (" + error.code().message() +
                    "): use fewer threads, or raise this process's limits of threads and of address space");
  }
  all_started.set_value();
}

} // namespace

int32_t default_cpu_threads() {
  constexpr uint32_t most = 16; // more are limited by memory, not by cores
  uint32_t processors = std::max(1u, std::thread::hardware_concurrency());
  if (const uint32_t allowed = processor_quota()) processors = std::min(processors, allowed);
  const uint32_t cores = physical_cores();
  return static_cast<int32_t>(std::max(1u, std::min({processors - 1, cores ? cores : processors, most})));
}

CpuThreadPool::CpuThreadPool(int32_t size) : size_(size) {
  const auto create = cpu_function<decltype(&ggml_threadpool_new)>("ggml_threadpool_new");
  if (!create) return;
  require_threads(size - 1); // the caller is the first
  auto params = ggml_threadpool_params_default(size);
  pool_ = create(&params);
}

CpuThreadPool::~CpuThreadPool() {
  if (!pool_) return;
  const auto destroy = cpu_function<decltype(&ggml_threadpool_free)>("ggml_threadpool_free");
  if (destroy) destroy(pool_);
}

} // namespace verbatim
