#include "text/tokenize/to_gguf.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/format.h"
#include "base/json.h"
#include "text/tokenize/gguf_pre_tokenizers.h"
#include "text/tokenize/sentencepiece_model.h"
#include "text/tokenize/stage_json.h"
#include "text/tokenize/tokenizer.h"

namespace malmoi::text {

namespace {

namespace fs = std::filesystem;

using PieceType = SentencePieceModel::PieceType;

// A vocabulary by id, as GGUF has it.
struct Listed {
  std::vector<std::string> tokens;
  std::vector<int32_t> types;
  std::vector<float> scores;

  explicit Listed(int64_t size)
      : tokens(static_cast<size_t>(size)),
        types(static_cast<size_t>(size),
              static_cast<int32_t>(PieceType::kUnused)),
        scores(static_cast<size_t>(size), -10000.0f) {
    for (size_t id = 0; id < tokens.size(); ++id) {
      tokens[id] = Format("[PAD{}]", id);
    }
  }

  void Set(int64_t id, const std::string& token, PieceType type,
           const std::string& where) {
    if (id < 0 || id >= std::ssize(tokens)) {
      ThrowUnsupported(where, "a token beyond the embedding",
                       Format("{} as {}", token, id));
    }
    tokens[static_cast<size_t>(id)] = token;
    types[static_cast<size_t>(id)] = static_cast<int32_t>(type);
  }
};

void SetAdded(const Json& list, const std::string& where, Listed& listed) {
  for (const Json& token : list) {
    if (!token.is_object() || !token.contains("id") ||
        !token["id"].is_number_integer() || !token.contains("content") ||
        !token["content"].is_string()) {
      ThrowCorrupt(where, "an added token without id and content");
    }
    listed.Set(token["id"].get<int64_t>(), token["content"].get<std::string>(),
               Flag(token, "special", false, where) ? PieceType::kControl
                                                    : PieceType::kUserDefined,
               where);
  }
}

// What a stage does, without what it says in passing.
Json Plain(const Json& stage) {
  if (!stage.is_object()) return stage;
  const Json type = stage.value("type", Json());
  if (type == "ByteLevel") {
    return {{"type", type},
            {"add_prefix_space", stage.value("add_prefix_space", true)},
            {"use_regex", stage.value("use_regex", true)}};
  }
  Json plain = stage;
  if (type == "Split" && stage.value("invert", Json(false)) == false) {
    plain.erase("invert");
  }
  return plain;
}

Json Stages(const Json& stage, const char* list) {
  const bool sequence =
      stage.is_object() && stage.contains(list) && stage[list].is_array();
  Json stages = Json::array();
  if (stage.is_null()) return stages;
  for (const Json& each : sequence ? stage[list] : Json::array({stage})) {
    stages.push_back(Plain(each));
  }
  return stages;
}

// The pre-tokenizer that GGUF calls by a name.
std::string_view PreTokenizerName(const Json& tokenizer,
                                  const std::string& where) {
  const auto get = [&](const char* key) {
    return tokenizer.contains(key) ? tokenizer[key] : Json();
  };
  const Json stages = Stages(get("pre_tokenizer"), "pretokenizers");
  const Json normalizers = Stages(get("normalizer"), "normalizers");
  const bool nfc = normalizers == Json::array({{{"type", "NFC"}}});
  if (!nfc && !normalizers.empty()) {
    ThrowUnsupported(where, "a normalizer that GGUF has no name for",
                     DumpJson(normalizers).substr(0, 200));
  }
  const bool ignore_merges =
      get("model").value("ignore_merges", Json()) == true;
  for (const GgufPreTokenizer& kind : GgufPreTokenizers()) {
    if (kind.nfc != nfc || kind.ignore_merges != ignore_merges) continue;
    Json own = Json::array();
    for (const Json& stage : kind.stages(false)) own.push_back(Plain(stage));
    if (own == stages) return kind.name;
  }
  ThrowUnsupported(where, "a pre-tokenizer that GGUF has no name for",
                   DumpJson(stages).substr(0, 200));
}

void AddByteLevel(const Json& tokenizer, int64_t vocab_size,
                  const std::string& where, formats::GgufMetadata& metadata) {
  const Json& model = tokenizer["model"];
  if (!model.contains("vocab") || !model["vocab"].is_object() ||
      !model.contains("merges") || !model["merges"].is_array()) {
    ThrowCorrupt(where, "a model without vocabulary and merges");
  }
  const std::string_view name = PreTokenizerName(tokenizer, where);
  Listed listed(vocab_size);
  for (const auto& [token, id] : model["vocab"].items()) {
    if (!id.is_number_integer())
      ThrowCorrupt(where, "senseless token id", token);
    listed.Set(id.get<int64_t>(), token, PieceType::kNormal, where);
  }
  if (tokenizer.contains("added_tokens")) {
    SetAdded(tokenizer["added_tokens"], where, listed);
  }
  std::vector<std::string> merges;
  for (const Json& merge : model["merges"]) {
    if (merge.is_string()) {
      merges.push_back(merge.get<std::string>());
      continue;
    }
    if (!merge.is_array() || merge.size() != 2 || !merge[0].is_string() ||
        !merge[1].is_string()) {
      ThrowCorrupt(where, "a merge without two parts");
    }
    merges.push_back(merge[0].get<std::string>() + " " +
                     merge[1].get<std::string>());
  }
  metadata.String("tokenizer.ggml.model", "gpt2");
  metadata.String("tokenizer.ggml.pre", name);
  metadata.Strings("tokenizer.ggml.tokens", listed.tokens);
  metadata.I32s("tokenizer.ggml.token_type", listed.types);
  metadata.Strings("tokenizer.ggml.merges", merges);
}

// In GGUF tokens that begin a word are marked; here those that go on with one
// are. Readers take BERT's other stages for granted, and that texts are made
// small where no word has a capital.
void AddWordPieces(const Json& tokenizer, const Tokenizer& whole,
                   int64_t vocab_size, const std::string& where,
                   formats::GgufMetadata& metadata) {
  const Json& model = tokenizer["model"];
  const Json normalizer = tokenizer.value("normalizer", Json());
  if (!normalizer.is_object() ||
      normalizer.value("type", "") != "BertNormalizer" ||
      whole.continuing_prefix() != "##" || !model.contains("vocab") ||
      !model["vocab"].is_object()) {
    ThrowUnsupported(where, "a tokenizer that is not converted",
                     whole.Describe(), "WordPiece as BERT has it");
  }
  Listed listed(vocab_size);
  bool capitals = false;
  for (const auto& [token, id] : model["vocab"].items()) {
    if (!id.is_number_integer())
      ThrowCorrupt(where, "senseless token id", token);
    const bool whole_word = !token.starts_with("##");
    capitals = capitals || (!token.starts_with('[') &&
                            std::any_of(token.begin(), token.end(), [](char c) {
                              return c >= 'A' && c <= 'Z';
                            }));
    listed.Set(id.get<int64_t>(),
               whole_word ? "\u2581" + token : token.substr(2),
               PieceType::kNormal, where);
  }
  if (Flag(normalizer, "lowercase", true, where) == capitals) {
    ThrowUnsupported(where, "capitals that GGUF has no word for");
  }
  if (tokenizer.contains("added_tokens")) {
    SetAdded(tokenizer["added_tokens"], where, listed);
  }
  metadata.String("tokenizer.ggml.model", "bert");
  metadata.String("tokenizer.ggml.pre", "jina-v2-en");
  metadata.Strings("tokenizer.ggml.tokens", listed.tokens);
  metadata.I32s("tokenizer.ggml.token_type", listed.types);
}

void AddSentencePiece(const fs::path& file, const Json& tokenizer,
                      int64_t vocab_size, formats::GgufMetadata& metadata) {
  const std::string where = file.string();
  const SentencePieceModel model =
      SentencePieceModel::Parse(ReadFile(file), where);
  if (model.kind != SentencePieceModel::Kind::kBpe || !model.charsmap.empty()) {
    ThrowUnsupported(where, "a SentencePiece model that is not converted", "",
                     "BPE without a normalizer");
  }
  Listed listed(vocab_size);
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const SentencePieceModel::Piece& piece = model.pieces[id];
    listed.Set(static_cast<int64_t>(id), piece.text, piece.type, where);
    listed.scores[id] = piece.score;
  }
  if (tokenizer.is_object() && tokenizer.contains("added_tokens")) {
    Json more = Json::array();  // those that the model has keep their type
    for (const Json& token : tokenizer["added_tokens"]) {
      const auto id = token.is_object() ? token.value("id", Json()) : Json();
      if (id.is_number_integer() &&
          id.get<int64_t>() >= std::ssize(model.pieces)) {
        more.push_back(token);
      }
    }
    SetAdded(more, where, listed);
  }
  metadata.String("tokenizer.ggml.model", "llama");
  metadata.String("tokenizer.ggml.pre", "default");
  metadata.Strings("tokenizer.ggml.tokens", listed.tokens);
  metadata.F32s("tokenizer.ggml.scores", listed.scores);
  metadata.I32s("tokenizer.ggml.token_type", listed.types);
  metadata.Bool("tokenizer.ggml.add_space_prefix", model.add_dummy_prefix);
}

std::string ChatTemplate(const fs::path& folder, const Json& config) {
  const fs::path file = folder / "chat_template.jinja";
  if (fs::exists(file)) return ReadFile(file, 1 << 20);
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

}  // namespace

void AddTokenizer(const fs::path& folder, int64_t vocab_size,
                  formats::GgufMetadata& metadata) {
  const auto whole = Tokenizer::FromFolder(folder);
  const fs::path path = folder / "tokenizer.json";
  const std::string where = path.string();
  const Json tokenizer = ReadJsonIfThere(path);
  const fs::path pieces = folder / "tokenizer.model";
  const Json model = tokenizer.is_object() && tokenizer.contains("model")
                         ? tokenizer["model"]
                         : Json();
  if (fs::exists(pieces)) {
    AddSentencePiece(pieces, tokenizer, vocab_size, metadata);
  } else if (model.is_object() && model.value("type", Json("BPE")) == "BPE" &&
             model.value("byte_fallback", Json(false)) != true) {
    AddByteLevel(tokenizer, vocab_size, where, metadata);
  } else if (model.is_object() && model.value("type", Json()) == "WordPiece") {
    AddWordPieces(tokenizer, *whole, vocab_size, where, metadata);
  } else {
    ThrowUnsupported(folder.string(), "a tokenizer that is not converted",
                     whole->Describe(),
                     "byte-level BPE or WordPiece in tokenizer.json, or "
                     "tokenizer.model");
  }
  const auto add = [&](const char* key, std::optional<int32_t> id) {
    if (id) metadata.U32(key, static_cast<uint32_t>(*id));
  };
  add("tokenizer.ggml.bos_token_id", whole->bos_id());
  add("tokenizer.ggml.eos_token_id", whole->eos_id());
  add("tokenizer.ggml.unknown_token_id", whole->unk_id());
  add("tokenizer.ggml.padding_token_id", whole->pad_id());
  const Json config = ReadJsonIfThere(folder / "tokenizer_config.json");
  const auto named = [&](const char* key, const char* name) {
    if (!config.is_object() || !config.contains(name)) return;
    const Json& token = config[name];
    const Json text =
        token.is_object() ? token.value("content", Json()) : token;
    if (text.is_string()) add(key, whole->TokenId(text.get<std::string>()));
  };
  named("tokenizer.ggml.seperator_token_id", "sep_token");
  named("tokenizer.ggml.cls_token_id", "cls_token");
  named("tokenizer.ggml.mask_token_id", "mask_token");
  metadata.Bool("tokenizer.ggml.add_bos_token", whole->adds_bos());
  const std::vector<int32_t> ends = whole->Encode("").ids;
  if (!ends.empty() && whole->eos_id() && ends.back() == *whole->eos_id()) {
    metadata.Bool("tokenizer.ggml.add_eos_token", true);
  }
  const std::string chat = ChatTemplate(folder, config);
  if (!chat.empty()) metadata.String("tokenizer.chat_template", chat);
}

}  // namespace malmoi::text
