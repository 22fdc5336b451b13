// Files: whole-file reading, atomic writing, and read-only memory mapping.
#ifndef MALMOI_BASE_FILE_H_
#define MALMOI_BASE_FILE_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace malmoi {

// The whole content. Throws kNotFound, kPermission, kIo; kLimit past
// `max_bytes`.
std::string ReadFile(const std::filesystem::path& path,
                     uint64_t max_bytes = uint64_t{1} << 32);

// Writes to a temporary file beside `path`, syncs, renames over it: readers
// see the old content or the new one. Throws kDiskFull, kPermission, kIo.
void WriteFileAtomically(const std::filesystem::path& path,
                         std::string_view content);

// A read-only private mapping of a file. Immutable and shareable. A file that
// shrinks while mapped makes reads fault (SIGBUS), as with any mapping.
class MappedFile {
 public:
  // Throws kNotFound, kPermission, kIo, and kCorrupt for an empty file.
  static std::shared_ptr<const MappedFile> Open(
      const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }

 private:
  MappedFile(std::filesystem::path path, const std::byte* data, size_t size)
      : path_(std::move(path)), data_(data), size_(size) {}

  std::filesystem::path path_;
  const std::byte* data_;
  size_t size_;
};

// Tells the kernel that bytes of a mapped file were read for the last time:
// they need not stay resident. A later access reads them again.
void DropPages(std::span<const std::byte> bytes);

}  // namespace malmoi

#endif  // MALMOI_BASE_FILE_H_
