#include "models/adapter.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "base/corrupt.h"
#include "base/error.h"
#include "base/file.h"
#include "base/format.h"
#include "base/sha256.h"
#include "formats/detect.h"
#include "formats/safetensors.h"
#include "models/checkpoint.h"

namespace malmoi::models {

namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxRank = 65536;

[[noreturn]] void Refuse(const std::string& where, std::string what,
                         std::string got) {
  throw Error(ErrorCode::kUnsupported,
              {.where = where,
               .what = "an adapter of a kind malmoi does not apply",
               .expected = "LoRA without " + what,
               .got = std::move(got),
               .hint = "merging it into its model with PEFT "
                       "(merge_and_unload)"});
}

bool IsSet(const Json& config, const char* key) {
  if (!config.contains(key)) return false;
  const Json& value = config[key];
  return !value.is_null() && value != false &&
         !(value.is_array() && value.empty()) &&
         !(value.is_object() && value.empty());
}

// What changes the sum, and is not done here.
void CheckSettings(const Json& config, const std::string& where) {
  if (!config.is_object()) {
    Corrupt(where, "settings of an adapter that are no object", "", "");
  }
  const std::string type = config.value("peft_type", Json("LORA")).is_string()
                               ? config.value("peft_type", "LORA")
                               : "";
  if (type != "LORA") {
    throw Error(ErrorCode::kUnsupported,
                {.where = where,
                 .what = "an adapter of a kind malmoi does not apply",
                 .expected = "LORA",
                 .got = type.substr(0, 40)});
  }
  struct Setting {
    const char *key, *name;
  };
  constexpr Setting kSettings[] = {
      {"use_dora", "DoRA"},
      {"lora_bias", "a bias of its own"},
      {"use_qalora", "QALoRA"},
      {"use_bdlora", "block diagonals"},
      {"alora_invocation_tokens", "activation by tokens"},
      {"arrow_config", "Arrow routing"},
      {"kasa_config", "KaSA"},
      {"monteclora_config", "MonteCLoRA"},
      {"velora_config", "VeLoRA"},
      {"layer_replication", "replicated layers"},
      {"trainable_token_indices", "trained tokens"},
      {"target_parameters", "parameters as targets"},
  };
  for (const Setting& setting : kSettings) {
    if (IsSet(config, setting.key)) Refuse(where, setting.name, setting.key);
  }
  const Json bias = config.value("bias", Json("none"));
  if (bias != "none") {
    Refuse(where, "trained biases", "bias " + DumpJson(bias).substr(0, 40));
  }
  // These change the model's weights when training begins, and PEFT does it
  // again when it loads them.
  const Json init = config.value("init_lora_weights", Json(true));
  if (init.is_string() && init != "gaussian" && init != "eva" &&
      init != "orthogonal") {
    Refuse(where, "a start that changes the model",
           "init_lora_weights " + DumpJson(init).substr(0, 40));
  }
}

double Number(const Json& value, const std::string& key,
              const std::string& where) {
  if (!value.is_number() || !std::isfinite(value.get<double>())) {
    Corrupt(where, "a senseless number in the settings", key,
            DumpJson(value).substr(0, 40));
  }
  return value.get<double>();
}

// PEFT matches these as (.*\.)?(pattern)$; a pattern is a module's name, whole
// or its end. Dots may be escaped.
bool Matches(const std::string& pattern, std::string_view module,
             const std::string& where) {
  std::string plain;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '^' && i == 0) continue;
    if (c == '\\' && i + 1 < pattern.size() && pattern[i + 1] == '.') continue;
    if (std::string_view("\\^$*+?()[]{}|").find(c) != std::string_view::npos) {
      Refuse(where, "regular expressions in alpha_pattern",
             pattern.substr(0, 60));
    }
    plain += c;
  }
  if (!module.ends_with(plain)) return false;
  const size_t before = module.size() - plain.size();
  return before == 0 ||
         (!pattern.starts_with('^') && module[before - 1] == '.');
}

