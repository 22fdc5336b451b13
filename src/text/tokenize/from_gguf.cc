// A tokenizer from GGUF metadata. There the pre-tokenizer is only a name;
// the table here says what each name stands for.
#include "text/tokenize/bpe.h"
#include "text/tokenize/pipeline.h"
#include "text/tokenize/stage_json.h"

namespace malmoi::text {

namespace {

constexpr std::string_view kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kTekkenPattern =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

Json ByteLevel(bool use_regex, bool prefix_space) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", prefix_space},
          {"use_regex", use_regex}};
}
Json Isolated(std::string_view pattern) {
  return {{"type", "Split"},
          {"pattern", {{"Regex", pattern}}},
          {"behavior", "Isolated"}};
}
Json Digits(bool individual) {
  return {{"type", "Digits"}, {"individual_digits", individual}};
}

// The stages of a name, as its models' tokenizer.json has them.
using Stages = Json (*)(bool prefix_space);
Json Gpt2(bool prefix_space) {
  return Json::array({ByteLevel(true, prefix_space)});
}
Json DigitsGpt2(bool prefix_space) {
  return Json::array({Digits(true), ByteLevel(true, prefix_space)});
}
Json Llama3(bool prefix_space) {
  return Json::array(
      {Isolated(kLlama3Pattern), ByteLevel(false, prefix_space)});
}
Json Qwen2(bool prefix_space) {
  return Json::array({Isolated(kQwen2Pattern), ByteLevel(false, prefix_space)});
}
Json Tekken(bool prefix_space) {
  return Json::array(
      {Isolated(kTekkenPattern), ByteLevel(false, prefix_space)});
}
Json Falcon(bool prefix_space) {
  return Json::array(
      {Json({{"type", "Punctuation"}, {"behavior", "Contiguous"}}),
       ByteLevel(true, prefix_space), Digits(false),
       Isolated("[0-9][0-9][0-9]")});
}

struct PreTokenizerName {
  std::string_view name;
  Stages stages;
  bool nfc = false;
  bool ignore_merges = false;
  bool adds_bos = false;  // where the file does not say
};
constexpr PreTokenizerName kPreTokenizers[] = {
    {.name = "command-r", .stages = DigitsGpt2, .nfc = true},
    {.name = "falcon", .stages = Falcon},
    {.name = "gpt-2", .stages = Gpt2},
    {.name = "gpt2", .stages = Gpt2},
    {.name = "llama-bpe",
     .stages = Llama3,
     .ignore_merges = true,
     .adds_bos = true},
    {.name = "llama-v3",
     .stages = Llama3,
     .ignore_merges = true,
     .adds_bos = true},
    {.name = "llama3",
     .stages = Llama3,
     .ignore_merges = true,
     .adds_bos = true},
    {.name = "phi-2", .stages = Gpt2},
    {.name = "qwen2", .stages = Qwen2, .nfc = true},
    {.name = "refact", .stages = DigitsGpt2},
    {.name = "smollm", .stages = DigitsGpt2},
    {.name = "starcoder", .stages = DigitsGpt2},
    {.name = "tekken",
     .stages = Tekken,
     .ignore_merges = true,
     .adds_bos = true},
};

const PreTokenizerName& FindPreTokenizer(const formats::GgufFile& file) {
  const auto name = file.GetString("tokenizer.ggml.pre");
  std::string known;
  for (const PreTokenizerName& kind : kPreTokenizers) {
    if (name == kind.name) return kind;
    known += (known.empty() ? "" : ", ") + std::string(kind.name);
  }
  ThrowUnsupported(file.where(), "unsupported kind of pre-tokenizer",
                   name.value_or("none"), known);
}

// Token types of GGUF.
constexpr int64_t kControl = 3;
constexpr int64_t kUserDefined = 4;

