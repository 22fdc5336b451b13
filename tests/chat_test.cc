// malmoi chat on a terminal: line editing, history, Ctrl-C. A pseudo-terminal
// stands for the user's; the model is the real one.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/file.h"

namespace malmoi {
namespace {

namespace fs = std::filesystem;

// A program behind a pseudo-terminal: what is typed, and what was shown.
class Terminal {
 public:
  Terminal(const std::string& model, const fs::path& home) {
    winsize size = {
        .ws_row = 24, .ws_col = 200, .ws_xpixel = 0, .ws_ypixel = 0};
    child_ = forkpty(&master_, nullptr, nullptr, &size);
    if (child_ != 0) return;
    setenv("HOME", home.c_str(), 1);
    setenv("XDG_STATE_HOME", (home / "state").c_str(), 1);
    setenv("TERM", "xterm", 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    execl(MALMOI_BINARY, "malmoi", "chat", "-m", model.c_str(), "--temperature",
          "0", nullptr);
    _exit(127);
  }
  ~Terminal() {
    if (child_ > 0) {
      kill(child_, SIGKILL);
      waitpid(child_, nullptr, 0);
    }
    close(master_);
  }

  void Type(const std::string& keys) {
    ASSERT_EQ(write(master_, keys.data(), keys.size()),
              static_cast<ssize_t>(keys.size()));
  }
  // Reads until `text` is shown after what earlier calls have passed over.
  // False: the program ended or two minutes went by.
  bool See(const std::string& text,
           std::chrono::seconds patience = std::chrono::minutes(2)) {
    const auto until = std::chrono::steady_clock::now() + patience;
    while (true) {
      const size_t at = shown_.find(text, seen_);
      if (at != std::string::npos) {
        seen_ = at + text.size();
        return true;
      }
      if (std::chrono::steady_clock::now() > until) return false;
      pollfd wait = {.fd = master_, .events = POLLIN, .revents = 0};
      if (poll(&wait, 1, 1000) <= 0) continue;
      char buffer[4096];
      const ssize_t got = read(master_, buffer, sizeof(buffer));
      if (got <= 0) return false;
      shown_.append(buffer, static_cast<size_t>(got));
    }
  }
  // The exit status, once the program has ended; -1: it does not.
  int Wait() {
    const bool seen = See("\x01no such text\x01");
    EXPECT_FALSE(seen);
    int status = 0;
    for (int tries = 0; waitpid(child_, &status, WNOHANG) == 0; ++tries) {
      if (tries == 100) return -1;
      usleep(20'000);
    }
    child_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  bool alive() const { return kill(child_, 0) == 0; }
  std::string unseen() const { return shown_.substr(seen_); }
  const std::string& shown() const { return shown_; }

 private:
  pid_t child_ = -1;
  int master_ = -1;
  std::string shown_;
  size_t seen_ = 0;
};

class ChatTest : public ::testing::Test {
 protected:
  ChatTest()
      : home_(fs::temp_directory_path() /
              ("malmoi_chat_" + std::to_string(getpid()))) {
    fs::create_directories(home_);
  }
  ~ChatTest() override { fs::remove_all(home_); }
  void SetUp() override {
    if (std::getenv("MALMOI_TEST_MODEL") == nullptr) {
      GTEST_SKIP() << "MALMOI_TEST_MODEL is not set (malmoi pull smollm2)";
    }
    model_ = std::getenv("MALMOI_TEST_MODEL");
  }
  std::string History() const {
    return ReadFile((home_ / "state/malmoi/history").string());
  }

  fs::path home_;
  std::string model_;
};

TEST_F(ChatTest, LinesAreEditedAndKept) {
  {
    Terminal terminal(model_, home_);
    ASSERT_TRUE(terminal.See("> ")) << terminal.shown();
    terminal.Type("/set max-tokens 3x\x7f\r");  // backspace takes the x
    ASSERT_TRUE(terminal.See("\n> ")) << terminal.shown();
    EXPECT_EQ(terminal.shown().find("malmoi: "), std::string::npos)
        << terminal.shown();
    terminal.Type(
        "/system \xEB\xA7\x90\xEB\xAA\xA8\x7F\xEC\x9D\xB4\r");  // 말모⌫이
    ASSERT_TRUE(terminal.See("\n> ")) << terminal.shown();
    terminal.Type("/save " + (home_ / "talk.json").string() + "\r");
    ASSERT_TRUE(terminal.See("\n> ")) << terminal.shown();
    terminal.Type("/bye\r");
    EXPECT_EQ(terminal.Wait(), 0);
  }
  EXPECT_NE(History().find("max-tokens\\0403\n"), std::string::npos)
      << History();
  // The backspace took one whole syllable of three bytes.
  EXPECT_NE(ReadFile((home_ / "talk.json").string())
                .find("\xEB\xA7\x90\xEC\x9D\xB4\""),
            std::string::npos);

  // The next conversation remembers: up, up is /save, over /bye.
  fs::remove(home_ / "talk.json");
  Terminal terminal(model_, home_);
  ASSERT_TRUE(terminal.See("> ")) << terminal.shown();
  terminal.Type("\x1b[A\x1b[A\r");
  ASSERT_TRUE(terminal.See("\n> ")) << terminal.shown();
  EXPECT_TRUE(fs::exists(home_ / "talk.json")) << terminal.shown();
  terminal.Type("\x04");  // Ctrl-D
  EXPECT_EQ(terminal.Wait(), 0);
}

// Keys that come before the program waits for them.
TEST_F(ChatTest, KeysInAHurryAreNotLost) {
  for (int times = 0; times < 10; ++times) {
    Terminal terminal(model_, home_);
    ASSERT_TRUE(terminal.See("/bye to leave")) << terminal.shown();
    ASSERT_TRUE(terminal.See("> ")) << terminal.shown();
    if (times % 2 == 1) {
      terminal.Type("x\x03");
      ASSERT_TRUE(terminal.See("\n> ")) << terminal.shown();
    }
    terminal.Type("\x04");
    EXPECT_EQ(terminal.Wait(), 0) << terminal.shown();
  }
}

TEST_F(ChatTest, CtrlCStopsTheAnswerAndNotTheProgram) {
  Terminal terminal(model_, home_);
  ASSERT_TRUE(terminal.See("> ")) << terminal.shown();
  terminal.Type("Write a very long story about a farmer.\r");
  // The echo of the line, then words of the answer.
  ASSERT_TRUE(terminal.See("farmer.")) << terminal.shown();
  for (int word = 0; word < 8; ++word) {
    ASSERT_TRUE(terminal.See(" ")) << terminal.shown();
  }
  terminal.Type("\x03");
  ASSERT_TRUE(terminal.See("\n> ")) << terminal.shown();
  EXPECT_TRUE(terminal.alive());
  // At the prompt it drops the line that was begun.
  terminal.Type("/bye\x03");
  ASSERT_TRUE(terminal.See("\n> ")) << terminal.shown();
  EXPECT_TRUE(terminal.alive());
  const std::string file = (home_ / "talk.json").string();
  terminal.Type("/save " + file + "\r");
  ASSERT_TRUE(terminal.See("\n> ")) << terminal.shown();
  terminal.Type("/bye\r");
  EXPECT_EQ(terminal.Wait(), 0);
  // What was answered before Ctrl-C stays in the conversation.
  EXPECT_NE(ReadFile(file).find("\"assistant\""), std::string::npos);
}

}  // namespace
}  // namespace malmoi
