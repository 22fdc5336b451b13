#include "text/tokenize/to_json.h"

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "base/base64.h"
#include "base/file.h"
#include "base/format.h"
#include "base/json.h"
#include "text/tokenize/gguf_pre_tokenizers.h"
#include "text/tokenize/stage_json.h"
#include "text/tokenize/tokenizer.h"

namespace malmoi::text {

namespace {

namespace fs = std::filesystem;

// Token types of GGUF.
constexpr int64_t kUnknown = 2;
constexpr int64_t kControl = 3;
constexpr int64_t kUserDefined = 4;
constexpr int64_t kUnused = 5;
constexpr int64_t kByte = 6;
constexpr std::string_view kSpace = "\u2581";

class Writer {
 public:
  explicit Writer(std::shared_ptr<const formats::GgufFile> file)
      : file_(std::move(file)),
        tokenizer_(Tokenizer::FromGguf(file_)),
        tokens_(*file_->GetStringViews("tokenizer.ggml.tokens")),
        types_(file_->GetInts("tokenizer.ggml.token_type")
                   .value_or(std::vector<int64_t>(tokens_.size(), 1))) {}

  Json Make() {
    const std::string kind =
        file_->GetString("tokenizer.ggml.model").value_or("none");
    Json json = {{"version", "1.0"},         {"truncation", nullptr},
                 {"padding", nullptr},       {"added_tokens", Added()},
                 {"normalizer", nullptr},    {"pre_tokenizer", nullptr},
                 {"post_processor", Ends()}, {"decoder", nullptr},
                 {"model", Json::object()}};
    if (kind == "gpt2") {
      ByteLevel(json);
    } else if (kind == "llama") {
      SentencePiece(json);
    } else if (kind == "bert") {
      WordPieces(json);
    } else if (kind == "t5") {
      Unigram(json);
    } else {
      ThrowUnsupported(file_->where(), "a tokenizer that is not converted",
                       kind, "gpt2, llama, bert or t5");
    }
    return json;
  }

  Json Config() const {
    Json config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                   {"clean_up_tokenization_spaces", false}};
    const auto name = [&](const char* key, std::optional<int32_t> id) {
      if (id) config[key] = Spelling(*id);
    };
    name("bos_token", tokenizer_->bos_id());
    name("eos_token", tokenizer_->eos_id());
    name("unk_token", tokenizer_->unk_id());
    name("pad_token", tokenizer_->pad_id());
    if (const auto cls = Id("cls_token_id"))
      config["cls_token"] = Spelling(*cls);
    if (const auto sep = Id("seperator_token_id")) {
      config["sep_token"] = Spelling(*sep);
    }
    if (const auto mask = Id("mask_token_id")) {
      config["mask_token"] = Spelling(*mask);
    }
    return config;
  }

  Json Generation() const {
    Json ends = Json::array();
    const auto end = [&](std::optional<int32_t> id) {
      if (id && std::find(ends.begin(), ends.end(), Json(*id)) == ends.end()) {
        ends.push_back(*id);
      }
    };
    end(tokenizer_->eos_id());
    end(Id("eot_token_id"));
    end(Id("eom_token_id"));
    Json json = Json::object();
    if (tokenizer_->bos_id()) json["bos_token_id"] = *tokenizer_->bos_id();
    if (tokenizer_->pad_id()) json["pad_token_id"] = *tokenizer_->pad_id();
    if (ends.size() == 1) json["eos_token_id"] = ends[0];
    if (ends.size() > 1) json["eos_token_id"] = ends;
    const auto start =
        file_->GetInt(file_->GetString("general.architecture").value_or("") +
                      ".decoder_start_token_id");
    if (start) json["decoder_start_token_id"] = *start;
    return json;
  }

 private:
  std::string Spelling(int32_t id) const {
    return std::string(tokens_[static_cast<size_t>(id)]);
  }
  std::optional<int32_t> Id(std::string_view key) const {
    const auto id = file_->GetInt(Format("tokenizer.ggml.{}", key));
    if (!id || *id < 0 || *id >= std::ssize(tokens_)) return {};
    return static_cast<int32_t>(*id);
  }

  Json Added() const {
    Json added = Json::array();
    for (size_t id = 0; id < tokens_.size(); ++id) {
      const int64_t type = types_[id];
      if (type != kUnknown && type != kControl && type != kUserDefined) {
        continue;
      }
      added.push_back({{"id", id},
                       {"content", tokens_[id]},
                       {"single_word", false},
                       {"lstrip", false},
                       {"rstrip", false},
                       {"normalized", false},
                       {"special", type != kUserDefined}});
    }
    return added;
  }

