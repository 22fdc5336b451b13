// Where the library reports what is worth knowing but is no error: a source
// passed over, a slow path taken. Off unless the program sets a sink; the
// library itself never prints.
#ifndef MALMOI_BASE_LOG_H_
#define MALMOI_BASE_LOG_H_

#include <functional>
#include <string_view>

namespace malmoi {

enum class LogLevel { kDebug, kInfo, kWarning };
using LogSink = std::function<void(LogLevel, std::string_view)>;

// Thread-safe; an empty sink switches logging off.
void SetLogSink(LogSink sink);
void Log(LogLevel level, std::string_view message);

}  // namespace malmoi

#endif  // MALMOI_BASE_LOG_H_
