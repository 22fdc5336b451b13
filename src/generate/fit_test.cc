// Predictions against sums made by hand, and against the loaded model.
#include "generate/fit.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/error.h"
#include "generate/testing/toy_model.h"
#include "kernels/kernels.h"

namespace malmoi::generate {
namespace {

namespace fs = std::filesystem;

constexpr ops::Roofs kRoofs = {25e9, 600e9, 200e9};

class FitTest : public ::testing::Test {
 protected:
  FitTest()
      : file_(fs::temp_directory_path() /
              ("malmoi_fit_" + std::to_string(getpid()) + ".gguf")) {
    WriteFileAtomically(file_, ToyGguf(3));
  }
  ~FitTest() override { fs::remove(file_); }

  models::DecoderPlan Plan() const {
    return models::PlanDecoder(models::Checkpoint::Open(file_));
  }
  FitReport Fit(uint64_t available, int64_t context = 0) const {
    ops::Machine machine;
    machine.available_bytes = available;
    return FitModel(models::Checkpoint::Open(file_), machine, kRoofs, context);
  }

  fs::path file_;
};

// LoRA multiplies by two matrices of floats more.
TEST_F(FitTest, AnAdapterTakesTime) {
  models::DecoderPlan plan = Plan();
  const size_t before = plan.matrices.size();
  const PredictedTime alone = PredictDecode(plan, kRoofs, 8, 0, 1);
  const std::vector<float> values(128);
  const auto bytes = std::as_bytes(std::span(values));
  const std::string at = "base_model.model.model.layers.0.self_attn.q_proj.";
  AddAdapter(models::Adapter::Parse(
                 {{"peft_type", "LORA"},
                  {"r", 2},
                  {"lora_alpha", 2},
                  {"target_modules", {"q_proj"}}},
                 {{at + "lora_A.weight", {DType::kF32, {2, 64}, bytes}},
                  {at + "lora_B.weight", {DType::kF32, {64, 2}, bytes}}},
                 "adapter"),
             plan);
  ASSERT_EQ(plan.matrices.size(), before + 2);
  int64_t weights = 0;
  for (size_t i = before; i < plan.matrices.size(); ++i) {
    weights += plan.matrices[i].weights();
  }
  EXPECT_EQ(weights, 2 * 2 * 64);
  EXPECT_GT(PredictDecode(plan, kRoofs, 8, 0, 1).seconds(), alone.seconds());
}

TEST_F(FitTest, MemoryIsThatOfTheLoadedModel) {
  const models::DecoderPlan plan = Plan();
  const PredictedMemory memory = PredictMemory(plan, 100);
  // Q8_0 panels keep the file's bytes: 34 for 32 weights, in whole panels.
  const int64_t lanes = kernels::Kernels().lanes;
  const auto bytes = [&](int64_t rows, int64_t columns) {
    return static_cast<size_t>((rows + lanes - 1) / lanes * lanes * columns /
                               32 * 34);
  };
  const size_t layer =
      2 * bytes(64, 64) + 2 * bytes(32, 64) + 2 * bytes(96, 64) + bytes(64, 96);
  EXPECT_EQ(memory.weights, 2 * layer + bytes(kToyVocab, 64));
  // 100 positions take two pages of 64; f16 keys and values of two heads of
  // 16 in two layers.
  EXPECT_EQ(memory.kv, 2u * 64 * 2 * 2 * 2 * 16 * sizeof(uint16_t));
  EXPECT_GT(memory.scratch, 0u);

  const auto model = LanguageModel::Load(file_, {.threads = 1});
  EXPECT_EQ(memory.weights, model->decoder().weight_bytes());
  EXPECT_EQ(plan.parameters, model->decoder().parameters());
  EXPECT_EQ(plan.spec.vocab_size, kToyVocab);
  EXPECT_TRUE(plan.spec.tied_head);
  const auto sequence = model->decoder().NewSequence(kToyContext);
  EXPECT_EQ(plan.kv.page_bytes(), sequence->shape().page_bytes());
}

TEST_F(FitTest, TimesFollowTheRoofs) {
  const models::DecoderPlan plan = Plan();
  const PredictedTime prompt = PredictPrompt(plan, kRoofs, 512);
  const PredictedTime decode = PredictDecode(plan, kRoofs, 128, 8, 1);
  EXPECT_GT(prompt.arithmetic, 0);
  // One row costs a little reading; five regions a layer, and one more.
  EXPECT_GT(decode.memory, 0);
  EXPECT_EQ(decode.arithmetic, 0);
  const PredictedTime one = PredictForward(plan, kRoofs, {});
  const PredictedTime many = PredictForward(plan, kRoofs, {.rows = 512});
  EXPECT_DOUBLE_EQ(one.regions, many.regions);
  EXPECT_NEAR(many.elements, 512 * one.elements, 1e-12);

  // Twice the machine takes half the time, but for starting threads.
  const ops::Roofs twice = {50e9, 1200e9, 400e9};
  const PredictedTime faster = PredictPrompt(plan, twice, 512);
  EXPECT_NEAR(faster.seconds() - faster.regions,
              (prompt.seconds() - prompt.regions) / 2, 1e-12);
  // Several sequences read the weights once.
  const PredictedTime eight = PredictDecode(plan, kRoofs, 128, 8, 8);
  EXPECT_LT(eight.seconds(), 8 * decode.seconds());
  EXPECT_GT(eight.seconds(), decode.seconds());
  EXPECT_NEAR(eight.attention, 8 * decode.attention, 1e-12);
  // Ten positions of a past are read by both layers: 128 bytes of keys and
  // as many of values.
  EXPECT_DOUBLE_EQ(KvReadBytes(plan, 10), 10.0 * 2 * 2 * 2 * 16 * 2);
}

TEST_F(FitTest, ASlidingWindowBoundsWhatIsRead) {
  models::DecoderPlan plan = Plan();
  const double all = KvReadBytes(plan, 300);
  plan.spec.attention.sliding = {true, false};
  plan.spec.attention.window = 100;
  EXPECT_DOUBLE_EQ(KvReadBytes(plan, 300), all * (100 + 300) / 600);
  EXPECT_DOUBLE_EQ(KvReadBytes(plan, 50), all * 50 / 300);
}

TEST_F(FitTest, ChoosesTheLargestThatFits) {
  const FitReport roomy = Fit(uint64_t{1} << 30);
  EXPECT_EQ(roomy.choice, 0u);
  EXPECT_EQ(roomy.reason, FitReason::kSource);
  EXPECT_EQ(roomy.options[0].type, "Q8_0");
  EXPECT_EQ(roomy.context, kToyContext);
  // Smaller ones only, the largest first. Rows of 64 and 96 are no whole
  // blocks of the K types, which fall back; Q4_0 is 18 bytes for 32 weights.
  ASSERT_GT(roomy.options.size(), 2u);
  for (size_t i = 1; i < roomy.options.size(); ++i) {
    EXPECT_LT(roomy.options[i].file_bytes, roomy.options[0].file_bytes);
    EXPECT_LE(roomy.options[i].file_bytes, roomy.options[i - 1].file_bytes);
  }
  const FitOption& smallest = roomy.options.back();
  EXPECT_EQ(smallest.type, "Q4_0");
  const uint64_t weights =
      2 * (2 * 64 * 64 + 2 * 32 * 64 + 3 * 96 * 64) + kToyVocab * 64;
  const uint64_t norms = 5 * 64 * sizeof(float);
  EXPECT_EQ(smallest.file_bytes, weights / 32 * 18 + norms);
  EXPECT_EQ(roomy.options[0].file_bytes, weights / 32 * 34 + norms);

  const uint64_t second = roomy.options[1].memory.total();
  const FitReport less =
      Fit(static_cast<uint64_t>(static_cast<double>(second) / kRoomyShare) + 2);
  EXPECT_EQ(less.choice, 1u);
  EXPECT_EQ(less.reason, FitReason::kLargest);
  const FitReport tight = Fit(smallest.memory.total());
  EXPECT_EQ(tight.choice, roomy.options.size() - 1);
  EXPECT_EQ(tight.reason, FitReason::kTight);
  const FitReport none = Fit(1000);
  EXPECT_EQ(none.reason, FitReason::kNothingFits);
  EXPECT_FALSE(none.options[none.choice].fits);
}

TEST_F(FitTest, RefusesAContextBeyondTheModels) {
  try {
    Fit(1 << 30, kToyContext + 1);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(error.parts().got, "513");
  }
}

TEST_F(FitTest, NamesAMatrixThatIsMissing) {
  std::string content = ToyGguf(3);
  const std::string name = "blk.1.ffn_up.weight";
  content.replace(content.find(name), name.size(), "blk.1.ffn_xx.weight");
  WriteFileAtomically(file_, content);
  try {
    Plan();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
    EXPECT_EQ(error.parts().got, name + " is missing");
  }
}

}  // namespace
}  // namespace malmoi::generate
