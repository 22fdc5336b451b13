// Writes small GGUF files for tests: metadata of any type and tensors.
#ifndef MALMOI_FORMATS_TESTING_GGUF_WRITER_H_
#define MALMOI_FORMATS_TESTING_GGUF_WRITER_H_

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace malmoi::formats {

class GgufWriter {
 public:
  explicit GgufWriter(uint32_t version = 3) : version_(version) {}

  void U32(std::string_view key, uint32_t value) { Scalar(key, 4, value); }
  void I32(std::string_view key, int32_t value) { Scalar(key, 5, value); }
  void F32(std::string_view key, float value) { Scalar(key, 6, value); }
  void U64(std::string_view key, uint64_t value) { Scalar(key, 10, value); }
  void Bool(std::string_view key, bool value) {
    Scalar(key, 7, static_cast<uint8_t>(value));
  }
  void String(std::string_view key, std::string_view value) {
    Begin(key, 8);
    PutString(values_, value);
  }
  void Strings(std::string_view key, const std::vector<std::string>& items) {
    Begin(key, 9);
    Put(values_, uint32_t{8});
    Put(values_, static_cast<uint64_t>(items.size()));
    for (const std::string& item : items) PutString(values_, item);
  }
  void I32s(std::string_view key, const std::vector<int32_t>& items) {
    Begin(key, 9);
    Put(values_, uint32_t{5});
    Put(values_, static_cast<uint64_t>(items.size()));
    for (int32_t item : items) Put(values_, item);
  }
  void F32s(std::string_view key, const std::vector<float>& items) {
    Begin(key, 9);
    Put(values_, uint32_t{6});
    Put(values_, static_cast<uint64_t>(items.size()));
    for (float item : items) Put(values_, item);
  }

  // `shape` outermost first; `type` is ggml's id (0: f32); `data` the bytes.
  void Tensor(std::string_view name, const std::vector<int64_t>& shape,
              uint32_t type, std::string data) {
    PutString(tensors_, name);
    Put(tensors_, static_cast<uint32_t>(shape.size()));
    for (auto dim = shape.rbegin(); dim != shape.rend(); ++dim) {
      Put(tensors_, static_cast<uint64_t>(*dim));
    }
    Put(tensors_, type);
    Put(tensors_, static_cast<uint64_t>(data_.size()));
    data_ += data;
    while (data_.size() % 32 != 0) data_ += '\0';
    ++tensor_count_;
  }
  void F32Tensor(std::string_view name, const std::vector<int64_t>& shape,
                 const std::vector<float>& values) {
    std::string data(values.size() * 4, '\0');
    std::memcpy(data.data(), values.data(), data.size());
    Tensor(name, shape, 0, std::move(data));
  }

  std::string Finish() const {
    std::string out = "GGUF";
    Put(out, version_);
    Put(out, tensor_count_);
    Put(out, value_count_);
    out += values_ + tensors_;
    while (out.size() % 32 != 0) out += '\0';
    return out + data_;
  }

 private:
  template <typename T>
  static void Put(std::string& out, T value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof(T));
  }
  static void PutString(std::string& out, std::string_view text) {
    Put(out, static_cast<uint64_t>(text.size()));
    out += text;
  }
  void Begin(std::string_view key, uint32_t type) {
    PutString(values_, key);
    Put(values_, type);
    ++value_count_;
  }
  template <typename T>
  void Scalar(std::string_view key, uint32_t type, T value) {
    Begin(key, type);
    Put(values_, value);
  }

  uint32_t version_;
  uint64_t tensor_count_ = 0;
  uint64_t value_count_ = 0;
  std::string values_, tensors_, data_;
};

}  // namespace malmoi::formats

#endif  // MALMOI_FORMATS_TESTING_GGUF_WRITER_H_
