// Writes safetensors: a JSON header, then the tensors one behind another.
#ifndef MALMOI_FORMATS_SAFETENSORS_WRITER_H_
#define MALMOI_FORMATS_SAFETENSORS_WRITER_H_

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/file_writer.h"
#include "base/json.h"
#include "tensor/tensor.h"

namespace malmoi::formats {

struct SafetensorsInfo {
  std::string name;
  Shape shape;
  DType dtype = DType::kF32;  // not of blocks
};

class SafetensorsWriter {
 public:
  // `metadata`: an object of strings, or null. Throws as FileWriter.
  SafetensorsWriter(const std::filesystem::path& path,
                    const std::vector<SafetensorsInfo>& tensors,
                    const Json& metadata);

  uint64_t file_bytes() const { return file_bytes_; }
  // The data of the tensors in order.
  void Write(std::span<const std::byte> data);
  // All is written: the file takes its name.
  void Finish();

 private:
  FileWriter file_;
  uint64_t file_bytes_ = 0, written_ = 0;
};

}  // namespace malmoi::formats

#endif  // MALMOI_FORMATS_SAFETENSORS_WRITER_H_
