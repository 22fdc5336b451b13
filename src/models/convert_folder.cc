// The new folder is written beside its name and takes it in the end.
#include "models/convert_folder.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "base/format.h"
#include "formats/safetensors_writer.h"
#include "kernels/quantize.h"
#include "models/families/weight_reader.h"
#include "models/fp8.h"
#include "models/new_folder.h"
#include "models/registry.h"

namespace malmoi::models {

namespace {

namespace fs = std::filesystem;

bool IsFloat(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16;
}

// What an adapter adds to a tensor.
struct Addition {
  const Adapter::Pair* pair;
  bool transposed;  // the tensor is [columns, rows]
};

struct Step {
  std::string name;
  Tensor tensor;
  DType dtype = DType::kF32;  // written
  std::vector<Addition> additions;
};

[[noreturn]] void Refuse(const Checkpoint& source, std::string what,
                         std::string got, std::string hint = "") {
  throw Error(ErrorCode::kUnsupported, {.where = source.path.string(),
                                        .what = std::move(what),
                                        .got = std::move(got),
                                        .hint = std::move(hint)});
}

// Whether matrices are stored as [columns, rows].
bool IsTransposed(const Checkpoint& source) {
  const Architecture& found =
      FindArchitecture(source.Architecture(), source.path.string());
  return found.describe != nullptr && found.describe(source).transposed;
}

class Planner {
 public:
  Planner(const Checkpoint& source, const ConvertFolderOptions& options)
      : source_(source), options_(options) {}

  std::vector<Step> Plan() {
    std::set<std::string> scales;
    for (const auto& [name, tensor] : source_.tensors()) {
      if (tensor.dtype != DType::kF8E4M3) continue;
      const std::string scale = Fp8ScaleName(source_, name);
      if (!scale.empty()) scales.insert(scale);
    }
    std::map<std::string, size_t, std::less<>> at;
    for (const auto& [name, tensor] : source_.tensors()) {
      if (scales.contains(name)) continue;
      const DType loaded = LoadedType(tensor.dtype);
      at[name] = steps_.size();
      steps_.push_back(
          {name,
           tensor,
           IsFloat(loaded) ? options_.dtype.value_or(loaded) : loaded,
           {}});
    }
    if (!source_.adapters.empty()) AddAdapters(at);
    return std::move(steps_);
  }

 private:
  void AddAdapters(const std::map<std::string, size_t, std::less<>>& at) {
    const std::string prefix(
        FindArchitecture(source_.Architecture(), source_.path.string()).prefix);
    const bool transposed = IsTransposed(source_);
    std::string problems;
    for (const auto& adapter : source_.adapters) {
      if (adapter->gguf()) {
        Refuse(source_, "an adapter in GGUF is not merged into a folder",
               adapter->path().string(), "PEFT's folder");
      }
      for (const auto& [name, pair] : adapter->pairs()) {
        auto found = at.find(name + ".weight");
        if (found == at.end()) found = at.find(prefix + name + ".weight");
        if (found == at.end()) {
          problems += "\n  " + name + " is no matrix of this model";
          continue;
        }
        Step& step = steps_[found->second];
        Shape shape = {pair.up.shape[0], pair.down.shape[1]};
        if (transposed) std::swap(shape[0], shape[1]);
        if (step.tensor.shape != shape) {
          problems +=
              Format("\n  {} is for a matrix of {}, expected {}", name,
                     ShapeString(shape), ShapeString(step.tensor.shape));
          continue;
        }
        step.additions.push_back({&pair, transposed});
      }
    }
    if (problems.empty()) return;
    throw Error(ErrorCode::kInvalidArgument,
                {.where = source_.path.string(),
                 .what = "an adapter of another model",
                 .got = problems});
  }