double AlphaOf(const Json& config, std::string_view module,
               const std::string& where) {
  if (!IsSet(config, "alpha_pattern")) {
    return Number(config.value("lora_alpha", Json(8)), "lora_alpha", where);
  }
  const Json& patterns = config["alpha_pattern"];
  if (!patterns.is_object()) {
    Corrupt(where, "a senseless alpha_pattern", "an object", "");
  }
  for (const auto& [pattern, value] : patterns.items()) {  // the first counts
    if (Matches(pattern, module, where)) {
      return Number(value, "alpha_pattern", where);
    }
  }
  return Number(config.value("lora_alpha", Json(8)), "lora_alpha", where);
}

// Takes an end off; false where the name has another.
bool Cut(std::string& name, std::string_view end) {
  if (!name.ends_with(end)) return false;
  name.resize(name.size() - end.size());
  return true;
}

}  // namespace

AdapterChoice ParseAdapterChoice(const std::string& text) {
  AdapterChoice choice{text, 1.0};
  const size_t colon = text.rfind(':');
  std::error_code error;
  if (colon == std::string::npos || fs::exists(choice.path, error)) {
    return choice;
  }
  const std::string number = text.substr(colon + 1);
  char* end = nullptr;
  choice.scale = std::strtod(number.c_str(), &end);
  if (number.empty() || *end != '\0' || !std::isfinite(choice.scale)) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "--adapter",
                 .what = "no such folder, and no scale behind the colon",
                 .expected = "FOLDER or FOLDER:SCALE",
                 .got = text});
  }
  choice.path = text.substr(0, colon);
  return choice;
}

void Adapter::AddTensor(const std::string& name, const Tensor& tensor,
                        const std::string& where) {
  std::string module = name;
  const bool down = Cut(module, ".lora_A.weight") ||
                    Cut(module, ".lora_A.default.weight") ||
                    Cut(module, ".weight.lora_a");
  const bool up = !down && (Cut(module, ".lora_B.weight") ||
                            Cut(module, ".lora_B.default.weight") ||
                            Cut(module, ".weight.lora_b"));
  if (down || up) {
    Pair& pair = pairs_[module];
    (down ? pair.down : pair.up) = tensor;
    return;
  }
  // PEFT keeps a copy of a head that was trained with low ranks beside it.
  if (name.ends_with(".base_layer.weight")) return;
  if (name.find("lora_embedding_") != std::string::npos) {
    Refuse(where, "low ranks of an embedding", name);
  }
  if (name.find("lora_") != std::string::npos) {
    Refuse(where, "other tensors than lora_A and lora_B", name);
  }
  saved_.emplace(name, tensor);
}

void Adapter::Finish(const std::string& where) {
  std::string problems;
  const auto note = [&](const std::string& text) {
    problems += (problems.empty() ? "" : "; ") + text;
  };
  for (const auto& [module, pair] : pairs_) {
    const bool whole = pair.down.shape.size() == 2 && pair.up.shape.size() == 2;
    if (!whole) {
      note(module + " lacks one of lora_A and lora_B, or it is no matrix");
      continue;
    }
    for (const Tensor* tensor : {&pair.down, &pair.up}) {
      if (tensor->dtype > DType::kIQ4_XS) {
        note(Format("{} has type {}", module, Info(tensor->dtype).name));
      }
    }
    const int64_t rank = pair.down.shape[0];
    if (rank < 1 || rank > kMaxRank || pair.up.shape[1] != rank ||
        pair.down.shape[1] < 1 || pair.up.shape[0] < 1) {
      note(Format("{} has lora_A {} and lora_B {}", module,
                  ShapeString(pair.down.shape), ShapeString(pair.up.shape)));
      continue;
    }
    rank_ = std::max(rank_, rank);
  }
  if (pairs_.empty() && saved_.empty()) note("nothing of low rank");
  if (problems.empty()) return;
  Corrupt(where, "tensors of an adapter that do not fit together",
          "lora_A [rank, in] and lora_B [out, rank]", problems.substr(0, 2000));
}

