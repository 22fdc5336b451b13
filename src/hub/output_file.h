// A file being written that may already hold a beginning: the part of a
// download, or what is taken out of a wheel. Errors of the cache's disk say
// what to do about it.
#ifndef MALMOI_HUB_OUTPUT_FILE_H_
#define MALMOI_HUB_OUTPUT_FILE_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "hub/digest.h"

namespace malmoi::hub {

class OutputFile {
 public:
  // Opens or creates; keeps what is there. Throws as ThrowCache.
  explicit OutputFile(const std::filesystem::path& path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  // Adds the whole content to `digest` and returns its size; writing goes on
  // at the end.
  uint64_t Rehash(Digest& digest);
  void Truncate();
  void Write(std::string_view bytes);
  // Syncs, closes, and renames over `target`.
  void MoveTo(const std::filesystem::path& target);

 private:
  std::filesystem::path path_;
  int file_ = -1;
};

// create_directories that throws as ThrowCache.
void MakeFolders(const std::filesystem::path& path);

// A failed system call in a cache folder. A path that cannot exist (below a
// file, in /proc) is kPermission here: the cache is not writable.
[[noreturn]] void ThrowCache(const std::filesystem::path& path,
                             std::string what, int error_number);

// Throws kDiskFull when the file system of `folder` has less than `bytes`
// free.
void CheckSpace(const std::filesystem::path& folder, uint64_t bytes);

}  // namespace malmoi::hub

#endif  // MALMOI_HUB_OUTPUT_FILE_H_
