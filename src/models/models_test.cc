// The decoder on a toy model: batch invariance on every instruction set, the
// page cache, and what a bad file is told.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>
#include <string>

#include "base/error.h"
#include "base/random.h"
#include "formats/testing/gguf_writer.h"
#include "kernels/kernels.h"
#include "models/decoder.h"

namespace malmoi::models {
namespace {

struct Toy {
  int64_t width = 64, hidden = 96, heads = 4, kv_heads = 2, layers = 2,
          vocab = 50, context = 2048;
};

// Random weights: vectors in f32, matrices in f32, bf16 or Q8_0.
std::string ToyGguf(const Toy& toy, DType dtype,
                    const std::string& leave_out = "",
                    const std::string& extra = "",
                    const std::string& architecture = "llama") {
  Random random(11);
  formats::GgufWriter writer;
  writer.String("general.architecture", architecture);
  const auto key = [&](const std::string& name, int64_t value) {
    writer.U32(architecture + "." + name, static_cast<uint32_t>(value));
  };
  key("block_count", toy.layers);
  key("embedding_length", toy.width);
  key("feed_forward_length", toy.hidden);
  key("attention.head_count", toy.heads);
  key("attention.head_count_kv", toy.kv_heads);
  key("context_length", toy.context);
  writer.F32(architecture + ".attention.layer_norm_rms_epsilon", 1e-5f);
  const auto add = [&](const std::string& name, std::vector<int64_t> shape) {
    if (name == leave_out) return;
    int64_t count = 1;
    for (int64_t dim : shape) count *= dim;
    if (shape.size() == 1 || dtype != DType::kQ8_0) {
      std::vector<float> values;
      for (int64_t i = 0; i < count; ++i) {
        const float v = static_cast<float>(random.Uniform() - 0.5);
        values.push_back(shape.size() == 1 ? 1 + v : v * 0.5f);
      }
      if (shape.size() == 1 || dtype == DType::kF32) {
        writer.F32Tensor(name, shape, values);
        return;
      }
      std::string halves;
      for (const float value : values) {
        const uint16_t half = kernels::FloatToBF16(value);
        halves.append(reinterpret_cast<const char*>(&half), 2);
      }
      writer.Tensor(name, shape, 30, halves);
      return;
    }
    std::string blocks;
    for (int64_t i = 0; i < count / 32; ++i) {
      const uint16_t scale = 0x1400;  // 2^-10
      blocks.append(reinterpret_cast<const char*>(&scale), 2);
      for (int k = 0; k < 32; ++k) {
        blocks += static_cast<char>(random.Below(255) - 127);
      }
    }
    writer.Tensor(name, shape, 8, blocks);
  };
  const int64_t q = toy.width;
  const int64_t kv = toy.width / toy.heads * toy.kv_heads;
  add("token_embd.weight", {toy.vocab, toy.width});
  add("output_norm.weight", {toy.width});
  for (int64_t i = 0; i < toy.layers; ++i) {
    const std::string blk = "blk." + std::to_string(i) + ".";
    add(blk + "attn_norm.weight", {toy.width});
    add(blk + "attn_q.weight", {q, toy.width});
    add(blk + "attn_k.weight", {kv, toy.width});
    add(blk + "attn_v.weight", {kv, toy.width});
    add(blk + "attn_output.weight", {toy.width, q});
    add(blk + "ffn_norm.weight", {toy.width});
    add(blk + "ffn_gate.weight", {toy.hidden, toy.width});
    add(blk + "ffn_up.weight", {toy.hidden, toy.width});
    add(blk + "ffn_down.weight", {toy.width, toy.hidden});
  }
  if (!extra.empty()) add(extra, {toy.width});
  return writer.Finish();
}

Checkpoint Open(std::string bytes) {
  auto owner = std::make_shared<std::string>(std::move(bytes));
  Checkpoint checkpoint;
  checkpoint.path = "toy.gguf";
  checkpoint.gguf = formats::GgufFile::Parse(
      {reinterpret_cast<const std::byte*>(owner->data()), owner->size()}, owner,
      "toy.gguf");
  return checkpoint;
}

std::vector<int32_t> Tokens(size_t count, uint64_t seed) {
  Random random(seed);
  std::vector<int32_t> tokens;
  for (size_t i = 0; i < count; ++i) {
    tokens.push_back(static_cast<int32_t>(random.Below(50)));
  }
  return tokens;
}

class DecoderTest : public ::testing::TestWithParam<
                        std::tuple<const kernels::KernelTable*, DType>> {
 protected:
  DecoderTest() : before_(kernels::Kernels()) {
    // With the products of bf16 that only some processors are fast at.
    table_ = *std::get<0>(GetParam());
    table_.bf16_dot = true;
    kernels::UseKernels(table_);
  }
  ~DecoderTest() override { kernels::UseKernels(before_); }
  DType dtype() const { return std::get<1>(GetParam()); }

 private:
  kernels::KernelTable table_;
  const kernels::KernelTable& before_;
};

// Logits of every position of `tokens`, fed in pieces of these sizes.
std::vector<float> Logits(const Decoder& decoder, int threads,
                          const std::vector<int32_t>& tokens,
                          std::vector<size_t> pieces,
                          const std::vector<int32_t>& beside = {},
                          std::optional<KvType> type = {}) {
  ThreadPool pool(threads);
  Arena arena;
  Exec exec{pool, arena, {}, nullptr};
  auto sequence = decoder.NewSequence(2048, type);
  auto other = decoder.NewSequence(2048, type);
  std::vector<float> all;
  size_t at = 0, which = 0;
  while (at < tokens.size()) {
    const size_t count =
        std::min(pieces[which++ % pieces.size()], tokens.size() - at);
    std::vector<SequenceInput> inputs;
    if (!beside.empty() && other->length() == 0) {
      inputs.push_back({other.get(), beside, LogitsFor::kNone});
    }
    inputs.push_back({sequence.get(), std::span(tokens).subspan(at, count),
                      LogitsFor::kAll});
    const auto logits = decoder.Forward(exec, inputs);
    all.insert(all.end(), logits.begin(), logits.end());
    at += count;
  }
  return all;
}

TEST_P(DecoderTest, LogitsAreBitIdenticalHoweverThePromptIsFed) {
  ThreadPool pool(2);
  const auto decoder =
      Decoder::Load(Open(ToyGguf({}, dtype())), Precision::kFast, pool);
  const auto tokens = Tokens(150, 1);
  const auto once = Logits(*decoder, 2, tokens, {1000});
  ASSERT_EQ(once.size(), 150u * 50u);
  for (float logit : once) ASSERT_TRUE(std::isfinite(logit));
  EXPECT_EQ(once, Logits(*decoder, 1, tokens, {1000})) << "one thread";
  EXPECT_EQ(once, Logits(*decoder, 3, tokens, {1000})) << "three threads";
  EXPECT_EQ(once, Logits(*decoder, 2, tokens, {1})) << "token by token";
  EXPECT_EQ(once, Logits(*decoder, 2, tokens, {7, 1, 64, 3})) << "pieces";
  EXPECT_EQ(once, Logits(*decoder, 2, tokens, {1000}, Tokens(90, 2)))
      << "beside another sequence";
  EXPECT_EQ(once, Logits(*decoder, 2, tokens, {5}, Tokens(33, 3)))
      << "pieces beside another sequence";
}

// About attention, whatever the weights are.
class LongContextTest : public DecoderTest {};

TEST_P(LongContextTest, IsInvariantPastAChunk) {
  ThreadPool pool(2);
  const auto decoder =
      Decoder::Load(Open(ToyGguf({}, dtype())), Precision::kFast, pool);
  const auto tokens = Tokens(1100, 4);  // attention sums chunks of 512 apart
  for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kQ8}) {
    const auto once = Logits(*decoder, 2, tokens, {1100}, {}, type);
    EXPECT_EQ(once, Logits(*decoder, 1, tokens, {130, 1, 500}, {}, type));
    // One row: chunks are tasks of their own.
    EXPECT_EQ(once, Logits(*decoder, 3, tokens, {1090, 1}, Tokens(40, 5), type))
        << "the last token by token";
  }
}