  // What is put around a text; as an empty text shows it.
  Json Ends() const {
    const std::vector<int32_t> ids = tokenizer_->Encode("").ids;
    if (ids.empty()) return nullptr;
    const auto bos = tokenizer_->bos_id();
    Json single = Json::array(), pair = Json::array();
    Json named = Json::object();
    const auto add = [&](Json& list, int32_t id, int type) {
      const std::string text = Spelling(id);
      named[text] = {{"id", text},
                     {"ids", Json::array({id})},
                     {"tokens", Json::array({text})}};
      list.push_back({{"SpecialToken", {{"id", text}, {"type_id", type}}}});
    };
    const auto text = [](Json& list, const char* which, int type) {
      list.push_back({{"Sequence", {{"id", which}, {"type_id", type}}}});
    };
    const bool before = tokenizer_->adds_bos() || ids.size() > 1;
    if (before) add(single, ids.front(), 0), add(pair, ids.front(), 0);
    text(single, "A", 0);
    text(pair, "A", 0);
    const bool after = ids.size() > 1 || !before;
    if (after) add(single, ids.back(), 0), add(pair, ids.back(), 0);
    if (before && !after && bos) add(pair, ids.front(), 1);
    text(pair, "B", 1);
    if (after) add(pair, ids.back(), 1);
    return {{"type", "TemplateProcessing"},
            {"single", single},
            {"pair", pair},
            {"special_tokens", named}};
  }

  Json Vocabulary() const {
    Json vocab = Json::object();
    for (size_t id = 0; id < tokens_.size(); ++id) {
      const bool padding =
          types_[id] == kUnused && tokens_[id].starts_with("[PAD");
      if (!padding) vocab[std::string(tokens_[id])] = id;
    }
    return vocab;
  }

  static Json BpeModel(Json vocab, Json merges) {
    return {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", nullptr},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", false},
            {"byte_fallback", false},
            {"ignore_merges", false},
            {"vocab", std::move(vocab)},
            {"merges", std::move(merges)}};
  }

