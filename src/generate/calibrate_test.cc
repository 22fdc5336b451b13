// Calibration on a toy model: the taps show what products read, and what is
// collected is what they show.
#include "generate/calibrate.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <map>
#include <span>

#include "base/error.h"
#include "generate/session.h"
#include "generate/testing/toy_model.h"
#include "kernels/unpack.h"

namespace malmoi::generate {
namespace {

namespace fs = std::filesystem;

constexpr size_t kWidth = 64;  // of the toy

class CalibrateTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    file_ = fs::temp_directory_path() /
            ("malmoi_calibrate_" + std::to_string(getpid()) + ".gguf");
    model_ = ToyModel(file_, 4);
  }
  static void TearDownTestSuite() {
    model_.reset();
    fs::remove(file_);
  }

  static std::string Text(size_t letters) {
    Random random(8);
    std::string text;
    for (size_t i = 0; i < letters; ++i) {
      text += static_cast<char>('a' + random.Below(kToyVocab - 3));
    }
    return text;
  }

  static fs::path file_;
  static std::shared_ptr<LanguageModel> model_;
};

fs::path CalibrateTest::file_;
std::shared_ptr<LanguageModel> CalibrateTest::model_;

using Taps = std::map<std::string, std::vector<float>>;

Taps TapsOf(const std::shared_ptr<const LanguageModel>& model,
            const std::vector<int32_t>& tokens) {
  Taps taps;
  Session session(model);
  session.SetTap([&](std::string_view name, std::span<const float> values,
                     int64_t rows, int64_t columns) {
    EXPECT_EQ(values.size(), static_cast<size_t>(rows * columns));
    auto& all = taps[std::string(name)];
    all.insert(all.end(), values.begin(), values.end());
  });
  session.ScoreNext(tokens);
  return taps;
}

std::vector<float> Normed(const std::vector<float>& rows) {
  std::vector<float> out;
  for (size_t at = 0; at < rows.size(); at += kWidth) {
    double sum = 0;
    for (size_t k = 0; k < kWidth; ++k) {
      sum += static_cast<double>(rows[at + k]) * rows[at + k];
    }
    const double scale = 1 / std::sqrt(sum / kWidth + 1e-5);
    for (size_t k = 0; k < kWidth; ++k) {
      out.push_back(static_cast<float>(rows[at + k] * scale));
    }
  }
  return out;
}

// to += x·weightsᵀ.
void AddProduct(const Tensor& weights, const std::vector<float>& x,
                std::vector<float>& to) {
  const size_t columns = static_cast<size_t>(weights.columns());
  std::vector<float> w(static_cast<size_t>(weights.elements()));
  kernels::DequantizeRow(weights.dtype, weights.data.data(), weights.elements(),
                         w.data());
  for (size_t row = 0; row < x.size() / columns; ++row) {
    for (size_t o = 0; o < kWidth; ++o) {
      double sum = 0;
      for (size_t k = 0; k < columns; ++k) {
        sum += static_cast<double>(w[o * columns + k]) * x[row * columns + k];
      }
      to[row * kWidth + o] += static_cast<float>(sum);
    }
  }
}

void ExpectNear(const std::vector<float>& got, const std::vector<float>& want,
                const std::string& what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_NEAR(got[i], want[i], 1e-4 * (1 + std::fabs(want[i])))
        << what << " " << i;
  }
}

TEST_F(CalibrateTest, TapsShowWhatProductsRead) {
  const auto exact = LanguageModel::Load(
      file_, {.threads = 2, .precision = models::Precision::kExact});
  const Taps taps = TapsOf(exact, {1, 5, 9, 3, 20});
  const auto file = formats::GgufFile::Open(file_);
  std::vector<float> stream = taps.at("embedding");
  for (int layer = 0; layer < 2; ++layer) {
    const std::string tap = "layer." + std::to_string(layer) + ".";
    const std::string block = "blk." + std::to_string(layer) + ".";
    ExpectNear(taps.at(tap + "attention_input"), Normed(stream), tap);
    AddProduct(file->tensors().at(block + "attn_output.weight"),
               taps.at(tap + "attention_mixed"), stream);
    ExpectNear(taps.at(tap + "feed_forward_input"), Normed(stream), tap);
    AddProduct(file->tensors().at(block + "ffn_down.weight"),
               taps.at(tap + "feed_forward_hidden"), stream);
    ExpectNear(taps.at(tap + "output"), stream, tap);
  }
  ExpectNear(taps.at("final_norm"), Normed(stream), "final");
}