std::string NameOf(
    const ::testing::TestParamInfo<DecoderTest::ParamType>& info) {
  const auto& [table, dtype] = info.param;
  return std::string(table->name) + std::string(Info(dtype).name);
}
const auto kTables = ::testing::ValuesIn(kernels::AllKernels().begin(),
                                         kernels::AllKernels().end());
INSTANTIATE_TEST_SUITE_P(
    Targets, DecoderTest,
    ::testing::Combine(kTables, ::testing::Values(DType::kF32, DType::kBF16,
                                                  DType::kQ8_0)),
    NameOf);
INSTANTIATE_TEST_SUITE_P(Targets, LongContextTest,
                         ::testing::Combine(kTables,
                                            ::testing::Values(DType::kQ8_0)),
                         NameOf);

// The forward written out in double, from the formulas of the papers.
std::vector<double> Reference(const Checkpoint& checkpoint, const Toy& toy,
                              const std::vector<int32_t>& tokens) {
  using Matrix = std::vector<double>;
  const auto weights = [&](const std::string& name) {
    const Tensor& tensor = checkpoint.tensors().at(name);
    const auto* values = reinterpret_cast<const float*>(tensor.data.data());
    return Matrix(values, values + tensor.elements());
  };
  const auto multiply = [](const Matrix& w, const Matrix& x) {
    Matrix out(w.size() / x.size());
    for (size_t r = 0; r < out.size(); ++r) {
      for (size_t k = 0; k < x.size(); ++k)
        out[r] += w[r * x.size() + k] * x[k];
    }
    return out;
  };
  const auto norm = [](const Matrix& x, const Matrix& w) {
    double squares = 0;
    for (double v : x) squares += v * v;
    const double scale =
        1 / std::sqrt(squares / static_cast<double>(x.size()) + 1e-5);
    Matrix out(x.size());
    for (size_t k = 0; k < x.size(); ++k) out[k] = x[k] * scale * w[k];
    return out;
  };
  const size_t width = static_cast<size_t>(toy.width);
  const size_t head_dim = width / static_cast<size_t>(toy.heads);
  const auto rotate = [&](Matrix& x, size_t position) {
    for (size_t i = 0; i < x.size(); i += 2) {
      const double angle =
          static_cast<double>(position) *
          std::pow(10000.0, -static_cast<double>(i % head_dim) /
                                static_cast<double>(head_dim));
      const double a = x[i], b = x[i + 1];
      x[i] = a * std::cos(angle) - b * std::sin(angle);
      x[i + 1] = a * std::sin(angle) + b * std::cos(angle);
    }
  };
  const Matrix embedding = weights("token_embd.weight");
  std::vector<Matrix> stream;
  for (int32_t token : tokens) {
    const auto row = embedding.begin() + token * toy.width;
    stream.emplace_back(row, row + toy.width);
  }
  for (int64_t layer = 0; layer < toy.layers; ++layer) {
    const std::string blk = "blk." + std::to_string(layer) + ".";
    std::vector<Matrix> keys, values, queries;
    for (size_t t = 0; t < tokens.size(); ++t) {
      const Matrix x = norm(stream[t], weights(blk + "attn_norm.weight"));
      queries.push_back(multiply(weights(blk + "attn_q.weight"), x));
      keys.push_back(multiply(weights(blk + "attn_k.weight"), x));
      values.push_back(multiply(weights(blk + "attn_v.weight"), x));
      rotate(queries.back(), t);
      rotate(keys.back(), t);
    }
    for (size_t t = 0; t < tokens.size(); ++t) {
      Matrix attended(width);
      for (size_t h = 0; h < static_cast<size_t>(toy.heads); ++h) {
        const size_t kv = h * static_cast<size_t>(toy.kv_heads) /
                          static_cast<size_t>(toy.heads) * head_dim;
        Matrix weights_of(t + 1);
        double total = 0;
        for (size_t j = 0; j <= t; ++j) {
          double score = 0;
          for (size_t d = 0; d < head_dim; ++d) {
            score += queries[t][h * head_dim + d] * keys[j][kv + d];
          }
          weights_of[j] =
              std::exp(score / std::sqrt(static_cast<double>(head_dim)));
          total += weights_of[j];
        }
        for (size_t j = 0; j <= t; ++j) {
          for (size_t d = 0; d < head_dim; ++d) {
            attended[h * head_dim + d] +=
                weights_of[j] / total * values[j][kv + d];
          }
        }
      }
      const Matrix out =
          multiply(weights(blk + "attn_output.weight"), attended);
      for (size_t k = 0; k < width; ++k) stream[t][k] += out[k];
      const Matrix x = norm(stream[t], weights(blk + "ffn_norm.weight"));
      Matrix gate = multiply(weights(blk + "ffn_gate.weight"), x);
      const Matrix up = multiply(weights(blk + "ffn_up.weight"), x);
      for (size_t k = 0; k < gate.size(); ++k) {
        gate[k] = gate[k] / (1 + std::exp(-gate[k])) * up[k];
      }
      const Matrix down = multiply(weights(blk + "ffn_down.weight"), gate);
      for (size_t k = 0; k < width; ++k) stream[t][k] += down[k];
    }
  }
  return multiply(embedding,
                  norm(stream.back(), weights("output_norm.weight")));
}

