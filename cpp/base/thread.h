#pragma once

#include <functional>
#include <memory>

namespace verbatim {

/// A joining thread with a large stack: llama.cpp's pre-tokenizers match with std::regex, which recurses
/// once per character on long inputs and would overflow the stacks of ordinary pool threads.
class Thread {
 public:
  Thread();
  /// @throws Error OutOfMemory: the system starts no more threads
  explicit Thread(std::function<void()> body);
  ~Thread();
  Thread(Thread&&) noexcept;
  Thread& operator=(Thread&&) noexcept;

  bool joinable() const { return handle_ != nullptr; }
  void join();

 private:
  struct Handle;
  std::unique_ptr<Handle> handle_;
};

} // namespace verbatim
