// GGUF v2 and v3: metadata and tensors of a model in one mapped file (or a
// split set of files). Everything is validated when it is opened; arrays and
// tensors stay where they lie. Format: the GGUF specification of ggml.
#ifndef MALMOI_FORMATS_GGUF_H_
#define MALMOI_FORMATS_GGUF_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "tensor/tensor.h"

namespace malmoi::formats {

// By name. Shapes are outermost first.
using TensorMap = std::map<std::string, Tensor, std::less<>>;

class GgufFile {
 public:
  // Any part of a split set (name-00001-of-00003.gguf) opens the whole set.
  // Throws kNotFound, kPermission, kCorrupt, kUnsupported.
  static std::shared_ptr<const GgufFile> Open(
      const std::filesystem::path& path);
  // `owner` keeps `bytes` alive; `where` names them in errors.
  static std::shared_ptr<const GgufFile> Parse(
      std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
      std::string where);

  uint32_t version() const { return version_; }
  const std::string& where() const { return where_; }
  const TensorMap& tensors() const { return tensors_; }

  std::vector<std::string> keys() const;
  // "uint32", "array of string"; empty for an absent key.
  std::string TypeName(std::string_view key) const;

  // Absent keys and values of another kind give nullopt. Integers of every
  // width read as int64 (unsigned ones past 2^63 are absent), and as float.
  std::optional<std::string> GetString(std::string_view key) const;
  std::optional<int64_t> GetInt(std::string_view key) const;
  std::optional<double> GetFloat(std::string_view key) const;
  std::optional<bool> GetBool(std::string_view key) const;
  // Views into the file, valid while it lives.
  std::optional<std::vector<std::string_view>> GetStringViews(
      std::string_view key) const;
  std::optional<std::vector<std::string>> GetStrings(
      std::string_view key) const;
  std::optional<std::vector<int64_t>> GetInts(std::string_view key) const;
  std::optional<std::vector<bool>> GetBools(std::string_view key) const;
  std::optional<std::vector<double>> GetFloats(std::string_view key) const;

  // Appends a present key as it lies in the file: key, type, value.
  void AppendPair(std::string_view key, std::string& out) const;

  // All metadata; arrays of more than `array_limit` elements become
  // {"type", "count"}.
  Json MetadataJson(size_t array_limit = 16) const;

 private:
  struct Value {
    uint32_t type = 0;  // of the value, or of the array's elements
    bool array = false;
    uint64_t count = 0;                // elements of an array
    std::span<const std::byte> bytes;  // the value, or all elements
  };
  friend class GgufParser;

  const Value* Find(std::string_view key) const;

  std::string where_;
  uint32_t version_ = 0;
  std::map<std::string, Value, std::less<>> values_;
  TensorMap tensors_;
  std::vector<std::shared_ptr<const void>> owners_;
};

// ggml's number of a type that GGUF files hold.
uint32_t GgmlTypeId(DType dtype);

}  // namespace malmoi::formats

#endif  // MALMOI_FORMATS_GGUF_H_
