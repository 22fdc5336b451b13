#include "base/file_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/error.h"

namespace malmoi {

namespace {
constexpr size_t kBuffer = size_t{1} << 20;

void WriteAll(int file, std::string_view bytes, const std::string& where) {
  while (!bytes.empty()) {
    const ssize_t n = write(file, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) ThrowErrno(where, "cannot write file", errno);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}
}  // namespace

FileWriter::FileWriter(const std::filesystem::path& path)
    : path_(path), partial_(path.string() + ".tmp.XXXXXX") {
  file_ = mkostemp(partial_.data(), O_CLOEXEC);
  if (file_ < 0) ThrowErrno(path.string(), "cannot create file", errno);
}

FileWriter::~FileWriter() {
  if (file_ < 0) return;
  unlink(partial_.c_str());
  close(file_);
}

void FileWriter::Write(std::string_view bytes) {
  if (buffer_.size() + bytes.size() > kBuffer) Flush();
  if (bytes.size() >= kBuffer) return WriteAll(file_, bytes, path_.string());
  buffer_ += bytes;
}

void FileWriter::Flush() {
  WriteAll(file_, buffer_, path_.string());
  buffer_.clear();
}

void FileWriter::Finish() {
  Flush();
  const mode_t mask = umask(0);
  umask(mask);
  fchmod(file_, 0666 & ~mask);
  if (fsync(file_) != 0 && errno != EINVAL) {
    ThrowErrno(path_.string(), "cannot write file", errno);
  }
  if (rename(partial_.c_str(), path_.c_str()) != 0) {
    ThrowErrno(path_.string(), "cannot rename file", errno);
  }
  close(file_);
  file_ = -1;
}

}  // namespace malmoi
