#pragma once

#include <ggml-backend.h>

#include <memory>
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

/// How many CPU threads to compute with unless told otherwise: one per physical core the process may use, and
/// one processor left to the rest of the process. ggml's threads wait for each other by spinning, so a single
/// one that has to give its processor away holds up all the others.
int32_t default_threads();

/// CPU worker threads of one context. Without it ggml starts and ends its threads at every decode.
class ThreadPool {
 public:
  /// @throws Error OutOfMemory: the system starts no more threads
  explicit ThreadPool(int32_t size);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  ggml_threadpool_t get() const { return pool_; }
  int32_t size() const { return size_; }

 private:
  const int32_t size_;
  ggml_threadpool_t pool_ = nullptr;
};

} // namespace verbatim
