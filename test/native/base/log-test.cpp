// llama.cpp's log, and its last lines when it aborts the process.

#include "base/log.h"
#include "check.h"

#include <llama.h>

#include <algorithm>
#include <string>
#include <vector>

#ifndef _WIN32
#include <csignal>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

using namespace verbatim;

namespace {

/// Logs as llama.cpp does.
void say(ggml_log_level level, const char* text) {
  ggml_log_callback log = nullptr;
  void* data = nullptr;
  llama_log_get(&log, &data);
  log(level, text, data);
}

} // namespace

TEST(log_gives_whole_lines_to_the_sink_of_the_thread) {
  install_log_router();
  std::vector<std::string> lines;
  const LogSink sink = [&](LogLevel level, const std::string& line) {
    lines.push_back(std::string(log_level_name(level)) + " " + line);
  };
  say(GGML_LOG_LEVEL_ERROR, "nobody listens\n");
  {
    const LogScope scope(&sink);
    say(GGML_LOG_LEVEL_WARN, "one ");
    say(GGML_LOG_LEVEL_CONT, "line\ntwo");
    say(GGML_LOG_LEVEL_CONT, " lines\n");
  }
  say(GGML_LOG_LEVEL_ERROR, "nobody listens any more\n");
  CHECK_EQ(lines.size(), 2u);
  CHECK_EQ(lines[0], "warn one line");
  CHECK_EQ(lines[1], "warn two lines");
}

#ifndef _WIN32
TEST(log_says_before_an_abort_what_went_wrong) {
  int ends[2];
  CHECK(pipe(ends) == 0);
  const pid_t child = fork();
  if (child == 0) {
    const rlimit none{0, 0};
    setrlimit(RLIMIT_CORE, &none);
    dup2(ends[1], STDERR_FILENO);
    std::signal(SIGABRT, SIG_DFL);
    install_log_router();
    for (int i = 0; i < 20; ++i)
      say(GGML_LOG_LEVEL_ERROR, "an older error\n");
    say(GGML_LOG_LEVEL_ERROR, "CUDA error: an illegal memory access was encountered\n");
    say(GGML_LOG_LEVEL_INFO, "no error\n");
    ggml_abort("ggml-cuda.cu", 1, "%s", "CUDA error");
  }
  close(ends[1]);
  std::string said;
  char buffer[4096];
  for (ssize_t count; (count = read(ends[0], buffer, sizeof buffer)) > 0;)
    said.append(buffer, static_cast<size_t>(count));
  close(ends[0]);
  int status = 0;
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
  CHECK(said.find("aborted the process") != std::string::npos);
  CHECK(said.find("before that: CUDA error: an illegal memory access") != std::string::npos);
  CHECK(said.find("no error") == std::string::npos);
  CHECK(std::ranges::count(said, '\n') <= 8); // no more than a few of those before
}
#endif
