// A language model of random weights for tests: a Llama of two layers whose
// vocabulary is single letters, written as a GGUF file and loaded from it.
#ifndef MALMOI_GENERATE_TESTING_TOY_MODEL_H_
#define MALMOI_GENERATE_TESTING_TOY_MODEL_H_

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/random.h"
#include "formats/testing/gguf_writer.h"
#include "generate/language_model.h"

namespace malmoi::generate {

inline constexpr int64_t kToyVocab = 24;
inline constexpr int64_t kToyContext = 512;
inline constexpr int32_t kToyEnd = 2;  // </s>

// Letters a, b, c ... after <unk>, <s> and </s>.
inline void ToyVocabulary(formats::GgufWriter& writer) {
  std::vector<std::string> texts = {"<unk>", "<s>", "</s>"};
  std::vector<int32_t> types = {2, 3, 3};
  for (int64_t id = 3; id < kToyVocab; ++id) {
    texts.push_back(std::string(1, static_cast<char>('a' + id - 3)));
    types.push_back(1);
  }
  writer.String("tokenizer.ggml.model", "llama");
  writer.Strings("tokenizer.ggml.tokens", texts);
  writer.I32s("tokenizer.ggml.token_type", types);
  writer.F32s("tokenizer.ggml.scores", std::vector<float>(texts.size()));
  writer.U32("tokenizer.ggml.bos_token_id", 1);
  writer.U32("tokenizer.ggml.eos_token_id", kToyEnd);
}

// Q8_0, so that products go the way of quantized models.
inline std::string ToyBlocks(int64_t count, Random& random) {
  std::string blocks;
  for (int64_t i = 0; i < count / 32; ++i) {
    const uint16_t scale = 0x1800;  // 2^-9
    blocks.append(reinterpret_cast<const char*>(&scale), 2);
    for (int k = 0; k < 32; ++k) {
      blocks += static_cast<char>(random.Below(255) - 127);
    }
  }
  return blocks;
}

inline std::string ToyGguf(uint64_t seed, int64_t layers = 2) {
  constexpr int64_t kWidth = 64, kHidden = 96, kHeads = 4, kKvHeads = 2;
  constexpr int64_t kKv = kWidth / kHeads * kKvHeads;
  Random random(seed);
  formats::GgufWriter writer;
  writer.String("general.architecture", "llama");
  const auto key = [&](const std::string& name, int64_t value) {
    writer.U32("llama." + name, static_cast<uint32_t>(value));
  };
  key("block_count", layers);
  key("embedding_length", kWidth);
  key("feed_forward_length", kHidden);
  key("attention.head_count", kHeads);
  key("attention.head_count_kv", kKvHeads);
  key("context_length", kToyContext);
  writer.F32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  ToyVocabulary(writer);
  const auto matrix = [&](const std::string& name, int64_t rows,
                          int64_t columns) {
    writer.Tensor(name + ".weight", {rows, columns}, 8,
                  ToyBlocks(rows * columns, random));
  };
  const auto norm = [&](const std::string& name) {
    writer.F32Tensor(name + ".weight", {kWidth},
                     std::vector<float>(kWidth, 1.0f));
  };
  matrix("token_embd", kToyVocab, kWidth);
  norm("output_norm");
  for (int64_t i = 0; i < layers; ++i) {
    const std::string block = "blk." + std::to_string(i) + ".";
    norm(block + "attn_norm");
    matrix(block + "attn_q", kWidth, kWidth);
    matrix(block + "attn_k", kKv, kWidth);
    matrix(block + "attn_v", kKv, kWidth);
    matrix(block + "attn_output", kWidth, kWidth);
    norm(block + "ffn_norm");
    matrix(block + "ffn_gate", kHidden, kWidth);
    matrix(block + "ffn_up", kHidden, kWidth);
    matrix(block + "ffn_down", kWidth, kHidden);
  }
  return writer.Finish();
}

// Writes the file to `path`, where it stays.
inline std::shared_ptr<LanguageModel> ToyModel(
    const std::filesystem::path& path, uint64_t seed, int64_t layers = 2) {
  WriteFileAtomically(path, ToyGguf(seed, layers));
  return LanguageModel::Load(path, {.threads = 2});
}

}  // namespace malmoi::generate

#endif  // MALMOI_GENERATE_TESTING_TOY_MODEL_H_
