// The architectures: each describes a checkpoint by a Spec, in a file of its
// own name.
#ifndef MALMOI_MODELS_ARCH_ARCH_H_
#define MALMOI_MODELS_ARCH_ARCH_H_

#include <span>

#include "models/registry.h"

namespace malmoi::models {

Spec DescribeCohere(const Checkpoint& checkpoint);
Spec DescribeCohere2(const Checkpoint& checkpoint);
Spec DescribeExaone(const Checkpoint& checkpoint);
Spec DescribeExaone4(const Checkpoint& checkpoint);
Spec DescribeFalcon(const Checkpoint& checkpoint);
Spec DescribeFalconH1(const Checkpoint& checkpoint);
Spec DescribeFalconMamba(const Checkpoint& checkpoint);
Spec DescribeGemma(const Checkpoint& checkpoint);
Spec DescribeGemma2(const Checkpoint& checkpoint);
Spec DescribeGemma3(const Checkpoint& checkpoint);
Spec DescribeGpt2(const Checkpoint& checkpoint);
Spec DescribeGptNeoX(const Checkpoint& checkpoint);
Spec DescribeGptOss(const Checkpoint& checkpoint);
Spec DescribeGranite(const Checkpoint& checkpoint);
Spec DescribeGraniteMoe(const Checkpoint& checkpoint);
Spec DescribeGraniteMoeHybrid(const Checkpoint& checkpoint);
Spec DescribeHyperClovaX(const Checkpoint& checkpoint);
Spec DescribeLfm2(const Checkpoint& checkpoint);
Spec DescribeLlama(const Checkpoint& checkpoint);
Spec DescribeMamba(const Checkpoint& checkpoint);
Spec DescribeMamba2(const Checkpoint& checkpoint);
Spec DescribeMistral(const Checkpoint& checkpoint);
Spec DescribeMixtral(const Checkpoint& checkpoint);
Spec DescribeOlmo(const Checkpoint& checkpoint);
Spec DescribeOlmo2(const Checkpoint& checkpoint);
Spec DescribeOlmoe(const Checkpoint& checkpoint);
Spec DescribePhi(const Checkpoint& checkpoint);
Spec DescribePhi3(const Checkpoint& checkpoint);
Spec DescribeQwen2(const Checkpoint& checkpoint);
Spec DescribeQwen2Moe(const Checkpoint& checkpoint);
Spec DescribeQwen3(const Checkpoint& checkpoint);
Spec DescribeQwen3Moe(const Checkpoint& checkpoint);
Spec DescribeSmolLm3(const Checkpoint& checkpoint);
Spec DescribeStableLm(const Checkpoint& checkpoint);
Spec DescribeStarCoder2(const Checkpoint& checkpoint);

EncoderSpec DescribeAlbert(const Checkpoint& checkpoint);
EncoderSpec DescribeBert(const Checkpoint& checkpoint);
EncoderSpec DescribeDeberta(const Checkpoint& checkpoint);
EncoderSpec DescribeDistilBert(const Checkpoint& checkpoint);
EncoderSpec DescribeModernBert(const Checkpoint& checkpoint);
EncoderSpec DescribeMpnet(const Checkpoint& checkpoint);
EncoderSpec DescribeNomicBert(const Checkpoint& checkpoint);
EncoderSpec DescribeRoberta(const Checkpoint& checkpoint);

EncoderDecoderSpec DescribeBart(const Checkpoint& checkpoint);
EncoderDecoderSpec DescribeM2m100(const Checkpoint& checkpoint);
EncoderDecoderSpec DescribeMarian(const Checkpoint& checkpoint);
EncoderDecoderSpec DescribeMbart(const Checkpoint& checkpoint);
EncoderDecoderSpec DescribeMt5(const Checkpoint& checkpoint);
EncoderDecoderSpec DescribeT5(const Checkpoint& checkpoint);

extern const std::span<const TensorName> kBartTensors;  // Marian, M2M-100 too
extern const std::span<const TensorName> kT5Tensors;
// Copies of what they share, tables that are computed, heads.
extern const std::span<const std::string_view> kEncoderDecoderIgnored;

extern const std::span<const TensorName> kAlbertTensors;
extern const std::span<const TensorName> kBertTensors;
extern const std::span<const TensorName> kDistilBertTensors;
extern const std::span<const TensorName> kMpnetTensors;
extern const std::span<const TensorName> kDebertaTensors;
extern const std::span<const TensorName> kModernBertTensors;
extern const std::span<const TensorName> kNomicBertTensors;
extern const std::span<const HeadForm> kAlbertHeads;
extern const std::span<const HeadForm> kBertHeads;
extern const std::span<const HeadForm> kDebertaHeads;
extern const std::span<const HeadForm> kDistilBertHeads;
extern const std::span<const HeadForm> kElectraHeads;
extern const std::span<const HeadForm> kModernBertHeads;
extern const std::span<const HeadForm> kRobertaHeads;
// Heads that nobody asked for, and buffers.
extern const std::span<const std::string_view> kEncoderIgnored;

// Of those that are not called as Llama's.
// Projections behind pooling, in GGUF files of Gemma's embedder.
extern const std::span<const std::string_view> kDenseNames;
extern const std::span<const TensorName> kExaoneTensors;
extern const std::span<const TensorName> kFalconTensors;
extern const std::span<const TensorName> kFalconH1Tensors;
extern const std::span<const TensorName> kGpt2Tensors;
extern const std::span<const TensorName> kGptNeoXTensors;
extern const std::span<const TensorName> kGptOssTensors;
extern const std::span<const TensorName> kGraniteMoeHybridTensors;
extern const std::span<const TensorName> kLfm2Tensors;
extern const std::span<const TensorName> kMambaTensors;
extern const std::span<const TensorName> kMamba2Tensors;
extern const std::span<const TensorName> kPhiTensors;
extern const std::span<const TensorName> kPhi3Tensors;
extern const std::span<const TensorName> kStableLmTensors;
extern const std::span<const TensorName> kStarCoder2Tensors;

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_ARCH_ARCH_H_
