#pragma once

#include <functional>
#include <memory>

namespace verbatim {

/// A joining thread with a large stack, for llama.cpp's pre-tokenizers: they match with std::regex, which
/// recurses for each character of a long input.
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
