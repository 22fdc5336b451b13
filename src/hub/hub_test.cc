// Downloads from a loopback server with every fault a real one can have.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "hub/digest.h"
#include "hub/download.h"
#include "hub/pull.h"
#include "net/testing/fake_server.h"

namespace malmoi::hub {
namespace {

namespace fs = std::filesystem;

using net::FakeRequest;
using net::FakeResponse;
using net::FakeServer;

std::string Sha256(const std::string& text) {
  Digest digest = Digest::Sha256();
  digest.Add(text);
  return digest.Hex();
}
std::string GitSha1(const std::string& text) {
  Digest digest = Digest::GitBlob(text.size());
  digest.Add(text);
  return digest.Hex();
}

constexpr char kCommit[] = "0123456789abcdef0123456789abcdef01234567";

// A repository org/model with a large file (served by another host) and a
// small one.
class HubTest : public ::testing::Test {
 protected:
  HubTest()
      : folder_(fs::temp_directory_path() /
                ("malmoi_hub_" + std::to_string(getpid()))),
        storage_(
            [this](const FakeRequest& request) { return Storage(request); }),
        hub_([this](const FakeRequest& request) { return Hub(request); }) {
    fs::remove_all(folder_);
    options_.endpoint = hub_.url();
    options_.hub_cache = folder_ / "hub";
    options_.home = folder_ / "home";
    options_.token = "hf_secret";
    for (int i = 0; i < 300'000; ++i) {
      large_ += static_cast<char>(i * 7 + i / 256);
    }
  }
  ~HubTest() override { fs::remove_all(folder_); }

