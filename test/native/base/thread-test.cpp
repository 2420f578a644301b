#include "base/thread.h"

#include "base/log.h"
#include "check.h"

#include <llama.h>

#include <chrono>
#include <cstring>
#include <memory>
#include <thread>
#include <utility>

using namespace verbatim;

namespace {

/// Uses `frames` frames of 4 KiB of stack.
__attribute__((noinline)) int descend(int frames) {
  volatile char space[4096];
  std::memset(const_cast<char*>(space), frames & 1, sizeof space);
  const int below = frames > 1 ? descend(frames - 1) : 0;
  return below + space[frames % 4096]; // after the call, so that it is none in tail position
}

} // namespace

TEST(thread_has_room_for_deep_recursion) {
  int sum = 0;
  Thread([&] { sum = descend(8192); }).join(); // 32 MiB and more
  CHECK_EQ(sum, 4096);
}

TEST(thread_joins_when_destroyed_or_replaced) {
  int ran = 0, replaced = 0;
  {
    const Thread thread([&] { ++ran; });
  }
  CHECK_EQ(ran, 1);
  Thread thread([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ++replaced;
  });
  CHECK(thread.joinable());
  thread = Thread([&] { ++ran; }); // waits for the first, which runs beside the second
  CHECK_EQ(replaced, 1);
  thread.join();
  CHECK(!thread.joinable());
  CHECK_EQ(ran, 2);
  Thread moved = Thread([&] { ++ran; });
  Thread target = std::move(moved);
  CHECK(!moved.joinable() && target.joinable());
  target.join();
  CHECK_EQ(ran, 3);
  CHECK(!Thread().joinable());
}

TEST(thread_frees_what_its_body_held) {
  const auto held = std::make_shared<int>(1);
  Thread([held] {}).join();
  CHECK_EQ(held.use_count(), 1);
}

TEST(log_lines_go_to_the_sink_of_their_thread) {
  install_log_router();
  ggml_log_callback log;
  void* data;
  llama_log_get(&log, &data);
  std::vector<std::string> outer_lines, inner_lines, other_lines;
  const auto note = [](std::vector<std::string>& lines) {
    return LogSink([&lines](LogLevel level, const std::string& line) {
      lines.push_back(log_level_name(level) + (": " + line));
    });
  };
  const LogSink outer = note(outer_lines), inner = note(inner_lines), other = note(other_lines);
  log(GGML_LOG_LEVEL_ERROR, "nobody listens\n", data);
  {
    const LogScope outer_scope(&outer);
    log(GGML_LOG_LEVEL_WARN, "in ", data);
    log(GGML_LOG_LEVEL_CONT, "pieces\n", data);
    log(GGML_LOG_LEVEL_INFO, "two\n\nlines\n", data);
    {
      const LogScope inner_scope(&inner);
      log(GGML_LOG_LEVEL_ERROR, "inner\n", data);
      log(GGML_LOG_LEVEL_ERROR, "never ended", data);
    }
    Thread([&] {
      const LogScope other_scope(&other);
      log(GGML_LOG_LEVEL_DEBUG, "other\n", data);
    }).join();
    Thread([&] { log(GGML_LOG_LEVEL_DEBUG, "silent\n", data); }).join();
    log(GGML_LOG_LEVEL_CONT, "apart\n", data);
    const LogScope silent(nullptr);
    log(GGML_LOG_LEVEL_ERROR, "silent\n", data);
  }
  log(GGML_LOG_LEVEL_ERROR, "nobody listens\n", data);
  CHECK(outer_lines ==
        (std::vector<std::string>{"warn: in pieces", "info: two", "info: lines", "error: apart"}));
  CHECK(inner_lines == (std::vector<std::string>{"error: inner"}));
  CHECK(other_lines == (std::vector<std::string>{"debug: other"}));
}