TEST(Decoder, EqualsTheFormulasInDouble) {
  const Toy toy;
  const Checkpoint checkpoint = Open(ToyGguf(toy, DType::kF32));
  ThreadPool pool(1);
  const auto decoder = Decoder::Load(checkpoint, Precision::kExact, pool);
  const auto tokens = Tokens(9, 5);
  const auto logits = Logits(*decoder, 1, tokens, {9});
  const auto expected = Reference(checkpoint, toy, tokens);
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(static_cast<double>(logits[8 * 50 + i]), expected[i], 1e-5);
  }
}

// How far keys and values of 11 and of 8 bits lead from f32.
TEST(Decoder, TypesOfKeysAndValuesDifferByTheirPrecision) {
  ThreadPool pool(1);
  const auto decoder =
      Decoder::Load(Open(ToyGguf({}, DType::kF32)), Precision::kFast, pool);
  const auto tokens = Tokens(100, 8);
  const auto exact = Logits(*decoder, 1, tokens, {100}, {}, KvType::kF32);
  const auto error = [&](KvType type) {
    const auto logits = Logits(*decoder, 1, tokens, {100}, {}, type);
    double squares = 0, size = 0;
    for (size_t i = 0; i < logits.size(); ++i) {
      const double difference = static_cast<double>(logits[i] - exact[i]);
      squares += difference * difference;
      size += static_cast<double>(exact[i]) * static_cast<double>(exact[i]);
    }
    return std::sqrt(squares / size);
  };
  const double f16 = error(KvType::kF16), q8 = error(KvType::kQ8);
  EXPECT_GT(f16, 0);
  EXPECT_LT(f16, 1e-3);
  EXPECT_GT(q8, f16);
  EXPECT_LT(q8, 2e-2);
}