  FakeResponse Storage(const FakeRequest& request) {
    if (cuts_ > 0) {
      --cuts_;
      return {200, {}, large_, 100'000};
    }
    return {200, {}, wrong_content_ ? std::string(large_.size(), 'x') : large_};
  }

  FakeResponse Hub(const FakeRequest& request) {
    if (failures_ > 0) {
      --failures_;
      return {failure_status_, failure_headers_, "no"};
    }
    if (request.path.starts_with("/api/models/org/model/revision/main")) {
      const Json json = {
          {"sha", kCommit},
          {"cardData", {{"license", "mit"}}},
          {"siblings",
           {{{"rfilename", "model-Q4_0.gguf"},
             {"size", large_.size()},
             {"blobId", std::string(40, 'a')},
             {"lfs", {{"sha256", Sha256(large_)}, {"size", large_.size()}}}},
            {{"rfilename", "model-Q8_0.gguf"},
             {"size", 5},
             {"blobId", GitSha1("small")}},
            {{"rfilename", "../evil"}, {"size", 1}, {"blobId", "ab"}}}}};
      return {200, {{"Content-Type", "application/json"}}, json.dump()};
    }
    if (request.path.ends_with("/model-Q4_0.gguf")) {
      // Another host, as the Hub's storage is.
      return {302,
              {{"Location", storage_.url("localhost") + "/blob?sig=1"},
               {"X-Linked-Etag", "\"" + Sha256(large_) + "\""}},
              ""};
    }
    if (request.path.ends_with("/model-Q8_0.gguf")) {
      return {200, {}, "small"};
    }
    return {404, {}, "no"};
  }

  LocalModel Pull(const std::string& name) {
    Progress silent;
    return Resolve(ParseModelRef(name), options_, silent);
  }
  ErrorCode CodeOf(const std::string& name) {
    try {
      Pull(name);
    } catch (const Error& error) {
      last_message_ = error.message();
      return error.code();
    }
    return ErrorCode::kCancelled;
  }
  fs::path Repo() const { return options_.hub_cache / "models--org--model"; }

  fs::path folder_;
  std::string large_;
  std::atomic<int> cuts_{0}, failures_{0};
  int failure_status_ = 503;
  std::vector<std::pair<std::string, std::string>> failure_headers_;
  std::atomic<bool> wrong_content_{false};
  std::string last_message_;
  FakeServer storage_, hub_;
  HubOptions options_;
};

TEST_F(HubTest, WritesTheCacheLayoutOfTheHubsOwnClient) {
  const LocalModel model = Pull("org/model:Q4_0");
  EXPECT_EQ(ReadFile(model.path), large_);
  EXPECT_EQ(model.path, Repo() / "snapshots" / kCommit / "model-Q4_0.gguf");
  EXPECT_EQ(fs::read_symlink(model.path),
            fs::path("../../blobs") / Sha256(large_));
  EXPECT_EQ(ReadFile(Repo() / "refs/main"), kCommit);
  EXPECT_EQ(model.licence, "mit");
  EXPECT_FALSE(fs::exists(Repo() / "blobs" / (Sha256(large_) + ".incomplete")));
  // A small file is named by git's hash.
  EXPECT_EQ(ReadFile(Pull("org/model:Q8_0").path), "small");
  EXPECT_TRUE(fs::exists(Repo() / "blobs" / GitSha1("small")));
  // Once here, nothing is asked any more.
  const size_t before = hub_.requests().size();
  Pull("org/model:Q4_0");
  EXPECT_EQ(hub_.requests().size(), before);
  EXPECT_EQ(ListLocal(options_).size(), 2u);
  EXPECT_GT(RemoveLocal(ParseModelRef("org/model"), options_), large_.size());
  EXPECT_EQ(ListLocal(options_).size(), 0u);
}

TEST_F(HubTest, TheTokenNeverReachesAnotherHost) {
  Pull("org/model:Q4_0");
  for (const FakeRequest& request : hub_.requests()) {
    EXPECT_EQ(request.headers.at("authorization"), "Bearer hf_secret");
  }
  ASSERT_FALSE(storage_.requests().empty());
  for (const FakeRequest& request : storage_.requests()) {
    EXPECT_FALSE(request.headers.contains("authorization"));
  }
}

TEST_F(HubTest, ResumesACutConnection) {
  cuts_ = 2;
  EXPECT_EQ(ReadFile(Pull("org/model:Q4_0").path), large_);
  const auto requests = storage_.requests();
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_EQ(requests[1].headers.at("range"), "bytes=100000-");
  EXPECT_EQ(requests[2].headers.at("range"), "bytes=200000-");
}

TEST_F(HubTest, ResumesAfterAKill) {
  const fs::path incomplete =
      Repo() / "blobs" / (Sha256(large_) + ".incomplete");
  MakeFolders(incomplete.parent_path());
  std::ofstream(incomplete, std::ios::binary) << large_.substr(0, 123'456);
  EXPECT_EQ(ReadFile(Pull("org/model:Q4_0").path), large_);
  EXPECT_EQ(storage_.requests()[0].headers.at("range"), "bytes=123456-");
}

TEST_F(HubTest, AWrongHashLeavesNothing) {
  wrong_content_ = true;
  EXPECT_EQ(CodeOf("org/model:Q4_0"), ErrorCode::kHashMismatch);
  EXPECT_TRUE(fs::is_empty(Repo() / "blobs"));
  wrong_content_ = false;
  EXPECT_EQ(ReadFile(Pull("org/model:Q4_0").path), large_);
}

TEST_F(HubTest, StatusesBecomeErrors) {
  const auto code = [&](int status) {
    failures_ = 10;
    failure_status_ = status;
    return CodeOf("org/model:Q4_0");
  };
  EXPECT_EQ(code(401), ErrorCode::kAuth);
  EXPECT_EQ(last_message_.find("hf_secret"), std::string::npos);
  failure_headers_ = {{"X-Error-Code", "GatedRepo"}};
  EXPECT_EQ(code(403), ErrorCode::kAuth);
  EXPECT_NE(last_message_.find("asked for"), std::string::npos);
  failure_headers_ = {};
  EXPECT_EQ(code(404), ErrorCode::kNotFound);
  EXPECT_EQ(code(429), ErrorCode::kNetwork);
  EXPECT_NE(last_message_.find("too many requests"), std::string::npos);
  EXPECT_EQ(code(500), ErrorCode::kNetwork);
  // One failure is passed over.
  failures_ = 1;
  failure_status_ = 503;
  EXPECT_EQ(ReadFile(Pull("org/model:Q4_0").path), large_);
}

TEST_F(HubTest, AMissingQuantizationListsWhatThereIs) {
  EXPECT_EQ(CodeOf("org/model:Q3_K"), ErrorCode::kNotFound);
  EXPECT_NE(last_message_.find("one of Q4_0, Q8_0"), std::string::npos);
}

TEST_F(HubTest, OfflineAsksNobody) {
  options_.offline = true;
  EXPECT_EQ(CodeOf("org/model:Q4_0"), ErrorCode::kNotFound);
  EXPECT_TRUE(hub_.requests().empty());
}

TEST_F(HubTest, TwoProcessesDownloadOnce) {
  // Threads with a descriptor each: flock does not tell them from processes.
  std::thread other([&] { Pull("org/model:Q4_0"); });
  Pull("org/model:Q4_0");
  other.join();
  EXPECT_EQ(storage_.requests().size(), 1u);
}

TEST_F(HubTest, AnUnwritableCacheIsNamed) {
  MakeFolders(folder_);
  std::ofstream(folder_ / "file") << "x";
  options_.hub_cache = folder_ / "file" / "below";
  CodeOf("org/model:Q4_0");
  EXPECT_NE(last_message_.find((folder_ / "file").string()), std::string::npos);
}

TEST_F(HubTest, AFullDiskIsAnErrorAndTheRestResumes) {
  const fs::path small = folder_ / "small";
  MakeFolders(small);
  if (mount("tmpfs", small.c_str(), "tmpfs", 0, "size=128k") != 0) {
    GTEST_SKIP() << "a tmpfs cannot be mounted here: " << strerror(errno);
  }
  options_.hub_cache = small / "hub";
  const ErrorCode code = CodeOf("org/model:Q4_0");
  umount(small.c_str());
  EXPECT_EQ(code, ErrorCode::kDiskFull) << last_message_;
}

TEST_F(HubTest, CancellingKeepsWhatCame) {
  class Stop : public Progress {
   public:
    void Bytes(uint64_t done, uint64_t) override { done_ = done; }
    bool Cancelled() override { return done_ > 0; }

   private:
    uint64_t done_ = 0;
  } stop;
  EXPECT_THROW(Resolve(ParseModelRef("org/model:Q4_0"), options_, stop), Error);
  const fs::path incomplete =
      Repo() / "blobs" / (Sha256(large_) + ".incomplete");
  EXPECT_TRUE(fs::exists(incomplete));
  EXPECT_EQ(ReadFile(Pull("org/model:Q4_0").path), large_);
}

TEST(ModelRef, KnowsAliasesRepositoriesAndPaths) {
  EXPECT_EQ(ParseModelRef("smollm2").kind, ModelRef::Kind::kAlias);
  const ModelRef repo = ParseModelRef("org/name:Q4_K_M@v1");
  EXPECT_EQ(repo.kind, ModelRef::Kind::kRepo);
  EXPECT_EQ(repo.repo, "org/name");
  EXPECT_EQ(repo.quant, "Q4_K_M");
  EXPECT_EQ(repo.revision, "v1");
  EXPECT_EQ(ParseModelRef("./x").kind, ModelRef::Kind::kPath);
  EXPECT_EQ(ParseModelRef("m.gguf").kind, ModelRef::Kind::kPath);
  EXPECT_THROW(ParseModelRef("nonsense"), Error);
  EXPECT_THROW(ParseModelRef("a/../b"), Error);
}

}  // namespace
}  // namespace malmoi::hub
