#include "formats/gguf_writer.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/check.h"
#include "base/error.h"
#include "base/format.h"
#include "formats/gguf_parser.h"

namespace malmoi::formats {

namespace fs = std::filesystem;

namespace {

constexpr uint32_t kVersion = 3;
// Of magic, version and the two counts, before the metadata.
constexpr size_t kFixedBytes = 4 + 4 + 8 + 8;

template <typename T>
void Append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(T));
}
void AppendString(std::string& out, std::string_view text) {
  Append(out, static_cast<uint64_t>(text.size()));
  out += text;
}

uint64_t Padded(uint64_t size, uint64_t alignment) {
  return (size + alignment - 1) / alignment * alignment;
}

uint64_t DataBytes(const GgufTensorInfo& tensor) {
  uint64_t elements = 1;
  for (int64_t size : tensor.shape) elements *= static_cast<uint64_t>(size);
  const auto bytes = ByteSize(tensor.dtype, elements);
  MALMOI_CHECK(bytes.has_value());
  return *bytes;
}

// Some file systems do not tell how much is free; writing will.
void CheckSpace(const fs::path& partial, uint64_t bytes) {
  std::error_code error;
  const fs::space_info space = fs::space(partial, error);
  if (error || space.capacity == 0 || space.available >= bytes) return;
  throw Error(ErrorCode::kDiskFull, {.where = partial.string(),
                                     .what = "not enough space on the disk",
                                     .expected = FormatBytes(bytes),
                                     .got = FormatBytes(space.available)});
}

}  // namespace

void GgufMetadata::Copy(const GgufFile& file, std::string_view key) {
  file.AppendPair(key, bytes_);
  ++count_;
}

void GgufMetadata::Begin(std::string_view key, uint32_t type) {
  AppendString(bytes_, key);
  Append(bytes_, type);
  ++count_;
}

void GgufMetadata::U32(std::string_view key, uint32_t value) {
  Begin(key, kU32);
  Append(bytes_, value);
}

void GgufMetadata::F32(std::string_view key, float value) {
  Begin(key, kF32);
  floats_[std::string(key)] = bytes_.size();
  Append(bytes_, value);
}

void GgufMetadata::Bool(std::string_view key, bool value) {
  Begin(key, kBool);
  Append(bytes_, static_cast<uint8_t>(value));
}

void GgufMetadata::String(std::string_view key, std::string_view value) {
  Begin(key, kString);
  AppendString(bytes_, value);
}

void GgufMetadata::Strings(std::string_view key,
                           const std::vector<std::string>& values) {
  Begin(key, kArray);
  Append(bytes_, static_cast<uint32_t>(kString));
  Append(bytes_, static_cast<uint64_t>(values.size()));
  for (const std::string& value : values) AppendString(bytes_, value);
}

void GgufMetadata::Bytes(std::string_view key, std::string_view values) {
  Begin(key, kArray);
  Append(bytes_, static_cast<uint32_t>(kU8));
  Append(bytes_, static_cast<uint64_t>(values.size()));
  bytes_ += values;
}

void GgufMetadata::I32s(std::string_view key,
                        const std::vector<int32_t>& values) {
  Begin(key, kArray);
  Append(bytes_, static_cast<uint32_t>(kI32));
  Append(bytes_, static_cast<uint64_t>(values.size()));
  for (int32_t value : values) Append(bytes_, value);
}

void GgufMetadata::Bools(std::string_view key,
                         const std::vector<bool>& values) {
  Begin(key, kArray);
  Append(bytes_, static_cast<uint32_t>(kBool));
  Append(bytes_, static_cast<uint64_t>(values.size()));
  for (const bool value : values) Append(bytes_, static_cast<uint8_t>(value));
}

void GgufMetadata::F32s(std::string_view key,
                        const std::vector<float>& values) {
  Begin(key, kArray);
  Append(bytes_, static_cast<uint32_t>(kF32));
  Append(bytes_, static_cast<uint64_t>(values.size()));
  for (float value : values) Append(bytes_, value);
}

