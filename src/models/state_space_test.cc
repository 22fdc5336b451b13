// State spaces: the same bits however a prompt is fed and on every target, the
// states that the reference has, and what a state cannot do.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cctype>
#include <cmath>
#include <filesystem>
#include <string>
#include <tuple>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/random.h"
#include "formats/testing/gguf_writer.h"
#include "kernels/kernels.h"
#include "models/decoder.h"
#include "models/saved_sequence.h"
#include "models/testing/reference.h"

namespace malmoi::models {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = MALMOI_SOURCE_DIR "/tests/golden/zoo_state_space";

std::vector<int32_t> Tokens(size_t count, uint64_t seed) {
  Random random(seed);
  std::vector<int32_t> tokens;
  for (size_t i = 0; i < count; ++i) {
    tokens.push_back(static_cast<int32_t>(random.Below(300)));
  }
  return tokens;
}

std::unique_ptr<Decoder> Load(const std::string& folder, Precision precision) {
  ThreadPool pool(2);
  return Decoder::Load(Checkpoint::Open(kGolden / folder), precision, pool);
}

class Feeder {
 public:
  Feeder(const Decoder& decoder, int threads)
      : decoder_(decoder), pool_(threads), exec_{pool_, arena_, {}, nullptr} {}

  std::vector<float> Feed(Sequence& sequence, std::span<const int32_t> tokens) {
    return Feed({{&sequence, tokens, LogitsFor::kAll}});
  }
  std::vector<float> Feed(std::vector<SequenceInput> inputs) {
    const auto logits = decoder_.Forward(exec_, inputs);
    return {logits.begin(), logits.end()};
  }
  Exec& exec() { return exec_; }

