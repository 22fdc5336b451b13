#include "represent/contextual/modules.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <span>
#include <utility>

#include "base/error.h"
#include "base/format.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "models/config.h"
#include "models/convert_modules.h"
#include "models/families/block_parts.h"
#include "ops/rows.h"

namespace malmoi::represent {

namespace {

namespace fs = std::filesystem;

[[noreturn]] void Refuse(const fs::path& path, std::string what,
                         std::string got, std::string expected = "") {
  throw Error(ErrorCode::kUnsupported, {.where = path.string(),
                                        .what = std::move(what),
                                        .expected = std::move(expected),
                                        .got = std::move(got)});
}

std::string Text(const Json& json, const char* key,
                 const std::string& fallback = "") {
  const auto it = json.find(key);
  return it != json.end() && it->is_string() ? it->get<std::string>()
                                             : fallback;
}

bool Flag(const Json& json, const char* key, bool fallback) {
  const auto it = json.find(key);
  return it != json.end() && it->is_boolean() ? it->get<bool>() : fallback;
}

int64_t Number(const Json& json, const char* key) {
  const auto it = json.find(key);
  return it != json.end() && it->is_number_integer() ? it->get<int64_t>() : 0;
}

Json ReadObject(const fs::path& path) {
  Json json = ReadJson(path);
  if (!json.is_object()) {
    throw Error(ErrorCode::kCorrupt,
                {.where = path.string(), .what = "not a JSON object"});
  }
  return json;
}

// "…models.Dense" and "…modules.dense.Dense" are both "Dense".
std::string KindOf(const std::string& type) {
  return type.substr(type.rfind('.') + 1);
}

Json ReadList(const fs::path& folder) {
  Json list = ReadJsonIfThere(folder / "modules.json");
  if (!list.is_null() && !list.is_array()) {
    throw Error(ErrorCode::kCorrupt, {.where = (folder / "modules.json"),
                                      .what = "not a list of modules"});
  }
  return list;
}

void AddMode(const fs::path& path, const std::string& name,
             std::vector<Pooling>& modes) {
  const auto mode = FindPooling(name);
  if (!mode) {
    Refuse(path, "unknown kind of pooling", name,
           "cls, max, mean, mean_sqrt_len_tokens, weightedmean, lasttoken");
  }
  modes.push_back(*mode);
}

// One name or a list of them; or, as it used to be, a flag for each.
void ReadPooling(const fs::path& path, Modules& modules) {
  const Json config = ReadObject(path);
  constexpr std::pair<const char*, Pooling> kFlags[] = {
      {"pooling_mode_cls_token", Pooling::kFirst},
      {"pooling_mode_max_tokens", Pooling::kMax},
      {"pooling_mode_mean_tokens", Pooling::kMean},
      {"pooling_mode_mean_sqrt_len_tokens", Pooling::kMeanSqrt},
      {"pooling_mode_weightedmean_tokens", Pooling::kWeightedMean},
      {"pooling_mode_lasttoken", Pooling::kLast}};
  const auto mode = config.find("pooling_mode");
  if (mode != config.end() && mode->is_string()) {
    AddMode(path, mode->get<std::string>(), modules.pooling);
  } else if (mode != config.end() && mode->is_array()) {
    for (const Json& each : *mode) {
      AddMode(path, each.is_string() ? each.get<std::string>() : each.dump(),
              modules.pooling);
    }
  } else {
    for (const auto& [key, pooling] : kFlags) {
      if (Flag(config, key, false)) modules.pooling.push_back(pooling);
    }
  }
  if (modules.pooling.empty()) modules.pooling.push_back(Pooling::kMean);
  modules.include_prompt = Flag(config, "include_prompt", true);
}

StepActivation ReadActivation(const fs::path& path, const Json& config) {
  constexpr std::pair<const char*, StepActivation> kNames[] = {
      {"Identity", StepActivation::kIdentity}, {"Tanh", StepActivation::kTanh},
      {"ReLU", StepActivation::kRelu},         {"GELU", StepActivation::kGelu},
      {"Sigmoid", StepActivation::kSigmoid},   {"SiLU", StepActivation::kSilu}};
  const auto it = config.find("activation_function");
  if (it == config.end()) return StepActivation::kTanh;
  const std::string name =
      it->is_string() ? KindOf(it->get<std::string>()) : it->dump();
  for (const auto& [known, activation] : kNames) {
    if (name == known) return activation;
  }
  Refuse(path, "unknown activation of a projection", name,
         "Identity, Tanh, ReLU, GELU, Sigmoid or SiLU");
}

// The tensors of a module's folder.
class ModuleFile {
 public:
  explicit ModuleFile(const fs::path& folder)
      : path_(folder / "model.safetensors") {
    if (!fs::exists(path_) && fs::exists(folder / "pytorch_model.bin")) {
      throw Error(ErrorCode::kUnsupported,
                  {.where = (folder / "pytorch_model.bin").string(),
                   .what = "weights as a pickle, whose reading runs code",
                   .expected = "model.safetensors",
                   .hint = "saving the model again with a newer "
                           "sentence-transformers"});
    }
    tensors_ = formats::SafetensorsFile::Open(path_).tensors;
  }