TEST_F(CalibrateTest, ATapChangesNoBit) {
  const std::vector<int32_t> tokens = {1, 7, 4, 4, 12, 19};
  Session plain(model_), tapped(model_);
  int seen = 0;
  tapped.SetTap([&](std::string_view, std::span<const float>, int64_t,
                    int64_t) { ++seen; });
  const auto want = plain.ScoreNext(tokens);
  const auto got = tapped.ScoreNext(tokens);
  EXPECT_TRUE(std::equal(want.begin(), want.end(), got.begin(), got.end()));
  EXPECT_EQ(seen, 2 + 2 * 5);
}

TEST_F(CalibrateTest, CollectsTheSquaresThatTheTapsShow) {
  const std::string text = Text(700);
  const std::vector<int32_t> ids =
      model_->tokenizer().Encode(text, {.add_special_tokens = false}).ids;
  const Calibration result = Calibrate(model_, text, {.name = "letters"});
  // Two windows: the beginning of a text and 511 tokens, and the rest.
  const int64_t all = static_cast<int64_t>(ids.size()) + 2;
  EXPECT_EQ(result.text_tokens, all - 2);
  EXPECT_EQ(result.tokens, all);
  EXPECT_EQ(result.importance.tokens(), all);
  EXPECT_EQ(result.importance.datasets, std::vector<std::string>{"letters"});

  std::map<std::string, std::vector<double>> squares;  // by tap
  for (const auto& piece :
       {std::span(ids).first(511), std::span(ids).subspan(511)}) {
    std::vector<int32_t> tokens = {1};
    tokens.insert(tokens.end(), piece.begin(), piece.end());
    for (const auto& [name, values] : TapsOf(model_, tokens)) {
      auto& sums = squares[name];
      sums.resize(values.size() / tokens.size());
      for (size_t i = 0; i < values.size(); ++i) {
        sums[i % sums.size()] += static_cast<double>(values[i]) * values[i];
      }
    }
  }
  const std::map<std::string, std::string> tap_of = {
      {"attn_q", "attention_input"},      {"attn_k", "attention_input"},
      {"attn_v", "attention_input"},      {"attn_output", "attention_mixed"},
      {"ffn_gate", "feed_forward_input"}, {"ffn_up", "feed_forward_input"},
      {"ffn_down", "feed_forward_hidden"}};
  const auto& inputs = result.importance.inputs;
  EXPECT_EQ(inputs.size(), 2 * tap_of.size() + 1);
  const auto check = [&](const std::string& weight, const std::string& tap) {
    const auto& input = inputs.at(weight + ".weight");
    EXPECT_EQ(input.counts, std::vector<float>{static_cast<float>(all)});
    ASSERT_EQ(input.sums.size(), squares.at(tap).size()) << weight;
    for (size_t k = 0; k < input.sums.size(); ++k) {
      ASSERT_FLOAT_EQ(input.sums[k], static_cast<float>(squares.at(tap)[k]))
          << weight << " " << k;
    }
  };
  for (const std::string layer : {"0", "1"}) {
    for (const auto& [weight, tap] : tap_of) {
      check("blk." + layer + "." + weight, "layer." + layer + "." + tap);
    }
  }
  check("token_embd", "final_norm");  // the head too
  result.importance.CheckFits(formats::GgufFile::Open(file_)->tensors());
}

TEST_F(CalibrateTest, ReadsAtMostWhatItMay) {
  std::vector<int64_t> seen;
  CalibrateOptions options;
  options.name = "letters";
  options.max_tokens = 1100;
  options.progress = [&](int64_t done, int64_t total) {
    EXPECT_EQ(total, 1024);
    seen.push_back(done);
    return true;
  };
  const Calibration result = Calibrate(model_, Text(5000), options);
  EXPECT_EQ(result.tokens, 1024);
  EXPECT_GE(result.text_tokens, 5000);
  EXPECT_EQ(seen.back(), 1024);
  // The windows are not neighbours: another text between them, same result.
  std::string other = Text(5000);
  std::fill(other.begin() + 520, other.begin() + 5 * 511 - 9, 'q');
  const Calibration same = Calibrate(model_, other, options);
  EXPECT_EQ(same.importance.inputs.at("blk.1.ffn_down.weight").sums,
            result.importance.inputs.at("blk.1.ffn_down.weight").sums);
}

TEST_F(CalibrateTest, StopsAndRefuses) {
  const auto code = [&](const std::string& text,
                        const CalibrateOptions& options) {
    try {
      Calibrate(model_, text, options);
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::kHashMismatch;  // no error
  };
  CalibrateOptions stop;
  stop.progress = [](int64_t done, int64_t) { return done < 200; };
  EXPECT_EQ(code(Text(1000), stop), ErrorCode::kCancelled);
  EXPECT_EQ(code("", {}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code("a\xff", {}), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace malmoi::generate
