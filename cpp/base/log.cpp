#include "base/log.h"

#include <llama.h>

#include <cstdio>
#include <deque>

namespace verbatim {

namespace {

thread_local const LogSink* current_sink = nullptr;
// llama.cpp logs a line in pieces: the rest come with level CONT, the line break with the last.
thread_local std::string pending_line;
thread_local LogLevel pending_level = LogLevel::Info;
// The last error lines tell why ggml aborts; its own message is "CUDA error", whatever the error.
thread_local std::deque<std::string> last_errors;
constexpr size_t kept_errors = 6;

LogLevel level_of(ggml_log_level level) {
  switch (level) {
  case GGML_LOG_LEVEL_ERROR:
    return LogLevel::Error;
  case GGML_LOG_LEVEL_WARN:
    return LogLevel::Warn;
  case GGML_LOG_LEVEL_INFO:
    return LogLevel::Info;
  default:
    return LogLevel::Debug;
  }
}

void hand_on(LogLevel level, const std::string& line) {
  if (level == LogLevel::Error) {
    if (last_errors.size() == kept_errors) last_errors.pop_front();
    last_errors.push_back(line);
  }
  if (current_sink && *current_sink) (*current_sink)(level, line);
}

void route(ggml_log_level level, const char* text, void*) {
  if (level != GGML_LOG_LEVEL_CONT) pending_level = level_of(level);
  for (const char* c = text; *c != '\0'; ++c) {
    if (*c != '\n') {
      pending_line.push_back(*c);
      continue;
    }
    if (!pending_line.empty()) hand_on(pending_level, pending_line);
    pending_line.clear();
  }
}

// Prints why the process is about to abort(). ggml's default starts a debugger.
void announce_abort(const char* message) {
  std::fprintf(stderr, "verbatim-llama: llama.cpp aborted the process: %s\n", message);
  for (const auto& line : last_errors)
    std::fprintf(stderr, "verbatim-llama: before that: %s\n", line.c_str());
}

} // namespace

const char* log_level_name(LogLevel level) {
  switch (level) {
  case LogLevel::Debug:
    return "debug";
  case LogLevel::Info:
    return "info";
  case LogLevel::Warn:
    return "warn";
  case LogLevel::Error:
    return "error";
  }
  return "info";
}

void install_log_router() {
  llama_log_set(route, nullptr);
  ggml_set_abort_callback(announce_abort);
}

LogScope::LogScope(const LogSink* sink) : previous_(current_sink) {
  current_sink = sink;
}

LogScope::~LogScope() {
  pending_line.clear();
  current_sink = previous_;
}

} // namespace verbatim
