// Every encoder against transformers in float32: what enters the first layer,
// the rows after each, the pooler.
// Values: tools/make_golden_encoders.py.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "models/encoder.h"
#include "models/testing/reference.h"

namespace malmoi::models {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = MALMOI_SOURCE_DIR "/tests/golden/zoo_encoders";
constexpr double kTolerance = 1e-4;

class EncoderTest : public ::testing::TestWithParam<const char*> {
 protected:
  std::vector<int32_t> Types(const std::string& text) const {
    return expected_.Has(text + "types") ? expected_.Ids(text + "types")
                                         : std::vector<int32_t>();
  }

  const Expected expected_{kGolden / GetParam()};
  ThreadPool pool_{2};
  const std::unique_ptr<Encoder> encoder_ = Encoder::Load(
      Checkpoint::Open(kGolden / GetParam()), Precision::kExact, pool_);
};

TEST_P(EncoderTest, EqualsTheReference) {
  double worst = 0;
  for (const std::string text : {"0.", "1.", "2."}) {
    SCOPED_TRACE(text);
    const auto ids = expected_.Ids(text + "ids");
    const auto types = Types(text);
    std::map<std::string, std::vector<float>, std::less<>> seen;
    Arena arena;
    Exec exec{pool_, arena,
              [&](std::string_view name, std::span<const float> values, int64_t,
                  int64_t) {
                seen[std::string(name)].assign(values.begin(), values.end());
              },
              nullptr};
    const EncoderInput input = {ids, types};
    const auto rows = encoder_->Forward(exec, {&input, 1});
    EXPECT_LT(
        Difference(seen["embedding"], expected_.Floats(text + "embedding")),
        1e-5);
    const auto layers = expected_.Floats(text + "layers");
    const size_t size = rows.size();
    for (int64_t i = 0; i < encoder_->spec().layers; ++i) {
      const double difference = Difference(
          seen["layer." + std::to_string(i) + ".output"],
          std::span(layers).subspan(static_cast<size_t>(i) * size, size));
      worst = std::max(worst, difference);
      EXPECT_LT(difference, kTolerance) << "layer " << i;
    }
    EXPECT_LT(Difference(rows, expected_.Floats(text + "last_hidden")),
              kTolerance);
    const size_t width = static_cast<size_t>(encoder_->spec().width);
    const std::vector<float> first(rows.begin(), rows.begin() + width);
    const auto pooled = encoder_->Pool(exec, first);
    EXPECT_EQ(pooled.empty(), !expected_.Has(text + "pooler"));
    if (!pooled.empty()) {
      EXPECT_LT(Difference(pooled, expected_.Floats(text + "pooler")),
                kTolerance);
    }
  }
  Enter(GetParam(), "folder", worst);
}

// A text's rows are the same bits, whatever else is in the batch.
TEST_P(EncoderTest, BatchEqualsOneAtATime) {
  std::vector<std::vector<int32_t>> ids, types;
  for (const std::string text : {"0.", "1.", "2."}) {
    ids.push_back(expected_.Ids(text + "ids"));
    types.push_back(Types(text));
  }
  Arena arena;
  Exec exec{pool_, arena, {}, nullptr};
  std::vector<float> alone;
  std::vector<EncoderInput> inputs;
  for (size_t i = 0; i < ids.size(); ++i) {
    inputs.push_back({ids[i], types[i]});
    const auto rows = encoder_->Forward(exec, {&inputs.back(), 1});
    alone.insert(alone.end(), rows.begin(), rows.end());
  }
  const auto together = encoder_->Forward(exec, inputs);
  ASSERT_EQ(together.size(), alone.size());
  for (size_t i = 0; i < alone.size(); ++i) ASSERT_EQ(together[i], alone[i]);
}

INSTANTIATE_TEST_SUITE_P(All, EncoderTest,
                         ::testing::Values("albert", "bert", "distilbert",
                                           "electra", "mpnet", "roberta",
                                           "xlm-roberta"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace malmoi::models
