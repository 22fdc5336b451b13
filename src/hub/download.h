// One file from one URL into one path: resumed, checked, renamed into place;
// and the lock that lets one of several processes do it.
#ifndef MALMOI_HUB_DOWNLOAD_H_
#define MALMOI_HUB_DOWNLOAD_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "hub/output_file.h"
#include "net/http.h"

namespace malmoi::hub {

struct FileDownload {
  // url, authorization, and how to reach the server; the rest is set here.
  net::HttpRequest request;
  std::filesystem::path incomplete;  // grows here; kept when interrupted
  std::filesystem::path complete;    // renamed to it
  std::string sha256;                // empty: not checked
  std::string git_sha1;              // likewise; needs `bytes`
  uint64_t bytes = 0;                // expected; 0: unknown
};

// `on_bytes(done)` counts this file's bytes, those already there included.
// A connection that breaks is taken up again where it broke; a file resumed
// from an earlier run whose hash is wrong is fetched anew, once. Throws
// kHashMismatch (and removes the file; also when the server announces another
// size), kNetwork, kDiskFull, kPermission, ...; kCancelled when `cancelled`
// says so.
void DownloadFile(const FileDownload& download,
                  const std::function<void(uint64_t done)>& on_bytes,
                  const std::function<bool()>& cancelled);

// An exclusive lock between processes (flock, as the Hub's own client takes
// it), held until destruction. Where the file system has no locks, none.
class FileLock {
 public:
  // Waits; calls `on_wait` once if it has to. Throws kPermission, kDiskFull,
  // kIo, kCancelled.
  FileLock(const std::filesystem::path& path,
           const std::function<bool()>& cancelled,
           const std::function<void()>& on_wait = nullptr);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int file_ = -1;
};

}  // namespace malmoi::hub

#endif  // MALMOI_HUB_DOWNLOAD_H_