 private:
  const Decoder& decoder_;
  ThreadPool pool_;
  Arena arena_;
  Exec exec_;
};

// Logits of every position, fed in pieces of this size, at first beside
// another sequence.
std::vector<float> Logits(const Decoder& decoder, int threads,
                          std::span<const int32_t> tokens, size_t piece,
                          const std::vector<int32_t>& beside = {}) {
  Feeder feeder(decoder, threads);
  const auto sequence = decoder.NewSequence(256);
  const auto other = decoder.NewSequence(256);
  std::vector<float> all;
  for (size_t at = 0; at < tokens.size(); at += piece) {
    std::vector<SequenceInput> inputs;
    if (at == 0) inputs.push_back({other.get(), beside, LogitsFor::kNone});
    inputs.push_back({sequence.get(),
                      tokens.subspan(at, std::min(piece, tokens.size() - at)),
                      LogitsFor::kAll});
    const auto logits = feeder.Feed(inputs);
    all.insert(all.end(), logits.begin(), logits.end());
  }
  return all;
}

class StateSpaceTest
    : public ::testing::TestWithParam<
          std::tuple<const char*, const kernels::KernelTable*>> {
 protected:
  StateSpaceTest() : before_(kernels::Kernels()) {
    kernels::UseKernels(*std::get<1>(GetParam()));
  }
  ~StateSpaceTest() override { kernels::UseKernels(before_); }
  static std::string folder() { return std::get<0>(GetParam()); }

 private:
  const kernels::KernelTable& before_;
};

TEST_P(StateSpaceTest, LogitsAreBitIdenticalHoweverThePromptIsFed) {
  const auto decoder = Load(folder(), Precision::kFast);
  const auto tokens = Tokens(130, 1);
  const auto once = Logits(*decoder, 2, tokens, 130);
  for (float logit : once) ASSERT_TRUE(std::isfinite(logit));
  EXPECT_EQ(once, Logits(*decoder, 1, tokens, 130)) << "one thread";
  for (size_t piece : {1, 7, 64}) {
    EXPECT_EQ(once, Logits(*decoder, 2, tokens, piece)) << piece;
    EXPECT_EQ(once, Logits(*decoder, 1, tokens, piece, Tokens(33, 2)))
        << piece << " beside another sequence";
  }
}

// What is remembered after the second prompt: the last rows before the
// convolution, and the states, which the reference keeps with channels first.
// Of models whose reference has states.
class StateTest : public StateSpaceTest {};
TEST_P(StateTest, EqualsTheReference) {
  const auto decoder = Load(folder(), Precision::kExact);
  const StateSpaceSpec& spec = decoder->spec().state_space;
  const Expected expected(kGolden / folder());
  const auto sequence = decoder->NewSequence(64);
  Feeder(*decoder, 2).Feed(*sequence, expected.Ids("1.ids"));
  const auto size = [](int64_t n) { return static_cast<size_t>(n); };
  const size_t heads = size(std::max<int64_t>(1, spec.heads));
  const size_t head = size(spec.inner) / heads, states = size(spec.states);
  const size_t before = size(spec.taps - 1), wide = size(spec.convolved());
  std::vector<float> windows, got;
  for (int64_t i = 0; i < sequence->shape().state_layers; ++i) {
    const float* window = sequence->state(i);
    const float* state = window + spec.window_size();
    for (size_t c = 0; c < wide; ++c) {
      for (size_t k = 0; k < before; ++k) {
        windows.push_back(window[k * wide + c]);
      }
    }
    for (size_t h = 0; h < heads; ++h) {
      for (size_t p = 0; p < head; ++p) {
        for (size_t n = 0; n < states; ++n) {
          got.push_back(state[(h * states + n) * head + p]);
        }
      }
    }
  }
  EXPECT_LT(Difference(got, expected.Floats("1.ssm_states")), 1e-4);
  // Of `taps` columns the first is not needed any more.
  std::vector<float> all = expected.Floats("1.conv_states"), kept;
  for (size_t i = 0; i < all.size(); ++i) {
    if (i % (before + 1) != 0) kept.push_back(all[i]);
  }
  EXPECT_LT(Difference(windows, kept), 1e-4);
}

TEST_P(StateSpaceTest, ForkedSequencesGoTheirOwnWays) {
  const auto decoder = Load(folder(), Precision::kFast);
  Feeder feeder(*decoder, 1);
  const auto trunk = decoder->NewSequence(100);
  feeder.Feed(*trunk, Tokens(40, 3));
  const auto fork = trunk->Fork();
  const auto astray = feeder.Feed(*trunk, Tokens(5, 4));
  const auto expected = feeder.Feed(*fork, Tokens(6, 5));
  const auto whole = decoder->NewSequence(100);
  feeder.Feed(*whole, Tokens(40, 3));
  EXPECT_EQ(feeder.Feed(*whole, Tokens(6, 5)), expected);
  EXPECT_NE(astray, expected);
}

TEST_P(StateSpaceTest, OnlyAllOfASequenceIsForgotten) {
  const auto decoder = Load(folder(), Precision::kFast);
  EXPECT_FALSE(decoder->rewinds());
  Feeder feeder(*decoder, 1);
  const auto sequence = decoder->NewSequence(100);
  const auto first = feeder.Feed(*sequence, Tokens(20, 6));
  EXPECT_TRUE(sequence->CanTruncate(20));
  EXPECT_FALSE(sequence->CanTruncate(19));
  EXPECT_TRUE(sequence->CanTruncate(0));
  sequence->Truncate(0);
  EXPECT_EQ(feeder.Feed(*sequence, Tokens(20, 6)), first);
}

TEST_P(StateSpaceTest, AFailureHalfwayIsNotGoneOnFrom) {
  const auto decoder = Load(folder(), Precision::kFast);
  Feeder feeder(*decoder, 1);
  const auto sequence = decoder->NewSequence(100);
  const auto tokens = Tokens(20, 6);
  const auto expected = feeder.Feed(*sequence, tokens);
  feeder.exec().tap = [](std::string_view name, auto, auto, auto) {
    if (name == "layer.1.output") throw Error(ErrorCode::kCancelled, {});
  };
  EXPECT_THROW(feeder.Feed(*sequence, tokens), Error);
  feeder.exec().tap = {};
  EXPECT_EQ(sequence->length(), 20);
  EXPECT_FALSE(sequence->CanTruncate(20));
  try {
    feeder.Feed(*sequence, tokens);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  }
  sequence->Truncate(0);
  EXPECT_EQ(feeder.Feed(*sequence, tokens), expected);
}

TEST_P(StateSpaceTest, SavedSequencesGoOn) {
  const auto decoder = Load(folder(), Precision::kFast);
  Feeder feeder(*decoder, 1);
  for (size_t length : {0, 1, 64, 70}) {
    const auto tokens = Tokens(length, 7);
    const auto sequence = decoder->NewSequence(100);
    feeder.Feed(*sequence, tokens);
    const std::string bytes =
        SaveSequence(*sequence, tokens, "model", "target");
    const SavedSequence saved =
        ParseSequence(std::as_bytes(std::span(bytes)), "file");
    CheckHash(saved, "file");
    EXPECT_EQ(saved.tokens, tokens);
    const auto other = decoder->NewSequence(100);
    RestoreSequence(saved, static_cast<int64_t>(length), *other);
    EXPECT_EQ(feeder.Feed(*other, Tokens(5, 8)),
              feeder.Feed(*sequence, Tokens(5, 8)));
  }
}

// One layer of more channels than one part of a scan has, written out in
// double from the formulas of the paper.
class ManyChannels {
 public:
  static constexpr size_t kWidth = 16, kInner = 200, kStates = 3, kTaps = 3,
                          kRank = 2, kVocab = 300;