// Activations rounded to bf16 are wrong by 2^-9 at most, and nine products
// follow one another: four in each layer, and the head.
TEST(Decoder, ProductsOfBF16AreAsCloseAsBF16) {
  const kernels::KernelTable& before = kernels::Kernels();
  ThreadPool pool(1);
  const auto tokens = Tokens(40, 5);
  const auto logits = [&](bool bf16_dot, Precision precision) {
    kernels::KernelTable table = before;
    table.bf16_dot = bf16_dot;
    kernels::UseKernels(table);
    const auto decoder =
        Decoder::Load(Open(ToyGguf({}, DType::kBF16)), precision, pool);
    auto out = Logits(*decoder, 1, tokens, {40}, {}, KvType::kF32);
    kernels::UseKernels(before);
    return out;
  };
  const auto plain = logits(false, Precision::kFast);
  EXPECT_EQ(logits(true, Precision::kExact), logits(false, Precision::kExact));
  const auto rounded = logits(true, Precision::kFast);
  double squares = 0, size = 0;
  for (size_t i = 0; i < plain.size(); ++i) {
    const double difference = static_cast<double>(rounded[i] - plain[i]);
    squares += difference * difference;
    size += static_cast<double>(plain[i]) * static_cast<double>(plain[i]);
  }
  EXPECT_GT(squares, 0);
  EXPECT_LT(std::sqrt(squares / size), 9 * 0x1p-9);
}

