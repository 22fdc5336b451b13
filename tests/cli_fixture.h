// Runs the program in an empty home, for the tests of the command line.
#ifndef MALMOI_TESTS_CLI_FIXTURE_H_
#define MALMOI_TESTS_CLI_FIXTURE_H_

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/file.h"

namespace malmoi {

namespace fs = std::filesystem;

struct Result {
  int status;
  std::string out, err;
};

class CliTest : public ::testing::Test {
 protected:
  CliTest()
      : folder_(fs::temp_directory_path() /
                ("malmoi_cli_" + std::to_string(getpid()))) {
    fs::create_directories(folder_);
  }
  ~CliTest() override { fs::remove_all(folder_); }

  // Runs through sh with an empty home and no network worth the name:
  // `arguments` are shell words, `environment` assignments before them.
  Result Run(const std::string& arguments, const std::string& environment = "",
             const std::string& before = "") {
    const std::string home = (folder_ / "home").string();
    const std::string command =
        before + " env -u MALMOI_MODEL HOME=" + home +
        " XDG_CACHE_HOME= XDG_STATE_HOME= HF_HOME= HF_HUB_CACHE= HF_TOKEN= "
        "MALMOI_HOME= LC_ALL=C NO_COLOR=1 HF_ENDPOINT=http://127.0.0.1:9 "
        "PIP_CONFIG_FILE=/dev/null PIP_INDEX_URL=http://127.0.0.1:9/simple "
        "PIP_EXTRA_INDEX_URL= http_proxy= https_proxy= " +
        environment + " " MALMOI_BINARY " " + arguments + " >" + Out() + " 2>" +
        Err() + (before.empty() ? " </dev/null" : "");
    const int raw = std::system(command.c_str());
    return {WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw),
            ReadFile(Out()), ReadFile(Err())};
  }
  std::string Out() const { return (folder_ / "out").string(); }
  std::string Err() const { return (folder_ / "err").string(); }
  std::string Write(const std::string& name, const std::string& content) {
    std::ofstream(folder_ / name, std::ios::binary) << content;
    return (folder_ / name).string();
  }
  static std::string Model() {
    const char* model = std::getenv("MALMOI_TEST_MODEL");
    return model == nullptr ? "" : model;
  }

  fs::path folder_;
};

#define REQUIRE_MODEL()                                                   \
  if (Model().empty()) {                                                  \
    GTEST_SKIP() << "MALMOI_TEST_MODEL is not set (malmoi pull smollm2)"; \
  }

}  // namespace malmoi

#endif  // MALMOI_TESTS_CLI_FIXTURE_H_
