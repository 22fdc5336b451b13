#include "hub/choose.h"

#include <algorithm>
#include <map>
#include <regex>
#include <set>

#include "base/error.h"
#include "base/format.h"
#include "hub/environment.h"

namespace malmoi::hub {

namespace {

std::string BaseName(const std::string& name) {
  return name.substr(name.rfind('/') + 1);
}

bool Contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Whether `word` is in `name` as a word, whatever its case: "Q4_K" is not in
// "Q4_K_M".
bool HasWord(const std::string& name, const std::string& word) {
  const std::string text = LowerCase(name);
  const std::string wanted = LowerCase(word);
  const auto edge = [&](size_t i) {
    return i >= text.size() ||
           (!std::isalnum(static_cast<unsigned char>(text[i])) &&
            text[i] != '_');
  };
  for (size_t at = text.find(wanted); at != std::string::npos;
       at = text.find(wanted, at + 1)) {
    if ((at == 0 || edge(at - 1)) && edge(at + wanted.size())) return true;
  }
  return false;
}

std::string Join(const std::set<std::string>& names) {
  std::string all;
  for (const std::string& name : names) {
    all += (all.empty() ? "" : ", ") + name;
  }
  return all;
}

// Quantizations where the names tell them, else the names.
std::string ListOf(const std::vector<std::vector<std::string>>& models) {
  std::set<std::string> names;
  for (const auto& model : models) {
    const std::string quant = QuantOf(model[0]);
    names.insert(quant.empty() ? model[0] : quant);
  }
  return Join(names);
}

// Shards and single weights at the top, and of modules such as "2_Dense".
const std::regex& Weights() {
  static const std::regex weights(
      R"((\d+_\w+/)?model(-\d{5}-of-\d{5})?\.safetensors)");
  return weights;
}

std::vector<std::string> SafetensorsFiles(
    const std::vector<std::string>& names) {
  static const std::regex folder(R"(\d+_\w+/[^/]+)");
  std::vector<std::string> chosen, weights;
  for (const std::string& name : names) {
    const bool placed =
        name.find('/') == std::string::npos || std::regex_match(name, folder);
    const std::string base = BaseName(name);
    const bool foreign = base.ends_with(".bin.index.json") ||
                         base.ends_with(".msgpack.index.json") ||
                         base.ends_with(".h5.index.json") ||
                         base == "trainer_state.json";
    const bool text = base.ends_with(".json") || base.ends_with(".jinja") ||
                      base == "vocab.txt" || base == "merges.txt" ||
                      base == "tokenizer.model" || base == "spiece.model" ||
                      base == "sentencepiece.bpe.model" ||
                      base.ends_with(".spm");
    if (std::regex_match(name, Weights())) {
      weights.push_back(name);
    } else if (placed && text && !foreign) {
      chosen.push_back(name);
    }
  }
  std::sort(chosen.begin(), chosen.end());
  std::sort(weights.begin(), weights.end());
  chosen.insert(chosen.end(), weights.begin(), weights.end());
  return chosen;
}

}  // namespace

std::string QuantOf(const std::string& name) {
  static const std::regex quant(
      R"((^|[-._/])((UD-)?(I?Q\d\w*|TQ\d_\d|BF16|FP?16|FP?32|MXFP4(_MOE)?)))"
      R"((?=[-./]|$))",
      std::regex::icase);
  const std::string base = BaseName(name);
  std::string found;
  for (std::sregex_iterator it(base.begin(), base.end(), quant), end; it != end;
       ++it) {
    found = UpperCase((*it)[2]);
  }
  return found;
}

std::vector<std::vector<std::string>> GgufModels(
    const std::vector<std::string>& names) {
  static const std::regex part(R"((.*)-(\d{5})-of-(\d{5})\.gguf)");
  std::map<std::string, std::vector<std::string>> models;
  std::map<std::string, size_t> parts;
  for (const std::string& name : names) {
    const std::string base = LowerCase(BaseName(name));
    if (!base.ends_with(".gguf") || base.find("mmproj") != base.npos ||
        base.find("imatrix") != base.npos) {
      continue;
    }
    std::smatch match;
    if (std::regex_match(name, match, part)) {
      const std::string key = match[1].str() + "-of-" + match[3].str();
      models[key].push_back(name);
      parts[key] = std::stoul(match[3]);
    } else {
      models[name].push_back(name);
      parts[name] = 1;
    }
  }
  std::vector<std::vector<std::string>> whole;
  for (auto& [key, files] : models) {
    std::sort(files.begin(), files.end());
    if (files.size() == parts[key]) whole.push_back(files);
  }
  return whole;
}

std::vector<std::string> ChooseFiles(const std::vector<std::string>& names,
                                     const std::string& quant,
                                     const std::string& where) {
  if (quant.empty() && (Contains(names, "model.safetensors") ||
                        Contains(names, "model.safetensors.index.json"))) {
    return SafetensorsFiles(names);
  }
  const auto models = GgufModels(names);
  if (models.empty()) {
    throw Error(ErrorCode::kNotFound,
                {.where = where,
                 .what = "the repository holds no model malmoi reads",
                 .expected = quant.empty() ? "model.safetensors or .gguf files"
                                           : ".gguf files"});
  }
  const std::vector<std::string> wanted =
      quant.empty() ? std::vector<std::string>{"Q4_K_M", "Q4_0", "Q4_1", "Q8_0"}
                    : std::vector<std::string>{quant};
  for (const std::string& one : wanted) {
    std::vector<std::vector<std::string>> fitting, exact;
    for (const auto& model : models) {
      if (model[0] == one || BaseName(model[0]) == one) return model;
      if (HasWord(model[0], one)) fitting.push_back(model);
      if (QuantOf(model[0]) == UpperCase(one)) exact.push_back(model);
    }
    if (!exact.empty()) fitting = exact;
    if (fitting.size() == 1) return fitting[0];
    if (fitting.empty()) continue;
    std::set<std::string> several;
    for (const auto& model : fitting) several.insert(model[0]);
    throw Error(ErrorCode::kInvalidArgument,
                {.where = where,
                 .what = "several files of this quantization",
                 .expected = "one of " + Join(several),
                 .got = one,
                 .hint = "org/repo:FILE"});
  }
  if (quant.empty() && models.size() == 1) return models[0];
  throw Error(
      quant.empty() ? ErrorCode::kInvalidArgument : ErrorCode::kNotFound,
      {.where = where,
       .what = quant.empty() ? "which quantization is not said"
                             : "no such quantization",
       .expected = "one of " + ListOf(models),
       .got = quant});
}

bool HasWholeSafetensors(const std::vector<std::string>& names) {
  static const std::regex shard(R"(model-\d{5}-of-(\d{5})\.safetensors)");
  size_t shards = 0, of = 0;
  for (const std::string& name : names) {
    std::smatch match;
    if (!std::regex_match(name, match, shard)) continue;
    ++shards;
    of = std::max(of, static_cast<size_t>(std::stoul(match[1])));
  }
  const bool single = Contains(names, "model.safetensors");
  const bool weights =
      single || (shards > 0 && shards == of &&
                 Contains(names, "model.safetensors.index.json"));
  bool reads = false;  // text or images
  for (const char* name :
       {"tokenizer.json", "tokenizer.model", "vocab.txt", "vocab.json",
        "spiece.model", "sentencepiece.bpe.model", "source.spm",
        "preprocessor_config.json"}) {
    reads = reads || Contains(names, name);
  }
  return weights && reads && Contains(names, "config.json");
}

std::filesystem::path ModelPath(const std::filesystem::path& folder,
                                const std::vector<std::string>& files) {
  for (const std::string& file : files) {
    if (LowerCase(file).ends_with(".gguf")) return folder / file;
  }
  return folder;
}

}  // namespace malmoi::hub
