// A tokenizer from GGUF metadata. There the pre-tokenizer of a byte-level BPE
// is only a name (gguf_pre_tokenizers.h).
// SentencePiece's BPE ("llama") and Unigram ("t5") have no pre-tokenizer, and
// that of WordPiece ("bert") is always BERT's.
#include <algorithm>
#include <cmath>

#include "text/tokenize/bpe.h"
#include "text/tokenize/gguf_pre_tokenizers.h"
#include "text/tokenize/pipeline.h"
#include "text/tokenize/sentencepiece_model.h"
#include "text/tokenize/stage_json.h"
#include "text/tokenize/word_piece.h"

namespace malmoi::text {

namespace {

// Token types of GGUF.
constexpr int64_t kUnknown = 2;
constexpr int64_t kControl = 3;
constexpr int64_t kUserDefined = 4;
constexpr int64_t kByte = 6;

struct Vocabulary {
  std::vector<std::string_view> spellings;
  std::vector<int64_t> types;  // empty where the file does not say
};

[[noreturn]] void ThrowCount(const formats::GgufFile& file, std::string what,
                             size_t expected, size_t got) {
  throw Error(ErrorCode::kCorrupt, {.where = file.where(),
                                    .what = std::move(what),
                                    .expected = std::to_string(expected),
                                    .got = std::to_string(got)});
}

Vocabulary ReadVocabulary(const formats::GgufFile& file) {
  auto spellings = file.GetStringViews("tokenizer.ggml.tokens");
  if (!spellings || spellings->empty() || spellings->size() > INT32_MAX / 2) {
    ThrowCorrupt(file.where(), "a tokenizer without tokens");
  }
  auto types = file.GetInts("tokenizer.ggml.token_type");
  if (types && types->size() != spellings->size()) {
    ThrowCount(file, "as many token types as tokens needed", spellings->size(),
               types->size());
  }
  return {std::move(*spellings),
          types ? std::move(*types) : std::vector<int64_t>()};
}

// That of its type, where there is one.
std::optional<int32_t> UnknownOf(const Vocabulary& vocabulary,
                                 std::optional<int32_t> fallback) {
  const auto& types = vocabulary.types;
  const auto it = std::find(types.begin(), types.end(), kUnknown);
  if (!fallback || it == types.end()) return fallback;
  return static_cast<int32_t>(it - types.begin());
}

void AddToken(const Vocabulary& vocabulary, size_t id, bool special,
              bool right_strip, TokenizerParts& parts) {
  AddedToken token;
  token.content = std::string(vocabulary.spellings[id]);
  token.id = static_cast<int32_t>(id);
  token.special = special;
  token.right_strip = right_strip;
  parts.added.Add(std::move(token), "");
}

// Of Phi-3, tokens take the whitespace after them, which GGUF does not say;
// llama.cpp goes by the model's name, too.
bool TakesSpaceAfter(std::string_view name, std::string_view spelling) {
  return (name.find("phi-3") != name.npos || name.find("phi3") != name.npos) &&
         spelling != "<unk>" && spelling != "<s>" &&
         spelling != "<|endoftext|>";
}

void ReadAddedTokens(const formats::GgufFile& file,
                     const Vocabulary& vocabulary, TokenizerParts& parts) {
  if (vocabulary.types.empty()) {  // only the named tokens are known
    for (const auto& id : {parts.bos, parts.eos, parts.pad}) {
      if (id) {
        AddToken(vocabulary, static_cast<size_t>(*id), true, false, parts);
      }
    }
    return;
  }
  std::string name = file.GetString("general.name").value_or("");
  for (char& c : name) c = c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
  for (size_t id = 0; id < vocabulary.types.size(); ++id) {
    const int64_t type = vocabulary.types[id];
    if (type != kUnknown && type != kControl && type != kUserDefined) continue;
    const std::string_view spelling = vocabulary.spellings[id];
    // Some files call tokens that end a turn user-defined.
    AddToken(vocabulary, id, type != kUserDefined || IsTurnEnd(spelling),
             TakesSpaceAfter(name, spelling), parts);
  }
}

// `fallback` counts where the file has no such key.
std::optional<int32_t> TokenKey(
    const formats::GgufFile& file, std::string_view key, size_t tokens,
    std::optional<int32_t> fallback = std::nullopt) {
  const std::string full = Format("tokenizer.ggml.{}", key);
  const auto id = file.GetInt(full);
  if (!id) {
    return fallback && static_cast<size_t>(*fallback) < tokens ? fallback
                                                               : std::nullopt;
  }
  if (*id < 0 || *id >= static_cast<int64_t>(tokens)) {
    throw Error(ErrorCode::kCorrupt,
                {.where = file.where(),
                 .what = "a token id outside the vocabulary",
                 .expected = Format("less than {}", tokens),
                 .got = Format("{} = {}", full, *id)});
  }
  return static_cast<int32_t>(*id);
}

std::vector<Bpe::Pair> ReadMerges(const formats::GgufFile& file) {
  const auto texts = file.GetStringViews("tokenizer.ggml.merges");
  if (!texts) ThrowCorrupt(file.where(), "a tokenizer without merges");
  std::vector<Bpe::Pair> merges;
  merges.reserve(texts->size());
  for (std::string_view text : *texts) {
    // Not the first byte: a token could itself begin with a space.
    const size_t space = text.find(' ', 1);
    if (space == std::string_view::npos) {
      ThrowCorrupt(file.where(), "a merge without two parts",
                   std::string(text.substr(0, 60)));
    }
    merges.emplace_back(text.substr(0, space), text.substr(space + 1));
  }
  return merges;
}

// The template that adds the tokens the file asks for; null for none.
Json Template(const formats::GgufFile& file, bool adds_bos, bool adds_eos,
              const TokenizerParts& parts) {
  const bool bos =
      file.GetBool("tokenizer.ggml.add_bos_token").value_or(adds_bos);
  const bool eos =
      file.GetBool("tokenizer.ggml.add_eos_token").value_or(adds_eos);
  return TextTemplate(bos ? parts.bos : std::nullopt,
                      eos ? parts.eos : std::nullopt);
}

void MakeByteLevel(std::shared_ptr<const formats::GgufFile> file,
                   const GgufPreTokenizer& kind, Vocabulary vocabulary,
                   TokenizerParts& parts) {
  const std::string& where = file->where();
  if (kind.nfc) parts.normalizer = MakeNormalizer({{"type", "NFC"}}, where);
  const bool prefix_space =
      file->GetBool("tokenizer.ggml.add_space_prefix").value_or(false);
  parts.pre_tokenizer = MakePreTokenizer(
      {{"type", "Sequence"}, {"pretokenizers", kind.stages(prefix_space)}},
      where);
  BpeOptions options;
  options.ignore_merges = kind.ignore_merges;
  const std::vector<Bpe::Pair> merges = ReadMerges(*file);
  parts.model = std::make_unique<Bpe>(std::move(vocabulary.spellings), merges,
                                      file, std::move(options), where);
  parts.decoder = MakeDecoder({{"type", "ByteLevel"}}, where);
}

// Scores by id; not a number for tokens that no text may become by merging.
// SentencePiece keeps those apart, and so must we: text from users must not
// spell the beginning of a turn. llama.cpp merges to them.
std::vector<float> ReadScores(const formats::GgufFile& file,
                              const Vocabulary& vocabulary,
                              const TokenizerParts& parts) {
  const auto values = file.GetFloats("tokenizer.ggml.scores");
  if (!values) ThrowCorrupt(file.where(), "a tokenizer without scores");
  if (values->size() != vocabulary.spellings.size()) {
    ThrowCount(file, "as many scores as tokens needed",
               vocabulary.spellings.size(), values->size());
  }
  std::vector<float> scores(values->begin(), values->end());
  const auto keep_out = [&](size_t id) { scores[id] = std::nanf(""); };
  for (size_t id = 0; id < vocabulary.types.size(); ++id) {
    const int64_t type = vocabulary.types[id];
    if (type == kUnknown || type == kControl || type == kByte) keep_out(id);
  }
  if (vocabulary.types.empty()) {
    for (const auto& id : {parts.bos, parts.eos, parts.pad, parts.unk}) {
      if (id) keep_out(static_cast<size_t>(*id));
    }
  }
  return scores;
}

// As llama.cpp reads such files (llm_tokenizer_spm): spaces become visible,
// and with add_space_prefix every stretch of text between added tokens begins
// with one. The tokenizers library does the same for a `legacy` tokenizer; the
// newer form puts a space at the beginning of the text only, but GGUF has no
// word for that. remove_extra_whitespaces is ignored by both. Tokens of the
// type "unused" are tokens like others there and here.
void MakeSentencePiece(std::shared_ptr<const formats::GgufFile> file,
                       Vocabulary vocabulary, TokenizerParts& parts) {
  const std::string& where = file->where();
  const bool prefix =
      file->GetBool("tokenizer.ggml.add_space_prefix").value_or(true);
  const std::string space = "\u2581";
  Json normalizers = Json::array();
  Json decoders = Json::array();
  if (prefix) {
    normalizers.push_back({{"type", "Prepend"}, {"prepend", space}});
  }
  normalizers.push_back({{"type", "Replace"},
                         {"pattern", {{"String", " "}}},
                         {"content", space}});
  decoders.push_back({{"type", "Replace"},
                      {"pattern", {{"String", space}}},
                      {"content", " "}});
  decoders.push_back({{"type", "ByteFallback"}});
  decoders.push_back({{"type", "Fuse"}});
  if (prefix) {
    decoders.push_back(
        {{"type", "Strip"}, {"content", " "}, {"start", 1u}, {"stop", 0u}});
  }
  parts.normalizer = MakeNormalizer(
      {{"type", "Sequence"}, {"normalizers", normalizers}}, where);
  BpeOptions options;
  options.byte_fallback = true;
  options.fuse_unknown = true;
  if (parts.unk) {
    options.unknown =
        std::string(vocabulary.spellings[static_cast<size_t>(*parts.unk)]);
  }
  const std::vector<float> scores = ReadScores(*file, vocabulary, parts);
  parts.model = std::make_unique<Bpe>(std::move(vocabulary.spellings), scores,
                                      file, std::move(options), where);
  parts.decoder =
      MakeDecoder({{"type", "Sequence"}, {"decoders", decoders}}, where);
}

// As a vocab.txt has them: there tokens that continue a word are marked, in
// GGUF those that begin one are.
std::vector<std::string> WordPieces(const Vocabulary& vocabulary) {
  constexpr std::string_view kBegin = "\u2581";
  std::vector<std::string> spellings;
  for (std::string_view text : vocabulary.spellings) {
    if (text.starts_with(kBegin)) {
      spellings.emplace_back(text.substr(kBegin.size()));
    } else if (text.starts_with('[') && text.ends_with(']')) {
      spellings.emplace_back(text);
    } else {
      spellings.push_back("##" + std::string(text));
    }
  }
  return spellings;
}

// GGUF does not say whether texts become lower case. A vocabulary for such
// texts has no word with a capital letter; llama.cpp takes all for such.
bool HasCapitals(const std::vector<std::string>& spellings) {
  return std::any_of(
      spellings.begin(), spellings.end(), [](const std::string& text) {
        return !text.starts_with('[') &&
               std::any_of(text.begin(), text.end(),
                           [](char c) { return c >= 'A' && c <= 'Z'; });
      });
}

void MakeWordPieces(const formats::GgufFile& file, const Vocabulary& vocabulary,
                    TokenizerParts& parts) {
  const std::string& where = file.where();
  const size_t size = vocabulary.spellings.size();
  const auto cls = TokenKey(file, "cls_token_id", size, parts.bos);
  const auto sep = TokenKey(file, "seperator_token_id", size, parts.eos);
  if (!parts.unk || !cls || !sep) {
    ThrowCorrupt(where, "a WordPiece tokenizer without its special tokens");
  }
  std::vector<std::string> spellings = WordPieces(vocabulary);
  const auto spelling = [&](int32_t id) {
    return spellings[static_cast<size_t>(id)];
  };
  parts.normalizer = MakeNormalizer({{"type", "BertNormalizer"},
                                     {"clean_text", true},
                                     {"handle_chinese_chars", true},
                                     {"lowercase", !HasCapitals(spellings)}},
                                    where);
  parts.pre_tokenizer = MakePreTokenizer({{"type", "BertPreTokenizer"}}, where);
  parts.post_processor =
      MakePostProcessor({{"type", "BertProcessing"},
                         {"cls", Json::array({spelling(*cls), *cls})},
                         {"sep", Json::array({spelling(*sep), *sep})}},
                        where);
  parts.decoder = MakeDecoder({{"type", "WordPiece"}}, where);
  WordPieceOptions options;
  options.unknown = spelling(*parts.unk);
  parts.model =
      std::make_unique<WordPiece>(std::move(spellings), options, where);
}

SentencePieceModel UnigramModel(const formats::GgufFile& file,
                                const Vocabulary& vocabulary,
                                const TokenizerParts& parts) {
  const auto scores = file.GetFloats("tokenizer.ggml.scores");
  if (!scores) ThrowCorrupt(file.where(), "a tokenizer without scores");
  if (scores->size() != vocabulary.spellings.size()) {
    ThrowCount(file, "as many scores as tokens needed",
               vocabulary.spellings.size(), scores->size());
  }
  if (!parts.unk) ThrowCorrupt(file.where(), "no unknown token");
  SentencePieceModel model;
  for (size_t id = 0; id < scores->size(); ++id) {
    SentencePieceModel::Piece piece;
    piece.text = std::string(vocabulary.spellings[id]);
    piece.score = static_cast<float>((*scores)[id]);
    if (!std::isfinite(piece.score)) {
      ThrowCorrupt(file.where(), "a token's score is not finite", piece.text);
    }
    const int64_t type = vocabulary.types.empty() ? 1 : vocabulary.types[id];
    if (type < 1 || type > 6) {
      ThrowCorrupt(file.where(), "unknown token type", Format("{}", type));
    }
    piece.type = static_cast<SentencePieceModel::PieceType>(type);
    model.pieces.push_back(std::move(piece));
  }
  if (vocabulary.types.empty()) {
    model.pieces[static_cast<size_t>(*parts.unk)].type =
        SentencePieceModel::PieceType::kUnknown;
  }
  model.unknown_id = *parts.unk;
  const auto charsmap = file.GetInts("tokenizer.ggml.precompiled_charsmap");
  for (int64_t byte : charsmap.value_or(std::vector<int64_t>())) {
    model.charsmap += static_cast<char>(byte);
  }
  model.byte_fallback =
      std::find(vocabulary.types.begin(), vocabulary.types.end(), kByte) !=
      vocabulary.types.end();
  model.add_dummy_prefix =
      file.GetBool("tokenizer.ggml.add_space_prefix").value_or(true);
  model.prefix_each = true;
  model.remove_extra_whitespaces =
      file.GetBool("tokenizer.ggml.remove_extra_whitespaces").value_or(false);
  return model;
}

}  // namespace

std::shared_ptr<const Tokenizer> Tokenizer::FromGguf(
    std::shared_ptr<const formats::GgufFile> file) {
  const std::string where = file->where();
  const std::string model =
      file->GetString("tokenizer.ggml.model").value_or("none");
  static constexpr std::string_view kKnown[] = {"bert", "gpt2", "llama", "t5"};
  if (std::find(std::begin(kKnown), std::end(kKnown), model) ==
      std::end(kKnown)) {
    ThrowUnsupported(where, "unsupported kind of tokenizer model", model,
                     "bert (WordPiece), gpt2 (byte-level BPE), llama "
                     "(SentencePiece BPE), t5 (SentencePiece Unigram)");
  }
  Vocabulary vocabulary = ReadVocabulary(*file);
  const size_t size = vocabulary.spellings.size();
  auto parts = std::make_unique<TokenizerParts>();
  // The ids that SentencePiece gives where nobody says otherwise.
  const auto fallback = [&](int32_t llama, int32_t t5) {
    return model == "llama" ? std::optional(llama)
           : model == "t5"  ? std::optional(t5)
                            : std::nullopt;
  };
  parts->unk = TokenKey(*file, "unknown_token_id", size,
                        UnknownOf(vocabulary, fallback(0, 2)));
  parts->bos = TokenKey(*file, "bos_token_id", size,
                        model == "llama" ? std::optional(1) : std::nullopt);
  parts->eos = TokenKey(*file, "eos_token_id", size, fallback(2, 1));
  parts->pad = TokenKey(*file, "padding_token_id", size);
  if (model != "t5") ReadAddedTokens(*file, vocabulary, *parts);
  bool adds_bos = model == "llama";
  if (model == "llama") {
    MakeSentencePiece(file, std::move(vocabulary), *parts);
  } else if (model == "t5") {
    MakeSentencePieceParts(UnigramModel(*file, vocabulary, *parts), where,
                           *parts);
  } else if (model == "bert") {
    MakeWordPieces(*file, vocabulary, *parts);
  } else {
    const GgufPreTokenizer& kind =
        FindGgufPreTokenizer(file->GetString("tokenizer.ggml.pre"), where);
    adds_bos = kind.adds_bos;
    MakeByteLevel(file, kind, std::move(vocabulary), *parts);
  }
  if (model != "bert") {
    parts->post_processor = MakePostProcessor(
        Template(*file, adds_bos, model == "t5", *parts), where);
  }
  FindEnds({parts->eos, TokenKey(*file, "eot_token_id", size),
            TokenKey(*file, "eom_token_id", size)},
           *parts);
  return std::make_shared<Tokenizer>(std::move(parts));
}

}  // namespace malmoi::text
