// safetensors: a JSON header and raw tensors, checked as the format demands
// (no holes, no overlaps, sizes that match). Format: the safetensors README.
#ifndef MALMOI_FORMATS_SAFETENSORS_H_
#define MALMOI_FORMATS_SAFETENSORS_H_

#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "base/json.h"
#include "formats/gguf.h"

namespace malmoi::formats {

struct SafetensorsFile {
  TensorMap tensors;
  Json metadata;  // the header's __metadata__, or null

  // Throws kNotFound, kPermission, kCorrupt, kUnsupported (a type malmoi
  // does not read, by name).
  static SafetensorsFile Open(const std::filesystem::path& path);
  static SafetensorsFile Parse(std::span<const std::byte> bytes,
                               std::shared_ptr<const void> owner,
                               std::string where);
};

// model.safetensors, or all shards of model.safetensors.index.json; every
// tensor of the index must be in its shard.
TensorMap LoadSafetensorsFolder(const std::filesystem::path& folder);

}  // namespace malmoi::formats

#endif  // MALMOI_FORMATS_SAFETENSORS_H_
