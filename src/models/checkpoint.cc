#include "models/checkpoint.h"

#include <algorithm>
#include <map>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/format.h"
#include "base/sha256.h"
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

void Checkpoint::Adapt(const std::vector<AdapterChoice>& choices) {
  for (const AdapterChoice& choice : choices) {
    auto adapter = Adapter::Open(choice);
    const std::string where = choice.path.string();
    if (adapter->gguf() && !gguf) {
      throw Error(ErrorCode::kUnsupported,
                  {.where = where,
                   .what = "a GGUF adapter for a Hugging Face folder",
                   .expected = "a GGUF model",
                   .got = path.string(),
                   .hint = "the folder that the adapter was made from"});
    }
    if (adapter->gguf() && adapter->architecture() != Architecture()) {
      throw Error(ErrorCode::kInvalidArgument,
                  {.where = where,
                   .what = "the adapter is of another model",
                   .expected = Architecture(),
                   .got = adapter->architecture()});
    }
    if (gguf && !adapter->saved().empty()) {
      throw Error(ErrorCode::kUnsupported,
                  {.where = where,
                   .what = "the adapter replaces whole tensors of a GGUF",
                   .expected = "low ranks only",
                   .got = adapter->saved().begin()->first,
                   .hint = "the Hugging Face folder of this model"});
    }
    for (const auto& [name, tensor] : adapter->saved()) {
      folder->tensors[name] = tensor;
      changed = true;
    }
    adapters.push_back(std::move(adapter));
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

namespace {

namespace fs = std::filesystem;

// The files that hold the weights: those of a folder, all of a split set.
std::vector<fs::path> WeightFiles(const fs::path& path) {
  std::vector<fs::path> files;
  const auto gather = [&](const fs::path& folder, auto wanted) {
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (wanted(entry.path().filename().string())) {
        files.push_back(entry.path());
      }
    }
    std::sort(files.begin(), files.end());
  };
  const std::string name = path.filename().string();
  const size_t of = name.rfind("-of-");
  if (fs::is_directory(path)) {
    gather(path, [](std::string_view file) {
      return file.ends_with(".safetensors") || file == "config.json";
    });
  } else if (of != std::string::npos && of >= 6) {
    const std::string begin = name.substr(0, of - 5), end = name.substr(of);
    gather(fs::absolute(path).parent_path(), [&](std::string_view file) {
      return file.starts_with(begin) && file.ends_with(end);
    });
  } else {
    files.push_back(path);
  }
  return files;
}

}  // namespace

std::string WeightsMark(const fs::path& path, bool times) {
  constexpr size_t kPieces = 16, kPieceBytes = 1024;
  std::string sample;
  for (const fs::path& file : WeightFiles(path)) {
    const auto mapped = MappedFile::Open(file);
    const auto bytes = mapped->bytes();
    sample += Format("{}\n", bytes.size());
    if (times) {
      sample +=
          Format("{}\n", fs::last_write_time(file).time_since_epoch().count());
    }
    const size_t count = std::min(kPieceBytes, bytes.size());
    for (size_t i = 0; i < kPieces; ++i) {
      const size_t at = (bytes.size() - count) / (kPieces - 1) * i;
      const auto piece = bytes.subspan(at, count);
      sample.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    }
  }
  return Sha256Hex(std::as_bytes(std::span(sample)));
}

}  // namespace malmoi::models
