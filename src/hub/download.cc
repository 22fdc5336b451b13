#include "hub/download.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "base/error.h"
#include "base/format.h"
#include "hub/digest.h"

namespace malmoi::hub {

namespace {

namespace fs = std::filesystem;

constexpr int kFruitlessTries = 4;  // of connections that break
// What a connection must bring for the next break not to count.
constexpr uint64_t kFruitfulBytes = 1 << 20;

// The start of "bytes 100-199/200"; nullopt without one.
std::optional<uint64_t> RangeStart(const std::string& content_range) {
  const size_t space = content_range.find(' ');
  if (space == std::string::npos || space + 1 >= content_range.size() ||
      !std::isdigit(static_cast<unsigned char>(content_range[space + 1]))) {
    return std::nullopt;
  }
  return std::strtoull(content_range.c_str() + space + 1, nullptr, 10);
}

class Transfer {
 public:
  Transfer(const FileDownload& download,
           const std::function<void(uint64_t)>& on_bytes,
           const std::function<bool()>& cancelled)
      : download_(download),
        on_bytes_(on_bytes),
        cancelled_(cancelled),
        file_(download.incomplete),
        digest_(NewDigest()) {
    done_ = file_.Rehash(digest_);
    resumed_ = done_ > 0;
    if (download_.bytes > 0 && done_ > download_.bytes) Restart();
    Report();
  }

  void Run() {
    FetchAll();
    bool fits = HashFits();
    if (!fits && resumed_) {  // begun from other bytes
      Restart();
      FetchAll();
      fits = HashFits();
    }
    if (!fits) {
      Refuse("the downloaded file has another hash", Wanted(), hash_);
    }
    file_.MoveTo(download_.complete);
  }

 private:
  Digest NewDigest() const {
    return download_.git_sha1.empty() ? Digest::Sha256()
                                      : Digest::GitBlob(download_.bytes);
  }
  const std::string& Wanted() const {
    return download_.git_sha1.empty() ? download_.sha256 : download_.git_sha1;
  }
  bool HashFits() {  // ends the digest
    hash_ = digest_.Hex();
    return Wanted().empty() || hash_ == Wanted();
  }
  bool Complete() const {
    return finished_ || (download_.bytes > 0 && done_ == download_.bytes);
  }
  void Report() const {
    if (on_bytes_) on_bytes_(done_);
  }

  void Restart() {
    file_.Truncate();
    digest_ = NewDigest();
    done_ = 0;
    resumed_ = false;
    finished_ = false;
  }

  [[noreturn]] void Refuse(std::string what, std::string expected,
                           std::string got) {
    std::error_code ignored;
    fs::remove(download_.incomplete, ignored);
    throw Error(ErrorCode::kHashMismatch,
                {.where = net::PublicUrl(download_.request.url),
                 .what = std::move(what),
                 .expected = std::move(expected),
                 .got = std::move(got),
                 .hint = "downloading it again"});
  }

  void FetchAll() {
    int fruitless = 0;
    while (!Complete()) {
      const uint64_t before = done_;
      restarted_ = false;
      try {
        FetchRest();
        if (Complete()) return;
        // A close without the announced length.
        throw Error(ErrorCode::kNetwork,
                    {.where = net::PublicUrl(download_.request.url),
                     .what = "the connection broke",
                     .expected = Format("{} bytes", download_.bytes),
                     .got = Format("{}", done_)});
      } catch (const Error& error) {
        if (error.code() != ErrorCode::kNetwork) throw;
        // Of an answer without any byte Fetch itself has tried again.
        if (done_ == before && !restarted_) throw;
        const bool fruitful = !restarted_ && done_ - before >= kFruitfulBytes;
        fruitless = fruitful ? 0 : fruitless + 1;
        if (fruitless >= kFruitlessTries) throw;
      }
    }
  }

