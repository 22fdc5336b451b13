// State spaces: the same bits however a prompt is fed and on every target, the
// states that the reference has, and what a state cannot do.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <tuple>
#include <vector>

#include "base/error.h"
#include "base/random.h"
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
TEST_P(StateSpaceTest, StatesEqualTheReference) {
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

INSTANTIATE_TEST_SUITE_P(
    All, StateSpaceTest,
    ::testing::Combine(::testing::Values("mamba", "falcon-mamba-bias",
                                         "granite-hybrid", "mamba2-groups"),
                       ::testing::ValuesIn(kernels::AllKernels().begin(),
                                           kernels::AllKernels().end())),
    [](const auto& info) {
      std::string name = std::string(std::get<0>(info.param)) +
                         std::string(std::get<1>(info.param)->name);
      std::erase(name, '-');
      return name;
    });

}  // namespace
}  // namespace malmoi::models
