// A file that is written piece by piece beside its name and takes the name only
// when it is whole and on the disk: what stood there before stays intact if the
// disk fills or the program ends.
#ifndef MALMOI_BASE_FILE_WRITER_H_
#define MALMOI_BASE_FILE_WRITER_H_

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace malmoi {

class FileWriter {
 public:
  // Throws kNotFound (the folder), kPermission, kDiskFull, kIo; so do the
  // others.
  explicit FileWriter(const std::filesystem::path& path);
  // Removes what was written unless it was finished.
  ~FileWriter();
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  void Write(std::string_view bytes);
  void Write(std::span<const std::byte> bytes) {
    Write({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
  // A number or a plain struct, as it lies in memory.
  template <typename T>
  void WriteValue(const T& value) {
    Write({reinterpret_cast<const char*>(&value), sizeof value});
  }
  void Finish();

 private:
  void Flush();

  std::filesystem::path path_;
  std::string partial_, buffer_;
  int file_ = -1;
};

}  // namespace malmoi

#endif  // MALMOI_BASE_FILE_WRITER_H_
