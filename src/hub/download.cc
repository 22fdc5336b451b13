#include "hub/download.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/format.h"
#include "hub/digest.h"
#include "net/http.h"

namespace malmoi::hub {

namespace {

namespace fs = std::filesystem;

class OutputFile {
 public:
  explicit OutputFile(const fs::path& path) : path_(path) {
    file_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (file_ < 0) ThrowErrno(path.string(), "cannot write file", errno);
  }
  ~OutputFile() {
    if (file_ >= 0) close(file_);
  }
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  // Adds what is there to the digest; returns its size.
  uint64_t Rehash(Digest& digest) {
    std::vector<char> buffer(1 << 20);
    uint64_t total = 0;
    lseek(file_, 0, SEEK_SET);
    while (true) {
      const ssize_t count = read(file_, buffer.data(), buffer.size());
      if (count < 0) ThrowErrno(path_.string(), "cannot read file", errno);
      if (count == 0) return total;
      digest.Add({buffer.data(), static_cast<size_t>(count)});
      total += static_cast<uint64_t>(count);
    }
  }
  void Restart() {
    if (ftruncate(file_, 0) != 0 || lseek(file_, 0, SEEK_SET) != 0) {
      ThrowErrno(path_.string(), "cannot write file", errno);
    }
  }
  void Write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = write(file_, bytes.data(), bytes.size());
      if (count < 0) {
        if (errno == EINTR) continue;
        ThrowErrno(path_.string(), "cannot write file", errno);
      }
      bytes.remove_prefix(static_cast<size_t>(count));
    }
  }
  void Sync() {
    if (fsync(file_) != 0) {
      ThrowErrno(path_.string(), "cannot write file", errno);
    }
  }

 private:
  fs::path path_;
  int file_ = -1;
};

Digest NewDigest(const FileDownload& download) {
  return download.git_sha1.empty() ? Digest::Sha256()
                                   : Digest::GitBlob(download.bytes);
}

}  // namespace

void MakeFolders(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) ThrowErrno(path.string(), "cannot create folder", error.value());
}

FileLock::FileLock(const fs::path& path,
                   const std::function<bool()>& cancelled) {
  MakeFolders(path.parent_path());
  file_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file_ < 0) ThrowErrno(path.string(), "cannot write file", errno);
  while (flock(file_, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) {
      const int error = errno;
      close(file_);
      ThrowErrno(path.string(), "cannot lock file", error);
    }
    if (cancelled && cancelled()) {
      close(file_);
      throw Error(
          ErrorCode::kCancelled,
          {.where = path.string(), .what = "the download was cancelled"});
    }
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
  OutputFile file(download.incomplete);
  constexpr int kAttempts = 4;  // of a connection that breaks half-way
  Digest digest = NewDigest(download);
  uint64_t done = 0;
  for (int attempt = 1;; ++attempt) {
    digest = NewDigest(download);
    done = file.Rehash(digest);
    if (download.bytes > 0 && done > download.bytes) {
      file.Restart();
      digest = NewDigest(download);
      done = 0;
    }
    if (on_bytes) on_bytes(done);
    if (download.bytes > 0 && done == download.bytes) break;
    const uint64_t before = done;
    net::HttpRequest request;
    request.url = download.url;
    request.authorization = download.authorization;
    request.range_start = static_cast<int64_t>(done);
    request.stall_timeout_ms = download.stall_timeout_ms;
    request.cancelled = cancelled;
    request.retries = 1;
    uint64_t expected = 0;
    request.on_response = [&](const net::HttpResponse& response) {
      if (response.status != 206 && done > 0) {  // ranges are not served
        file.Restart();
        digest = NewDigest(download);
        done = 0;
      }
      const std::string length = response.Header("content-length");
      if (!length.empty())
        expected = done + std::strtoull(length.c_str(), nullptr, 10);
    };
    request.on_body = [&](std::string_view bytes) {
      file.Write(bytes);
      digest.Add(bytes);
      done += bytes.size();
      if (on_bytes) on_bytes(done);
      return !(cancelled && cancelled());
    };
    try {
      net::Fetch(request);
      if (expected == 0 || done >= expected) break;
    } catch (const Error& error) {
      const bool progress = done > before;
      if (error.code() != ErrorCode::kNetwork || attempt >= kAttempts ||
          !progress) {
        throw;
      }
    }
  }
  file.Sync();
  const std::string wanted =
      download.git_sha1.empty() ? download.sha256 : download.git_sha1;
  const std::string got = digest.Hex();
  if (!wanted.empty() && got != wanted) {
    std::error_code ignored;
    fs::remove(download.incomplete, ignored);
    throw Error(ErrorCode::kHashMismatch,
                {.where = net::PublicUrl(download.url),
                 .what = "the downloaded file has another hash",
                 .expected = wanted,
                 .got = got,
                 .hint = "downloading it again"});
  }
  std::error_code error;
  fs::rename(download.incomplete, download.complete, error);
  if (error) {
    ThrowErrno(download.complete.string(), "cannot write file", error.value());
  }
}

}  // namespace malmoi::hub
