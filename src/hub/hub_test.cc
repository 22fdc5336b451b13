// Downloads from a loopback endpoint with every fault a real one can have.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/file.h"
#include "hub/output_file.h"
#include "hub/testing/fake_hub.h"

namespace malmoi::hub {
namespace {

namespace fs = std::filesystem;

using net::FakeRequest;
using net::FakeResponse;

constexpr char kName[] = "org/model:Q4_0";

class HubTest : public HubFolders {
 protected:
  HubTest() {
    hub_.files["model-Q4_0.gguf"] = {large_, true};
    hub_.files["model-Q8_0.gguf"] = {"small", false};
    hub_.files["../evil"] = {"evil", false};
    options_.endpoint = hub_.url();
  }
  LocalModel Pull(const std::string& name = kName) {
    return Resolve(ParseModelRef(name), options_, listener_);
  }
  ErrorCode CodeOfPull(const std::string& name = kName) {
    return CodeOf([&] { Pull(name); });
  }
  void ExpectPulled() { EXPECT_EQ(ReadFile(Pull().path), large_); }
  void AlwaysAnswer(FakeResponse response) {
    hub_.hub_fault = [response](const FakeRequest&) { return response; };
  }
  fs::path Repo() const { return options_.hub_cache / "models--org--model"; }
  fs::path Blob() const { return Repo() / "blobs" / Sha256(large_); }
  fs::path Incomplete() const { return Blob().string() + ".incomplete"; }
  void LeaveIncomplete(const std::string& content) {
    MakeFolders(Repo() / "blobs");
    std::ofstream(Incomplete(), std::ios::binary) << content;
  }
  bool Says(const std::string& text) const {
    return last_message_.find(text) != std::string::npos;
  }