Adapter Adapter::Parse(const Json& config, formats::TensorMap tensors,
                       const std::string& where) {
  CheckSettings(config, where);
  Adapter adapter;
  const Json base = config.value("base_model_name_or_path", Json());
  if (base.is_string()) adapter.base_ = base.get<std::string>();
  for (const auto& [name, tensor] : tensors) {
    constexpr std::string_view kPrefix = "base_model.model.";
    adapter.AddTensor(
        name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name, tensor,
        where);
  }
  adapter.Finish(where);
  const bool root = IsSet(config, "use_rslora");  // Kalajdzievski 2023
  for (auto& [module, pair] : adapter.pairs_) {
    const auto rank = static_cast<double>(pair.down.shape[0]);
    pair.scale =
        AlphaOf(config, module, where) / (root ? std::sqrt(rank) : rank);
  }
  return adapter;
}

// As llama.cpp's convert_lora_to_gguf.py writes it.
Adapter Adapter::FromGguf(const fs::path& path) {
  const auto file = formats::GgufFile::Open(path);
  const std::string where = path.string();
  if (file->GetString("general.type") != "adapter" ||
      file->GetString("adapter.type") != "lora") {
    throw Error(ErrorCode::kUnsupported,
                {.where = where,
                 .what = "not an adapter",
                 .expected = "a GGUF of general.type adapter, adapter.type "
                             "lora, or a folder of PEFT's",
                 .got = file->GetString("general.type").value_or("")});
  }
  if (!file->TypeName("adapter.alora.invocation_tokens").empty()) {
    Refuse(where, "activation by tokens", "adapter.alora.invocation_tokens");
  }
  Adapter adapter;
  adapter.architecture_ = file->GetString("general.architecture").value_or("?");
  adapter.base_ = file->GetString("general.base_model.0.name").value_or("");
  for (const auto& [name, tensor] : file->tensors()) {
    Tensor kept = tensor;
    kept.owner = file;
    adapter.AddTensor(name, kept, where);
  }
  adapter.Finish(where);
  const double alpha = file->GetFloat("adapter.lora.alpha").value_or(0);
  if (!std::isfinite(alpha)) Corrupt(where, "a senseless alpha", "", "");
  for (auto& [module, pair] : adapter.pairs_) {
    pair.scale =
        alpha == 0 ? 1.0 : alpha / static_cast<double>(pair.down.shape[0]);
  }
  if (!adapter.saved_.empty()) {
    Refuse(where, "whole tensors", adapter.saved_.begin()->first);
  }
  return adapter;
}

std::shared_ptr<const Adapter> Adapter::Open(const AdapterChoice& choice) {
  const fs::path& path = choice.path;
  auto adapter = std::make_shared<Adapter>();
  std::string settings;
  if (!fs::is_directory(path)) {
    if (formats::DetectFile(path) != formats::FileKind::kGguf) {
      throw Error(ErrorCode::kUnsupported,
                  {.where = path.string(),
                   .what = "not an adapter",
                   .expected = "a folder of PEFT's, or a GGUF",
                   .got = std::string(
                       formats::FileKindName(formats::DetectFile(path)))});
    }
    *adapter = FromGguf(path);
  } else {
    const fs::path config = path / "adapter_config.json";
    if (!fs::exists(config)) {
      throw Error(ErrorCode::kNotFound, {.where = path.string(),
                                         .what = "no adapter in this folder",
                                         .expected = "adapter_config.json"});
    }
    const fs::path weights = path / "adapter_model.safetensors";
    if (!fs::exists(weights)) {
      const fs::path pickled = path / "adapter_model.bin";
      if (fs::exists(pickled)) formats::RefuseFile(pickled);
      throw Error(ErrorCode::kNotFound,
                  {.where = path.string(),
                   .what = "no weights in this folder",
                   .expected = "adapter_model.safetensors"});
    }
    settings = ReadFile(config);
    *adapter =
        Parse(ParseJson(settings, config.string()),
              formats::SafetensorsFile::Open(weights).tensors, path.string());
  }
  adapter->path_ = path;
  adapter->scale_ = choice.scale;
  for (auto& [module, pair] : adapter->pairs_) pair.scale *= choice.scale;
  const std::string all =
      Format("{}\n{}\n{}", WeightsMark(path), choice.scale, settings);
  adapter->mark_ = Sha256Hex(std::as_bytes(std::span(all))).substr(0, 16);
  return adapter;
}

}  // namespace malmoi::models