  const Tensor& Find(const std::string& name, const Shape& shape) const {
    const auto it = tensors_.find(name);
    if (it == tensors_.end() || it->second.shape != shape ||
        IsQuantized(it->second.dtype)) {
      throw Error(
          ErrorCode::kCorrupt,
          {.where = path_.string(),
           .what = Format("{} is missing or misshapen", name),
           .expected = ShapeString(shape),
           .got =
               it == tensors_.end() ? "none" : ShapeString(it->second.shape)});
    }
    return it->second;
  }

 private:
  fs::path path_;
  formats::TensorMap tensors_;
};

void PackMatrix(const Tensor& tensor, ThreadPool& pool,
                models::Linear& linear) {
  const ops::PackJob job[] = {{&tensor, &linear, /*as_f32=*/true}};
  ops::Pack(pool, job);
}

Step ReadDense(const fs::path& folder, ThreadPool& pool, bool& of_tokens) {
  const fs::path path = folder / "config.json";
  const Json config = ReadObject(path);
  Step step;
  step.kind = StepKind::kDense;
  step.activation = ReadActivation(path, config);
  const int64_t in = Number(config, "in_features");
  const int64_t out = Number(config, "out_features");
  constexpr int64_t kMost = 1 << 20;
  if (in < 1 || out < 1 || in > kMost || out > kMost) {
    throw Error(ErrorCode::kCorrupt, {.where = path.string(),
                                      .what = "senseless sizes",
                                      .got = Format("{} to {}", in, out)});
  }
  const std::string reads =
      Text(config, "module_input_name", "sentence_embedding");
  const std::string writes = Text(config, "module_output_name", reads);
  if (reads != writes ||
      (reads != "sentence_embedding" && reads != "token_embeddings")) {
    Refuse(path, "a projection from one feature to another",
           Format("{} to {}", reads, writes));
  }
  of_tokens = reads == "token_embeddings";
  const ModuleFile file(folder);
  PackMatrix(file.Find("linear.weight", {out, in}), pool, step.linear);
  if (Flag(config, "bias", true)) {
    step.linear.bias = models::Floats(file.Find("linear.bias", {out}));
  }
  step.adds_input = Flag(config, "use_residual", false);
  if (step.adds_input && in != out) {
    PackMatrix(file.Find("residual.weight", {out, in}), pool, step.residual);
  }
  return step;
}

Step ReadLayerNorm(const fs::path& folder) {
  const Json config = ReadObject(folder / "config.json");
  const int64_t width = Number(config, "dimension");
  const ModuleFile file(folder);
  Step step;
  step.kind = StepKind::kLayerNorm;
  step.norm.weight = models::Floats(file.Find("norm.weight", {width}));
  step.norm.bias = models::Floats(file.Find("norm.bias", {width}));
  return step;
}

// Every step must read what comes out of the one before.
void CheckWidths(const fs::path& path, const std::vector<Step>& steps,
                 int64_t width) {
  for (const Step& step : steps) {
    const int64_t in = step.kind == StepKind::kDense ? step.linear.columns
                       : step.kind == StepKind::kLayerNorm
                           ? static_cast<int64_t>(step.norm.weight.size())
                           : width;
    if (in != width) {
      throw Error(ErrorCode::kCorrupt,
                  {.where = path.string(),
                   .what = "a module reads vectors of another width",
                   .expected = std::to_string(width),
                   .got = std::to_string(in)});
    }
    if (step.kind == StepKind::kDense) width = step.linear.rows;
  }
}

void ReadPrompts(const fs::path& folder, Modules& modules) {
  const Json config =
      ReadJsonIfThere(folder / "config_sentence_transformers.json");
  if (!config.is_object()) return;
  const auto prompts = config.find("prompts");
  if (prompts != config.end() && prompts->is_object()) {
    for (const auto& [name, prompt] : prompts->items()) {
      if (prompt.is_string()) {
        modules.prompts[name] = prompt.get<std::string>();
      }
    }
  }
  modules.default_prompt = Text(config, "default_prompt_name");
  if (!modules.default_prompt.empty() &&
      !modules.prompts.contains(modules.default_prompt)) {
    throw Error(ErrorCode::kCorrupt,
                {.where = (folder / "config_sentence_transformers.json"),
                 .what = "the default prompt is not among the prompts",
                 .got = modules.default_prompt});
  }
}

void ReadLimits(const fs::path& transformer, Modules& modules) {
  const Json limits =
      ReadJsonIfThere(transformer / "sentence_bert_config.json");
  if (limits.is_object()) {
    if (const int64_t most = Number(limits, "max_seq_length"); most > 0) {
      modules.max_tokens = most;
    }
    modules.lower_case = Flag(limits, "do_lower_case", false);
    const std::string task =
        Text(limits, "transformer_task", "feature-extraction");
    if (task != "feature-extraction") {
      Refuse(transformer / "sentence_bert_config.json",
             "a transformer for another task", task, "feature-extraction");
    }
  }
  const Json tokenizer = ReadJsonIfThere(transformer / "tokenizer_config.json");
  std::string side;
  if (tokenizer.is_object()) {
    // Those who have none write 1e30.
    const auto most = tokenizer.find("model_max_length");
    if (most != tokenizer.end() && most->is_number_integer() &&
        most->get<int64_t>() > 0) {
      modules.tokenizer_maximum = most->get<int64_t>();
    }
    side = Text(tokenizer, "truncation_side");
  }
  modules.left = side == "left";
}

void ReadModule(const fs::path& folder, const Json& module, ThreadPool& pool,
                bool pools, Modules& modules) {
  const std::string type = Text(module, "type");
  const fs::path part = folder / Text(module, "path");
  const std::string kind = KindOf(type);
  bool of_tokens = false;
  if (kind == "Transformer" || kind == "Dropout") return;
  if (kind == "Pooling") {
    ReadPooling(part / "config.json", modules);
  } else if (kind == "Dense") {
    Step step = ReadDense(part, pool, of_tokens);
    auto& steps = of_tokens || !pools ? modules.token_steps : modules.steps;
    steps.push_back(std::move(step));
  } else if (kind == "LayerNorm") {
    modules.steps.push_back(ReadLayerNorm(part));
  } else if (kind == "Normalize") {
    const Json config = ReadJsonIfThere(part / "config.json");
    const std::string reads =
        config.is_object()
            ? Text(config, "module_input_name", "sentence_embedding")
            : "sentence_embedding";
    const bool tokens = reads == "token_embeddings" || !pools;
    (tokens ? modules.token_steps : modules.steps).emplace_back();
  } else {
    Refuse(folder / "modules.json", "unknown module", type,
           "Transformer, Pooling, Dense, LayerNorm, Normalize or Dropout");
  }
}

Modules FromFolder(const fs::path& folder, int64_t width, ThreadPool& pool) {
  Modules modules;
  modules.transformer = TransformerFolder(folder);
  const Json list = ReadList(folder);
  if (list.is_array()) {
    const bool pools =
        std::any_of(list.begin(), list.end(), [](const Json& module) {
          return KindOf(Text(module, "type")) == "Pooling";
        });
    for (const Json& module : list) {
      ReadModule(folder, module, pool, pools, modules);
    }
  } else {
    modules.pooling.push_back(Pooling::kMean);
  }
  CheckWidths(folder, modules.token_steps, width);
  CheckWidths(folder, modules.steps,
              static_cast<int64_t>(modules.pooling.size()) *
                  WidthBehind(modules.token_steps, width));
  ReadPrompts(folder, modules);
  ReadLimits(modules.transformer, modules);
  return modules;
}

// A dense layer of a GGUF, where it has one of that name.
void AddGgufDense(const formats::GgufFile& file, const std::string& name,
                  ThreadPool& pool, Modules& modules) {
  const auto weight = file.tensors().find(name + ".weight");
  const auto bias = file.tensors().find(name + ".bias");
  if (weight == file.tensors().end() && bias == file.tensors().end()) return;
  const bool fits = weight != file.tensors().end() &&
                    weight->second.shape.size() == 2 &&
                    (bias == file.tensors().end() ||
                     bias->second.shape == Shape{weight->second.shape[0]});
  if (!fits) {
    throw Error(ErrorCode::kCorrupt, {.where = file.where(),
                                      .what = "a misshapen dense layer",
                                      .got = name});
  }
  Step step;
  step.kind = StepKind::kDense;
  PackMatrix(weight->second, pool, step.linear);
  if (bias != file.tensors().end()) {
    step.linear.bias = models::Floats(bias->second);
  }
  modules.steps.push_back(std::move(step));
}

// llama.cpp's pooling types.
Modules FromGguf(const models::Checkpoint& checkpoint, int64_t width,
                 ThreadPool& pool) {
  const formats::GgufFile& file = *checkpoint.gguf;
  Modules modules;
  modules.transformer = checkpoint.path;
  const std::string key = checkpoint.Architecture() + ".pooling_type";
  const auto type = file.GetInt(key);
  if (!type) {
    modules.pooling.push_back(Pooling::kMean);
  } else if (*type == 1) {
    modules.pooling.push_back(Pooling::kMean);
  } else if (*type == 2) {
    modules.pooling.push_back(Pooling::kFirst);
  } else if (*type == 3) {
    modules.pooling.push_back(Pooling::kLast);
  } else if (*type != 0) {
    Refuse(checkpoint.path, "a kind of pooling that gives no vector",
           *type == 4 ? "4, of a reranker" : std::to_string(*type),
           "0 (none), 1 (mean), 2 (first) or 3 (last)");
  }
  for (const char* name : {"dense_2", "dense_3"}) {
    AddGgufDense(file, name, pool, modules);
  }
  if (file.GetBool(models::kNormalizeKey).value_or(false)) {
    modules.steps.emplace_back();
  }
  CheckWidths(checkpoint.path, modules.steps, width);
  return modules;
}

void Activate(StepActivation activation, std::span<float> values) {
  const auto each = [&](auto&& f) {
    for (float& value : values) value = f(value);
  };
  switch (activation) {
    case StepActivation::kIdentity:
      return;
    case StepActivation::kTanh:
      return each([](float x) { return std::tanh(x); });
    case StepActivation::kRelu:
      return each([](float x) { return std::max(x, 0.0f); });
    case StepActivation::kGelu:
      return each([](float x) {
        return 0.5f * x * (1.0f + std::erf(x * 0.70710678f));
      });
    case StepActivation::kSigmoid:
      return each([](float x) { return 1.0f / (1.0f + std::exp(-x)); });
    case StepActivation::kSilu:
      return each([](float x) { return x / (1.0f + std::exp(-x)); });
  }
}

std::vector<float> ApplyDense(Exec& exec, const Step& step,
                              const std::vector<float>& x, int64_t count) {
  std::vector<float> out(static_cast<size_t>(count * step.linear.rows));
  models::ProjectRows(exec, x.data(), count, step.linear, out.data());
  Activate(step.activation, out);
  if (!step.adds_input) return out;
  std::vector<float> added = x;
  if (step.residual.rows > 0) {
    added.resize(out.size());
    models::ProjectRows(exec, x.data(), count, step.residual, added.data());
  }
  for (size_t i = 0; i < out.size(); ++i) out[i] += added[i];
  return out;
}

}  // namespace

fs::path TransformerFolder(const fs::path& path) {
  if (!fs::is_directory(path)) return path;
  const Json list = ReadList(path);
  if (!list.is_array()) return path;
  for (const Json& module : list) {
    if (KindOf(Text(module, "type")) == "Transformer") {
      const std::string own = Text(module, "path");
      return own.empty() ? path : path / own;
    }
  }
  return path;
}

std::optional<fs::path> TableFolder(const fs::path& folder) {
  const Json list = ReadList(folder);
  if (!list.is_array() || list.empty() || !list[0].is_object() ||
      KindOf(Text(list[0], "type")) != "StaticEmbedding") {
    return std::nullopt;
  }
  const std::string own = Text(list[0], "path");
  return own.empty() || own == "." ? folder : folder / own;
}

Modules ReadTableModules(const fs::path& folder, int64_t width,
                         ThreadPool& pool) {
  Modules modules;
  const Json list = ReadList(folder);
  for (size_t i = 1; i < list.size(); ++i) {
    ReadModule(folder, list[i], pool, /*pools=*/true, modules);
  }
  if (!modules.pooling.empty() || !modules.token_steps.empty()) {
    Refuse(folder / "modules.json", "modules of tokens behind a table",
           "Pooling or a step of tokens");
  }
  CheckWidths(folder, modules.steps, width);
  ReadPrompts(folder, modules);
  return modules;
}

Modules ReadModules(const models::Checkpoint& checkpoint,
                    const fs::path& folder, int64_t width, ThreadPool& pool) {
  return checkpoint.gguf ? FromGguf(checkpoint, width, pool)
                         : FromFolder(folder, width, pool);
}

int64_t WidthBehind(const std::vector<Step>& steps, int64_t width) {
  for (const Step& step : steps) {
    if (step.kind == StepKind::kDense) width = step.linear.rows;
  }
  return width;
}

std::vector<float> ApplySteps(Exec& exec, const std::vector<Step>& steps,
                              std::vector<float> vectors, int64_t count) {
  if (count == 0) return vectors;
  for (const Step& step : steps) {
    const size_t width = vectors.size() / static_cast<size_t>(count);
    switch (step.kind) {
      case StepKind::kDense:
        vectors = ApplyDense(exec, step, vectors, count);
        break;
      case StepKind::kLayerNorm:
        ops::NormInPlace(exec, ops::NormKind::kLayer, count, step.norm.weight,
                         step.norm.bias, 1e-5, nullptr, vectors.data());
        break;
      case StepKind::kNormalize:
        for (size_t at = 0; at < vectors.size(); at += width) {
          NormalizeVector(std::span(vectors).subspan(at, width));
        }
        break;
    }
  }
  return vectors;
}

}  // namespace malmoi::represent