TEST(Decoder, ForkedSequencesGoTheirOwnWays) {
  ThreadPool pool(1);
  Arena arena;
  Exec exec{pool, arena, {}, nullptr};
  const auto decoder =
      Decoder::Load(Open(ToyGguf({}, DType::kQ8_0)), Precision::kFast, pool);
  const auto feed = [&](Sequence& sequence, std::vector<int32_t> tokens) {
    const SequenceInput input = {&sequence, tokens, LogitsFor::kLast};
    const auto logits = decoder->Forward(exec, {&input, 1});
    return std::vector<float>(logits.begin(), logits.end());
  };
  auto whole = decoder->NewSequence(100);
  feed(*whole, Tokens(70, 6));
  const auto expected = feed(*whole, {1, 2, 3});
  auto trunk = decoder->NewSequence(100);
  feed(*trunk, Tokens(70, 6));
  auto fork = trunk->Fork();
  const auto astray = feed(*trunk, {9, 8, 7});
  EXPECT_EQ(feed(*fork, {1, 2, 3}), expected);
  EXPECT_NE(astray, expected);
  trunk->Truncate(70);
  EXPECT_EQ(feed(*trunk, {1, 2, 3}), expected);
}

TEST(Decoder, OverflowNamesBothNumbersAndChangesNothing) {
  ThreadPool pool(1);
  Arena arena;
  Exec exec{pool, arena, {}, nullptr};
  const auto decoder =
      Decoder::Load(Open(ToyGguf({}, DType::kQ8_0)), Precision::kFast, pool);
  auto sequence = decoder->NewSequence(10);
  const auto tokens = Tokens(11, 7);
  const SequenceInput input = {sequence.get(), tokens, LogitsFor::kLast};
  try {
    decoder->Forward(exec, {&input, 1});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kContextOverflow);
    EXPECT_EQ(error.parts().expected, "at most 10");
    EXPECT_EQ(error.parts().got, "11");
  }
  EXPECT_EQ(sequence->length(), 0);
}

Error LoadError(const std::string& gguf) {
  ThreadPool pool(1);
  try {
    Decoder::Load(Open(gguf), Precision::kFast, pool);
  } catch (const Error& error) {
    return error;
  }
  return Error(ErrorCode::kCancelled, {});
}

TEST(Loader, NamesMissingUnusedAndMisshapenTensorsTogether) {
  Toy toy;
  const Error error = LoadError(
      ToyGguf(toy, DType::kF32, "blk.1.ffn_up.weight", "blk.0.mystery.weight"));
  EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
  EXPECT_NE(error.message().find("blk.1.ffn_up.weight is missing"),
            std::string::npos);
  EXPECT_NE(error.message().find("blk.0.mystery.weight is not used"),
            std::string::npos);
  toy.kv_heads = 1;  // the metadata and the tensors of another model
  std::string bytes = ToyGguf(toy, DType::kF32);
  EXPECT_EQ(LoadError(bytes).code(), ErrorCode::kCancelled);
}

TEST(Loader, RefusesUnknownArchitecturesAndSenselessNumbers) {
  const Error unknown = LoadError(ToyGguf({}, DType::kF32, "", "", "martian"));
  EXPECT_EQ(unknown.code(), ErrorCode::kUnsupported);
  EXPECT_EQ(unknown.parts().what, "unknown architecture");
  EXPECT_EQ(unknown.parts().got, "martian");
  EXPECT_EQ(LoadError(ToyGguf({.heads = 3}, DType::kF32)).code(),
            ErrorCode::kCorrupt);
  formats::GgufWriter empty;
  empty.String("general.architecture", "llama");
  const Error missing = LoadError(empty.Finish());
  EXPECT_EQ(missing.parts().what, "a required setting is missing");
  EXPECT_EQ(missing.parts().expected, "llama.block_count");
}

}  // namespace
}  // namespace malmoi::models
