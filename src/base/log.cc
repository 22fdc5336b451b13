#include "base/log.h"

#include <mutex>
#include <utility>

namespace malmoi {

namespace {
std::mutex log_mutex;
LogSink log_sink;
}  // namespace

void SetLogSink(LogSink sink) {
  std::lock_guard lock(log_mutex);
  log_sink = std::move(sink);
}

void Log(LogLevel level, std::string_view message) {
  std::lock_guard lock(log_mutex);
  if (log_sink) log_sink(level, message);
}

}  // namespace malmoi
