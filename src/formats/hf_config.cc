#include "formats/hf_config.h"

#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "formats/detect.h"
#include "formats/hf_quantization.h"

namespace malmoi::formats {

namespace {

// BERT's first files kept the names of another framework.
void RenameNorms(TensorMap& tensors) {
  constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"LayerNorm.gamma", "LayerNorm.weight"},
      {"LayerNorm.beta", "LayerNorm.bias"}};
  for (const auto& [old, name] : kNames) {
    for (auto it = tensors.begin(); it != tensors.end();) {
      const auto next = std::next(it);
      if (it->first.ends_with(old)) {
        auto node = tensors.extract(it);
        node.key().replace(node.key().size() - old.size(), old.size(), name);
        tensors.insert(std::move(node));
      }
      it = next;
    }
  }
}

// Python writes infinity as a bare word, which is no JSON; newer releases of
// transformers write what stands for it here.
std::string QuoteInfinity(const std::string& text) {
  constexpr std::string_view kWord = "Infinity";
  constexpr std::string_view kQuoted = R"({"__float__": "Infinity"})";
  std::string out;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (!in_string && text.compare(i, kWord.size(), kWord) == 0 &&
        (i == 0 || text[i - 1] != '-')) {
      out += kQuoted;
      i += kWord.size() - 1;
      continue;
    }
    if (in_string && text[i] == '\\' && i + 1 < text.size()) {
      out += text[i++];
    } else if (text[i] == '"') {
      in_string = !in_string;
    }
    out += text[i];
  }
  return out;
}

}  // namespace

HfFolder HfFolder::Open(const std::filesystem::path& path) {
  namespace fs = std::filesystem;
  HfFolder folder;
  folder.path = path;
  const fs::path config = path / "config.json";
  if (!fs::exists(config)) {
    throw Error(ErrorCode::kNotFound, {.where = path.string(),
                                       .what = "no model in this folder",
                                       .expected = "config.json"});
  }
  folder.config = ParseJson(QuoteInfinity(ReadFile(config)), config.string());
  CheckQuantization(folder.config, config.string());
  const fs::path generation = path / "generation_config.json";
  if (fs::exists(generation)) {
    folder.generation_config =
        ParseJson(ReadFile(generation), generation.string());
  }
  if (!fs::exists(path / "model.safetensors") &&
      !fs::exists(path / "model.safetensors.index.json")) {
    RefuseFolder(path);
  }
  folder.tensors = LoadSafetensorsFolder(path);
  RenameNorms(folder.tensors);
  DropActivationScales(folder.tensors);
  return folder;
}

}  // namespace malmoi::formats
