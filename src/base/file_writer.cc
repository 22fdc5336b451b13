#include "base/file_writer.h"

namespace malmoi {

namespace {
constexpr size_t kBuffer = size_t{1} << 20;
}  // namespace

void FileWriter::Write(std::string_view bytes) {
  if (buffer_.size() + bytes.size() > kBuffer) Flush();
  if (bytes.size() >= kBuffer) return file_.Write(bytes);
  buffer_ += bytes;
}

void FileWriter::WriteAt(uint64_t offset, std::string_view bytes) {
  Flush();
  file_.WriteAt(offset, bytes);
}

void FileWriter::Flush() {
  file_.Write(buffer_);
  buffer_.clear();
}

void FileWriter::Finish(bool sync) {
  Flush();
  file_.Finish(sync);
}

}  // namespace malmoi
