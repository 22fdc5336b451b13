// Every encoder against transformers in float32: what enters the first layer,
// the rows after each, the pooler.
// Values: tools/make_golden_encoders.py.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "models/encoder.h"
#include "models/testing/reference.h"

namespace malmoi::models {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = MALMOI_SOURCE_DIR "/tests/golden/zoo_encoders";
constexpr double kTolerance = 1e-4;

std::string NameOfTest(std::string name) {
  std::erase(name, '-');
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}

class EncoderTest : public ::testing::TestWithParam<const char*> {
 protected:
  std::vector<int32_t> Types(const std::string& text) const {
    return expected_.Has(text + "types") ? expected_.Ids(text + "types")
                                         : std::vector<int32_t>();
  }

  const Expected expected_{kGolden / FolderOf(GetParam())};
  ThreadPool pool_{2};
  const std::unique_ptr<Encoder> encoder_ = Encoder::Load(
      Checkpoint::Open(ModelOf(kGolden, GetParam())), Precision::kExact, pool_);
};

// Weights, and where the processor multiplies these faster activations, in
// bf16: near, and a text alone is the same as among others.
TEST_P(EncoderTest, InBF16IsNearTheReference) {
  const auto encoder = Encoder::Load(
      Checkpoint::Open(ModelOf(kGolden, GetParam())), Precision::kBf16, pool_);
  std::vector<std::vector<int32_t>> ids, types;
  for (const std::string text : {"0.", "1.", "2."}) {
    ids.push_back(expected_.Ids(text + "ids"));
    types.push_back(Types(text));
  }
  std::vector<EncoderInput> inputs;
  for (size_t i = 0; i < ids.size(); ++i) inputs.push_back({ids[i], types[i]});
  Arena arena, own;
  Exec exec{pool_, arena, {}, nullptr}, other{pool_, own, {}, nullptr};
  auto rows = encoder->Forward(exec, inputs);
  for (size_t i = 0; i < ids.size(); ++i) {
    const auto alone = encoder->Forward(other, {&inputs[i], 1});
    const auto among = rows.first(alone.size());
    EXPECT_TRUE(std::equal(alone.begin(), alone.end(), among.begin())) << i;
    rows = rows.subspan(alone.size());
    const auto want = expected_.Floats(std::to_string(i) + ".last_hidden");
    double dot = 0, squares = 0, wanted = 0;
    for (size_t k = 0; k < want.size(); ++k) {
      const auto x = static_cast<double>(alone[k]);
      const auto y = static_cast<double>(want[k]);
      dot += x * y;
      squares += x * x;
      wanted += y * y;
    }
    EXPECT_GT(dot / std::sqrt(squares * wanted), 0.999) << i;
  }
}

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
    // Not the last layer's output where a norm stands behind it.
    EXPECT_LT(Difference(rows, expected_.Floats(text + "last_hidden")),
              kTolerance);
    const size_t width = static_cast<size_t>(encoder_->spec().width);
    const std::vector<float> first(rows.begin(), rows.begin() + width);
    const auto pooled = encoder_->Pool(exec, first);
    // Converters leave the pooler out.
    EXPECT_EQ(pooled.empty(),
              !expected_.Has(text + "pooler") || IsGguf(GetParam()));
    if (!pooled.empty()) {
      EXPECT_LT(Difference(pooled, expected_.Floats(text + "pooler")),
                kTolerance);
    }
  }
  Enter(FolderOf(GetParam()), IsGguf(GetParam()) ? "gguf" : "folder", worst);
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

INSTANTIATE_TEST_SUITE_P(
    All, EncoderTest,
    ::testing::Values("albert", "bert", "deberta-v2", "deberta-v2-conv",
                      "distilbert", "electra", "modernbert", "mpnet",
                      "nomic-bert", "roberta", "xlm-roberta"),
    [](const auto& info) { return NameOfTest(info.param); });
INSTANTIATE_TEST_SUITE_P(Gguf, EncoderTest,
                         ::testing::Values("bert.gguf", "distilbert.gguf",
                                           "modernbert.gguf", "roberta.gguf",
                                           "xlm-roberta.gguf"),
                         [](const auto& info) {
                           return NameOfTest(info.param);
                         });

struct HeadCase {
  const char* model;
  Task task;
};

class EncoderHeadTest : public ::testing::TestWithParam<HeadCase> {};

