#pragma once

#include <functional>
#include <string>

namespace verbatim {

enum class LogLevel { Debug, Info, Warn, Error };

const char* log_level_name(LogLevel level);

/// Receives whole lines without the line break, from any thread.
using LogSink = std::function<void(LogLevel, const std::string& line)>;

/// Takes over llama.cpp's logger, of which a process has one, for good: each line goes to the sink of the
/// thread that logs it, and nothing to stderr.
void install_log_router();

/// Routes what this thread logs to a sink during its lifetime. Scopes nest.
class LogScope {
 public:
  explicit LogScope(const LogSink* sink);
  ~LogScope();
  LogScope(const LogScope&) = delete;
  LogScope& operator=(const LogScope&) = delete;

 private:
  const LogSink* previous_;
};

} // namespace verbatim
