// A file that is written piece by piece, through a buffer, and takes its name
// when it is whole and on the disk.
#ifndef MALMOI_BASE_FILE_WRITER_H_
#define MALMOI_BASE_FILE_WRITER_H_

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "base/partial_file.h"

namespace malmoi {

class FileWriter {
 public:
  // Throws as PartialFile; so do the others.
  explicit FileWriter(const std::filesystem::path& path) : file_(path) {}

  void Write(std::string_view bytes);
  void Write(std::span<const std::byte> bytes) {
    Write({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
  // A number or a plain struct, as it lies in memory.
  template <typename T>
  void WriteValue(const T& value) {
    Write({reinterpret_cast<const char*>(&value), sizeof value});
  }
  // Over what was written before.
  void WriteAt(uint64_t offset, std::string_view bytes);
  void Finish(bool sync = true);

 private:
  void Flush();

  PartialFile file_;
  std::string buffer_;
};

}  // namespace malmoi

#endif  // MALMOI_BASE_FILE_WRITER_H_
