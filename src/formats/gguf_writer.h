// Writes a GGUF file tensor by tensor: metadata and sizes first, then the
// data as it becomes ready. The file has another name until it is complete.
#ifndef MALMOI_FORMATS_GGUF_WRITER_H_
#define MALMOI_FORMATS_GGUF_WRITER_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/gguf.h"

namespace malmoi::formats {

struct GgufTensorInfo {
  std::string name;
  Shape shape;
  DType dtype = DType::kF32;
};

// Pairs of a key and a value, in the order of the calls.
class GgufMetadata {
 public:
  // From `file`, byte for byte.
  void Copy(const GgufFile& file, std::string_view key);
  void U32(std::string_view key, uint32_t value);
  void F32(std::string_view key, float value);
  void Bool(std::string_view key, bool value);
  void String(std::string_view key, std::string_view value);
  void Strings(std::string_view key, const std::vector<std::string>& values);
  void Bytes(std::string_view key, std::string_view values);
  void I32s(std::string_view key, const std::vector<int32_t>& values);
  void F32s(std::string_view key, const std::vector<float>& values);
  void Bools(std::string_view key, const std::vector<bool>& values);

 private:
  friend class GgufFileWriter;
  friend std::string GgufHead(const GgufMetadata& metadata, uint64_t alignment,
                              const std::vector<GgufTensorInfo>& tensors);
  void Begin(std::string_view key, uint32_t type);

  std::string bytes_;
  std::map<std::string, size_t, std::less<>> floats_;  // where F32s lie
  uint64_t count_ = 0;
};

// What a file has before its data.
std::string GgufHead(const GgufMetadata& metadata, uint64_t alignment,
                     const std::vector<GgufTensorInfo>& tensors);

class GgufFileWriter {
 public:
  // Opens `path`.partial, and writes what comes before the data. `alignment`
  // is that of the metadata (32 where it names none). Throws kNotFound where
  // the folder does not exist, kPermission, kDiskFull (also where the whole
  // file would not fit), kIo.
  GgufFileWriter(const std::filesystem::path& path,
                 const GgufMetadata& metadata, uint64_t alignment,
                 const std::vector<GgufTensorInfo>& tensors);
  // Removes the partial file unless it was finished.
  ~GgufFileWriter();
  GgufFileWriter(const GgufFileWriter&) = delete;
  GgufFileWriter& operator=(const GgufFileWriter&) = delete;

  uint64_t file_bytes() const { return file_bytes_; }
  // The data of the tensors in order; a piece never crosses their borders.
  void Write(std::span<const std::byte> data);
  // Changes a value of F32 in the metadata: what is known only when the
  // tensors are written.
  void SetF32(std::string_view key, float value);
  // All tensors are written: syncs and renames over `path`.
  void Finish();

 private:
  void OpenPartial();
  void Put(const void* data, size_t size);
  void EndTensor();

  std::filesystem::path path_, partial_;
  int file_ = -1;
  bool ours_ = false;  // the partial file is locked by this writer
  uint64_t alignment_;
  uint64_t file_bytes_ = 0;
  std::map<std::string, size_t, std::less<>> floats_;  // in the file
  std::vector<uint64_t> sizes_;                        // of the tensors' data
  size_t tensor_ = 0;                                  // being written
  uint64_t written_ = 0;                               // of it
};

}  // namespace malmoi::formats

#endif  // MALMOI_FORMATS_GGUF_WRITER_H_
