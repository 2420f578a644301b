#pragma once

#include "base/thread.h"

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

namespace verbatim {

/// Threads that render and tokenize, so that neither the JavaScript thread nor the engine thread does.
class TaskPool {
 public:
  explicit TaskPool(size_t thread_count);
  ~TaskPool();

  /// Runs a task, first come, first served. Tasks must not throw. False after stop().
  bool post(std::function<void()> task);

  /// Runs the queued tasks, then ends the threads. Idempotent; not from a task.
  void stop();

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  bool stopping_ = false;
  std::vector<Thread> threads_;
};

} // namespace verbatim
