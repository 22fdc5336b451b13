#include "models/registry.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

std::string FillName(std::string_view pattern, int64_t number) {
  std::string text(pattern);
  const size_t at = text.find("{}");
  if (at != std::string::npos) text.replace(at, 2, std::to_string(number));
  return text;
}

std::string GgufName(const Architecture& architecture, Role role,
                     int64_t layer) {
  for (const TensorName& name : architecture.tensors) {
    if (name.role == role) return FillName(name.gguf, layer);
  }
  return "";
}

namespace {

// Decoders' names are those of a model with a head, which calls what is below
// it so. Files of the inside alone (embedders) have names without it.
constexpr std::string_view kInner = "model.";

bool IsWithoutHead(const Checkpoint& checkpoint,
                   const Architecture& architecture) {
  for (const TensorName& name : architecture.tensors) {
    if (name.role != Role::kEmbedding || !name.hf.starts_with(kInner)) continue;
    return architecture.prefix.empty() &&
           !checkpoint.tensors().contains(name.hf) &&
           checkpoint.tensors().contains(name.hf.substr(kInner.size()));
  }
  return false;
}

}  // namespace

std::string NameIn(const Checkpoint& checkpoint,
                   const Architecture& architecture, const TensorName& name,
                   int64_t layer) {
  const std::string bare =
      FillName(checkpoint.gguf ? name.gguf : name.hf, layer);
  if (checkpoint.gguf || bare.empty() || checkpoint.tensors().contains(bare)) {
    return bare;
  }
  if (IsWithoutHead(checkpoint, architecture) && bare.starts_with(kInner)) {
    return bare.substr(kInner.size());
  }
  return std::string(architecture.prefix) + bare;
}

std::string NameIn(const Checkpoint& checkpoint,
                   const Architecture& architecture, Role role, int64_t layer) {
  std::string last;
  for (const TensorName& name : architecture.tensors) {
    if (name.role != role) continue;
    last = NameIn(checkpoint, architecture, name, layer);
    if (checkpoint.tensors().contains(last)) break;
  }
  return last;
}

bool Architecture::Ignores(std::string_view tensor) const {
  return std::any_of(
      ignored.begin(), ignored.end(), [&](std::string_view pattern) {
        return pattern.starts_with('*') ? tensor.ends_with(pattern.substr(1))
                                        : tensor.starts_with(pattern);
      });
}

