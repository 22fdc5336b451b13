// A Hugging Face endpoint and its storage on this machine, with the faults
// that tests ask for; a folder and options that lead there.
#ifndef MALMOI_HUB_TESTING_FAKE_HUB_H_
#define MALMOI_HUB_TESTING_FAKE_HUB_H_

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "hub/digest.h"
#include "hub/pull.h"
#include "net/testing/fake_server.h"

namespace malmoi::hub {

inline std::string Sha256(const std::string& text) {
  Digest digest = Digest::Sha256();
  digest.Add(text);
  return digest.Hex();
}
inline std::string GitSha1(const std::string& text) {
  Digest digest = Digest::GitBlob(text.size());
  digest.Add(text);
  return digest.Hex();
}

// Bytes without a short period, different for each seed.
inline std::string SomeBytes(size_t size, int seed = 1) {
  std::string text(size, '\0');
  uint32_t state = static_cast<uint32_t>(seed);
  for (char& c : text) {
    state = state * 1664525u + 1013904223u;
    c = static_cast<char>(state >> 24);
  }
  return text;
}

// What a download says, kept.
class Listener : public Progress {
 public:
  void Notice(std::string_view text) override { notices.emplace_back(text); }
  void Plan(const DownloadPlan& plan) override { plans.push_back(plan); }
  void Bytes(uint64_t done, uint64_t total) override {
    EXPECT_LE(done, total);
    last_done = done;
    last_total = total;
  }
  std::vector<std::string> notices;
  std::vector<DownloadPlan> plans;
  uint64_t last_done = 0, last_total = 0;
};

class FakeHub {
 public:
  struct File {
    std::string content;
    bool lfs = true;
  };

  FakeHub()
      : storage_([this](const net::FakeRequest& r) { return Storage(r); }),
        hub_([this](const net::FakeRequest& r) { return Hub(r); }) {}

  std::string url() const { return hub_.url(); }
  std::vector<net::FakeRequest> hub_requests() const { return hub_.requests(); }
  std::vector<net::FakeRequest> storage_requests() const {
    return storage_.requests();
  }

  // Set before the first request, or between requests.
  std::map<std::string, File> files;
  std::string repo = "org/model", commit = std::string(40, 'c');
  bool listed_hashes = true;  // whether the listing tells sizes and hashes
  // Of the endpoint and of the storage: an answer instead of the usual one.
  std::function<std::optional<net::FakeResponse>(const net::FakeRequest&)>
      hub_fault, storage_fault;

 private:
  net::FakeResponse Listing() const {
    Json siblings = Json::array();
    for (const auto& [name, file] : files) {
      Json item = {{"rfilename", name}};
      if (listed_hashes) {
        item["size"] = file.content.size();
        item["blobId"] = GitSha1(file.content);
        if (file.lfs) item["lfs"] = {{"sha256", Sha256(file.content)}};
      }
      siblings.push_back(item);
    }
    const Json json = {{"sha", commit},
                       {"cardData", {{"license", "mit"}}},
                       {"siblings", siblings}};
    return {200, {{"Content-Type", "application/json"}}, json.dump()};
  }

  net::FakeResponse Hub(const net::FakeRequest& request) const {
    if (hub_fault) {
      if (const auto fault = hub_fault(request)) return *fault;
    }
    if (request.path.starts_with("/api/models/" + repo + "/revision/")) {
      return Listing();
    }
    const std::string prefix = "/" + repo + "/resolve/" + commit + "/";
    if (request.path.starts_with(prefix)) {
      const auto it = files.find(request.path.substr(prefix.size()));
      if (it != files.end()) {
        const File& file = it->second;
        const std::string size = std::to_string(file.content.size());
        if (!file.lfs) {
          return {200,
                  {{"ETag", "\"" + GitSha1(file.content) + "\""}},
                  file.content};
        }
        // Another host, as the Hub's storage is.
        return {302,
                {{"Location",
                  storage_.url("localhost") + "/" + it->first + "?sig=1"},
                 {"X-Linked-Etag", "\"" + Sha256(file.content) + "\""},
                 {"X-Linked-Size", size}},
                ""};
      }
    }
    return {404, {{"X-Error-Code", "EntryNotFound"}}, "no"};
  }

  net::FakeResponse Storage(const net::FakeRequest& request) const {
    if (storage_fault) {
      if (const auto fault = storage_fault(request)) return *fault;
    }
    const auto it =
        files.find(request.path.substr(1, request.path.find('?') - 1));
    if (it == files.end()) return {404, {}, "no"};
    return {200, {}, it->second.content};
  }

  net::FakeServer storage_, hub_;
};

// A fresh folder and options that lead nowhere but to it.
class HubFolders : public ::testing::Test {
 protected:
  HubFolders() {
    folder_ = std::filesystem::temp_directory_path() /
              ("malmoi_hub_" + std::to_string(getpid()));
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    options_.hub_cache = folder_ / "hub";
    options_.home = folder_ / "home";
    options_.token = "hf_secret";
    options_.endpoint = "http://127.0.0.1:1";
    options_.pip = {};
    options_.pip.index_urls.clear();
  }
  ~HubFolders() override { std::filesystem::remove_all(folder_); }

  // The code that `body` ends in; its message is in last_message_.
  template <typename F>
  ErrorCode CodeOf(F&& body) {
    try {
      body();
    } catch (const Error& error) {
      last_message_ = error.message();
      return error.code();
    }
    ADD_FAILURE() << "no error";
    return ErrorCode::kIo;
  }

  // Runs `body` in a child process that ends with status 0 unless it throws.
  template <typename F>
  pid_t Fork(F&& body) {
    net::FakeServer::Publish();
    const pid_t child = fork();
    if (child != 0) return child;
    int status = 0;
    try {
      body();
    } catch (...) {
      status = 1;
    }
    _exit(status);
  }
  static int StatusOf(pid_t child) {
    int status = 0;
    waitpid(child, &status, 0);
    return status;
  }

  std::filesystem::path folder_;
  HubOptions options_;
  std::string last_message_;
};

}  // namespace malmoi::hub

#endif  // MALMOI_HUB_TESTING_FAKE_HUB_H_
