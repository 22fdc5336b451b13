// A Hugging Face model folder: config.json, generation_config.json and the
// safetensors beside them.
#ifndef MALMOI_FORMATS_HF_CONFIG_H_
#define MALMOI_FORMATS_HF_CONFIG_H_

#include <filesystem>

#include "base/json.h"
#include "formats/safetensors.h"

namespace malmoi::formats {

struct HfFolder {
  std::filesystem::path path;
  Json config;
  Json generation_config;  // null where there is none
  TensorMap tensors;

  // Throws kNotFound for a folder without config.json or safetensors, and
  // names pickled weights as what they are.
  static HfFolder Open(const std::filesystem::path& path);
};

}  // namespace malmoi::formats

#endif  // MALMOI_FORMATS_HF_CONFIG_H_
