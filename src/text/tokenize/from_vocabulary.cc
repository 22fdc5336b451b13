// Tokenizers from files that are a vocabulary only: vocab.txt (WordPiece),
// vocab.json with merges.txt (byte-level BPE), and the folder that holds one of
// those or something better. What the vocabulary doesn't say is said by the
// class of tokenizers that tokenizer_config.json names, as in transformers.
#include <algorithm>

#include "base/file.h"
#include "text/tokenize/from_pieces.h"
#include "text/tokenize/known_patterns.h"
#include "text/tokenize/pipeline.h"
#include "text/tokenize/stage_json.h"
#include "text/tokenize/word_piece.h"

namespace malmoi::text {

namespace {

// Classes of transformers whose ids are those of their vocabulary file.
enum class Source { kAny, kWordPieces, kMerges, kSentencePiece, kRenumbered };
struct KnownClass {
  std::string_view name;  // without "Fast"
  Source source;
  bool adds_bos = false;  // where the file does not say
  bool adds_eos = false;
};
constexpr KnownClass kClasses[] = {
    {"BertTokenizer", Source::kWordPieces},
    {"ConvBertTokenizer", Source::kWordPieces},
    {"DistilBertTokenizer", Source::kWordPieces},
    {"ElectraTokenizer", Source::kWordPieces},
    {"GPT2Tokenizer", Source::kMerges},
    {"GemmaTokenizer", Source::kSentencePiece, true},
    {"LlamaTokenizer", Source::kSentencePiece, true},
    {"M2M100Tokenizer", Source::kRenumbered},
    {"MarianTokenizer", Source::kRenumbered},
    {"NllbTokenizer", Source::kRenumbered},
    {"PreTrainedTokenizer", Source::kAny},
    {"Qwen2Tokenizer", Source::kMerges},
    {"RobertaTokenizer", Source::kMerges},
    {"T5Tokenizer", Source::kSentencePiece, false, true},
    {"XLMRobertaTokenizer", Source::kRenumbered},
};

std::string ClassOf(const Json& config) {
  if (!config.is_object() || !config.contains("tokenizer_class") ||
      !config["tokenizer_class"].is_string()) {
    return "";
  }
  auto name = config["tokenizer_class"].get<std::string>();
  if (name.ends_with("Fast")) name.resize(name.size() - 4);
  return name;
}

// Null where the file names none. Throws kUnsupported.
const KnownClass* FindClass(const Json& config, std::string_view where) {
  const std::string name = ClassOf(config);
  if (name.empty()) return nullptr;
  std::string known;
  for (const KnownClass& kind : kClasses) {
    if (kind.name == name) return &kind;
    known += (known.empty() ? "" : ", ") + std::string(kind.name);
  }
  throw Error(ErrorCode::kUnsupported,
              {.where = std::string(where),
               .what = "a class of tokenizers that is more than its vocabulary",
               .expected = known,
               .got = name,
               .hint = "its tokenizer.json"});
}

void CheckFormat(const Json& config, Source source, std::string_view where) {
  const KnownClass* kind = FindClass(config, where);
  if (kind == nullptr || kind->source == Source::kAny ||
      kind->source == source) {
    return;
  }
  ThrowUnsupported(where, "another class of tokenizers has such a file",
                   std::string(kind->name));
}

void AddSpecial(std::string_view spelling, bool left_strip,
                TokenizerParts& parts) {
  const auto id = parts.model->Id(spelling);
  if (!id) return;
  AddedToken token;
  token.content = std::string(spelling);
  token.id = *id;
  token.special = true;
  token.left_strip = left_strip;
  parts.added.Add(std::move(token), "");
}

// Calls visit(line) without ends of lines.
template <typename Visit>
void ForEachLine(std::string_view text, const Visit& visit) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    visit(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

Json Bracketed(const char* type, const char* first, const char* last,
               const TokenizerParts& parts) {
  const auto cls = parts.model->Id(first);
  const auto sep = parts.model->Id(last);
  if (!cls || !sep) return nullptr;
  return {{"type", type}, {"sep", {last, *sep}}, {"cls", {first, *cls}}};
}

}  // namespace

void ReadConfig(const Json& config, std::string_view where,
                TokenizerParts& parts) {
  const KnownClass* kind = FindClass(config, where);
  bool bos = kind != nullptr && kind->adds_bos;
  bool eos = kind != nullptr && kind->adds_eos;
  if (config.is_object()) {
    bos = Flag(config, "add_bos_token", bos, where);
    eos = Flag(config, "add_eos_token", eos, where);
    const auto added = config.find("added_tokens_decoder");
    if (added != config.end() && added->is_object()) {
      const auto limit = static_cast<int64_t>(parts.model->size()) +
                         static_cast<int64_t>(added->size()) + 1'000'000;
      for (const auto& [key, token] : added->items()) {
        if (key.empty() || key.size() > 9 ||
            key.find_first_not_of("0123456789") != std::string::npos) {
          ThrowCorrupt(where, "senseless token id", key);
        }
        ReadAddedToken(token, std::stoll(key), limit, where, parts);
      }
    }
    for (const auto& [key, to] : {std::pair("bos_token", &parts.bos),
                                  std::pair("eos_token", &parts.eos),
                                  std::pair("pad_token", &parts.pad),
                                  std::pair("unk_token", &parts.unk)}) {
      const auto id = NamedToken(config, key, parts);
      if (!id) continue;
      *to = id;
      if (const auto text = parts.model->Spelling(*id)) {
        AddSpecial(*text, false, parts);
      }
    }
  }
  if (!parts.post_processor) {
    parts.post_processor =
        MakePostProcessor(TextTemplate(bos ? parts.bos : std::nullopt,
                                       eos ? parts.eos : std::nullopt),
                          where);
  }
  FindEnds({parts.eos}, parts);
}

std::shared_ptr<const Tokenizer> Tokenizer::FromWordPieces(
    std::string_view bytes, const Json& config, std::string_view where) {
  CheckFormat(config, Source::kWordPieces, where);
  std::vector<std::string> spellings;
  ForEachLine(bytes,
              [&](std::string_view line) { spellings.emplace_back(line); });
  const Json none = Json::object();
  const Json& options = config.is_object() ? config : none;
  WordPieceOptions model;
  model.unknown = "[UNK]";
  auto parts = std::make_unique<TokenizerParts>();
  Json strip = nullptr;
  if (options.contains("strip_accents")) strip = options["strip_accents"];
  parts->normalizer = MakeNormalizer(
      {{"type", "BertNormalizer"},
       {"clean_text", true},
       {"handle_chinese_chars",
        Flag(options, "tokenize_chinese_chars", true, where)},
       {"strip_accents", strip},
       {"lowercase", Flag(options, "do_lower_case", true, where)}},
      where);
  parts->pre_tokenizer =
      MakePreTokenizer({{"type", "BertPreTokenizer"}}, where);
  parts->model =
      std::make_unique<WordPiece>(std::move(spellings), model, where);
  parts->decoder = MakeDecoder({{"type", "WordPiece"}}, where);
  parts->post_processor = MakePostProcessor(
      Bracketed("BertProcessing", "[CLS]", "[SEP]", *parts), where);
  for (const char* token : {"[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"}) {
    AddSpecial(token, false, *parts);
  }
  parts->unk = parts->model->unknown_id();
  parts->pad = parts->model->Id("[PAD]");
  ReadConfig(config, where, *parts);
  return std::make_shared<Tokenizer>(std::move(parts));
}

std::shared_ptr<const Tokenizer> Tokenizer::FromMerges(const Json& vocab,
                                                       std::string_view merges,
                                                       const Json& config,
                                                       std::string_view where) {
  CheckFormat(config, Source::kMerges, where);
  Json model = {{"type", "BPE"}, {"vocab", vocab}, {"merges", Json::array()}};
  bool first = true;
  ForEachLine(merges, [&](std::string_view line) {
    const bool version = first && line.starts_with("#version");
    first = false;
    if (!version && !line.empty()) model["merges"].push_back(line);
  });
  const std::string kind = ClassOf(config);
  const bool prefix_space =
      config.is_object() && Flag(config, "add_prefix_space", false, where);
  auto parts = std::make_unique<TokenizerParts>();
  const Json byte_level = {{"type", "ByteLevel"},
                           {"add_prefix_space", prefix_space},
                           {"use_regex", kind != "Qwen2Tokenizer"}};
  if (kind == "Qwen2Tokenizer") {
    parts->normalizer = MakeNormalizer({{"type", "NFC"}}, where);
    parts->pre_tokenizer = MakePreTokenizer(
        {{"type", "Sequence"},
         {"pretokenizers",
          {{{"type", "Split"}, {"pattern", {{"Regex", kQwen2Pattern}}}},
           byte_level}}},
        where);
  } else {
    parts->pre_tokenizer = MakePreTokenizer(byte_level, where);
  }
  parts->model = MakeModel(model, where);
  parts->decoder = MakeDecoder({{"type", "ByteLevel"}}, where);
  AddSpecial("<|endoftext|>", false, *parts);
  parts->eos = parts->model->Id("<|endoftext|>");
  if (kind == "RobertaTokenizer") {
    Json around = Bracketed("RobertaProcessing", "<s>", "</s>", *parts);
    if (!around.is_null()) around["add_prefix_space"] = prefix_space;
    parts->post_processor = MakePostProcessor(around, where);
    for (const char* token : {"<s>", "<pad>", "</s>", "<unk>"}) {
      AddSpecial(token, false, *parts);
    }
    AddSpecial("<mask>", true, *parts);
    parts->bos = parts->model->Id("<s>");
    parts->eos = parts->model->Id("</s>");
    parts->pad = parts->model->Id("<pad>");
    parts->unk = parts->model->Id("<unk>");
  }
  ReadConfig(config, where, *parts);
  return std::make_shared<Tokenizer>(std::move(parts));
}

std::shared_ptr<const Tokenizer> Tokenizer::FromFolder(
    const std::filesystem::path& folder) {
  namespace fs = std::filesystem;
  const Json config = ReadJsonIfThere(folder / "tokenizer_config.json");
  std::error_code ignored;
  const auto there = [&](const char* name) -> std::optional<fs::path> {
    if (!fs::is_regular_file(folder / name, ignored)) return std::nullopt;
    return folder / name;
  };
  if (const auto path = there("tokenizer.json")) {
    return FromJson(ReadJson(*path), config, path->string());
  }
  if (auto tokenizer = FromRenumberedPieces(folder, config)) return tokenizer;
  for (const char* name : {"tokenizer.model", "spiece.model"}) {
    if (const auto path = there(name)) {
      return FromSentencePiece(ReadFile(*path), config, path->string());
    }
  }
  if (const auto path = there("vocab.json")) {
    if (const auto merges = there("merges.txt")) {
      return FromMerges(ReadJson(*path), ReadFile(*merges), config,
                        path->string());
    }
  }
  if (const auto path = there("vocab.txt")) {
    return FromWordPieces(ReadFile(*path), config, path->string());
  }
  std::vector<fs::path> ranks;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.path().extension() == ".tiktoken") ranks.push_back(entry.path());
  }
  if (ranks.size() == 1) {
    return FromTiktoken(ReadFile(ranks[0]), ranks[0].stem().string(), config,
                        ranks[0].string());
  }
  throw Error(
      ErrorCode::kNotFound,
      {.where = folder.string(),
       .what = "no tokenizer",
       .expected = "tokenizer.json, SentencePiece's file, vocab.json "
                   "with merges.txt, vocab.txt or one .tiktoken file",
       .got = ranks.empty() ? "none of them" : "several .tiktoken files",
       .hint = "downloading it with the model"});
}

}  // namespace malmoi::text