  void ByteLevel(Json& json) const {
    const GgufPreTokenizer& kind = FindGgufPreTokenizer(
        file_->GetString("tokenizer.ggml.pre"), file_->where());
    if (kind.nfc) json["normalizer"] = {{"type", "NFC"}};
    Json stages = kind.stages(
        file_->GetBool("tokenizer.ggml.add_space_prefix").value_or(false));
    for (Json& stage : stages) {
      if (stage["type"] == "Split") stage["invert"] = false;
      if (stage["type"] == "ByteLevel") stage["trim_offsets"] = false;
    }
    json["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", stages}};
    json["decoder"] = {{"type", "ByteLevel"},
                       {"add_prefix_space", false},
                       {"trim_offsets", false},
                       {"use_regex", false}};
    Json merges = Json::array();
    const auto texts = file_->GetStringViews("tokenizer.ggml.merges");
    for (const std::string_view text : *texts) {
      const size_t space = text.find(' ', 1);
      merges.push_back(
          Json::array({text.substr(0, space), text.substr(space + 1)}));
    }
    json["model"] = BpeModel(Vocabulary(), std::move(merges));
    json["model"]["ignore_merges"] = kind.ignore_merges;
  }

  // GGUF has scores in place of merges: what two tokens make is merged in the
  // order of its score, then of its id, as transformers turns one into the
  // other.
  Json Merges() const {
    const auto scores = file_->GetFloats("tokenizer.ggml.scores");
    std::unordered_map<std::string_view, size_t> ids;
    for (size_t id = 0; id < tokens_.size(); ++id) ids.emplace(tokens_[id], id);
    struct Merge {
      double score;
      size_t token, left, right;
    };
    std::vector<Merge> merges;
    for (size_t id = 0; id < tokens_.size(); ++id) {
      const int64_t type = types_[id];
      if (type == kUnknown || type == kControl || type == kByte) continue;
      const std::string_view text = tokens_[id];
      for (size_t cut = 1; cut < text.size(); ++cut) {
        const auto left = ids.find(text.substr(0, cut));
        if (left == ids.end()) continue;
        const auto right = ids.find(text.substr(cut));
        if (right == ids.end()) continue;
        merges.push_back({(*scores)[id], id, left->second, right->second});
      }
    }
    std::stable_sort(merges.begin(), merges.end(),
                     [](const Merge& a, const Merge& b) {
                       if (a.score != b.score) return a.score > b.score;
                       return std::tie(a.token, a.left, a.right) <
                              std::tie(b.token, b.left, b.right);
                     });
    Json list = Json::array();
    for (const Merge& merge : merges) {
      list.push_back(Json::array({tokens_[merge.left], tokens_[merge.right]}));
    }
    return list;
  }

  void SentencePiece(Json& json) const {
    const bool prefix =
        file_->GetBool("tokenizer.ggml.add_space_prefix").value_or(true);
    Json normalizers = Json::array();
    Json decoders = {{{"type", "Replace"},
                      {"pattern", {{"String", kSpace}}},
                      {"content", " "}},
                     {{"type", "ByteFallback"}},
                     {{"type", "Fuse"}}};
    if (prefix) {
      normalizers.push_back({{"type", "Prepend"}, {"prepend", kSpace}});
      decoders.push_back(
          {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
    }
    normalizers.push_back({{"type", "Replace"},
                           {"pattern", {{"String", " "}}},
                           {"content", kSpace}});
    json["normalizer"] = {{"type", "Sequence"}, {"normalizers", normalizers}};
    json["decoder"] = {{"type", "Sequence"}, {"decoders", decoders}};
    Json model = BpeModel(Vocabulary(), Merges());
    model["byte_fallback"] = true;
    model["fuse_unk"] = true;
    if (tokenizer_->unk_id())
      model["unk_token"] = Spelling(*tokenizer_->unk_id());
    json["model"] = std::move(model);
  }

  // Where tokens that begin a word are marked, those that go on with one are
  // in a folder.
  void WordPieces(Json& json) const {
    Json vocab = Json::object();
    bool capitals = false;
    for (size_t id = 0; id < tokens_.size(); ++id) {
      std::string text(tokens_[id]);
      if (text.starts_with(kSpace)) {
        text = text.substr(kSpace.size());
      } else if (!text.starts_with('[') || !text.ends_with(']')) {
        text = "##" + text;
      }
      capitals = capitals || (!text.starts_with('[') &&
                              std::any_of(text.begin(), text.end(), [](char c) {
                                return c >= 'A' && c <= 'Z';
                              }));
      vocab[text] = id;
    }
    json["normalizer"] = {{"type", "BertNormalizer"},
                          {"clean_text", true},
                          {"handle_chinese_chars", true},
                          {"strip_accents", nullptr},
                          {"lowercase", !capitals}};
    json["pre_tokenizer"] = {{"type", "BertPreTokenizer"}};
    json["decoder"] = {
        {"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}};
    json["model"] = {{"type", "WordPiece"},
                     {"unk_token", Spelling(tokenizer_->unk_id().value_or(0))},
                     {"continuing_subword_prefix", "##"},
                     {"max_input_chars_per_word", 100},
                     {"vocab", std::move(vocab)}};
  }

  // With SentencePiece's rules as the stages that transformers has for them.
  void Unigram(Json& json) const {
    const auto flag = [&](const char* key, bool fallback) {
      return file_->GetBool(Format("tokenizer.ggml.{}", key))
          .value_or(fallback);
    };
    const auto map = file_->GetInts("tokenizer.ggml.precompiled_charsmap");
    if (map && !map->empty()) {
      std::string bytes;
      for (const int64_t byte : *map) bytes += static_cast<char>(byte);
      json["normalizer"] = {
          {"type", "Precompiled"},
          {"precompiled_charsmap", Base64(std::as_bytes(std::span(bytes)))}};
    }
    const Json spaces = {
        {"type", "Metaspace"},
        {"replacement", kSpace},
        {"prepend_scheme", flag("add_space_prefix", true) ? "always" : "never"},
        {"split", true}};
    Json stages = Json::array();
    if (flag("remove_extra_whitespaces", false)) {
      stages.push_back(Json::object({{"type", "WhitespaceSplit"}}));
    }
    stages.push_back(spaces);
    json["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", stages}};
    json["decoder"] = spaces;
    const auto scores = file_->GetFloats("tokenizer.ggml.scores");
    size_t size = tokens_.size();
    while (size > 0 && types_[size - 1] == kUnused) --size;
    Json vocab = Json::array();
    for (size_t id = 0; id < size; ++id) {
      vocab.push_back(Json::array({tokens_[id], (*scores)[id]}));
    }
    json["model"] = {{"type", "Unigram"},
                     {"unk_id", tokenizer_->unk_id().value_or(0)},
                     {"byte_fallback", std::find(types_.begin(), types_.end(),
                                                 kByte) != types_.end()},
                     {"vocab", std::move(vocab)}};
  }

  const std::shared_ptr<const formats::GgufFile> file_;
  const std::shared_ptr<const Tokenizer> tokenizer_;
  const std::vector<std::string_view> tokens_;
  const std::vector<int64_t> types_;
};

}  // namespace

void WriteTokenizer(const std::shared_ptr<const formats::GgufFile>& file,
                    const fs::path& folder) {
  Writer writer(file);
  const auto write = [&](const char* name, const std::string& text) {
    WriteFileAtomically(folder / name, text);
  };
  write("tokenizer.json", DumpJson(writer.Make()) + "\n");
  write("tokenizer_config.json", writer.Config().dump(2) + "\n");
  write("generation_config.json", writer.Generation().dump(2) + "\n");
  if (const auto chat = file->GetString("tokenizer.chat_template")) {
    write("chat_template.jinja", *chat);
  }
}

}  // namespace malmoi::text
