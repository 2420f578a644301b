#pragma once

#include <functional>
#include <string>

namespace verbatim {

enum class LogLevel { Debug, Info, Warn, Error };

const char* log_level_name(LogLevel level);

/// Receives whole lines, without the line break, from any thread.
using LogSink = std::function<void(LogLevel, const std::string& line)>;

/// llama.cpp has one logger for the process. This takes it over for good (nothing reaches stderr any
/// more) and hands each line to the sink of the thread it was logged on.
void install_log_router();

/// Routes what this thread logs to a sink while it lives. Scopes nest.
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