  ManyChannels() {
    writer_.String("general.architecture", "mamba");
    const auto key = [&](const std::string& name, size_t value) {
      writer_.U32("mamba." + name, static_cast<uint32_t>(value));
    };
    key("block_count", 1);
    key("embedding_length", kWidth);
    key("ssm.inner_size", kInner);
    key("ssm.state_size", kStates);
    key("ssm.conv_kernel", kTaps);
    key("ssm.time_step_rank", kRank);
    writer_.F32("mamba.attention.layer_norm_rms_epsilon", 1e-5f);
    embedding_ = Add("token_embd.weight", {kVocab, kWidth});
    end_norm_ = Add("output_norm.weight", {kWidth});
    norm_ = Add("blk.0.attn_norm.weight", {kWidth});
    in_ = Add("blk.0.ssm_in.weight", {2 * kInner, kWidth});
    filters_ = Add("blk.0.ssm_conv1d.weight", {kInner, kTaps});
    filter_bias_ = Add("blk.0.ssm_conv1d.bias", {kInner});
    parts_ = Add("blk.0.ssm_x.weight", {kRank + 2 * kStates, kInner});
    step_ = Add("blk.0.ssm_dt.weight", {kInner, kRank});
    step_bias_ = Add("blk.0.ssm_dt.bias", {kInner});
    rates_ = Add("blk.0.ssm_a", {kInner, kStates}, -1);
    skips_ = Add("blk.0.ssm_d", {kInner});
    out_ = Add("blk.0.ssm_out.weight", {kWidth, kInner});
  }

  Checkpoint Open() {
    const fs::path path = fs::temp_directory_path() /
                          ("malmoi_state_" + std::to_string(getpid()));
    WriteFileAtomically(path, writer_.Finish());
    Checkpoint checkpoint = Checkpoint::Open(path);
    fs::remove(path);
    return checkpoint;
  }

  // Logits behind the last token.
  std::vector<double> Logits(std::span<const int32_t> tokens) const {
    std::vector<Row> inputs(kTaps - 1, Row(kInner));
    std::vector<Row> state(kInner, Row(kStates));
    Row stream;
    for (const int32_t token : tokens) {
      const size_t from = static_cast<size_t>(token) * kWidth;
      stream.assign(embedding_.begin() + static_cast<ptrdiff_t>(from),
                    embedding_.begin() + static_cast<ptrdiff_t>(from + kWidth));
      const Row projected = Times(in_, Norm(stream, norm_));
      inputs.emplace_back(projected.begin(), projected.begin() + kInner);
      Row u(kInner), y(kInner);
      for (size_t c = 0; c < kInner; ++c) {
        u[c] = filter_bias_[c];
        for (size_t k = 0; k < kTaps; ++k) {
          u[c] +=
              filters_[c * kTaps + k] * inputs[inputs.size() - kTaps + k][c];
        }
        u[c] /= 1 + std::exp(-u[c]);
      }
      const Row parts = Times(parts_, u);
      const Row step = Times(step_, {parts.begin(), parts.begin() + kRank});
      for (size_t c = 0; c < kInner; ++c) {
        const double delta = std::log1p(std::exp(step[c] + step_bias_[c]));
        y[c] = skips_[c] * u[c];
        for (size_t n = 0; n < kStates; ++n) {
          state[c][n] =
              std::exp(delta * rates_[c * kStates + n]) * state[c][n] +
              delta * parts[kRank + n] * u[c];
          y[c] += state[c][n] * parts[kRank + kStates + n];
        }
        const double gate = projected[kInner + c];
        y[c] *= gate / (1 + std::exp(-gate));
      }
      const Row out = Times(out_, y);
      for (size_t k = 0; k < kWidth; ++k) stream[k] += out[k];
    }
    return Times(embedding_, Norm(stream, end_norm_));
  }