void ReadAddedTokens(const formats::GgufFile& file,
                     const std::vector<std::string_view>& spellings,
                     TokenizerParts& parts) {
  const auto types = file.GetInts("tokenizer.ggml.token_type");
  if (!types) {  // only the named tokens are known to be special
    for (const auto& id : {parts.bos, parts.eos, parts.pad}) {
      if (!id) continue;
      AddedToken token;
      token.content = std::string(spellings[static_cast<size_t>(*id)]);
      token.id = *id;
      token.special = true;
      parts.added.Add(std::move(token), "");
    }
    return;
  }
  if (types->size() != spellings.size()) {
    throw Error(ErrorCode::kCorrupt,
                {.where = file.where(),
                 .what = "as many token types as tokens needed",
                 .expected = std::to_string(spellings.size()),
                 .got = std::to_string(types->size())});
  }
  for (size_t i = 0; i < types->size(); ++i) {
    const int64_t type = (*types)[i];
    if (type != kControl && type != kUserDefined) continue;
    AddedToken token;
    token.content = std::string(spellings[i]);
    token.id = static_cast<int32_t>(i);
    token.special = type == kControl;
    parts.added.Add(std::move(token), "");
  }
}

std::optional<int32_t> TokenKey(const formats::GgufFile& file,
                                std::string_view key, size_t tokens) {
  const std::string full = Format("tokenizer.ggml.{}", key);
  const auto id = file.GetInt(full);
  if (!id) return std::nullopt;
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

Json SpecialToken(const char* name) {
  return {{"SpecialToken", {{"id", name}, {"type_id", 0}}}};
}

// The template that adds the tokens the file asks for; null for none.
Json Template(const formats::GgufFile& file, bool adds_bos,
              const TokenizerParts& parts) {
  const bool bos =
      file.GetBool("tokenizer.ggml.add_bos_token").value_or(adds_bos);
  const bool eos = file.GetBool("tokenizer.ggml.add_eos_token").value_or(false);
  Json single = Json::array();
  Json tokens = Json::object();
  if (bos && parts.bos) {
    single.push_back(SpecialToken("bos"));
    tokens["bos"] = {{"ids", {*parts.bos}}};
  }
  single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
  if (eos && parts.eos) {
    single.push_back(SpecialToken("eos"));
    tokens["eos"] = {{"ids", {*parts.eos}}};
  }
  if (single.size() == 1) return nullptr;
  return {{"type", "TemplateProcessing"},
          {"single", single},
          {"special_tokens", tokens}};
}

}  // namespace

std::shared_ptr<const Tokenizer> Tokenizer::FromGguf(
    std::shared_ptr<const formats::GgufFile> file) {
  const std::string where = file->where();
  const std::string model =
      file->GetString("tokenizer.ggml.model").value_or("none");
  if (model != "gpt2") {
    ThrowUnsupported(where, "unsupported kind of tokenizer model", model,
                     "gpt2 (byte-level BPE)");
  }
  auto spellings = file->GetStringViews("tokenizer.ggml.tokens");
  if (!spellings || spellings->empty() || spellings->size() > INT32_MAX / 2) {
    ThrowCorrupt(where, "a tokenizer without tokens");
  }
  const size_t size = spellings->size();
  const PreTokenizerName& kind = FindPreTokenizer(*file);
  auto parts = std::make_unique<TokenizerParts>();
  parts->bos = TokenKey(*file, "bos_token_id", size);
  parts->eos = TokenKey(*file, "eos_token_id", size);
  parts->pad = TokenKey(*file, "padding_token_id", size);
  parts->unk = TokenKey(*file, "unknown_token_id", size);
  ReadAddedTokens(*file, *spellings, *parts);
  if (kind.nfc) parts->normalizer = MakeNormalizer({{"type", "NFC"}}, where);
  const bool prefix_space =
      file->GetBool("tokenizer.ggml.add_space_prefix").value_or(false);
  parts->pre_tokenizer = MakePreTokenizer(
      {{"type", "Sequence"}, {"pretokenizers", kind.stages(prefix_space)}},
      where);
  BpeOptions options;
  options.ignore_merges = kind.ignore_merges;
  parts->model = std::make_unique<Bpe>(std::move(*spellings), ReadMerges(*file),
                                       file, std::move(options), where);
  parts->post_processor =
      MakePostProcessor(Template(*file, kind.adds_bos, *parts), where);
  parts->decoder = MakeDecoder({{"type", "ByteLevel"}}, where);
  FindEnds({parts->eos, TokenKey(*file, "eot_token_id", size),
            TokenKey(*file, "eom_token_id", size)},
           *parts);
  return std::make_shared<Tokenizer>(std::move(parts));
}

}  // namespace malmoi::text