std::span<const Architecture> Architectures() {
  static const Architecture kArchitectures[] = {
      // Sorted by name.
      {"albert", nullptr, kAlbertTensors, kEncoderIgnored, "albert.",
       DescribeAlbert, kAlbertHeads},
      {.name = "bart",
       .describe = nullptr,
       .tensors = kBartTensors,
       .ignored = kEncoderDecoderIgnored,
       .prefix = "model.",
       .describe_encoder_decoder = DescribeBart},
      {"bert", nullptr, kBertTensors, kEncoderIgnored, "bert.", DescribeBert,
       kBertHeads},
      {"cohere", DescribeCohere, kLlamaTensors, kOldBuffers},
      {"cohere2", DescribeCohere2, kLlamaTensors, kOldBuffers},
      {"command-r", DescribeCohere, kLlamaTensors, kOldBuffers},
      {"deberta-v2", nullptr, kDebertaTensors, kEncoderIgnored, "deberta.",
       DescribeDeberta, kDebertaHeads},
      {"distilbert", nullptr, kDistilBertTensors, kEncoderIgnored,
       "distilbert.", DescribeDistilBert, kDistilBertHeads},
      {"electra", nullptr, kBertTensors, kEncoderIgnored, "electra.",
       DescribeBert, kElectraHeads},
      {"exaone", DescribeExaone, kExaoneTensors, kOldBuffers},
      {"exaone4", DescribeExaone4, kSandwichTensors, kOldBuffers},
      {"falcon", DescribeFalcon, kFalconTensors, kOldBuffers},
      {"falcon-h1", DescribeFalconH1, kFalconH1Tensors, kOldBuffers},
      {"falcon_h1", DescribeFalconH1, kFalconH1Tensors, kOldBuffers},
      {"falcon_mamba", DescribeFalconMamba, kMambaTensors, {}, "model."},
      {"gemma", DescribeGemma, kLlamaTensors, kOldBuffers},
      {"gemma-embedding", DescribeGemma3, kSandwichTensors, kDenseNames},
      {"gemma2", DescribeGemma2, kSandwichTensors, kOldBuffers},
      {"gemma3", DescribeGemma3, kSandwichTensors, kOldBuffers},
      {"gemma3_text", DescribeGemma3, kSandwichTensors, kOldBuffers},
      {"gpt-oss", DescribeGptOss, kGptOssTensors, kOldBuffers},
      {"gpt2", DescribeGpt2, kGpt2Tensors, kOldBuffers, "transformer."},
      {"gpt_neox", DescribeGptNeoX, kGptNeoXTensors, kOldBuffers},
      {"gpt_oss", DescribeGptOss, kGptOssTensors, kOldBuffers},
      {"gptneox", DescribeGptNeoX, kGptNeoXTensors, kOldBuffers},
      {"granite", DescribeGranite, kLlamaTensors, kOldBuffers},
      {"granitehybrid", DescribeGraniteMoeHybrid, kGraniteMoeHybridTensors,
       kOldBuffers},
      {"granitemoe", DescribeGraniteMoe, kGraniteMoeTensors, kOldBuffers},
      {"granitemoehybrid", DescribeGraniteMoeHybrid, kGraniteMoeHybridTensors,
       kOldBuffers},
      {"hyperclovax", DescribeHyperClovaX, kLlamaTensors, kOldBuffers},
      {"lfm2", DescribeLfm2, kLfm2Tensors, kOldBuffers},
      {"llama", DescribeLlama, kMixtureTensors, kOldBuffers},
      {.name = "m2m_100",
       .describe = nullptr,
       .tensors = kBartTensors,
       .ignored = kEncoderDecoderIgnored,
       .prefix = "model.",
       .describe_encoder_decoder = DescribeM2m100},
      {"mamba", DescribeMamba, kMambaTensors, {}, "model."},
      {"mamba2", DescribeMamba2, kMamba2Tensors, {}, "model."},
      {.name = "marian",
       .describe = nullptr,
       .tensors = kBartTensors,
       .ignored = kEncoderDecoderIgnored,
       .prefix = "model.",
       .describe_encoder_decoder = DescribeMarian},
      {.name = "mbart",
       .describe = nullptr,
       .tensors = kBartTensors,
       .ignored = kEncoderDecoderIgnored,
       .prefix = "model.",
       .describe_encoder_decoder = DescribeMbart},
      {"mistral", DescribeMistral, kLlamaTensors, kOldBuffers},
      {"mixtral", DescribeMixtral, kMixtralTensors, kOldBuffers},
      {"modern-bert", nullptr, kModernBertTensors, kEncoderIgnored, "model.",
       DescribeModernBert, kModernBertHeads},
      {"modernbert", nullptr, kModernBertTensors, kEncoderIgnored, "model.",
       DescribeModernBert, kModernBertHeads},
      {"mpnet", nullptr, kMpnetTensors, kEncoderIgnored, "mpnet.",
       DescribeMpnet, kRobertaHeads},
      {.name = "mt5",
       .describe = nullptr,
       .tensors = kT5Tensors,
       .ignored = kEncoderDecoderIgnored,
       .describe_encoder_decoder = DescribeMt5},
      {"nomic-bert", nullptr, kNomicBertTensors, kEncoderIgnored, "nomic_bert.",
       DescribeNomicBert},
      {"nomic_bert", nullptr, kNomicBertTensors, kEncoderIgnored, "nomic_bert.",
       DescribeNomicBert},
      {"olmo", DescribeOlmo, kLlamaTensors, kOldBuffers},
      {"olmo2", DescribeOlmo2, kSandwichTensors, kOldBuffers},
      {"olmo3", DescribeOlmo2, kSandwichTensors, kOldBuffers},
      {"olmoe", DescribeOlmoe, kMixtureTensors, kOldBuffers},
      {"phi", DescribePhi, kPhiTensors, kOldBuffers},
      {"phi2", DescribePhi, kPhiTensors, kOldBuffers},
      {"phi3", DescribePhi3, kPhi3Tensors, kOldBuffers},
      {"qwen2", DescribeQwen2, kLlamaTensors, kOldBuffers},
      {"qwen2_moe", DescribeQwen2Moe, kMixtureTensors, kOldBuffers},
      {"qwen2moe", DescribeQwen2Moe, kMixtureTensors, kOldBuffers},
      {"qwen3", DescribeQwen3, kLlamaTensors, kOldBuffers},
      {"qwen3_moe", DescribeQwen3Moe, kMixtureTensors, kOldBuffers},
      {"qwen3moe", DescribeQwen3Moe, kMixtureTensors, kOldBuffers},
      {"roberta", nullptr, kBertTensors, kEncoderIgnored, "roberta.",
       DescribeRoberta, kRobertaHeads},
      {"smollm3", DescribeSmolLm3, kLlamaTensors, kOldBuffers},
      {"stablelm", DescribeStableLm, kStableLmTensors, kOldBuffers},
      {"starcoder2", DescribeStarCoder2, kStarCoder2Tensors, kOldBuffers},
      {.name = "t5",
       .describe = nullptr,
       .tensors = kT5Tensors,
       .ignored = kEncoderDecoderIgnored,
       .describe_encoder_decoder = DescribeT5},
      {"xlm-roberta", nullptr, kBertTensors, kEncoderIgnored, "roberta.",
       DescribeRoberta, kRobertaHeads},
  };
  return kArchitectures;
}