  // One request for what is missing.
  void FetchRest() {
    net::HttpRequest request = download_.request;
    request.headers["Accept-Encoding"] = "identity";
    request.range_start = static_cast<int64_t>(done_);
    request.cancelled = cancelled_;
    request.retries = 1;
    uint64_t announced = 0;
    request.on_response = [&](const net::HttpResponse& response) {
      announced = OnResponse(response);
    };
    request.on_body = [&](std::string_view bytes) {
      if (announced > 0 && done_ + bytes.size() > announced) {
        Refuse("the file is longer than announced",
               Format("{} bytes", announced), "more");
      }
      file_.Write(bytes);
      digest_.Add(bytes);
      done_ += bytes.size();
      Report();
      return !(cancelled_ && cancelled_());
    };
    const net::HttpResponse response = net::Fetch(request);
    if (response.status == 416) {  // what is here is not a beginning of it
      Restart();
      restarted_ = true;
      return;
    }
    finished_ = download_.bytes == 0 && (announced == 0 || done_ == announced);
    if (download_.bytes == 0 && response.Header("content-length") == "0") {
      finished_ = true;
    }
  }

  // Before the first byte; returns the file's announced size, 0 if unknown.
  uint64_t OnResponse(const net::HttpResponse& response) {
    if (done_ > 0 && response.status != 206) {  // ranges are not served
      Restart();
      restarted_ = true;
    }
    if (response.status == 206 &&
        RangeStart(response.Header("content-range")) != done_) {
      throw Error(ErrorCode::kNetwork,
                  {.where = net::PublicUrl(download_.request.url),
                   .what = "the server sent another range",
                   .expected = Format("bytes {}-", done_),
                   .got = response.Header("content-range")});
    }
    const std::string length = response.Header("content-length");
    uint64_t announced = download_.bytes;
    if (!length.empty()) {
      announced = done_ + std::strtoull(length.c_str(), nullptr, 10);
      if (download_.bytes > 0 && announced != download_.bytes) {
        Refuse("the server offers a file of another size",
               Format("{} bytes", download_.bytes), Format("{}", announced));
      }
    }
    if (announced > done_) {
      CheckSpace(download_.incomplete.parent_path(), announced - done_);
    }
    return announced;
  }

  const FileDownload& download_;
  const std::function<void(uint64_t)>& on_bytes_;
  const std::function<bool()>& cancelled_;
  OutputFile file_;
  Digest digest_;
  std::string hash_;
  uint64_t done_ = 0;
  bool resumed_ = false;    // began with bytes of an earlier run
  bool restarted_ = false;  // the last request began anew
  bool finished_ = false;   // of a file of unknown size
};

}  // namespace

FileLock::FileLock(const fs::path& path, const std::function<bool()>& cancelled,
                   const std::function<void()>& on_wait) {
  MakeFolders(path.parent_path());
  // Group-writable like the Hub client's: users may share a cache.
  file_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0664);
  if (file_ < 0) ThrowCache(path, "cannot write file", errno);
  bool waited = false;
  while (flock(file_, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    if (error == ENOLCK || error == ENOSYS || error == EOPNOTSUPP) return;
    if (error != EWOULDBLOCK && error != EINTR) {
      close(file_);
      ThrowCache(path, "cannot lock file", error);
    }
    if (cancelled && cancelled()) {
      close(file_);
      throw Error(
          ErrorCode::kCancelled,
          {.where = path.string(), .what = "the download was cancelled"});
    }
    if (!waited && on_wait) on_wait();
    waited = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

FileLock::~FileLock() {
  if (file_ >= 0) close(file_);
}

void DownloadFile(const FileDownload& download,
                  const std::function<void(uint64_t)>& on_bytes,
                  const std::function<bool()>& cancelled) {
  MakeFolders(download.incomplete.parent_path());
  MakeFolders(download.complete.parent_path());
  Transfer(download, on_bytes, cancelled).Run();
}

}  // namespace malmoi::hub
