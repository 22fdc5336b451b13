#include "text/tokenize/gguf_pre_tokenizers.h"

#include <initializer_list>
#include <string>

#include "text/tokenize/known_patterns.h"
#include "text/tokenize/stage_json.h"

namespace malmoi::text {

namespace {

constexpr std::string_view kQwen35Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kBailingMoePattern =
    R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)";
constexpr std::string_view kSeedCoderPattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kExaoneMoePattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+)";
constexpr std::string_view kJais2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1})";
constexpr std::string_view kMiniCpm5Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kBloomPattern = R"( ?[^(\s|.,!?…。，、।۔،)]+)";
constexpr std::string_view kDeepSeekV3Pattern =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
// Letters in words without spaces.
constexpr std::string_view kHanKana =
    R"([\x{4e00}-\x{9fa5}\x{3040}-\x{309f}\x{30a0}-\x{30ff}]+)";
constexpr std::string_view kHanHangul =
    R"([\x{4e00}-\x{9fa5}\x{800}-\x{4e00}\x{ac00}-\x{d7ff}]+)";
constexpr std::string_view kWideMarks =
    R"(\s?[!-/:-~\x{ff01}-\x{ff0f}\x{ff1a}-\x{ff5e}\x{2018}-\x{201f}\x{3000}-\x{3002}]+)";
constexpr std::string_view kDeepSeekLlmLetters =
    R"(\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+)";

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
Json O200k(bool prefix_space) {
  return Json::array({Isolated(kO200kPattern), ByteLevel(false, prefix_space)});
}
Json Falcon(bool prefix_space) {
  return Json::array(
      {Json({{"type", "Punctuation"}, {"behavior", "Contiguous"}}),
       ByteLevel(true, prefix_space), Digits(false),
       Isolated("[0-9][0-9][0-9]")});
}

Json Splits(std::initializer_list<std::string_view> patterns) {
  Json stages = Json::array();
  for (std::string_view pattern : patterns) stages.push_back(Isolated(pattern));
  stages.push_back(ByteLevel(false, false));
  return stages;
}
Json BailingMoe(bool) { return Splits({kBailingMoePattern}); }
Json Bloom(bool) { return Splits({kBloomPattern}); }
Json Viking(bool) { return Splits({kBloomPattern, "\\p{N}"}); }
Json ExaoneMoe(bool) { return Splits({kExaoneMoePattern}); }
Json Jais2(bool) { return Splits({kJais2Pattern}); }
Json MiniCpm5(bool) { return Splits({"\\p{N}{1,3}", kMiniCpm5Pattern}); }
Json Qwen35(bool) { return Splits({kQwen35Pattern}); }
Json SeedCoder(bool) { return Splits({kSeedCoderPattern}); }
Json DeepSeekV3(bool) {
  return Splits({"\\p{N}{1,3}", kHanKana, kDeepSeekV3Pattern});
}
Json DeepSeekCoder(bool) {
  return Splits({"[\r\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", kHanHangul, "\\p{N}"});
}
Json DeepSeekLlm(bool) {
  return Splits({"[\r\n]", kDeepSeekLlmLetters, kWideMarks, "\\s+$", kHanHangul,
                 "\\p{N}+"});
}