const Architecture* KnownArchitecture(std::string_view name) {
  for (const Architecture& architecture : Architectures()) {
    if (architecture.name == name) return &architecture;
  }
  return nullptr;
}

const Architecture& FindArchitecture(std::string_view name,
                                     std::string_view where) {
  if (const Architecture* found = KnownArchitecture(name)) return *found;
  std::string known;
  for (const Architecture& architecture : Architectures()) {
    known += (known.empty() ? "" : ", ") + std::string(architecture.name);
  }
  throw Error(ErrorCode::kUnsupported, {.where = std::string(where),
                                        .what = "unknown architecture",
                                        .expected = known,
                                        .got = std::string(name)});
}

namespace {

[[noreturn]] void ThrowKind(const Architecture& architecture,
                            std::string_view where, const char* expected) {
  const bool decodes = architecture.describe != nullptr;
  const bool both = architecture.describe_encoder_decoder != nullptr;
  throw Error(ErrorCode::kUnsupported, {.where = std::string(where),
                                        .what = "a model of another kind",
                                        .expected = expected,
                                        .got = std::string(architecture.name) +
                                               (decodes ? ", a decoder"
                                                : both  ? ", an encoder-decoder"
                                                        : ", an encoder"),
                                        .hint = decodes ? "malmoi run"
                                                : both  ? "malmoi translate"
                                                        : "malmoi embed"});
}

}  // namespace

const Architecture& FindDecoder(std::string_view name, std::string_view where) {
  const Architecture& found = FindArchitecture(name, where);
  if (found.describe == nullptr) ThrowKind(found, where, "a decoder");
  return found;
}

const Architecture& FindEncoder(std::string_view name, std::string_view where) {
  const Architecture& found = FindArchitecture(name, where);
  if (found.describe_encoder == nullptr) {
    ThrowKind(found, where, "an encoder");
  }
  return found;
}

const Architecture& FindEncoderDecoder(std::string_view name,
                                       std::string_view where) {
  const Architecture& found = FindArchitecture(name, where);
  if (found.describe_encoder_decoder == nullptr) {
    ThrowKind(found, where, "an encoder-decoder");
  }
  return found;
}

}  // namespace malmoi::models
