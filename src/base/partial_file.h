// A file beside its name that takes the name when it is finished: what stood
// there before stays intact if the disk fills or the program ends.
#ifndef MALMOI_BASE_PARTIAL_FILE_H_
#define MALMOI_BASE_PARTIAL_FILE_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace malmoi {

class PartialFile {
 public:
  // Throws kNotFound (the folder), kPermission, kDiskFull, kIo, and
  // kInvalidArgument for a folder, a device or a pipe; so do the others.
  explicit PartialFile(const std::filesystem::path& path);
  // Removes what was written unless it was finished.
  ~PartialFile();
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;

  int descriptor() const { return file_; }
  const std::filesystem::path& path() const { return path_; }
  // All of it, where the file stands.
  void Write(std::string_view bytes);
  // Over what was written; the place to write next stays.
  void WriteAt(uint64_t offset, std::string_view bytes);
  // `sync`: only when it is on the disk.
  void Finish(bool sync);

 private:
  std::filesystem::path path_;
  std::string partial_;
  int file_ = -1;
};

}  // namespace malmoi

#endif  // MALMOI_BASE_PARTIAL_FILE_H_
