#include "generate/model_info.h"

#include <algorithm>
#include <cctype>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "generate/translation.h"
#include "models/encoder.h"
#include "models/registry.h"

namespace malmoi::generate {

namespace {

namespace fs = std::filesystem;

// Tasks are the verbs that run them.
void AddTasks(const models::Checkpoint& checkpoint, ModelInfo& info) {
  const models::Architecture* known =
      models::KnownArchitecture(info.architecture);
  if (known == nullptr) return;
  if (known->describe_encoder != nullptr) {
    info.tasks = {"embed"};
    const auto task = models::TaskOf(checkpoint);
    if (!task) return;
    size_t labels = 0;
    if (checkpoint.folder) {
      const Json& config = checkpoint.folder->config;
      if (config.contains("id2label")) labels = config["id2label"].size();
    } else {
      const auto names = checkpoint.gguf->GetStrings(
          info.architecture + ".classifier.output_labels");
      if (names) labels = names->size();
    }
    switch (*task) {
      case models::Task::kClassify:
        info.tasks.push_back(labels == 1 ? "rerank" : "classify");
        break;
      case models::Task::kTag:
        info.tasks.push_back("tag");
        break;
      case models::Task::kFill:
        info.tasks.push_back("fill");
        break;
      case models::Task::kAnswer:
        info.tasks.push_back("answer");
        break;
    }
    return;
  }
  info.tasks = {"generate"};
  if (known->describe_encoder_decoder == nullptr) {
    if (!TemplateOf(checkpoint).empty()) info.tasks.push_back("chat");
    return;
  }
  // What it was trained for, where config.json or its pair of vocabularies
  // says so.
  if (!checkpoint.folder) return;
  bool translates = fs::exists(checkpoint.path / "source.spm") &&
                    fs::exists(checkpoint.path / "target.spm");
  bool summarizes = false;
  const Json& config = checkpoint.folder->config;
  const auto tasks = config.find("task_specific_params");
  if (tasks != config.end() && tasks->is_object()) {
    for (const auto& [name, settings] : tasks->items()) {
      translates = translates || name.starts_with("translation");
      summarizes = summarizes || name.starts_with("summarization");
    }
  }
  if (translates) info.tasks.push_back("translate");
  if (summarizes) info.tasks.push_back("summarize");
}

void AddShape(const models::Checkpoint& checkpoint, ModelInfo& info) {
  const models::Architecture* known =
      models::KnownArchitecture(info.architecture);
  if (known == nullptr) return;
  if (known->describe_encoder != nullptr) {
    const models::EncoderSpec spec = known->describe_encoder(checkpoint);
    info.layers = spec.layers;
    info.width = spec.width;
    info.heads = spec.attention.heads;
    info.kv_heads = spec.attention.kv_heads;
  } else if (known->describe_encoder_decoder != nullptr) {
    const models::EncoderDecoderSpec spec =
        known->describe_encoder_decoder(checkpoint);
    info.layers = spec.encoder.layers;
    info.decoder_layers = spec.decoder.layers;
    info.width = spec.width;
    info.heads = info.kv_heads = spec.encoder.heads;
  } else {
    const models::Spec spec = known->describe(checkpoint);
    info.layers = spec.layers;
    info.width = spec.width;
    info.heads = spec.attention.heads;
    info.kv_heads = spec.attention.kv_heads;
  }
  const std::string name =
      models::NameIn(checkpoint, *known, models::Role::kEmbedding, 0);
  const auto embedding = checkpoint.tensors().find(name);
  if (embedding != checkpoint.tensors().end()) {
    info.vocabulary = embedding->second.rows();
  }
}

std::string Trimmed(std::string text) {
  const auto outer = [](char c) {
    return std::isspace(static_cast<unsigned char>(c)) || c == '"' ||
           c == '\'' || c == '-' || c == '[' || c == ']';
  };
  while (!text.empty() && outer(text.back())) text.pop_back();
  size_t begin = 0;
  while (begin < text.size() && outer(text[begin])) ++begin;
  return text.substr(begin);
}

// The values of a key in the card of a model: README.md's lines between two
// of "---", as "key: value", "key: [a, b]" or a "- value" a line below it.
std::vector<std::string> CardValues(const fs::path& folder,
                                    std::string_view key) {
  std::vector<std::string> values;
  std::error_code error;
  const fs::path file = folder / "README.md";
  if (!fs::is_regular_file(file, error)) return values;
  const std::string card = ReadFile(file, 4 << 20);
  bool inside = false, listing = false;
  for (size_t at = 0; at < card.size();) {
    const size_t end = std::min(card.find('\n', at), card.size());
    std::string line = card.substr(at, end - at);
    at = end + 1;
    if (line.starts_with("---")) {
      if (inside) break;
      inside = true;
      continue;
    }
    if (!inside) break;
    if (listing && Trimmed(line).size() + 1 < line.size() &&
        line.find('-') < line.find_first_of("abcdefghijklmnopqrstuvwxyz")) {
      values.push_back(Trimmed(line));
      continue;
    }
    listing = false;
    if (!line.starts_with(key) || line.size() <= key.size() ||
        line[key.size()] != ':') {
      continue;
    }
    const std::string rest = line.substr(key.size() + 1);
    if (Trimmed(rest).empty()) {
      listing = true;
      continue;
    }
    for (size_t from = 0; from <= rest.size();) {
      const size_t comma = std::min(rest.find(',', from), rest.size());
      const std::string value = Trimmed(rest.substr(from, comma - from));
      if (!value.empty()) values.push_back(value);
      from = comma + 1;
    }
  }
  return values;
}

void AddLanguages(const models::Checkpoint& checkpoint, ModelInfo& info) {
  if (checkpoint.gguf) {
    info.languages = checkpoint.gguf->GetStrings("general.languages")
                         .value_or(std::vector<std::string>());
    return;
  }
  info.languages = CardValues(checkpoint.path, "language");
  if (info.license.empty()) {
    const auto licence = CardValues(checkpoint.path, "license");
    if (!licence.empty()) info.license = licence.front();
  }
}

}  // namespace

std::shared_ptr<const text::Tokenizer> TokenizerOf(
    const models::Checkpoint& checkpoint) {
  if (checkpoint.gguf) return text::Tokenizer::FromGguf(checkpoint.gguf);
  return text::Tokenizer::FromFolder(checkpoint.path);
}

// The chat template's source; empty where there is none.
std::string TemplateOf(const models::Checkpoint& checkpoint) {
  if (checkpoint.gguf) {
    return checkpoint.gguf->GetString("tokenizer.chat_template").value_or("");
  }
  const fs::path file = checkpoint.path / "chat_template.jinja";
  if (fs::exists(file)) return ReadFile(file, 1 << 20);
  const Json config =
      ReadJsonIfThere(checkpoint.path / "tokenizer_config.json");
  if (!config.is_object() || !config.contains("chat_template")) return "";
  const Json& stored = config["chat_template"];
  if (stored.is_string()) return stored.get<std::string>();
  for (const Json& named : stored) {  // [{name, template}, ...]
    if (named.is_object() && named.value("name", "") == "default") {
      return named.value("template", "");
    }
  }
  return "";
}

ModelInfo InfoOf(const models::Checkpoint& checkpoint) {
  ModelInfo info;
  info.path = checkpoint.path;
  info.architecture = checkpoint.Architecture();
  info.quantization = checkpoint.Quantization();
  info.name = checkpoint.path.filename().string();
  for (const auto& [name, tensor] : checkpoint.tensors()) {
    info.parameters += tensor.elements();
  }
  std::error_code error;
  if (checkpoint.gguf) {
    const formats::GgufFile& file = *checkpoint.gguf;
    info.name = file.GetString("general.name").value_or(info.name);
    info.license = file.GetString("general.license").value_or("");
    info.context =
        file.GetInt(info.architecture + ".context_length").value_or(0);
    info.file_bytes = fs::file_size(checkpoint.path, error);
    info.quantized = models::ReadQuantizeRecord(file);
  } else {
    const Json& config = checkpoint.folder->config;
    if (config.contains("max_position_embeddings") &&
        config["max_position_embeddings"].is_number_integer()) {
      info.context = config["max_position_embeddings"].get<int64_t>();
    }
    for (const auto& entry : fs::directory_iterator(checkpoint.path, error)) {
      if (entry.path().extension() == ".safetensors") {
        info.file_bytes += entry.file_size(error);
      }
    }
  }
  AddTasks(checkpoint, info);
  return info;
}

ModelInfo DescribeModel(const fs::path& path) {
  const models::Checkpoint checkpoint = models::Checkpoint::Open(path);
  ModelInfo info = InfoOf(checkpoint);
  AddLanguages(checkpoint, info);
  // What is wrong or unknown there is told by the verbs that load the model.
  try {
    AddShape(checkpoint, info);
  } catch (const Error&) {
  }
  try {
    const auto tokenizer = TokenizerOf(checkpoint);
    info.tokenizer = tokenizer->Describe();
    const auto& tasks = info.tasks;
    if (info.decoder_layers > 0) {
      std::map<int32_t, std::string> by_id;
      for (const auto& [token, id] : LanguageTokens(*tokenizer)) {
        by_id[id] = token;
      }
      std::vector<std::string> named;
      for (const auto& [id, token] : by_id) named.push_back(token);
      if (!named.empty()) {
        info.languages = named;
        if (std::find(tasks.begin(), tasks.end(), "translate") == tasks.end()) {
          info.tasks.push_back("translate");
        }
      }
    }
  } catch (const Error&) {
  }
  return info;
}

}  // namespace malmoi::generate
