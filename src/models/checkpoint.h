// A model on disk, whatever its format: configuration and named tensors.
#ifndef MALMOI_MODELS_CHECKPOINT_H_
#define MALMOI_MODELS_CHECKPOINT_H_

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "formats/gguf.h"
#include "formats/hf_config.h"
#include "models/adapter.h"

namespace malmoi::models {

// Exactly one of `gguf` and `folder` is set.
struct Checkpoint {
  std::filesystem::path path;
  std::shared_ptr<const formats::GgufFile> gguf;
  std::optional<formats::HfFolder> folder;
  std::vector<std::shared_ptr<const Adapter>> adapters;
  // Tensors of `folder` are an adapter's: nothing of it is kept in caches.
  bool changed = false;

  // Opens a .gguf file or a Hugging Face folder. Throws kNotFound,
  // kPermission, kCorrupt, kUnsupported (what the file seems to be instead).
  static Checkpoint Open(const std::filesystem::path& path);

  // Adds adapters: what they have of low rank is added when weights are loaded,
  // whole tensors take the place of the folder's. Throws as Adapter::Open();
  // kInvalidArgument for a GGUF adapter of another architecture; kUnsupported
  // for one of a folder's, or whole tensors for a GGUF.
  void Adapt(const std::vector<AdapterChoice>& choices);

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
