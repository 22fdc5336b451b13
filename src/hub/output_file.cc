#include "hub/output_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "base/format.h"

namespace malmoi::hub {

namespace fs = std::filesystem;

void ThrowCache(const fs::path& path, std::string what, int error_number) {
  switch (error_number) {
    case EACCES:
    case EPERM:
    case EROFS:
    case ENOENT:
    case ENOTDIR:
    case EEXIST:
    case EISDIR:
      throw Error(ErrorCode::kPermission,
                  {.where = path.string(),
                   .what = std::move(what),
                   .got = std::strerror(error_number),
                   .hint = "HF_HOME and MALMOI_HOME set to folders that can "
                           "be written"});
    default:
      ThrowErrno(path.string(), std::move(what), error_number);
  }
}

void MakeFolders(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) ThrowCache(path, "cannot create folder", error.value());
}

void CheckSpace(const fs::path& folder, uint64_t bytes) {
  std::error_code error;
  const fs::space_info space = fs::space(folder, error);
  // Some network file systems do not tell.
  if (error || space.capacity == 0 || space.available >= bytes) return;
  throw Error(ErrorCode::kDiskFull,
              {.where = folder.string(),
               .what = "not enough space on the disk",
               .expected = FormatBytes(bytes),
               .got = FormatBytes(space.available),
               .hint = "freeing space, or a cache on another disk"});
}

OutputFile::OutputFile(const fs::path& path) : path_(path) {
  file_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file_ < 0) ThrowCache(path, "cannot write file", errno);
}

OutputFile::~OutputFile() {
  if (file_ >= 0) close(file_);
}

uint64_t OutputFile::Rehash(Digest& digest) {
  std::vector<char> buffer(1 << 20);
  uint64_t total = 0;
  if (lseek(file_, 0, SEEK_SET) != 0) {
    ThrowCache(path_, "cannot read file", errno);
  }
  while (true) {
    const ssize_t count = read(file_, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) ThrowCache(path_, "cannot read file", errno);
    if (count == 0) return total;
    digest.Add({buffer.data(), static_cast<size_t>(count)});
    total += static_cast<uint64_t>(count);
  }
}

void OutputFile::Truncate() {
  if (ftruncate(file_, 0) != 0 || lseek(file_, 0, SEEK_SET) != 0) {
    ThrowCache(path_, "cannot write file", errno);
  }
}

void OutputFile::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = write(file_, bytes.data(), bytes.size());
    if (count < 0) {
      if (errno == EINTR) continue;
      ThrowCache(path_, "cannot write file", errno);
    }
    bytes.remove_prefix(static_cast<size_t>(count));
  }
}

void OutputFile::MoveTo(const fs::path& target) {
  const int synced = fsync(file_);
  const int sync_error = errno;
  const int closed = close(file_);
  const int close_error = errno;
  file_ = -1;
  if (synced != 0 && sync_error != EINVAL) {
    ThrowCache(path_, "cannot write file", sync_error);
  }
  if (closed != 0) ThrowCache(path_, "cannot write file", close_error);
  std::error_code error;
  fs::rename(path_, target, error);
  if (error) ThrowCache(target, "cannot write file", error.value());
}

}  // namespace malmoi::hub
