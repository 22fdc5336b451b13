// One file from one URL into one path: resumed, checked, renamed into place.
#ifndef MALMOI_HUB_DOWNLOAD_H_
#define MALMOI_HUB_DOWNLOAD_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "hub/progress.h"

namespace malmoi::hub {

struct FileDownload {
  std::string url;
  std::string authorization;
  std::filesystem::path incomplete;  // grows here; kept when interrupted
  std::filesystem::path complete;    // renamed to it
  std::string sha256;                // empty: not checked
  std::string git_sha1;              // likewise
  uint64_t bytes = 0;                // expected; 0: unknown
  int stall_timeout_ms = 10'000;
};

// `on_bytes(done)` counts this file's bytes, those already there included.
// Throws kHashMismatch (and removes the file), kNetwork, kDiskFull, ...;
// kCancelled when `cancelled` says so.
void DownloadFile(const FileDownload& download,
                  const std::function<void(uint64_t done)>& on_bytes,
                  const std::function<bool()>& cancelled);

// An exclusive lock between processes, held until destruction; waits.
class FileLock {
 public:
  // Throws kPermission, kDiskFull, kIo, kCancelled.
  FileLock(const std::filesystem::path& path,
           const std::function<bool()>& cancelled);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int file_ = -1;
};

// create_directories that throws malmoi::Error.
void MakeFolders(const std::filesystem::path& path);

}  // namespace malmoi::hub

#endif  // MALMOI_HUB_DOWNLOAD_H_
