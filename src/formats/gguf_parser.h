// The parser behind GgufFile: a bounds-checked reader of one file's bytes.
#ifndef MALMOI_FORMATS_GGUF_PARSER_H_
#define MALMOI_FORMATS_GGUF_PARSER_H_

#include <memory>
#include <span>
#include <string>

#include "base/error.h"
#include "formats/gguf.h"

namespace malmoi::formats {

enum GgufType : uint32_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64,
  kTypeCount,
};
// Bytes of one value; 0 for strings and arrays.
size_t GgufTypeBytes(uint32_t type);
std::string_view GgufTypeName(uint32_t type);

class GgufParser {
 public:
  GgufParser(std::span<const std::byte> bytes,
             std::shared_ptr<const void> owner, std::string where)
      : bytes_(bytes), owner_(std::move(owner)), where_(std::move(where)) {}

  // Adds this file's metadata and tensors. `first` of a split set brings the
  // metadata; the other parts bring tensors.
  void ParseInto(GgufFile& file, bool first);

 private:
  struct Entry {
    std::string name;
    Tensor tensor;
    uint64_t offset;
    uint64_t bytes;
  };

  [[noreturn]] void Corrupt(std::string what, std::string expected,
                            std::string got) const;
  void Need(uint64_t count);
  template <typename T>
  T Read();
  std::string_view ReadString();
  void ReadValue(GgufFile::Value& value);
  Entry ReadTensor();
  void ParseHeader(GgufFile& file);

  std::span<const std::byte> bytes_;
  std::shared_ptr<const void> owner_;
  std::string where_;
  size_t at_ = 0;
  uint64_t tensor_count_ = 0;
  uint64_t value_count_ = 0;
};

}  // namespace malmoi::formats

#endif  // MALMOI_FORMATS_GGUF_PARSER_H_
