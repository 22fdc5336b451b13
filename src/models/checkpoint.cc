#include "models/checkpoint.h"

#include <map>

#include "base/error.h"
#include "formats/detect.h"

namespace malmoi::models {

Checkpoint Checkpoint::Open(const std::filesystem::path& path) {
  Checkpoint checkpoint;
  checkpoint.path = path;
  switch (formats::DetectFile(path)) {
    case formats::FileKind::kGguf:
      checkpoint.gguf = formats::GgufFile::Open(path);
      return checkpoint;
    case formats::FileKind::kHfFolder:
      checkpoint.folder = formats::HfFolder::Open(path);
      return checkpoint;
    default:
      formats::RefuseFile(path);
  }
}

std::string Checkpoint::Architecture() const {
  std::optional<std::string> name;
  if (gguf) {
    name = gguf->GetString("general.architecture");
  } else if (folder->config.is_object() &&
             folder->config.contains("model_type") &&
             folder->config["model_type"].is_string()) {
    name = folder->config["model_type"].get<std::string>();
  }
  if (!name) {
    throw Error(ErrorCode::kCorrupt,
                {.where = path.string(),
                 .what = "the model does not name its architecture",
                 .expected = gguf ? "general.architecture" : "model_type"});
  }
  return *name;
}

const formats::TensorMap& Checkpoint::tensors() const {
  return gguf ? gguf->tensors() : folder->tensors;
}

std::string Checkpoint::Quantization() const {
  std::map<DType, uint64_t> parameters;
  for (const auto& [name, tensor] : tensors()) {
    // The embedding is often kept finer than the rest of a small model.
    if (tensor.shape.size() < 2) continue;
    parameters[tensor.dtype] += static_cast<uint64_t>(tensor.elements());
  }
  DType most = DType::kF32;
  uint64_t largest = 0;
  for (const auto& [dtype, count] : parameters) {
    if (count > largest) {
      largest = count;
      most = dtype;
    }
  }
  return std::string(Info(most).name);
}

}  // namespace malmoi::models
