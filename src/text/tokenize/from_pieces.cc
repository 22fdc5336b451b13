#include "text/tokenize/from_pieces.h"

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/base64.h"
#include "base/file.h"
#include "text/tokenize/fairseq_languages.h"
#include "text/tokenize/pipeline.h"
#include "text/tokenize/sentencepiece_model.h"
#include "text/tokenize/stage_json.h"

namespace malmoi::text {

namespace {

namespace fs = std::filesystem;

constexpr const char* kPieces = "sentencepiece.bpe.model";

// Cuts texts as a SentencePiece model does. What it does not know is looked up,
// too: in a vocabulary of two languages it may be a piece of the other's.
class Renumbered : public TokenModel {
 public:
  Renumbered(std::unique_ptr<TokenModel> pieces, int32_t unknown_piece,
             std::vector<std::string> spellings, int32_t unknown)
      : pieces_(std::move(pieces)),
        unknown_piece_(unknown_piece),
        spellings_(std::move(spellings)),
        unknown_(unknown) {
    for (size_t id = 0; id < spellings_.size(); ++id) {
      if (spellings_[id].empty()) continue;
      ids_.emplace(spellings_[id], static_cast<int32_t>(id));
    }
    for (int32_t id = 0; id < pieces_->size(); ++id) {
      renumbered_.push_back(
          Id(pieces_->Spelling(id).value_or("")).value_or(unknown_));
    }
  }

  void Encode(std::string_view piece, std::vector<ModelToken>& out,
              std::vector<ModelToken>& lost) const override {
    const size_t first = out.size();
    pieces_->Encode(piece, out, lost);
    for (size_t i = first; i < out.size(); ++i) {
      ModelToken& token = out[i];
      token.id = token.id == unknown_piece_
                     ? Id(piece.substr(token.begin, token.end - token.begin))
                           .value_or(unknown_)
                     : renumbered_[static_cast<size_t>(token.id)];
    }
  }
  std::optional<std::string> Spelling(int32_t id) const override {
    if (id < 0 || id >= size() || spellings_[static_cast<size_t>(id)].empty()) {
      return std::nullopt;
    }
    return spellings_[static_cast<size_t>(id)];
  }
  std::optional<int32_t> Id(std::string_view spelling) const override {
    const auto it = ids_.find(spelling);
    return it == ids_.end() ? std::nullopt : std::optional(it->second);
  }
  std::optional<int32_t> unknown_id() const override { return unknown_; }
  int32_t size() const override {
    return static_cast<int32_t>(spellings_.size());
  }
  std::string Describe() const override {
    return Format("{}, as {} of its own", pieces_->Describe(), size());
  }