constexpr GgufPreTokenizer kPreTokenizers[] = {
    {.name = "gpt-2", .stages = Gpt2},
    {.name = "llama-bpe",
     .stages = Llama3,
     .ignore_merges = true,
     .adds_bos = true},
    {.name = "qwen2", .stages = Qwen2, .nfc = true},
    {.name = "smollm", .stages = DigitsGpt2},
    {.name = "a.x-4.0", .stages = Gpt2},
    {.name = "bailingmoe", .stages = BailingMoe},
    {.name = "bailingmoe2", .stages = BailingMoe},
    {.name = "bloom", .stages = Bloom},
    {.name = "chatglm-bpe", .stages = Llama3},
    {.name = "codeshell", .stages = DigitsGpt2},
    {.name = "command-r", .stages = DigitsGpt2, .nfc = true},
    {.name = "dbrx", .stages = Llama3},
    {.name = "deepseek-coder", .stages = DeepSeekCoder},
    {.name = "deepseek-llm", .stages = DeepSeekLlm},
    {.name = "deepseek-r1-qwen", .stages = Qwen2},
    {.name = "deepseek-v3", .stages = DeepSeekV3},
    {.name = "exaone", .stages = DigitsGpt2},
    {.name = "exaone-moe", .stages = ExaoneMoe},
    {.name = "exaone4", .stages = Gpt2},
    {.name = "f2llmv2", .stages = Qwen2, .nfc = true},
    {.name = "falcon", .stages = Falcon},
    {.name = "falcon-h1",
     .stages = Llama3,
     .ignore_merges = true,
     .adds_bos = true},
    {.name = "falcon3",
     .stages = Llama3,
     .ignore_merges = true,
     .adds_bos = true},
    {.name = "gigachat", .stages = Gpt2},
    {.name = "glm4", .stages = Llama3, .ignore_merges = true},
    {.name = "glm5", .stages = Llama3, .ignore_merges = true},
    {.name = "gpt-4o", .stages = O200k},
    {.name = "gpt2", .stages = Gpt2},
    {.name = "gpt3-finnish", .stages = Bloom},
    {.name = "granite-docling", .stages = Gpt2},
    {.name = "grok-2", .stages = Qwen2},
    {.name = "hunyuan", .stages = Qwen2},
    {.name = "hunyuan-dense", .stages = DeepSeekV3},
    {.name = "jais", .stages = Gpt2},
    {.name = "jais-2", .stages = Jais2},
    {.name = "jina-de", .stages = Gpt2},
    {.name = "jina-es", .stages = Gpt2},
    {.name = "jina-v2-de", .stages = Gpt2},
    {.name = "jina-v2-es", .stages = Gpt2},
    {.name = "jina-v5-nano",
     .stages = Llama3,
     .ignore_merges = true,
     .adds_bos = true},
    {.name = "joyai-llm", .stages = DeepSeekV3},
    {.name = "kanana2", .stages = O200k},
    {.name = "kormo", .stages = Qwen2},
    {.name = "lfm2", .stages = Llama3, .ignore_merges = true, .adds_bos = true},
    {.name = "llada-moe", .stages = BailingMoe},
    {.name = "llama-v3",
     .stages = Llama3,
     .ignore_merges = true,
     .adds_bos = true},
    {.name = "llama3",
     .stages = Llama3,
     .ignore_merges = true,
     .adds_bos = true},
    {.name = "llama4", .stages = O200k},
    {.name = "megrez", .stages = Qwen2},
    {.name = "mellum", .stages = Gpt2},
    {.name = "mellum2", .stages = DigitsGpt2},
    {.name = "midm-2.0",
     .stages = Llama3,
     .ignore_merges = true,
     .adds_bos = true},
    {.name = "minerva-7b", .stages = DigitsGpt2},
    {.name = "minicpm5", .stages = MiniCpm5, .ignore_merges = true},
    {.name = "minimax-m2", .stages = O200k},
    {.name = "modern-bert", .stages = Gpt2},
    {.name = "mpt", .stages = Gpt2},
    {.name = "olmo", .stages = Gpt2},
    {.name = "phi-2", .stages = Gpt2},
    {.name = "pixtral",
     .stages = Llama3,
     .ignore_merges = true,
     .adds_bos = true},
    {.name = "poro-chat", .stages = Bloom},
    {.name = "qwen35", .stages = Qwen35},
    {.name = "refact", .stages = DigitsGpt2},
    {.name = "seed-coder", .stages = SeedCoder},
    {.name = "smaug-bpe", .stages = Llama3},
    {.name = "solar-open", .stages = Qwen2},
    {.name = "stablelm2", .stages = Qwen2},
    {.name = "starcoder", .stages = DigitsGpt2},
    {.name = "talkie", .stages = O200k},
    {.name = "tekken",
     .stages = Tekken,
     .ignore_merges = true,
     .adds_bos = true},
    {.name = "trillion", .stages = Gpt2},
    {.name = "viking", .stages = Viking}};

}  // namespace

std::span<const GgufPreTokenizer> GgufPreTokenizers() { return kPreTokenizers; }

const GgufPreTokenizer& FindGgufPreTokenizer(
    const std::optional<std::string>& name, std::string_view where) {
  std::string known;
  for (const GgufPreTokenizer& kind : kPreTokenizers) {
    if (name == kind.name) return kind;
    known += (known.empty() ? "" : ", ") + std::string(kind.name);
  }
  ThrowUnsupported(where, "unsupported kind of pre-tokenizer",
                   name.value_or("none"), known);
}

}  // namespace malmoi::text
