#include "models/convert_modules.h"

#include <span>
#include <string>
#include <utility>

#include "base/file.h"
#include "base/format.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "formats/safetensors_writer.h"
#include "models/families/weight_reader.h"

namespace malmoi::models {

namespace {

namespace fs = std::filesystem;

class Modules {
 public:
  Modules(const Checkpoint& source, const GgufForm& form,
          formats::GgufMetadata& metadata, std::vector<ConvertStep>& steps)
      : source_(source),
        prefix_(std::string(form.architecture) + "."),
        dense_layers_(form.dense_layers),
        metadata_(metadata),
        steps_(steps) {}

  void Add(const Json& module) {
    const std::string type = module.value("type", "");
    if (type.ends_with(".Transformer")) return;
    normalizes_ = type.ends_with(".Normalize");
    if (normalizes_) return;
    const fs::path name = module.value("path", "");
    const bool here = !name.has_parent_path() && name != "..";
    if (here && type.ends_with(".Pooling") && layers_ == 0) {
      AddPooling(source_.path / name);
    } else if (here && type.ends_with(".Dense") && layers_ < dense_layers_) {
      AddDense(source_.path / name);
    } else {
      RefuseConvert(source_, "a module that is not converted", type);
    }
  }

  // Behind all others. GGUF has no word for it.
  void AddNormalize() {
    if (normalizes_) metadata_.Bool(kNormalizeKey, true);
  }

 private:
  void AddPooling(const fs::path& folder) {
    const Json pooling = ReadJsonIfThere(folder / "config.json");
    const auto is = [&](const char* flag, const char* mode) {
      return pooling.is_object() &&
             (pooling.value(flag, Json()) == true ||
              pooling.value("pooling_mode", Json()) == mode);
    };
    const uint32_t kind = is("pooling_mode_mean_tokens", "mean")      ? 1
                          : is("pooling_mode_cls_token", "cls")       ? 2
                          : is("pooling_mode_lasttoken", "lasttoken") ? 3
                                                                      : 0;
    if (kind == 0) {
      RefuseConvert(source_, "a pooling that is not converted", pooling.dump());
    }
    metadata_.U32(prefix_ + "pooling_type", kind);
  }

  // A matrix and nothing else.
  void AddDense(const fs::path& folder) {
    const Json config = ReadJsonIfThere(folder / "config.json");
    const auto refuse = [&](const char* what) {
      RefuseConvert(source_, Format("a dense layer with {}", what),
                    folder.filename().string());
    };
    if (!config.is_object()) refuse("no config.json");
    const std::string activation =
        config.value("activation_function", "torch.nn.modules.activation.Tanh");
    if (!activation.ends_with(".Identity")) refuse("an activation");
    if (config.value("bias", Json(true)) != false) refuse("a bias");
    if (config.value("use_residual", Json(false)) != false)
      refuse("a residual");
    const auto feature = [&](const char* key) {
      return config.value(key, Json("sentence_embedding"));
    };
    if (feature("module_input_name") != "sentence_embedding" ||
        feature("module_output_name") != "sentence_embedding") {
      refuse("other features than a text's");
    }
    const auto tensors =
        formats::SafetensorsFile::Open(folder / "model.safetensors").tensors;
    const auto it = tensors.find("linear.weight");
    if (it == tensors.end() || tensors.size() != 1 ||
        it->second.shape.size() != 2) {
      refuse("other tensors than linear.weight");
    }
    const std::string name = Format("dense_{}", 2 + layers_++);
    const Tensor& tensor = it->second;
    if (tensor.dtype != DType::kF32 && tensor.dtype != DType::kF16 &&
        tensor.dtype != DType::kBF16) {
      refuse("another type than F32, F16 or BF16");
    }
    ConvertStep step;
    step.info = {name + ".weight", tensor.shape, tensor.dtype};
    step.outside = tensor;
    steps_.push_back(std::move(step));
    metadata_.U32(prefix_ + name + "_feat_in",
                  static_cast<uint32_t>(tensor.shape[1]));
    metadata_.U32(prefix_ + name + "_feat_out",
                  static_cast<uint32_t>(tensor.shape[0]));
  }