 private:
  std::unique_ptr<TokenModel> pieces_;
  int32_t unknown_piece_;
  std::vector<std::string> spellings_;
  int32_t unknown_;
  std::unordered_map<std::string_view, int32_t> ids_;
  std::vector<int32_t> renumbered_;  // by the id of the piece
};

std::vector<std::string> Words(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

class Reader {
 public:
  Reader(const fs::path& folder, const Json& config)
      : folder_(folder), config_(config) {}

  std::shared_ptr<const Tokenizer> Marian() {
    if (fs::exists(folder_ / "target_vocab.json") ||
        Flagged("separate_vocabs")) {
      ThrowUnsupported(folder_.string(), "two vocabularies",
                       "target_vocab.json", "one for both languages");
    }
    const SentencePieceModel source = Pieces("source.spm");
    Pieces("target.spm");  // texts are put together by the other's rules
    auto parts = std::make_unique<TokenizerParts>();
    MakeParts(source, Vocabulary(), *parts);
    for (const char* token : {"</s>", "<unk>", "<pad>"}) {
      Need(token, *parts);
    }
    parts->eos = parts->model->Id("</s>");
    parts->pad = parts->model->Id("<pad>");
    parts->post_processor = After(std::nullopt, parts->eos, *parts);
    return Finish(std::move(parts));
  }

  std::shared_ptr<const Tokenizer> M2m100() {
    const std::string kind = Setting("language_codes", "m2m100");
    if (kind != "m2m100" && kind != "wmt21") {
      ThrowUnsupported(folder_.string(), "unknown language_codes", kind,
                       "m2m100 or wmt21");
    }
    std::vector<std::string> spellings = Vocabulary();
    std::vector<std::string> languages;
    for (const std::string& code :
         Words(kind == "wmt21" ? kWmt21Languages : kM2m100Languages)) {
      languages.push_back("__" + code + "__");
    }
    spellings.insert(spellings.end(), languages.begin(), languages.end());
    auto parts = std::make_unique<TokenizerParts>();
    MakeParts(Pieces(kPieces), std::move(spellings), *parts);
    return WithLanguages(languages, "__" + Setting("src_lang", "en") + "__",
                         false, std::move(parts));
  }

  std::shared_ptr<const Tokenizer> Nllb() {
    const std::vector<std::string> languages = Words(kNllbLanguages);
    const Json runs = {{"type", "Replace"},
                       {"pattern", {{"Regex", " {2,}"}}},
                       {"content", " "}};
    auto parts = Aligned(languages, Json::array({runs}), Json::array());
    return WithLanguages(languages, Setting("src_lang", "eng_Latn"),
                         Flagged("legacy_behaviour"), std::move(parts));
  }

  std::shared_ptr<const Tokenizer> XlmRoberta() {
    const Json split = {{"type", "WhitespaceSplit"}};
    auto parts = Aligned({}, Json::array(), Json::array({split}));
    SetEnds(*parts);
    parts->post_processor = After(parts->bos, parts->eos, *parts);
    return Finish(std::move(parts));
  }

 private:
  using Parts = std::unique_ptr<TokenizerParts>;

  bool Flagged(const char* key) const {
    return config_.is_object() && Flag(config_, key, false, folder_.string());
  }
  std::string Setting(const char* key, const char* fallback) const {
    return config_.is_object() ? Text(config_, key, fallback, folder_.string())
                               : fallback;
  }

  std::string Read(const char* name) const {
    const fs::path path = folder_ / name;
    if (!fs::is_regular_file(path)) {
      throw Error(ErrorCode::kNotFound,
                  {.where = path.string(),
                   .what = "the tokenizer needs this file",
                   .got = "a folder without it",
                   .hint = "downloading it with the model"});
    }
    return ReadFile(path);
  }
  SentencePieceModel Pieces(const char* name) const {
    return SentencePieceModel::Parse(Read(name), (folder_ / name).string());
  }

  // vocab.json by id.
  std::vector<std::string> Vocabulary() const {
    const std::string where = (folder_ / "vocab.json").string();
    const Json vocab = ParseJson(Read("vocab.json"), where);
    if (!vocab.is_object() || vocab.empty()) {
      ThrowCorrupt(where, "a vocabulary that names no pieces");
    }
    std::vector<std::string> spellings(vocab.size());
    for (const auto& [spelling, id] : vocab.items()) {
      if (!id.is_number_integer() || id.get<int64_t>() < 0 ||
          id.get<int64_t>() >= std::ssize(spellings) ||
          !spellings[id.get<size_t>()].empty()) {
        ThrowCorrupt(where, "ids that do not count the pieces",
                     Format("{}: {}", spelling, DumpJson(id)));
      }
      spellings[id.get<size_t>()] = spelling;
    }
    return spellings;
  }

  void MakeParts(const SentencePieceModel& model,
                 std::vector<std::string> spellings,
                 TokenizerParts& parts) const {
    MakeSentencePieceParts(model, folder_.string(), parts);
    const auto unknown = std::find(spellings.begin(), spellings.end(), "<unk>");
    if (unknown == spellings.end()) {
      ThrowCorrupt((folder_ / "vocab.json").string(),
                   "a vocabulary without a token that it needs", "<unk>");
    }
    const auto id = static_cast<int32_t>(unknown - spellings.begin());
    parts.model = std::make_unique<Renumbered>(
        std::move(parts.model), model.unknown_id, std::move(spellings), id);
    parts.added = {};  // those had the pieces' ids
    parts.unk = id;
  }

  // Pieces as fairseq numbers them, then languages, then the mask. Texts are
  // prepared as the reference does it, which is not SentencePiece itself: at
  // their ends, and beside special tokens.
  Parts Aligned(const std::vector<std::string>& languages, Json normalizers,
                Json pre_tokenizers) const {
    SentencePieceModel model = Pieces(kPieces);
    AlignAsFairseq(model);
    for (const std::string& language : languages) {
      model.pieces.push_back(
          {language, 0, SentencePieceModel::PieceType::kControl});
    }
    model.pieces.push_back(
        {"<mask>", 0, SentencePieceModel::PieceType::kControl});
    auto parts = std::make_unique<TokenizerParts>();
    const std::string where = folder_.string();
    MakeSentencePieceParts(model, where, *parts);
    const Json spaces = {{"type", "Metaspace"},
                         {"replacement", "\u2581"},
                         {"prepend_scheme", "always"},
                         {"split", true}};
    pre_tokenizers.push_back(spaces);
    if (!model.charsmap.empty()) {
      const Json map = {{"type", "Precompiled"},
                        {"precompiled_charsmap",
                         Base64(std::as_bytes(std::span(model.charsmap)))}};
      normalizers.insert(normalizers.begin(), map);
    }
    parts->normalizer = MakeNormalizer(
        {{"type", "Sequence"}, {"normalizers", normalizers}}, where);
    parts->pre_tokenizer = MakePreTokenizer(
        {{"type", "Sequence"}, {"pretokenizers", pre_tokenizers}}, where);
    parts->decoder = MakeDecoder(spaces, where);
    parts->unk = model.unknown_id;
    return parts;
  }

  void Need(std::string_view spelling, TokenizerParts& parts) const {
    const auto id = parts.model->Id(spelling);
    if (!id) {
      ThrowCorrupt((folder_ / "vocab.json").string(),
                   "a vocabulary without a token that it needs",
                   std::string(spelling));
    }
    AddedToken token;
    token.content = std::string(spelling);
    token.id = *id;
    token.special = true;
    if (parts.added.ById(*id) == nullptr) parts.added.Add(token, "");
  }

  void SetEnds(TokenizerParts& parts) const {
    for (const char* token : {"<s>", "<pad>", "</s>", "<unk>"}) {
      Need(token, parts);
    }
    parts.bos = parts.model->Id("<s>");
    parts.pad = parts.model->Id("<pad>");
    parts.eos = parts.model->Id("</s>");
  }

  std::shared_ptr<const Tokenizer> WithLanguages(
      const std::vector<std::string>& languages, const std::string& own,
      bool behind, Parts parts) const {
    SetEnds(*parts);
    for (const std::string& language : languages) Need(language, *parts);
    if (std::find(languages.begin(), languages.end(), own) == languages.end()) {
      std::string known;
      for (const std::string& one : languages) {
        known += (known.empty() ? "" : " ") + one;
      }
      ThrowUnsupported((folder_ / "tokenizer_config.json").string(),
                       "a src_lang that is no language of the model", own,
                       known);
    }
    const auto language = parts->model->Id(own);
    parts->post_processor = behind
                                ? After(std::nullopt, parts->eos, *parts, own)
                                : After(language, parts->eos, *parts);
    return Finish(std::move(parts));
  }

  // What is put around a text.
  std::unique_ptr<PostProcessor> After(std::optional<int32_t> before,
                                       std::optional<int32_t> after,
                                       const TokenizerParts& parts,
                                       const std::string& last = "") const {
    Json json = TextTemplate(before, after);
    if (!last.empty()) {
      json["single"].push_back(
          {{"SpecialToken", {{"id", last}, {"type_id", 0}}}});
      json["special_tokens"][last] = {{"ids", {*parts.model->Id(last)}}};
    }
    return MakePostProcessor(json, folder_.string());
  }

  std::shared_ptr<const Tokenizer> Finish(Parts parts) const {
    ReadConfig(config_, (folder_ / "tokenizer_config.json").string(), *parts);
    return std::make_shared<Tokenizer>(std::move(parts));
  }

  const fs::path& folder_;
  const Json& config_;
};

std::string ClassOf(const Json& config) {
  const Json name =
      config.is_object() ? config.value("tokenizer_class", Json()) : Json();
  return name.is_string() ? name.get<std::string>() : "";
}

}  // namespace

void RefuseRenumbered(const Json& config, std::string_view where) {
  const std::string name = ClassOf(config);
  for (const char* other : {"M2M100Tokenizer", "MarianTokenizer",
                            "NllbTokenizer", "XLMRobertaTokenizer"}) {
    if (!name.starts_with(other)) continue;
    ThrowUnsupported(where, "a class of tokenizers that numbers pieces itself",
                     name, "another, or the files that it has");
  }
}

std::shared_ptr<const Tokenizer> FromRenumberedPieces(const fs::path& folder,
                                                      const Json& config) {
  Reader reader(folder, config);
  const auto there = [&](const char* name) {
    return fs::is_regular_file(folder / name);
  };
  if (there("source.spm") || there("target.spm")) return reader.Marian();
  if (!there(kPieces)) return nullptr;
  if (there("vocab.json")) return reader.M2m100();
  const std::string name = ClassOf(config);
  if (name.starts_with("NllbTokenizer")) return reader.Nllb();
  if (name.starts_with("XLMRobertaTokenizer")) return reader.XlmRoberta();
  // Every class that has such a file numbers its pieces otherwise.
  throw Error(ErrorCode::kUnsupported,
              {.where = (folder / kPieces).string(),
               .what = "pieces whose numbers depend on the class of tokenizers",
               .expected = "NllbTokenizer or XLMRobertaTokenizer in "
                           "tokenizer_config.json, or vocab.json (M2M-100)",
               .got = name.empty() ? "none" : name,
               .hint = "its tokenizer.json"});
}

}  // namespace malmoi::text
