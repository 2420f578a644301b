#include "base/thread.h"

#include "base/error.h"

#include <string>
#include <system_error>
#include <utility>

#ifdef _WIN32
#include <process.h>
#include <windows.h>
#else
#include <pthread.h>
#endif

namespace verbatim {

namespace {

// Address space only; pages are used as they are touched.
constexpr size_t stack_bytes = 64u << 20;

using Body = std::function<void()>;

[[noreturn]] void throw_no_thread(int reason) {
  throw Error(
      ErrorCode::OutOfMemory,
      "the system starts no more threads (" + std::generic_category().message(reason) +
          "): raise this process's limits of threads and of address space, of which a thread reserves " +
          std::to_string(stack_bytes >> 20) + " MB");
}

} // namespace

#ifdef _WIN32

struct Thread::Handle {
  HANDLE thread;
};

static unsigned __stdcall run_body(void* argument) {
  std::unique_ptr<Body> body(static_cast<Body*>(argument));
  (*body)();
  return 0;
}

Thread::Thread(Body body) {
  auto owned = std::make_unique<Body>(std::move(body));
  const auto thread =
      _beginthreadex(nullptr, stack_bytes, run_body, owned.get(), STACK_SIZE_PARAM_IS_A_RESERVATION, nullptr);
  if (thread == 0) throw_no_thread(errno);
  owned.release();
  handle_ = std::make_unique<Handle>(Handle{reinterpret_cast<HANDLE>(thread)});
}

void Thread::join() {
  WaitForSingleObject(handle_->thread, INFINITE);
  CloseHandle(handle_->thread);
  handle_.reset();
}

#else

struct Thread::Handle {
  pthread_t thread;
};

static void* run_body(void* argument) {
  std::unique_ptr<Body> body(static_cast<Body*>(argument));
  (*body)();
  return nullptr;
}

Thread::Thread(Body body) {
  auto owned = std::make_unique<Body>(std::move(body));
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, stack_bytes);
  pthread_t thread;
  const int status = pthread_create(&thread, &attributes, run_body, owned.get());
  pthread_attr_destroy(&attributes);
  if (status != 0) throw_no_thread(status);
  owned.release();
  handle_ = std::make_unique<Handle>(Handle{thread});
}

void Thread::join() {
  pthread_join(handle_->thread, nullptr);
  handle_.reset();
}

#endif

Thread::Thread() = default;

Thread::~Thread() {
  if (joinable()) join();
}

Thread::Thread(Thread&&) noexcept = default;

Thread& Thread::operator=(Thread&& other) noexcept {
  if (joinable()) join();
  handle_ = std::move(other.handle_);
  return *this;
}

} // namespace verbatim
