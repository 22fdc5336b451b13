// Permissions are those of a new file, which mkostemp does not give.
#include "base/partial_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/error.h"

namespace malmoi {

PartialFile::PartialFile(const std::filesystem::path& path)
    : path_(path), partial_(path.string() + ".tmp.XXXXXX") {
  // Renaming would put a file in the place of a device or a pipe.
  struct stat status;
  if (stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = path.string(),
                 .what = "not a regular file",
                 .expected = "the name of a file to write"});
  }
  file_ = mkostemp(partial_.data(), O_CLOEXEC);
  if (file_ < 0) ThrowErrno(path.string(), "cannot create file", errno);
}

PartialFile::~PartialFile() {
  if (file_ < 0) return;
  unlink(partial_.c_str());
  close(file_);
}

void PartialFile::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = write(file_, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) ThrowErrno(path_.string(), "cannot write file", errno);
    bytes.remove_prefix(static_cast<size_t>(count));
  }
}

void PartialFile::WriteAt(uint64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count =
        pwrite(file_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) ThrowErrno(path_.string(), "cannot write file", errno);
    bytes.remove_prefix(static_cast<size_t>(count));
    offset += static_cast<uint64_t>(count);
  }
}

void PartialFile::Finish(bool sync) {
  const mode_t mask = umask(0);
  umask(mask);
  fchmod(file_, 0666 & ~mask);
  if (sync && fsync(file_) != 0 && errno != EINVAL) {
    ThrowErrno(path_.string(), "cannot write file", errno);
  }
  if (rename(partial_.c_str(), path_.c_str()) != 0) {
    ThrowErrno(path_.string(), "cannot rename file", errno);
  }
  close(file_);
  file_ = -1;
}

}  // namespace malmoi