TEST_P(EncoderHeadTest, EqualsTheReference) {
  const std::string name = GetParam().model;
  const Task task = GetParam().task;
  const Expected expected(kGolden / FolderOf(name));
  const Checkpoint checkpoint = Checkpoint::Open(ModelOf(kGolden, name));
  EXPECT_EQ(TaskOf(checkpoint), task);
  ThreadPool pool(2);
  const auto encoder =
      Encoder::Load(checkpoint, Precision::kExact, pool, nullptr, task);
  const EncoderSpec& spec = encoder->spec();
  const auto width = static_cast<size_t>(spec.width);
  double worst = 0;
  for (const std::string text : {"0.", "1.", "2."}) {
    SCOPED_TRACE(text);
    const auto ids = expected.Ids(text + "ids");
    const auto types = expected.Has(text + "types")
                           ? expected.Ids(text + "types")
                           : std::vector<int32_t>();
    Arena arena;
    Exec exec{pool, arena, {}, nullptr};
    const EncoderInput input = {ids, types};
    const auto rows = encoder->Forward(exec, {&input, 1});
    auto count = static_cast<int64_t>(ids.size());
    std::vector<float> read(rows.begin(), rows.end());
    if (task == Task::kClassify) {
      for (size_t k = 0; k < width && spec.mean_rows; ++k) {
        double sum = 0;
        for (size_t r = 0; r < ids.size(); ++r) {
          sum += static_cast<double>(rows[r * width + k]);
        }
        read[k] = static_cast<float>(sum / static_cast<double>(count));
      }
      read.resize(width);
      count = 1;
    }
    const std::vector<float> got = encoder->Head(exec, read, count);
    if (task == Task::kAnswer) {
      std::vector<float> first, last;
      for (size_t i = 0; i < got.size(); i += 2) {
        first.push_back(got[i]);
        last.push_back(got[i + 1]);
      }
      worst = std::max(
          {worst, Difference(first, expected.Floats(text + "start_logits")),
           Difference(last, expected.Floats(text + "end_logits"))});
    } else {
      worst =
          std::max(worst, Difference(got, expected.Floats(text + "logits")));
    }
  }
  EXPECT_LT(worst, kTolerance);
  Enter(FolderOf(name), IsGguf(name) ? "gguf" : "folder", worst);
}

// A bare model, one with the head of another task, and a GGUF whose head lacks
// the pooler before it, which converters drop.
TEST(EncoderHeads, AnotherTaskIsRefused) {
  ThreadPool pool(1);
  for (const char* name : {"bert", "bert-token-classification",
                           "bert-sequence-classification.gguf"}) {
    try {
      Encoder::Load(Checkpoint::Open(ModelOf(kGolden, name)), Precision::kExact,
                    pool, nullptr, Task::kClassify);
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
      EXPECT_EQ(error.parts().expected, "…ForSequenceClassification");
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, EncoderHeadTest,
    ::testing::Values(
        HeadCase{"albert-masked-lm", Task::kFill},
        HeadCase{"albert-sequence-classification", Task::kClassify},
        HeadCase{"bert-cross-encoder", Task::kClassify},
        HeadCase{"bert-masked-lm", Task::kFill},
        HeadCase{"bert-question-answering", Task::kAnswer},
        HeadCase{"bert-sequence-classification", Task::kClassify},
        HeadCase{"bert-token-classification", Task::kTag},
        HeadCase{"deberta-v2-masked-lm", Task::kFill},
        HeadCase{"deberta-v2-masked-lm-new", Task::kFill},
        HeadCase{"deberta-v2-sequence-classification", Task::kClassify},
        HeadCase{"distilbert-masked-lm", Task::kFill},
        HeadCase{"distilbert-question-answering", Task::kAnswer},
        HeadCase{"distilbert-sequence-classification", Task::kClassify},
        HeadCase{"distilbert-token-classification", Task::kTag},
        HeadCase{"electra-masked-lm", Task::kFill},
        HeadCase{"electra-sequence-classification", Task::kClassify},
        HeadCase{"modernbert-masked-lm", Task::kFill},
        HeadCase{"modernbert-sequence-classification", Task::kClassify},
        HeadCase{"modernbert-sequence-classification-cls", Task::kClassify},
        HeadCase{"mpnet-masked-lm", Task::kFill},
        HeadCase{"mpnet-sequence-classification", Task::kClassify},
        HeadCase{"roberta-masked-lm", Task::kFill},
        HeadCase{"roberta-question-answering", Task::kAnswer},
        HeadCase{"roberta-sequence-classification", Task::kClassify},
        HeadCase{"xlm-roberta-sequence-classification", Task::kClassify}),
    [](const auto& info) { return NameOfTest(info.param.model); });
INSTANTIATE_TEST_SUITE_P(
    Gguf, EncoderHeadTest,
    ::testing::Values(
        HeadCase{"modernbert-sequence-classification.gguf", Task::kClassify},
        HeadCase{"modernbert-sequence-classification-cls.gguf",
                 Task::kClassify},
        HeadCase{"roberta-sequence-classification.gguf", Task::kClassify},
        HeadCase{"xlm-roberta-sequence-classification.gguf", Task::kClassify}),
    [](const auto& info) { return NameOfTest(info.param.model); });

}  // namespace
}  // namespace malmoi::models