  const std::string large_ = SomeBytes(300'000);
  FakeHub hub_;
  Listener listener_;
};

TEST_F(HubTest, WritesTheCacheLayoutOfTheHubsOwnClient) {
  const LocalModel model = Pull();
  EXPECT_EQ(ReadFile(model.path), large_);
  EXPECT_EQ(model.path, Repo() / "snapshots" / hub_.commit / "model-Q4_0.gguf");
  EXPECT_EQ(fs::read_symlink(model.path),
            fs::path("../../blobs") / Sha256(large_));
  EXPECT_EQ(ReadFile(Repo() / "refs/main"), hub_.commit);
  EXPECT_EQ(model.bytes, large_.size());
  EXPECT_FALSE(fs::exists(Incomplete()));
  // A small file is named by git's hash.
  EXPECT_EQ(ReadFile(Pull("org/model:Q8_0").path), "small");
  EXPECT_TRUE(fs::exists(Repo() / "blobs" / GitSha1("small")));
  // Once here, nothing is asked any more.
  const size_t before = hub_.hub_requests().size();
  Pull();
  options_.offline = true;
  Pull();
  EXPECT_EQ(hub_.hub_requests().size(), before);
}

TEST_F(HubTest, SaysWhatItWillDownload) {
  EXPECT_EQ(Pull().licence, "mit");
  ASSERT_EQ(listener_.plans.size(), 1u);
  EXPECT_EQ(listener_.plans[0].licence, "mit");
  EXPECT_EQ(listener_.plans[0].total_bytes, large_.size());
  EXPECT_EQ(listener_.plans[0].files,
            std::vector<std::string>{"model-Q4_0.gguf"});
  EXPECT_EQ(listener_.last_done, large_.size());
}

TEST_F(HubTest, TellsSizesWithoutADownload) {
  const DownloadPlan plan =
      PlanDownload(ParseModelRef(kName), options_, listener_);
  EXPECT_EQ(plan.total_bytes, large_.size());
  EXPECT_EQ(plan.files, std::vector<std::string>{"model-Q4_0.gguf"});
  EXPECT_EQ(plan.licence, "mit");
  EXPECT_TRUE(hub_.storage_requests().empty());
  EXPECT_FALSE(fs::exists(Repo()));
  // An alias needs no one: its sizes are pinned.
  const size_t before = hub_.hub_requests().size();
  const Alias& alias = Aliases()[0];
  uint64_t bytes = 0;
  for (const AliasFile& file : alias.files) bytes += file.bytes;
  EXPECT_EQ(
      PlanDownload(ParseModelRef(alias.name), options_, listener_).total_bytes,
      bytes);
  EXPECT_EQ(hub_.hub_requests().size(), before);
  options_.offline = true;
  EXPECT_EQ(
      CodeOf([&] { PlanDownload(ParseModelRef(kName), options_, listener_); }),
      ErrorCode::kNotFound);
}

TEST_F(HubTest, TheTokenNeverReachesAnotherHost) {
  Pull();
  ASSERT_FALSE(hub_.hub_requests().empty());
  for (const FakeRequest& request : hub_.hub_requests()) {
    EXPECT_EQ(request.headers.at("authorization"), "Bearer hf_secret");
  }
  ASSERT_FALSE(hub_.storage_requests().empty());
  for (const FakeRequest& request : hub_.storage_requests()) {
    EXPECT_FALSE(request.headers.contains("authorization"));
  }
}

TEST_F(HubTest, ResumesACutConnection) {
  std::atomic<int> cuts{2};
  hub_.storage_fault = [&](const FakeRequest&) -> std::optional<FakeResponse> {
    if (cuts-- <= 0) return std::nullopt;
    return FakeResponse{200, {}, large_, 100'000};
  };
  ExpectPulled();
  const auto requests = hub_.storage_requests();
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_EQ(requests[1].headers.at("range"), "bytes=100000-");
  EXPECT_EQ(requests[2].headers.at("range"), "bytes=200000-");
}

TEST_F(HubTest, AConnectionThatAlwaysBreaksEnds) {
  hub_.storage_fault = [&](const FakeRequest&) {
    FakeResponse response{200, {}, large_, 1000};
    response.ranges = false;
    return response;
  };
  EXPECT_EQ(CodeOfPull(), ErrorCode::kNetwork);
  EXPECT_LE(hub_.storage_requests().size(), 10u);
  EXPECT_FALSE(FindLocal(ParseModelRef(kName), options_));
}

TEST_F(HubTest, AServerWithoutRangesBeginsAnew) {
  LeaveIncomplete(large_.substr(0, 123'456));
  hub_.storage_fault = [&](const FakeRequest&) {
    FakeResponse response{200, {}, large_};
    response.ranges = false;
    return response;
  };
  ExpectPulled();
}

TEST_F(HubTest, ACloseWithoutALengthIsACut) {
  std::atomic<int> cuts{1};
  hub_.storage_fault = [&](const FakeRequest&) -> std::optional<FakeResponse> {
    if (cuts-- <= 0) return std::nullopt;
    FakeResponse response{200, {}, large_, 100'000};
    response.length = false;
    return response;
  };
  ExpectPulled();
}

// The child is killed while the storage trickles; the next run goes on.
TEST_F(HubTest, ResumesAfterAKill) {
  std::atomic<bool> slow{true};
  hub_.storage_fault = [&](const FakeRequest&) {
    FakeResponse response{200, {}, large_};
    response.trickle_ms = slow ? 100 : 0;
    return response;
  };
  const pid_t child = Fork([&] { Pull(); });
  std::error_code error;
  for (int i = 0; i < 500; ++i) {
    const auto bytes = fs::file_size(Incomplete(), error);
    if (!error && bytes > 50'000) break;
    usleep(10'000);
  }
  kill(child, SIGKILL);
  EXPECT_TRUE(WIFSIGNALED(StatusOf(child)));
  const auto there = fs::file_size(Incomplete());
  EXPECT_GT(there, 50'000u);
  EXPECT_FALSE(FindLocal(ParseModelRef(kName), options_));
  slow = false;
  ExpectPulled();
  EXPECT_EQ(hub_.storage_requests().back().headers.at("range"),
            "bytes=" + std::to_string(there) + "-");
}

TEST_F(HubTest, WhatWasBegunFromOtherBytesIsFetchedAnewOnce) {
  LeaveIncomplete(std::string(100'000, 'x'));
  ExpectPulled();
  EXPECT_EQ(hub_.storage_requests().size(), 2u);
}

TEST_F(HubTest, AnIncompleteFileThatIsTooLongIsFetchedAnew) {
  LeaveIncomplete(std::string(400'000, 'x'));
  ExpectPulled();
}

TEST_F(HubTest, AWrongHashLeavesNothing) {
  hub_.storage_fault = [&](const FakeRequest&) {
    return FakeResponse{200, {}, std::string(large_.size(), 'x')};
  };
  EXPECT_EQ(CodeOfPull(), ErrorCode::kHashMismatch);
  EXPECT_TRUE(Says(Sha256(large_)) &&
              Says(Sha256(std::string(large_.size(), 'x'))));
  EXPECT_TRUE(fs::is_empty(Repo() / "blobs"));
  hub_.storage_fault = nullptr;
  ExpectPulled();
}

TEST_F(HubTest, AnotherSizeIsRefusedBeforeItIsFetched) {
  hub_.storage_fault = [&](const FakeRequest&) {
    return FakeResponse{200, {}, large_ + "more"};
  };
  EXPECT_EQ(CodeOfPull(), ErrorCode::kHashMismatch);
  EXPECT_EQ(listener_.last_done, 0u);
}

TEST_F(HubTest, StatusesBecomeErrors) {
  AlwaysAnswer({401, {}, ""});
  EXPECT_EQ(CodeOfPull(), ErrorCode::kAuth);
  EXPECT_FALSE(Says("hf_secret"));
  EXPECT_TRUE(Says("HF_TOKEN"));
  AlwaysAnswer({401, {{"X-Error-Code", "RepoNotFound"}}, ""});
  EXPECT_EQ(CodeOfPull(), ErrorCode::kNotFound);
  AlwaysAnswer({404, {{"X-Error-Code", "RevisionNotFound"}}, ""});
  EXPECT_EQ(CodeOfPull(), ErrorCode::kNotFound);
  EXPECT_TRUE(Says("no such revision"));
  AlwaysAnswer({403, {{"X-Error-Code", "GatedRepo"}}, ""});
  EXPECT_EQ(CodeOfPull(), ErrorCode::kAuth);
  EXPECT_TRUE(Says("must be asked for") && Says(hub_.url() + "/org/model"));
  AlwaysAnswer({429, {}, ""});
  EXPECT_EQ(CodeOfPull(), ErrorCode::kNetwork);
  EXPECT_TRUE(Says("too many requests"));
  AlwaysAnswer({500, {}, ""});
  EXPECT_EQ(CodeOfPull(), ErrorCode::kNetwork);
}

// A gated model lists its files to everyone.
TEST_F(HubTest, AGatedFileNamesThePage) {
  options_.token = "";
  hub_.hub_fault = [](const FakeRequest& r) -> std::optional<FakeResponse> {
    if (r.path.find("/resolve/") == std::string::npos) return std::nullopt;
    return FakeResponse{401, {{"X-Error-Code", "GatedRepo"}}, ""};
  };
  EXPECT_EQ(CodeOfPull(), ErrorCode::kAuth);
  EXPECT_TRUE(Says(hub_.url() + "/org/model, then your token in HF_TOKEN"));
}

TEST_F(HubTest, OneFailureOfTheServerIsPassedOver) {
  std::atomic<int> failures{1};
  hub_.hub_fault = [&](const FakeRequest&) -> std::optional<FakeResponse> {
    if (failures-- <= 0) return std::nullopt;
    return FakeResponse{503, {{"Retry-After", "0"}}, ""};
  };
  ExpectPulled();
}

TEST_F(HubTest, StrangeAnswersAreErrors) {
  for (const char* body :
       {"", "[]", "{}", "null", "<html>", R"({"sha":5,"siblings":[]})",
        R"({"sha":"../../x","siblings":[]})", R"({"siblings":{"a":1}})"}) {
    AlwaysAnswer({200, {}, body});
    const ErrorCode code = CodeOfPull();
    EXPECT_TRUE(code == ErrorCode::kNetwork || code == ErrorCode::kCorrupt)
        << body << ": " << last_message_;
  }
  AlwaysAnswer({200, {}, R"({"sha":")" + hub_.commit + R"(","siblings":[1,
      {"rfilename":7},{"rfilename":"a/../../b.gguf"},{"rfilename":"/c.gguf"},
      {"rfilename":"d\\e.gguf"},{"rfilename":".."}]})"});
  EXPECT_EQ(CodeOfPull(), ErrorCode::kNotFound);
}

// Mirrors whose listing tells no hashes: the file's own headers do.
TEST_F(HubTest, AsksTheFileWhereTheListingTellsNoHash) {
  hub_.listed_hashes = false;
  ExpectPulled();
  EXPECT_TRUE(fs::exists(Blob()));
  EXPECT_EQ(ReadFile(Pull("org/model:Q8_0").path), "small");
  for (const FakeRequest& request : hub_.storage_requests()) {
    EXPECT_EQ(request.method, "GET");  // the redirect was not followed
  }
}

TEST_F(HubTest, RevisionsHaveTheirOwnRefs) {
  Pull("org/model:Q4_0@refs/pr/1");
  EXPECT_EQ(ReadFile(Repo() / "refs/refs/pr/1"), hub_.commit);
  EXPECT_TRUE(hub_.hub_requests()[0].path.starts_with(
      "/api/models/org/model/revision/refs%2Fpr%2F1?"));
  EXPECT_TRUE(
      FindLocal(ParseModelRef("org/model:Q4_0@" + hub_.commit), options_));
}

TEST_F(HubTest, AMissingQuantizationListsWhatThereIs) {
  EXPECT_EQ(CodeOfPull("org/model:Q3_K"), ErrorCode::kNotFound);
  EXPECT_TRUE(Says("one of Q4_0, Q8_0"));
}

TEST_F(HubTest, OfflineAsksNobody) {
  options_.offline = true;
  EXPECT_EQ(CodeOfPull(), ErrorCode::kNotFound);
  EXPECT_TRUE(hub_.hub_requests().empty());
}

TEST_F(HubTest, TwoProcessesDownloadOnce) {
  hub_.storage_fault = [&](const FakeRequest&) {
    FakeResponse response{200, {}, large_};
    response.trickle_ms = 20;
    return response;
  };
  const pid_t first = Fork([&] { Pull(); });
  const pid_t second = Fork([&] { Pull(); });
  EXPECT_EQ(StatusOf(first), 0);
  EXPECT_EQ(StatusOf(second), 0);
  EXPECT_EQ(hub_.storage_requests().size(), 1u);
  options_.offline = true;
  ExpectPulled();
}

TEST_F(HubTest, AnUnwritableCacheIsNamed) {
  std::ofstream(folder_ / "file") << "x";
  for (const fs::path& cache :
       {folder_ / "file" / "below", fs::path("/proc/malmoi")}) {
    options_.hub_cache = cache;
    EXPECT_EQ(CodeOfPull(), ErrorCode::kPermission) << last_message_;
    EXPECT_TRUE(Says(cache.string()) && Says("HF_HOME"));
  }
}

class SmallDisk {
 public:
  explicit SmallDisk(const fs::path& folder) : folder_(folder) {
    MakeFolders(folder);
    mounted_ = mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=512k") == 0;
  }
  ~SmallDisk() {
    if (mounted_) umount(folder_.c_str());
  }
  bool mounted() const { return mounted_; }

 private:
  fs::path folder_;
  bool mounted_ = false;
};

TEST_F(HubTest, AFullDiskIsAnErrorAndTheRestResumes) {
  const SmallDisk disk(folder_ / "small");
  if (!disk.mounted()) {
    GTEST_SKIP() << "a tmpfs cannot be mounted here: " << strerror(errno);
  }
  options_.hub_cache = folder_ / "small/hub";
  const fs::path filler = folder_ / "small/filler";
  // Too little space for what was announced: nothing is fetched.
  std::ofstream(filler) << std::string(400'000, 'x');
  EXPECT_EQ(CodeOfPull(), ErrorCode::kDiskFull) << last_message_;
  EXPECT_TRUE(hub_.storage_requests().empty());
  // Another program fills the disk while the file comes.
  fs::remove(filler);
  std::atomic<bool> fill{true};
  hub_.storage_fault = [&](const FakeRequest&) -> std::optional<FakeResponse> {
    if (!fill) return std::nullopt;
    FakeResponse response{200, {}, large_};
    response.trickle_ms = 100;
    std::thread([filler] {
      usleep(300'000);
      std::ofstream(filler) << std::string(400'000, 'x');
    }).detach();
    return response;
  };
  EXPECT_EQ(CodeOfPull(), ErrorCode::kDiskFull) << last_message_;
  EXPECT_TRUE(fs::exists(Incomplete()));
  EXPECT_FALSE(fs::exists(Blob()));
  fs::remove(filler);
  fill = false;
  ExpectPulled();
}

TEST_F(HubTest, CancellingKeepsWhatCame) {
  class Stop : public Progress {
   public:
    void Bytes(uint64_t done, uint64_t) override { done_ = done; }
    bool Cancelled() override { return done_ > 0; }

   private:
    uint64_t done_ = 0;
  } stop;
  EXPECT_EQ(CodeOf([&] { Resolve(ParseModelRef(kName), options_, stop); }),
            ErrorCode::kCancelled);
  EXPECT_TRUE(fs::exists(Incomplete()));
  ExpectPulled();
}

// Weights come last: what an interrupted download leaves is no model.
TEST_F(HubTest, AnInterruptedSafetensorsModelIsNone) {
  hub_.files = {{"config.json", {"{}", false}},
                {"tokenizer.json", {"{} ", false}},
                {"zzz.json", {"{}  ", false}},
                {"model.safetensors", {large_, true}}};
  hub_.storage_fault = [](const FakeRequest&) {
    return FakeResponse{503, {}, ""};
  };
  EXPECT_EQ(CodeOfPull("org/model"), ErrorCode::kNetwork);
  EXPECT_FALSE(FindLocal(ParseModelRef("org/model"), options_));
  EXPECT_TRUE(ListLocal(options_).empty());
  hub_.storage_fault = nullptr;
  const LocalModel model = Pull("org/model");
  EXPECT_EQ(model.path, Repo() / "snapshots" / hub_.commit);
  EXPECT_EQ(ReadFile(model.path / "zzz.json"), "{}  ");
  EXPECT_EQ(model.bytes, large_.size() + 9);
  EXPECT_TRUE(FindLocal(ParseModelRef("org/model"), options_));
}

}  // namespace
}  // namespace malmoi::hub
