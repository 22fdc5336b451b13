// Tokenizers from the two places they are kept: tokenizer.json (with
// tokenizer_config.json) and GGUF metadata.
#include <algorithm>

#include "base/error.h"
#include "base/format.h"
#include "text/tokenize/bpe.h"
#include "text/tokenize/byte_level.h"
#include "text/tokenize/pipeline.h"
#include "text/tokenize/tokenizer.h"

namespace malmoi::text {

namespace {

// Spellings that end a turn where a vocabulary has them as special tokens.
constexpr std::string_view kTurnEnds[] = {
    "<|im_end|>",    "<|eot_id|>",    "<|eom_id|>",      "<|end|>",
    "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>", "</s>"};

void FindEnds(TokenizerParts& parts,
              std::initializer_list<std::optional<int32_t>> known) {
  const auto add = [&](int32_t id) {
    if (std::find(parts.ends.begin(), parts.ends.end(), id) ==
        parts.ends.end()) {
      parts.ends.push_back(id);
    }
  };
  for (const auto& id : known) {
    if (id) add(*id);
  }
  for (std::string_view spelling : kTurnEnds) {
    const AddedToken* token = parts.added.ByContent(spelling);
    if (token != nullptr && token->special) add(token->id);
  }
}

[[noreturn]] void Corrupt(std::string_view where, std::string what,
                          std::string got = "") {
  throw Error(ErrorCode::kCorrupt, {.where = std::string(where),
                                    .what = std::move(what),
                                    .got = std::move(got)});
}

// Special tokens that a post-processor puts around a single text.
void ReadPostProcessor(const Json& json, TokenizerParts& parts,
                       std::string_view where) {
  if (json.is_null()) return;
  const std::string type = json.value("type", "");
  if (type == "ByteLevel") return;  // concerns offsets only
  if (type == "Sequence" && json.contains("processors")) {
    for (const Json& part : json["processors"]) {
      ReadPostProcessor(part, parts, where);
    }
    return;
  }
  if (type != "TemplateProcessing" || !json.contains("single") ||
      !json["single"].is_array()) {
    throw Error(ErrorCode::kUnsupported,
                {.where = std::string(where),
                 .what = "unsupported kind of post-processor",
                 .expected = "TemplateProcessing, ByteLevel, Sequence",
                 .got = type});
  }
  bool after = false;
  for (const Json& item : json["single"]) {
    if (item.contains("Sequence")) {
      after = true;
    } else if (item.contains("SpecialToken")) {
      const std::string name = item["SpecialToken"].value("id", "");
      const AddedToken* token = parts.added.ByContent(name);
      if (token == nullptr) {
        Corrupt(where, "a post-processor names an unknown token", name);
      }
      (after ? parts.suffix : parts.prefix).push_back(token->id);
    }
  }
}

std::optional<int32_t> NamedToken(const Json& config, const char* key,
                                  const TokenizerParts& parts) {
  if (!config.is_object() || !config.contains(key)) return std::nullopt;
  const Json& value = config[key];
  std::string name;
  if (value.is_string()) name = value.get<std::string>();
  if (value.is_object()) name = value.value("content", "");
  const AddedToken* token = parts.added.ByContent(name);
  if (token != nullptr) return token->id;
  return parts.model->Id(name);
}

// ---- GGUF

// What the names of tokenizer.ggml.pre stand for. A pattern of "" is GPT-2's.
struct PreTokenizerName {
  std::string_view name;
  std::string_view pattern;
  bool digits_first;
  bool ignore_merges;
};
constexpr std::string_view kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr PreTokenizerName kPreTokenizers[] = {
    {"command-r", "", true, false},
    {"gpt-2", "", false, false},
    {"gpt2", "", false, false},
    {"llama-bpe", kLlama3Pattern, false, true},
    {"llama3", kLlama3Pattern, false, true},
    {"phi-2", "", false, false},
    {"qwen2", kQwen2Pattern, false, false},
    {"refact", "", true, false},
    {"smollm", "", true, false},
    {"starcoder", "", true, false},
};

std::unique_ptr<PreTokenizer> NamedPreTokenizer(const PreTokenizerName& kind,
                                                std::string_view where) {
  const bool gpt2 = kind.pattern.empty();
  Json list = Json::array();
  if (kind.digits_first) {
    list.push_back({{"type", "Digits"}, {"individual_digits", true}});
  }
  if (!gpt2) {
    list.push_back({{"type", "Split"},
                    {"pattern", {{"Regex", kind.pattern}}},
                    {"behavior", "Isolated"}});
  }
  list.push_back({{"type", "ByteLevel"},
                  {"add_prefix_space", false},
                  {"use_regex", gpt2}});
  return MakePreTokenizer({{"type", "Sequence"}, {"pretokenizers", list}},
                          where);
}

const PreTokenizerName& FindPreTokenizer(const formats::GgufFile& file) {
  const std::string name =
      file.GetString("tokenizer.ggml.pre").value_or("gpt-2");
  std::string known;
  for (const PreTokenizerName& kind : kPreTokenizers) {
    if (kind.name == name) return kind;
    known += (known.empty() ? "" : ", ") + std::string(kind.name);
  }
  throw Error(ErrorCode::kUnsupported,
              {.where = file.where(),
               .what = "unsupported kind of pre-tokenizer",
               .expected = known,
               .got = name});
}

// Token types of GGUF.
constexpr int64_t kControl = 3;
constexpr int64_t kUserDefined = 4;

std::optional<int32_t> TokenKey(const formats::GgufFile& file,
                                std::string_view key, int32_t size) {
  const auto id = file.GetInt(Format("tokenizer.ggml.{}", key));
  if (!id || *id < 0 || *id >= size) return std::nullopt;
  return static_cast<int32_t>(*id);
}

}  // namespace

std::shared_ptr<const Tokenizer> Tokenizer::FromJson(const Json& json,
                                                     const Json& config,
                                                     std::string_view where) {
  if (!json.is_object() || !json.contains("model")) {
    Corrupt(where, "a tokenizer without a model");
  }
  const auto get = [&](const char* key) {
    return json.contains(key) ? json[key] : Json();
  };
  auto parts = std::make_unique<TokenizerParts>();
  parts->normalizer = MakeNormalizer(get("normalizer"), where);
  parts->pre_tokenizer = MakePreTokenizer(get("pre_tokenizer"), where);
  parts->model = MakeModel(json["model"], where);
  CheckDecoder(get("decoder"), where);
  for (const Json& token : get("added_tokens")) {
    if (!token.is_object() || !token.contains("id") ||
        !token["id"].is_number_integer() || !token.contains("content") ||
        !token["content"].is_string()) {
      Corrupt(where, "an added token without id and content");
    }
    const auto flag = [&](const char* key) {
      return token.contains(key) && token[key].is_boolean() &&
             token[key].get<bool>();
    };
    parts->added.Add({token["content"].get<std::string>(),
                      token["id"].get<int32_t>(), flag("special"),
                      flag("lstrip"), flag("rstrip"), flag("single_word")});
  }
  ReadPostProcessor(get("post_processor"), *parts, where);
  parts->bos = NamedToken(config, "bos_token", *parts);
  parts->eos = NamedToken(config, "eos_token", *parts);
  FindEnds(*parts, {parts->eos});
  return std::make_shared<Tokenizer>(std::move(parts));
}

std::shared_ptr<const Tokenizer> Tokenizer::FromGguf(
    std::shared_ptr<const formats::GgufFile> file) {
  const std::string where = file->where();
  const std::string model =
      file->GetString("tokenizer.ggml.model").value_or("");
  if (model != "gpt2") {
    throw Error(ErrorCode::kUnsupported,
                {.where = where,
                 .what = "unsupported kind of tokenizer model",
                 .expected = "gpt2 (byte-level BPE)",
                 .got = model.empty() ? "none" : model});
  }
  auto spellings = file->GetStringViews("tokenizer.ggml.tokens");
  const auto merges = file->GetStringViews("tokenizer.ggml.merges");
  if (!spellings || !merges) {
    Corrupt(where, "a tokenizer without tokens and merges");
  }
  const auto types = file->GetInts("tokenizer.ggml.token_type");
  if (types && types->size() != spellings->size()) {
    Corrupt(where, "as many token types as tokens expected",
            std::to_string(types->size()));
  }
  auto parts = std::make_unique<TokenizerParts>();
  for (size_t i = 0; types && i < types->size(); ++i) {
    const int64_t type = (*types)[i];
    if (type != kControl && type != kUserDefined) continue;
    parts->added.Add({std::string((*spellings)[i]), static_cast<int32_t>(i),
                      type == kControl, false, false, false});
  }
  const PreTokenizerName& kind = FindPreTokenizer(*file);
  parts->pre_tokenizer = NamedPreTokenizer(kind, where);
  parts->model = std::make_unique<Bpe>(
      std::move(*spellings), *merges, file,
      BpeOptions{.ignore_merges = kind.ignore_merges}, where);
  const int32_t size = parts->model->size();
  parts->bos = TokenKey(*file, "bos_token_id", size);
  parts->eos = TokenKey(*file, "eos_token_id", size);
  if (file->GetBool("tokenizer.ggml.add_bos_token").value_or(false) &&
      parts->bos) {
    parts->prefix.push_back(*parts->bos);
  }
  if (file->GetBool("tokenizer.ggml.add_eos_token").value_or(false) &&
      parts->eos) {
    parts->suffix.push_back(*parts->eos);
  }
  FindEnds(*parts, {parts->eos, TokenKey(*file, "eot_token_id", size)});
  return std::make_shared<Tokenizer>(std::move(parts));
}

}  // namespace malmoi::text
