#pragma once

#include <ggml-backend.h>

#include <cstdint>

namespace verbatim {

/// The default number of threads to compute with: one for each physical core the process may use, less one
/// processor for the rest of the process. ggml's threads spin while they wait for each other, so one thread
/// without a processor holds up all of them.
int32_t default_cpu_threads();

/// The CPU threads of a context. Without it ggml starts and ends threads at every decode.
class CpuThreadPool {
 public:
  /// @throws Error OutOfMemory: the system starts no more threads
  explicit CpuThreadPool(int32_t size);
  ~CpuThreadPool();
  CpuThreadPool(const CpuThreadPool&) = delete;
  CpuThreadPool& operator=(const CpuThreadPool&) = delete;

  ggml_threadpool_t get() const { return pool_; }
  int32_t size() const { return size_; }

 private:
  const int32_t size_;
  ggml_threadpool_t pool_ = nullptr;
};

} // namespace verbatim
