#include "base/task-pool.h"

namespace verbatim {

TaskPool::TaskPool(size_t thread_count) {
  try {
    for (size_t i = 0; i < thread_count; ++i)
      threads_.emplace_back([this] { work(); });
  } catch (...) {
    stop(); // or joining the threads that did start would never end
    throw;
  }
}

TaskPool::~TaskPool() {
  stop();
}

bool TaskPool::post(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
    tasks_.push_back(std::move(task));
  }
  wake_.notify_one();
  return true;
}

void TaskPool::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  threads_.clear(); // joins
}

void TaskPool::work() {
  for (;;) {
    std::function<void()> task;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
}

} // namespace verbatim