std::string GgufHead(const GgufMetadata& metadata, uint64_t alignment,
                     const std::vector<GgufTensorInfo>& tensors) {
  std::string head = "GGUF";
  Append(head, kVersion);
  Append(head, static_cast<uint64_t>(tensors.size()));
  Append(head, metadata.count_);
  head += metadata.bytes_;
  uint64_t offset = 0;
  for (const GgufTensorInfo& tensor : tensors) {
    AppendString(head, tensor.name);
    Append(head, static_cast<uint32_t>(tensor.shape.size()));
    for (auto size = tensor.shape.rbegin(); size != tensor.shape.rend();
         ++size) {
      Append(head, static_cast<uint64_t>(*size));
    }
    Append(head, GgmlTypeId(tensor.dtype));
    Append(head, offset);
    offset += Padded(DataBytes(tensor), alignment);
  }
  head.resize(Padded(head.size(), alignment));
  return head;
}

GgufFileWriter::GgufFileWriter(const fs::path& path,
                               const GgufMetadata& metadata, uint64_t alignment,
                               const std::vector<GgufTensorInfo>& tensors)
    : path_(path), partial_(path.string() + ".partial"), alignment_(alignment) {
  const std::string head = GgufHead(metadata, alignment, tensors);
  for (const auto& [key, at] : metadata.floats_) {
    floats_[key] = kFixedBytes + at;
  }
  uint64_t offset = 0;
  for (const GgufTensorInfo& tensor : tensors) {
    sizes_.push_back(DataBytes(tensor));
    offset += Padded(sizes_.back(), alignment);
  }
  file_bytes_ = head.size() + offset;
  OpenPartial();
  // The destructor of a half-built writer does not run.
  try {
    CheckSpace(partial_, file_bytes_);
    Put(head.data(), head.size());
  } catch (...) {
    unlink(partial_.c_str());
    close(file_);
    throw;
  }
}

// A partial file of a run that was killed is taken over; one that another
// process is writing is not, nor one that it has just renamed.
void GgufFileWriter::OpenPartial() {
  file_ = open(partial_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file_ < 0) ThrowErrno(partial_.string(), "cannot create file", errno);
  struct stat opened, named;
  const bool locked = flock(file_, LOCK_EX | LOCK_NB) == 0;
  const bool same = locked && fstat(file_, &opened) == 0 &&
                    stat(partial_.c_str(), &named) == 0 &&
                    opened.st_ino == named.st_ino;
  if (!same) {
    close(file_);
    throw Error(ErrorCode::kIo,
                {.where = partial_.string(),
                 .what = "another process is writing this file"});
  }
  ours_ = true;
  if (ftruncate(file_, 0) != 0) {
    const int error = errno;
    close(file_);
    ThrowErrno(partial_.string(), "cannot write file", error);
  }
}

GgufFileWriter::~GgufFileWriter() {
  if (ours_) unlink(partial_.c_str());
  if (file_ >= 0) close(file_);
}

void GgufFileWriter::Put(const void* data, size_t size) {
  const char* at = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t count = write(file_, at, size);
    if (count < 0) {
      if (errno == EINTR) continue;
      ThrowErrno(partial_.string(), "cannot write file", errno);
    }
    at += count;
    size -= static_cast<size_t>(count);
  }
}

void GgufFileWriter::Write(std::span<const std::byte> data) {
  MALMOI_CHECK(tensor_ < sizes_.size());
  MALMOI_CHECK(data.size() <= sizes_[tensor_] - written_);
  Put(data.data(), data.size());
  written_ += data.size();
  if (written_ == sizes_[tensor_]) EndTensor();
}

void GgufFileWriter::EndTensor() {
  const std::string zeros(Padded(written_, alignment_) - written_, '\0');
  Put(zeros.data(), zeros.size());
  ++tensor_;
  written_ = 0;
}

void GgufFileWriter::SetF32(std::string_view key, float value) {
  const auto at = floats_.find(key);
  MALMOI_CHECK(at != floats_.end());
  if (pwrite(file_, &value, sizeof(value), static_cast<off_t>(at->second)) !=
      static_cast<ssize_t>(sizeof(value))) {
    ThrowErrno(partial_.string(), "cannot write file", errno);
  }
}

void GgufFileWriter::Finish() {
  MALMOI_CHECK(tensor_ == sizes_.size());
  if (fsync(file_) != 0 && errno != EINVAL) {
    ThrowErrno(partial_.string(), "cannot write file", errno);
  }
  std::error_code error;
  fs::rename(partial_, path_, error);
  if (error) ThrowErrno(path_.string(), "cannot write file", error.value());
  ours_ = false;
}

}  // namespace malmoi::formats