  const Checkpoint& source_;
  const ConvertFolderOptions& options_;
  std::vector<Step> steps_;
};

// values += scale·up·down.
void Add(const Addition& addition, const Tensor& tensor,
         std::vector<float>& values) {
  const auto up = Floats(addition.pair->up);
  const auto down = Floats(addition.pair->down);
  const auto rank = static_cast<size_t>(addition.pair->down.shape[0]);
  const auto rows = static_cast<size_t>(addition.pair->up.shape[0]);
  const auto columns = static_cast<size_t>(addition.pair->down.shape[1]);
  std::vector<float> row(columns);
  for (size_t r = 0; r < rows; ++r) {
    std::fill(row.begin(), row.end(), 0.0f);
    for (size_t k = 0; k < rank; ++k) {
      const float factor =
          static_cast<float>(addition.pair->scale) * up[r * rank + k];
      const float* from = down.data() + k * columns;
      for (size_t c = 0; c < columns; ++c) row[c] += factor * from[c];
    }
    for (size_t c = 0; c < columns; ++c) {
      values[addition.transposed ? c * rows + r : r * columns + c] += row[c];
    }
  }
  MALMOI_CHECK(values.size() == static_cast<size_t>(tensor.elements()));
}

std::vector<std::byte> BytesOf(const Checkpoint& source, const Step& step) {
  Tensor tensor = step.tensor;
  if (tensor.dtype == DType::kF8E4M3) {
    tensor = FromFp8(source, step.name, tensor);
  }
  if (step.additions.empty() && tensor.dtype == step.dtype) {
    return {tensor.data.begin(), tensor.data.end()};
  }
  std::vector<float> values = Floats(tensor);
  for (const Addition& addition : step.additions) {
    Add(addition, tensor, values);
  }
  if (step.dtype == DType::kF16) {
    for (const float value : values) {
      if (std::isfinite(value) && std::fabs(value) >= 65520.0f) {
        throw Error(ErrorCode::kLimit, {.where = step.name,
                                        .what = "a value that F16 cannot hold",
                                        .expected = "at most 65504",
                                        .got = Format("{}", value),
                                        .hint = "--type BF16"});
      }
    }
  }
  std::vector<std::byte> bytes(
      *ByteSize(step.dtype, static_cast<uint64_t>(tensor.elements())));
  kernels::QuantizeRow(step.dtype, values.data(), tensor.elements(),
                       bytes.data());
  return bytes;
}

// config.json, of what the weights are now.
Json NewConfig(const Checkpoint& source, const ConvertFolderOptions& options) {
  Json config = source.folder->config;
  config.erase("quantization_config");
  for (const char* key : {"dtype", "torch_dtype"}) {
    if (!options.dtype || !config.contains(key)) continue;
    config[key] = *options.dtype == DType::kF32   ? "float32"
                  : *options.dtype == DType::kF16 ? "float16"
                                                  : "bfloat16";
  }
  for (const auto& adapter : source.adapters) {
    for (const auto& [name, tensor] : adapter->saved()) {
      if (name.ends_with("lm_head.weight")) {
        config["tie_word_embeddings"] = false;
      }
    }
  }
  return config;
}

bool IsWeights(const fs::path& path) {
  static const std::set<std::string> kWeights = {
      ".safetensors", ".bin", ".pt",   ".pth",    ".ckpt", ".h5",
      ".msgpack",     ".ot",  ".onnx", ".tflite", ".gguf", ".pkl"};
  return kWeights.contains(path.extension().string()) ||
         path.filename().string().ends_with(".index.json");
}

// The files beside the weights, and the folders that modules.json names, whole.
void CopyRest(const fs::path& from, const fs::path& to) {
  for (const auto& entry : fs::directory_iterator(from)) {
    if (!entry.is_regular_file() || IsWeights(entry.path())) continue;
    if (entry.path().filename() == "config.json") continue;
    fs::copy_file(entry.path(), to / entry.path().filename());
  }
  if (!fs::exists(from / "modules.json")) return;
  const Json modules = ParseJson(ReadFile(from / "modules.json"),
                                 (from / "modules.json").string());
  if (!modules.is_array()) return;
  for (const Json& module : modules) {
    if (!module.is_object() || !module.contains("path") ||
        !module["path"].is_string()) {
      continue;
    }
    const fs::path name = module["path"].get<std::string>();
    // Of this folder only.
    if (name.empty() || name.has_parent_path() || name == "..") continue;
    if (!fs::is_directory(from / name)) continue;
    fs::copy(from / name, to / name, fs::copy_options::recursive);
  }
}

}  // namespace

ConvertResult ConvertToFolder(const Checkpoint& source, const fs::path& output,
                              const ConvertFolderOptions& options) {
  if (!source.folder) {
    Refuse(source, "a GGUF file is not converted to a folder", "a GGUF file",
           "the Hugging Face folder it was made from");
  }
  for (const auto& [name, tensor] : source.tensors()) {
    if (name.ends_with("_blocks") && tensor.dtype == DType::kU8) {
      Refuse(source, "MXFP4 is not converted", name);
    }
  }
  std::vector<Step> steps = Planner(source, options).Plan();
  std::vector<formats::SafetensorsInfo> infos;
  ConvertResult result;
  result.architecture = source.Architecture();
  for (const Step& step : steps) {
    infos.push_back({step.name, step.tensor.shape, step.dtype});
    result.parameters += step.tensor.elements();
  }
  result.tensors = std::ssize(steps);
  try {
    NewFolder partial(output, source.path, options.overwrite);
    CopyRest(source.path, partial.path());
    WriteFileAtomically(partial.path() / "config.json",
                        NewConfig(source, options).dump(2) + "\n");
    const auto bytes = [&](size_t i) {
      std::vector<std::byte> made = BytesOf(source, steps[i]);
      if (steps[i].tensor.mapped) DropPages(steps[i].tensor.data);
      return made;
    };
    result.bytes =
        WriteTensors(partial, output, infos, bytes, options.progress);
    partial.Keep();
  } catch (const fs::filesystem_error& error) {
    ThrowErrno(output.string(), "cannot write the folder",
               error.code().value());
  }
  return result;
}

}  // namespace malmoi::models
