#include "cli/terminal.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/format.h"
#include "text/unicode/utf8.h"

namespace malmoi::cli {

bool IsTerminal(int file) { return isatty(file) == 1; }

bool Korean() {
  for (const char* name : {"LC_ALL", "LC_MESSAGES", "LANG"}) {
    const char* value = std::getenv(name);
    if (value != nullptr && *value != '\0') {
      return std::strncmp(value, "ko", 2) == 0;
    }
  }
  return false;
}

bool Colour(int file) {
  const char* off = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  return IsTerminal(file) && (off == nullptr || *off == '\0') &&
         (terminal == nullptr || std::strcmp(terminal, "dumb") != 0);
}

std::string Paint(std::string_view code, std::string_view text, int file) {
  if (!Colour(file)) return std::string(text);
  return Format("\033[{}m{}\033[0m", code, text);
}

std::string Message(const Error& error) {
  if (!Korean()) return error.message();
  const ErrorParts& parts = error.parts();
  std::string text = parts.where + ": " + Translate(parts.what);
  if (!parts.expected.empty()) {
    text += "; 기대한 것: " + Translate(parts.expected);
  }
  if (!parts.got.empty()) text += "; 받은 것: " + Translate(parts.got);
  if (!parts.hint.empty()) text += "; 해 볼 것: " + Translate(parts.hint);
  return text;
}

void Print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) {
    const int error = errno;
    if (error == EPIPE) std::_Exit(141);  // as if by SIGPIPE
    ThrowErrno("standard output", "cannot write", error);
  }
}

void Flush() {
  if (std::fflush(stdout) != 0) {
    const int error = errno;
    if (error == EPIPE) std::_Exit(141);
    ThrowErrno("standard output", "cannot write", error);
  }
}

void PrintJson(const Json& json) {
  Print(DumpJson(json) + "\n");
  Flush();
}

Json ErrorJson(const Error& error) {
  const ErrorParts& parts = error.parts();
  const auto clean = [](const std::string& part) {
    return text::ReplaceInvalidUtf8(part);
  };
  return {{"error",
           {{"code", ErrorCodeName(error.code())},
            {"message", clean(error.message())},
            {"context",
             {{"where", clean(parts.where)},
              {"what", clean(parts.what)},
              {"expected", clean(parts.expected)},
              {"got", clean(parts.got)},
              {"hint", clean(parts.hint)}}}}}};
}

void Note(std::string_view text) {
  const std::string line = std::string(text) + "\n";  // whole among threads
  std::fwrite(line.data(), 1, line.size(), stderr);
}

int ExitStatus(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kUsage:
      return 2;
    case ErrorCode::kNotFound:
      return 3;
    case ErrorCode::kNetwork:
      return 4;
    case ErrorCode::kAuth:
      return 5;
    case ErrorCode::kDiskFull:
      return 6;
    case ErrorCode::kCorrupt:
      return 7;
    case ErrorCode::kUnsupported:
      return 8;
    case ErrorCode::kContextOverflow:
      return 9;
    case ErrorCode::kPermission:
      return 10;
    case ErrorCode::kHashMismatch:
      return 11;
    case ErrorCode::kLimit:
      return 12;
    case ErrorCode::kIo:
      return 13;
    case ErrorCode::kCancelled:
      return kInterrupted;
  }
  return 1;
}

TerminalProgress::~TerminalProgress() { EndLine(); }

void TerminalProgress::EndLine() {
  if (drawing_) std::fputc('\n', stderr);
  drawing_ = false;
}

void TerminalProgress::Notice(std::string_view text) {
  if (quiet_) return;
  EndLine();
  Note(Format("{}: {}", Translate("notice"), text));
}

void TerminalProgress::Plan(const hub::DownloadPlan& plan) {
  if (quiet_) return;
  EndLine();
  Note(Format("{} {}: {}, {}, {}", Translate("downloading"), plan.name,
              plan.source, FormatBytes(plan.total_bytes),
              plan.licence.empty()
                  ? Translate("licence not stated")
                  : Format("{} {}", Translate("licence"), plan.licence)));
  start_ = last_ = std::chrono::steady_clock::now();
  first_bytes_ = UINT64_MAX;
  tenths_ = 0;
}

namespace {
// "8 s", "3 min 20 s", "1 h 5 min".
std::string Duration(double seconds) {
  const auto s = static_cast<int64_t>(seconds + 0.5);
  if (s < 60) return Format("{} s", s);
  if (s < 3600) return Format("{} min {} s", s / 60, s % 60);
  return Format("{} h {} min", s / 3600, s / 60 % 60);
}
}  // namespace

void TerminalProgress::Bytes(uint64_t done, uint64_t total) {
  if (quiet_ || total == 0) return;
  if (!IsTerminal(STDERR_FILENO)) {
    // A line per tenth, for logs.
    const uint64_t tenths = static_cast<uint64_t>(
        10.0 * static_cast<double>(done) / static_cast<double>(total));
    if (tenths > tenths_) {
      Note(Format("{} {}% ({})", Translate("downloading"), 10 * tenths,
                  FormatBytes(done)));
    }
    tenths_ = tenths;
    return;
  }
  if (first_bytes_ == UINT64_MAX) first_bytes_ = done;
  const auto now = std::chrono::steady_clock::now();
  if (drawing_ && done < total &&
      now - last_ < std::chrono::milliseconds(100)) {
    return;
  }
  last_ = now;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double rate =
      seconds > 0.2 ? static_cast<double>(done - first_bytes_) / seconds : 0;
  const int width = 30;
  const int filled = static_cast<int>(done * width / total);
  std::string bar(static_cast<size_t>(filled), '#');
  bar.resize(width, '.');
  std::string line =
      Format("\r[{}] {:3}%  {}", bar, done * 100 / total, FormatBytes(done));
  if (rate > 0) {
    const double left = static_cast<double>(total - done) / rate;
    line += Format("  {}/s  {} {}", FormatBytes(static_cast<uint64_t>(rate)),
                   Duration(left), Translate("left"));
  }
  line += "\033[K";
  std::fwrite(line.data(), 1, line.size(), stderr);
  std::fflush(stderr);
  drawing_ = true;
}

bool TerminalProgress::Cancelled() { return InterruptGuard::Interrupted(); }

}  // namespace malmoi::cli
