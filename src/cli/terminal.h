// What depends on the terminal: language, colour, progress, Ctrl-C.
#ifndef MALMOI_CLI_TERMINAL_H_
#define MALMOI_CLI_TERMINAL_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "hub/progress.h"

namespace malmoi::cli {

bool IsTerminal(int file);
bool Korean();  // the locale's messages
// Colour on this file: a terminal, and NO_COLOR unset.
bool Colour(int file);
// "\033[31m" and the like, or "" without colour.
std::string Paint(std::string_view code, std::string_view text, int file);

// Korean where the locale is Korean and a translation is known; the English
// phrase otherwise.
std::string Translate(std::string_view english);
// The whole message of an error in the user's language.
std::string Message(const Error& error);

// Writes to standard output; throws kIo or kDiskFull where that fails (and
// ends quietly when the reader has gone).
void Print(std::string_view text);
void PrintJson(const Json& json);
void Flush();
// {"error": {code, message, context{where, what, expected, got, hint}}}.
Json ErrorJson(const Error& error);
// A line on standard error.
void Note(std::string_view text);

// The next line of standard input without its newline; nullopt at the end
// and after Ctrl-C. Throws kIo, as for a folder.
std::optional<std::string> ReadLine();
// Whether a line is there already, or the end, so that ReadLine() need not
// wait.
bool LineWaits();
// From here on, standard input is this file. Throws kNotFound, kPermission.
void ReadFromFile(const std::string& path);
// All that is left of standard input. Throws kIo.
std::string ReadRest();

// 0 ok, 1 failure, 2 usage, ... : docs/cli.md has the table.
int ExitStatus(ErrorCode code);
inline constexpr int kInterrupted = 130;

// While it lives, Ctrl-C sets a flag instead of ending the program. A second
// Ctrl-C ends it, unless `second_ends` is false. Guards do not nest.
class InterruptGuard {
 public:
  explicit InterruptGuard(bool second_ends = true);
  ~InterruptGuard();
  static bool Interrupted();
  static void Clear();
};

// Download progress on standard error: a bar with speed and time left on a
// terminal, plain lines otherwise.
class TerminalProgress : public hub::Progress {
 public:
  explicit TerminalProgress(bool quiet = false) : quiet_(quiet) {}
  ~TerminalProgress() override;
  void Notice(std::string_view text) override;
  void Plan(const hub::DownloadPlan& plan) override;
  void Bytes(uint64_t done, uint64_t total) override;
  bool Cancelled() override;

 private:
  void EndLine();
  bool quiet_;
  bool drawing_ = false;
  std::chrono::steady_clock::time_point start_, last_;
  uint64_t first_bytes_ = UINT64_MAX;
  uint64_t tenths_ = 0;  // told so far, where no bar is drawn
};

}  // namespace malmoi::cli

#endif  // MALMOI_CLI_TERMINAL_H_
