// A model on disk, whatever its format: configuration and named tensors.
#ifndef MALMOI_MODELS_CHECKPOINT_H_
#define MALMOI_MODELS_CHECKPOINT_H_

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "formats/gguf.h"
#include "formats/hf_config.h"

namespace malmoi::models {

// Exactly one of `gguf` and `folder` is set.
struct Checkpoint {
  std::filesystem::path path;
  std::shared_ptr<const formats::GgufFile> gguf;
  std::optional<formats::HfFolder> folder;

  // Opens a .gguf file or a Hugging Face folder. Throws kNotFound,
  // kPermission, kCorrupt, kUnsupported (what the file seems to be instead).
  static Checkpoint Open(const std::filesystem::path& path);

  // "llama": general.architecture, or config.json's model_type.
  std::string Architecture() const;
  const formats::TensorMap& tensors() const;
  // The most frequent dtype of the matrices by bytes: "Q4_1".
  std::string Quantization() const;
};

// Which weights a model's files hold, without reading them through: a hash of
// sizes and of 16 pieces spread over each file (a model trained further
// differs everywhere), and of the times of their last change if `times`.
std::string WeightsMark(const std::filesystem::path& path, bool times = false);

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_CHECKPOINT_H_
