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
#include "text/tokenize/unigram_to_gguf.h"

namespace malmoi::text {

namespace {

namespace fs = std::filesystem;

using PieceType = SentencePieceModel::PieceType;

// Of models that number its pieces otherwise.
constexpr const char* kFairseqPieces = "sentencepiece.bpe.model";

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

// Tokens that the embedding has no row for are none of the model's.
void SetAdded(const Json& list, const std::string& where, Listed& listed) {
  for (const Json& token : list) {
    if (!token.is_object() || !token.contains("id") ||
        !token["id"].is_number_integer() || !token.contains("content") ||
        !token["content"].is_string()) {
      ThrowCorrupt(where, "an added token without id and content");
    }
    const auto id = token["id"].get<int64_t>();
    if (id >= std::ssize(listed.tokens)) continue;
    listed.Set(id, token["content"].get<std::string>(),
               Flag(token, "special", false, where) ? PieceType::kControl
                                                    : PieceType::kUserDefined,
               where);
  }
}

// Those of tokenizer.json, or without one of tokenizer_config.json.
Json AddedTokensOf(const Json& tokenizer, const Json& config) {
  Json list = tokenizer.is_object()
                  ? tokenizer.value("added_tokens", Json::array())
                  : Json::array();
  if (tokenizer.is_object() || !config.is_object()) return list;
  const Json named = config.value("added_tokens_decoder", Json::object());
  for (const auto& [id, token] : named.items()) {
    if (!token.is_object() || id.empty() || id.size() > 9 ||
        id.find_first_not_of("0123456789") != std::string::npos) {
      ThrowCorrupt("tokenizer_config.json", "senseless token id", id);
    }
    list.push_back(token);
    list.back()["id"] = std::stoll(id);
  }
  return list;
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

// Whether tokenizer_config.json names it as the end of a text or the like.
bool HasRole(const std::string& token, const Json& config) {
  for (const char* role : {"bos", "eos", "unk", "sep", "pad", "cls", "mask"}) {
    const std::string key = Format("{}_token", role);
    const Json named =
        config.is_object() ? config.value(key, Json()) : Json(nullptr);
    if (named == token ||
        (named.is_object() && named.value("content", Json()) == token)) {
      return true;
    }
  }
  return false;
}

// What GGUF has of either kind of SentencePiece model.
void WritePieces(const char* kind, const SentencePieceModel& model,
                 const Listed& listed, formats::GgufMetadata& metadata) {
  metadata.String("tokenizer.ggml.model", kind);
  metadata.String("tokenizer.ggml.pre", "default");
  metadata.Strings("tokenizer.ggml.tokens", listed.tokens);
  metadata.F32s("tokenizer.ggml.scores", listed.scores);
  metadata.I32s("tokenizer.ggml.token_type", listed.types);
  metadata.Bool("tokenizer.ggml.add_space_prefix", model.add_dummy_prefix);
}

// Tokens of a Unigram model that only other files name keep the score of those
// that are not used.
void AddUnigram(const SentencePieceModel& model, const Json& tokenizer,
                const Json& config, int64_t vocab_size,
                const std::string& where, formats::GgufMetadata& metadata) {
  Listed listed(vocab_size);
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const SentencePieceModel::Piece& piece = model.pieces[id];
    listed.Set(static_cast<int64_t>(id), piece.text, piece.type, where);
    listed.scores[id] = piece.score;
  }
  for (const Json& token : AddedTokensOf(tokenizer, config)) {
    const Json id = token.value("id", Json());
    if (!id.is_number_integer()) ThrowCorrupt(where, "an added token's id");
    const auto at = id.get<int64_t>();
    if (at == model.unknown_id) continue;
    if (at >= 0 && at < std::ssize(model.pieces) &&
        model.pieces[static_cast<size_t>(at)].text !=
            token.value("content", "")) {
      ThrowUnsupported(where, "another numbering than the tokens' own",
                       token.value("content", ""),
                       model.pieces[static_cast<size_t>(at)].text);
    }
    SetAdded(Json::array({token}), where, listed);
    // T5's sentinels, which a text may spell.
    if (at < vocab_size && !HasRole(token.value("content", ""), config)) {
      listed.types[static_cast<size_t>(at)] =
          static_cast<int32_t>(PieceType::kUserDefined);
    }
  }
  WritePieces("t5", model, listed, metadata);
  metadata.Bool("tokenizer.ggml.remove_extra_whitespaces",
                model.remove_extra_whitespaces);
  if (!model.charsmap.empty()) {
    metadata.Bytes("tokenizer.ggml.precompiled_charsmap", model.charsmap);
  }
}

// Spellings that are no text, whatever a file says of them.
bool LooksSpecial(std::string_view token) {
  const auto between = [&](std::string_view first, std::string_view last) {
    return token.starts_with(first) && token.ends_with(last);
  };
  return token == "<pad>" || token == "<mask>" || token == "<2mass>" ||
         token == "[@BOS@]" || between("<|", "|>") ||
         between("<\uff5c", "\uff5c>") || between("<unused", ">");
}

// Those of tokenizer_config.json go before what SentencePiece's file says.
void SetNamed(const Json& config, const std::string& where, Listed& listed) {
  constexpr float kNamed = -1000;
  for (const Json& token : AddedTokensOf(Json(), config)) {
    const auto id = token["id"].get<int64_t>();
    if (id >= std::ssize(listed.tokens)) continue;
    std::string text = token.value("content", "");
    const bool special =
        Flag(token, "special", false, where) || LooksSpecial(text);
    for (size_t at = 0;
         !special && (at = text.find("\u2581", at)) != std::string::npos;) {
      text.replace(at, 3, " ");
    }
    listed.Set(id, text,
               special ? PieceType::kControl : PieceType::kUserDefined, where);
    listed.scores[static_cast<size_t>(id)] = kNamed;
  }
}

void AddSentencePiece(const SentencePieceModel& model, const Json& tokenizer,
                      const Json& config, int64_t vocab_size,
                      const std::string& where,
                      formats::GgufMetadata& metadata) {
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
  SetNamed(config, where, listed);
  WritePieces("llama", model, listed, metadata);
}

// Whether tokens are put around a text.
void AddEnds(const Tokenizer& whole, const Json& tokenizer, const Json& config,
             bool unigram, formats::GgufMetadata& metadata) {
  AddedEnds ends;
  if (unigram && tokenizer.is_object()) {
    ends = EndsOf(tokenizer, config);
  } else if (!unigram || config.is_object()) {
    const std::vector<int32_t> ids = whole.Encode("").ids;
    if (!unigram || whole.adds_bos()) ends.bos = whole.adds_bos();
    if (!ids.empty() && whole.eos_id() && ids.back() == *whole.eos_id()) {
      ends.eos = true;
    }
  }
  const auto add = [&](const char* name, std::optional<bool> value) {
    const std::string key = Format("add_{}_token", name);
    if (unigram && !value && config.is_object() &&
        config.value(key, Json()).is_boolean()) {
      value = config[key].get<bool>();
    }
    if (value) metadata.Bool("tokenizer.ggml." + key, *value);
  };
  add("bos", ends.bos);
  add("eos", ends.eos);
  add("sep", ends.sep);
}

// Which is behind the pieces, and not in their file.
void AddMask(const Tokenizer& whole, SentencePieceModel& model) {
  constexpr float kUnused = -10000;
  if (whole.TokenId("<mask>") != std::ssize(model.pieces)) return;
  model.pieces.push_back({"<mask>", kUnused, PieceType::kControl});
}

// SentencePiece's file, empty where there is none.
fs::path PiecesOf(const fs::path& folder) {
  for (const char* name : {"tokenizer.model", "spiece.model", kFairseqPieces}) {
    if (fs::exists(folder / name)) return folder / name;
  }
  return {};
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
  const Json config = ReadJsonIfThere(folder / "tokenizer_config.json");
  const fs::path pieces = PiecesOf(folder);
  const Json model = tokenizer.is_object() && tokenizer.contains("model")
                         ? tokenizer["model"]
                         : Json();
  bool unigram = false;
  if (!pieces.empty()) {
    SentencePieceModel own =
        SentencePieceModel::Parse(ReadFile(pieces), pieces.string());
    unigram = own.kind == SentencePieceModel::Kind::kUnigram;
    if (unigram) {
      if (pieces.filename() == kFairseqPieces) {
        AlignAsFairseq(own);
        AddMask(*whole, own);
      }
      AddUnigram(own, tokenizer, config, vocab_size, pieces.string(), metadata);
    } else {
      AddSentencePiece(own, tokenizer, config, vocab_size, pieces.string(),
                       metadata);
    }
  } else if (model.is_object() && model.value("type", Json()) == "Unigram") {
    unigram = true;
    AddUnigram(UnigramOf(tokenizer, where), tokenizer, config, vocab_size,
               where, metadata);
  } else if (model.is_object() && model.value("type", Json("BPE")) == "BPE" &&
             model.value("byte_fallback", Json(false)) != true) {
    AddByteLevel(tokenizer, vocab_size, where, metadata);
  } else if (model.is_object() && model.value("type", Json()) == "WordPiece") {
    AddWordPieces(tokenizer, *whole, vocab_size, where, metadata);
  } else {
    ThrowUnsupported(folder.string(), "a tokenizer that is not converted",
                     whole->Describe(),
                     "byte-level BPE, WordPiece or Unigram in "
                     "tokenizer.json, or SentencePiece's file");
  }
  const auto add = [&](const char* key, std::optional<int32_t> id) {
    if (id) metadata.U32(key, static_cast<uint32_t>(*id));
  };
  add("tokenizer.ggml.bos_token_id", whole->bos_id());
  add("tokenizer.ggml.eos_token_id", whole->eos_id());
  add("tokenizer.ggml.unknown_token_id", whole->unk_id());
  add("tokenizer.ggml.padding_token_id", whole->pad_id());
  const auto named = [&](const char* key, const char* name) {
    if (!config.is_object() || !config.contains(name)) return;
    const Json& token = config[name];
    const Json text =
        token.is_object() ? token.value("content", Json()) : token;
    if (text.is_string()) add(key, whole->TokenId(text.get<std::string>()));
  };
  named("tokenizer.ggml.seperator_token_id", "sep_token");
  if (!unigram) named("tokenizer.ggml.cls_token_id", "cls_token");
  named("tokenizer.ggml.mask_token_id", "mask_token");
  AddEnds(*whole, tokenizer, config, unigram, metadata);
  const std::string chat = ChatTemplate(folder, config);
  if (!chat.empty()) metadata.String("tokenizer.chat_template", chat);
}

}  // namespace malmoi::text
