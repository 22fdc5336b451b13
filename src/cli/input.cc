// Standard input and Ctrl-C together: a read that waits must end when Ctrl-C
// comes, also when it comes just before the read (the self-pipe trick, as
// POSIX select's pages describe it) or on a worker's thread.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "cli/terminal.h"

namespace malmoi::cli {

namespace {

volatile sig_atomic_t interrupted = 0;
volatile sig_atomic_t second_interrupt_ends = 1;
struct sigaction previous_action;
int wake[2] = {-1, -1};  // made by the first guard, never closed

// The first Ctrl-C asks; the second ends.
void OnInterrupt(int) {
  if (interrupted && second_interrupt_ends) _exit(kInterrupted);
  interrupted = 1;
  const int saved = errno;
  if (write(wake[1], "", 1) < 0) errno = saved;  // full: awake already
}

// Bytes of standard input that no caller has taken yet.
class Input {
 public:
  // False at the end of the input and after Ctrl-C.
  bool Fill() {
    if (end_) return false;
    while (true) {
      pollfd files[2] = {{STDIN_FILENO, POLLIN, 0}, {wake[0], POLLIN, 0}};
      poll(files, 2, -1);
      if (interrupted) return false;
      char bytes[65536];
      if (files[0].revents == 0) continue;
      const ssize_t count = read(STDIN_FILENO, bytes, sizeof(bytes));
      if (count > 0) {
        bytes_.append(bytes, static_cast<size_t>(count));
        return true;
      }
      if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      // A closed standard input is an empty one.
      if (count < 0 && errno != EBADF) {
        ThrowErrno("standard input", "cannot read", errno);
      }
      end_ = true;
      return false;
    }
  }
  std::string& bytes() { return bytes_; }

 private:
  std::string bytes_;
  bool end_ = false;
};

Input& StandardInput() {
  static Input input;
  return input;
}

}  // namespace

std::optional<std::string> ReadLine() {
  Input& input = StandardInput();
  size_t searched = 0;
  size_t end;
  while ((end = input.bytes().find('\n', searched)) == std::string::npos) {
    searched = input.bytes().size();
    if (input.Fill()) continue;
    if (interrupted || input.bytes().empty()) return std::nullopt;
    return std::exchange(input.bytes(), {});
  }
  std::string line = input.bytes().substr(0, end);
  input.bytes().erase(0, end + 1);
  return line;
}

bool LineWaits() {
  if (StandardInput().bytes().find('\n') != std::string::npos) return true;
  pollfd file = {STDIN_FILENO, POLLIN, 0};
  return poll(&file, 1, 0) > 0;
}

void ReadFromFile(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) ThrowErrno(path, "cannot open file", errno);
  struct stat about;
  if (fstat(file, &about) == 0 && S_ISDIR(about.st_mode)) {
    close(file);
    ThrowErrno(path, "cannot read file", EISDIR);
  }
  dup2(file, STDIN_FILENO);
  close(file);
}

std::string ReadRest() {
  Input& input = StandardInput();
  while (input.Fill()) {
  }
  return std::exchange(input.bytes(), {});
}

InterruptGuard::InterruptGuard(bool second_ends) {
  if (wake[0] < 0 && pipe2(wake, O_CLOEXEC | O_NONBLOCK) != 0) {
    ThrowErrno("malmoi", "cannot open a pipe", errno);
  }
  Clear();
  second_interrupt_ends = second_ends;
  struct sigaction action = {};
  action.sa_handler = OnInterrupt;
  sigaction(SIGINT, &action, &previous_action);
}
InterruptGuard::~InterruptGuard() {
  sigaction(SIGINT, &previous_action, nullptr);
}
bool InterruptGuard::Interrupted() { return interrupted != 0; }
void InterruptGuard::Clear() {
  char bytes[64];
  while (wake[0] >= 0 && read(wake[0], bytes, sizeof(bytes)) > 0) {
  }
  interrupted = 0;
}

}  // namespace malmoi::cli