  const Checkpoint& source_;
  const std::string prefix_;
  const int dense_layers_;
  formats::GgufMetadata& metadata_;
  std::vector<ConvertStep>& steps_;
  int layers_ = 0;
  bool normalizes_ = false;
};

// The modules of a folder that is written.
class Writer {
 public:
  explicit Writer(const fs::path& folder) : folder_(folder) {}

  // A folder of its own; the first has none.
  fs::path Add(const char* kind) {
    const size_t number = modules_.size();
    const std::string path = number == 0 ? "" : Format("{}_{}", number, kind);
    modules_.push_back(
        {{"idx", number},
         {"name", std::to_string(number)},
         {"path", path},
         {"type", Format("sentence_transformers.models.{}", kind)}});
    fs::create_directories(folder_ / path);
    return folder_ / path;
  }
  void Write() const { WriteJson(folder_ / "modules.json", modules_); }

  static void WriteJson(const fs::path& path, const Json& json) {
    WriteFileAtomically(path, json.dump(2) + "\n");
  }

 private:
  const fs::path& folder_;
  Json modules_ = Json::array();
};

void WritePooling(int64_t kind, int64_t width, Writer& writer) {
  Writer::WriteJson(writer.Add("Pooling") / "config.json",
                    {{"word_embedding_dimension", width},
                     {"pooling_mode_mean_tokens", kind == 1},
                     {"pooling_mode_cls_token", kind == 2},
                     {"pooling_mode_lasttoken", kind == 3},
                     {"pooling_mode_max_tokens", false},
                     {"pooling_mode_mean_sqrt_len_tokens", false}});
}

void WriteDense(const Tensor& weight, const Tensor* bias, Writer& writer) {
  const fs::path folder = writer.Add("Dense");
  Writer::WriteJson(
      folder / "config.json",
      {{"in_features", weight.columns()},
       {"out_features", weight.rows()},
       {"bias", bias != nullptr},
       {"activation_function", "torch.nn.modules.linear.Identity"}});
  std::vector<formats::SafetensorsInfo> infos;
  std::vector<std::vector<float>> values;
  if (bias != nullptr) {
    infos.push_back({"linear.bias", bias->shape, DType::kF32});
    values.push_back(Floats(*bias));
  }
  infos.push_back({"linear.weight", weight.shape, DType::kF32});
  values.push_back(Floats(weight));
  formats::SafetensorsWriter file(folder / "model.safetensors", infos,
                                  {{"format", "pt"}});
  for (const auto& one : values) file.Write(std::as_bytes(std::span(one)));
  file.Finish();
}

}  // namespace

void WriteModules(const Checkpoint& source, int64_t width,
                  const fs::path& folder) {
  const formats::GgufFile& file = *source.gguf;
  const auto tensor = [&](const std::string& name) {
    const auto it = file.tensors().find(name);
    return it == file.tensors().end() ? nullptr : &it->second;
  };
  const auto pooling = file.GetInt(source.Architecture() + ".pooling_type");
  if (!pooling || *pooling == 0) {
    if (tensor("dense_2.weight") != nullptr) {
      RefuseConvert(source, "dense layers without a pooling", "dense_2.weight");
    }
    return;
  }
  if (*pooling < 1 || *pooling > 3) {
    RefuseConvert(source, "a kind of pooling that gives no vector",
                  std::to_string(*pooling));
  }
  Writer writer(folder);
  writer.Add("Transformer");
  WritePooling(*pooling, width, writer);
  for (const std::string name : {"dense_2", "dense_3"}) {
    const Tensor* weight = tensor(name + ".weight");
    if (weight != nullptr) WriteDense(*weight, tensor(name + ".bias"), writer);
  }
  if (file.GetBool(kNormalizeKey).value_or(false)) writer.Add("Normalize");
  writer.Write();
}

void AddModules(const Checkpoint& source, const GgufForm& form,
                formats::GgufMetadata& metadata,
                std::vector<ConvertStep>& steps) {
  const Json list = ReadJsonIfThere(source.path / "modules.json");
  if (!list.is_array()) return;
  Modules modules(source, form, metadata, steps);
  for (const Json& module : list) modules.Add(module);
  modules.AddNormalize();
}

}  // namespace malmoi::models
