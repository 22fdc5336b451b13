#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "base/error.h"
#include "base/partial_file.h"

namespace malmoi {

namespace {

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

struct stat OpenedFileStatus(int fd, const std::filesystem::path& path) {
  struct stat status;
  if (fstat(fd, &status) != 0) ThrowErrno(path, "cannot stat file", errno);
  if (S_ISDIR(status.st_mode)) {
    throw Error(
        ErrorCode::kInvalidArgument,
        {.where = path, .what = "is a directory", .expected = "a file"});
  }
  return status;
}

}  // namespace

std::string ReadFile(const std::filesystem::path& path, uint64_t max_bytes) {
  FileDescriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) ThrowErrno(path, "cannot open file", errno);
  OpenedFileStatus(fd.get(), path);
  std::string content;
  constexpr size_t kChunk = size_t{1} << 20;
  while (true) {
    const size_t old_size = content.size();
    content.resize(old_size + kChunk);
    const ssize_t n = read(fd.get(), content.data() + old_size, kChunk);
    if (n < 0 && errno == EINTR) {
      content.resize(old_size);
      continue;
    }
    if (n < 0) ThrowErrno(path, "cannot read file", errno);
    content.resize(old_size + static_cast<size_t>(n));
    if (n == 0) return content;
    if (content.size() > max_bytes) {
      throw Error(ErrorCode::kLimit,
                  {.where = path,
                   .what = "file is too large",
                   .expected = std::to_string(max_bytes) + " bytes at most"});
    }
  }
}

void WriteFileAtomically(const std::filesystem::path& path,
                         std::string_view content) {
  PartialFile file(path);
  file.Write(content);
  file.Finish(/*sync=*/true);
}

std::shared_ptr<const MappedFile> MappedFile::Open(
    const std::filesystem::path& path) {
  FileDescriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) ThrowErrno(path, "cannot open file", errno);
  const struct stat status = OpenedFileStatus(fd.get(), path);
  if (status.st_size == 0) {
    throw Error(ErrorCode::kCorrupt, {.where = path, .what = "file is empty"});
  }
  const size_t size = static_cast<size_t>(status.st_size);
  void* data = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (data == MAP_FAILED) ThrowErrno(path, "cannot map file", errno);
  return std::shared_ptr<const MappedFile>(
      new MappedFile(path, static_cast<const std::byte*>(data), size));
}

MappedFile::~MappedFile() { munmap(const_cast<std::byte*>(data_), size_); }

void DropPages(std::span<const std::byte> bytes) {
  const uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<uintptr_t>(bytes.data());
  const uintptr_t begin = (address + page - 1) / page * page;
  const uintptr_t end = (address + bytes.size()) / page * page;
  if (begin < end) {
    madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
}

}  // namespace malmoi