 private:
  using Row = std::vector<double>;

  // Uniform in ±1/2, or all of the sign given.
  Row Add(const std::string& name, const Shape& shape, int sign = 0) {
    size_t count = 1;
    for (const int64_t size : shape) count *= static_cast<size_t>(size);
    std::vector<float> values(count);
    for (float& value : values) {
      value = static_cast<float>(random_.Below(1000)) / 1000.0f - 0.5f;
      if (sign != 0) value = std::copysign(value, static_cast<float>(sign));
    }
    writer_.F32Tensor(name, shape, values);
    return {values.begin(), values.end()};
  }
  static Row Times(const Row& matrix, const Row& x) {
    Row out(matrix.size() / x.size());
    for (size_t r = 0; r < out.size(); ++r) {
      for (size_t k = 0; k < x.size(); ++k) {
        out[r] += matrix[r * x.size() + k] * x[k];
      }
    }
    return out;
  }
  static Row Norm(const Row& x, const Row& weight) {
    double squares = 0;
    for (const double value : x) squares += value * value;
    const double scale =
        1 / std::sqrt(squares / static_cast<double>(x.size()) + 1e-5);
    Row out(x.size());
    for (size_t k = 0; k < x.size(); ++k) out[k] = x[k] * scale * weight[k];
    return out;
  }

  Random random_{9};
  formats::GgufWriter writer_;
  Row embedding_, end_norm_, norm_, in_, filters_, filter_bias_, parts_, step_,
      step_bias_, rates_, skips_, out_;
};

TEST(StateSpace, ManyChannelsEqualTheFormulasInDouble) {
  ManyChannels model;
  ThreadPool pool(2);
  const auto decoder = Decoder::Load(model.Open(), Precision::kExact, pool);
  const auto tokens = Tokens(9, 11);
  const auto sequence = decoder->NewSequence(64);
  const auto logits = Feeder(*decoder, 2).Feed(*sequence, tokens);
  const auto expected = model.Logits(tokens);
  std::vector<float> want(expected.begin(), expected.end());
  EXPECT_LT(Difference(std::span(logits).last(want.size()), want), 1e-5);
}

std::string NameOf(
    const ::testing::TestParamInfo<StateSpaceTest::ParamType>& info) {
  std::string name = std::string(std::get<0>(info.param)) +
                     std::string(std::get<1>(info.param)->name);
  std::erase_if(name, [](char c) { return !std::isalnum(c); });
  return name;
}
const auto kTables = ::testing::ValuesIn(kernels::AllKernels().begin(),
                                         kernels::AllKernels().end());
INSTANTIATE_TEST_SUITE_P(
    All, StateSpaceTest,
    ::testing::Combine(::testing::Values("mamba", "falcon-mamba-bias",
                                         "granite-hybrid", "mamba2-groups",
                                         "granite-hybrid-experts",
                                         "falcon-h1-norm", "../zoo/lfm2"),
                       kTables),
    NameOf);
INSTANTIATE_TEST_SUITE_P(
    All, StateTest,
    ::testing::Combine(::testing::Values("mamba", "falcon-mamba-bias",
                                         "granite-hybrid", "mamba2-groups",
                                         "granite-hybrid-experts",
                                         "falcon-h1-norm"),
                       kTables),
    NameOf);

}  // namespace
}  // namespace malmoi::models
