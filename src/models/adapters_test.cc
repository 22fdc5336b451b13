// LoRA adapters against PEFT: on a folder, on a GGUF of the same weights (whose
// rows converters have permuted), as a GGUF of llama.cpp's converter, and on
// quantized weights. Values: tools/make_golden_adapters.py.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/format.h"
#include "models/adapter.h"
#include "models/convert_folder.h"
#include "models/decoder.h"
#include "models/encoder.h"
#include "models/quantize.h"
#include "models/testing/reference.h"

namespace malmoi::models {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = MALMOI_SOURCE_DIR "/tests/golden/adapters";
const fs::path kZoo = MALMOI_SOURCE_DIR "/tests/golden/zoo";

struct Case {
  const char *folder, *base;
  bool saved;  // has whole tensors, which a GGUF cannot take
};
const Case kCases[] = {
    {"llama", "llama-linear", false},
    {"qwen2", "qwen2", false},
    {"qwen2-head", "qwen2", true},
    {"phi3", "../architectures/phi3", false},
    {"gpt2", "gpt2", false},
    {"gpt_neox", "gpt_neox", false},
    {"mistral-head", "mistral-full", false},
};

std::unique_ptr<Decoder> Load(const fs::path& base,
                              const std::vector<AdapterChoice>& adapters,
                              ThreadPool& pool,
                              Precision precision = Precision::kExact) {
  Checkpoint checkpoint = Checkpoint::Open(base);
  checkpoint.Adapt(adapters);
  return Decoder::Load(checkpoint, precision, pool);
}

// All logits of a prompt, `step` tokens at a time.
std::vector<float> Logits(const Decoder& decoder, ThreadPool& pool,
                          std::span<const int32_t> ids, size_t step = 1000) {
  Arena arena;
  Exec exec{pool, arena, {}, nullptr};
  const auto sequence = decoder.NewSequence(std::ssize(ids));
  std::vector<float> all;
  for (size_t i = 0; i < ids.size(); i += step) {
    const SequenceInput input = {sequence.get(),
                                 ids.subspan(i, std::min(step, ids.size() - i)),
                                 LogitsFor::kAll};
    const auto logits = decoder.Forward(exec, {&input, 1});
    all.insert(all.end(), logits.begin(), logits.end());
  }
  return all;
}

void Check(const fs::path& base, const std::vector<AdapterChoice>& adapters,
           const fs::path& folder) {
  SCOPED_TRACE(base.string());
  const Expected expected(folder);
  ThreadPool pool(2);
  const auto decoder = Load(base, adapters, pool);
  std::vector<int32_t> ids = expected.Ids("ids");
  EXPECT_LT(Difference(Logits(*decoder, pool, ids), expected.Floats("logits")),
            1e-4);
  // 32 greedy tokens: each is the best after all before it.
  const std::vector<int32_t> greedy = expected.Ids("greedy");
  const size_t prompt = ids.size();
  ids.insert(ids.end(), greedy.begin(), greedy.end());
  const std::vector<float> logits = Logits(*decoder, pool, ids);
  const size_t vocab = logits.size() / ids.size();
  std::vector<int32_t> best;
  for (size_t i = 0; i < greedy.size(); ++i) {
    const auto row = std::span(logits).subspan((prompt + i - 1) * vocab, vocab);
    best.push_back(static_cast<int32_t>(
        std::max_element(row.begin(), row.end()) - row.begin()));
  }
  EXPECT_EQ(best, greedy);
}

class AdapterTest : public ::testing::TestWithParam<Case> {};

TEST_P(AdapterTest, EqualsPeftOnAFolder) {
  const fs::path folder = kGolden / GetParam().folder;
  Check(kZoo / GetParam().base, {{folder}}, folder);
}

// Merged into the weights, in a folder of its own.
TEST_P(AdapterTest, EqualsPeftMerged) {
  const fs::path folder = kGolden / GetParam().folder;
  const fs::path merged = fs::path(::testing::TempDir()) /
                          Format("merged-{}-{}", GetParam().folder, getpid());
  Checkpoint source = Checkpoint::Open(kZoo / GetParam().base);
  source.Adapt({{folder}});
  ConvertToFolder(source, merged, {.dtype = DType::kF32});
  Check(merged, {}, folder);
  EXPECT_THROW(ConvertToFolder(source, merged, {}), Error);
  ConvertToFolder(source, merged, {.overwrite = true});
  const Checkpoint again = Checkpoint::Open(merged);
  const Checkpoint base = Checkpoint::Open(source.path);
  for (const auto& [name, tensor] : base.tensors()) {
    EXPECT_EQ(again.tensors().at(name).dtype, tensor.dtype) << name;
  }
  fs::remove_all(merged);
}

TEST(Adapters, OfAnotherModelAreNotMerged) {
  const fs::path merged =
      fs::path(::testing::TempDir()) / Format("merged-not-{}", getpid());
  Checkpoint source = Checkpoint::Open(kZoo / "qwen2");
  source.Adapt({{kGolden / "phi3"}});
  try {
    ConvertToFolder(source, merged, {});
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  }
  EXPECT_FALSE(fs::exists(merged));
}

TEST_P(AdapterTest, EqualsPeftOnAGguf) {
  const fs::path folder = kGolden / GetParam().folder;
  const fs::path base = kZoo / GetParam().base / "model.gguf";
  if (!GetParam().saved) return Check(base, {{folder}}, folder);
  Checkpoint checkpoint = Checkpoint::Open(base);
  EXPECT_THROW(checkpoint.Adapt({{folder}}), Error);
}

// Of adapters that llama.cpp's form can say: one alpha, no patterns.
class GgufAdapterTest : public AdapterTest {};
TEST_P(GgufAdapterTest, EqualsPeft) {
  const fs::path folder = kGolden / GetParam().folder;
  const fs::path base = kZoo / GetParam().base;
  Check(base / "model.gguf", {{folder / "lora.gguf"}}, folder);
  Checkpoint checkpoint = Checkpoint::Open(base);
  EXPECT_THROW(checkpoint.Adapt({{folder / "lora.gguf"}}), Error);
}

// Two halves are a whole, and what has the scale 0 is not there.
class LowRankTest : public AdapterTest {};
TEST_P(LowRankTest, AddsUp) {
  const fs::path base = kZoo / GetParam().base,
                 folder = kGolden / GetParam().folder;
  ThreadPool pool(2);
  const std::vector<int32_t> ids = Expected(folder).Ids("ids");
  const auto one = Logits(*Load(base, {{folder}}, pool), pool, ids);
  const auto two =
      Logits(*Load(base, {{folder, 0.5}, {folder, 0.5}}, pool), pool, ids);
  EXPECT_LT(Difference(two, one), 1e-5);
  const auto none = Logits(*Load(base, {}, pool), pool, ids);
  EXPECT_EQ(Logits(*Load(base, {{folder, 0.0}}, pool), pool, ids), none);
  EXPECT_GT(Difference(one, none), 0.05);
}

std::string NameOf(const ::testing::TestParamInfo<Case>& info) {
  std::string name = info.param.folder;
  std::erase_if(name, [](char c) { return !std::isalnum(c); });
  return name;
}
std::vector<Case> CasesThat(bool (*fits)(const Case&)) {
  std::vector<Case> cases;
  std::copy_if(std::begin(kCases), std::end(kCases), std::back_inserter(cases),
               fits);
  return cases;
}
INSTANTIATE_TEST_SUITE_P(All, AdapterTest, ::testing::ValuesIn(kCases), NameOf);
INSTANTIATE_TEST_SUITE_P(All, LowRankTest,
                         ::testing::ValuesIn(CasesThat([](const Case& item) {
                           return !item.saved;
                         })),
                         NameOf);
INSTANTIATE_TEST_SUITE_P(All, GgufAdapterTest,
                         ::testing::ValuesIn(CasesThat([](const Case& item) {
                           return fs::exists(kGolden / item.folder /
                                             "lora.gguf");
                         })),
                         NameOf);

// The weights stay quantized; what the adapter adds is exact, so that the
// logits are as near to the reference as those without it are to theirs.
TEST(Adapter, OnQuantizedWeights) {
  const fs::path file =
      fs::temp_directory_path() /
      ("malmoi_adapter_" + std::to_string(getpid()) + ".gguf");
  const fs::path base = kZoo / "llama-linear", folder = kGolden / "llama";
  ThreadPool pool(2);
  QuantizeFile(base / "model.gguf", file, {.type = "Q8_0", .overwrite = true},
               pool);
  const Expected expected(folder);
  const std::vector<int32_t> ids = expected.Ids("ids");
  const auto reference = expected.Floats("logits");
  const auto plain_reference = Logits(*Load(base, {}, pool), pool, ids);
  for (const Precision precision : {Precision::kExact, Precision::kFast}) {
    const double lost = Difference(
        Logits(*Load(file, {}, pool, precision), pool, ids), plain_reference);
    const auto adapted = Load(file, {{folder}}, pool, precision);
    const auto logits = Logits(*adapted, pool, ids);
    EXPECT_LT(Difference(logits, reference), 3 * lost);
    EXPECT_LT(lost, Difference(reference, plain_reference) / 2);
    // A row does not depend on what else is in the batch, or on threads.
    ThreadPool one(1);
    EXPECT_EQ(Logits(*adapted, one, ids, 1), logits);
    EXPECT_EQ(Logits(*adapted, pool, ids, 7), logits);
  }
  fs::remove(file);
}

// An encoder's, with a trained head in the place of the model's.
TEST(Adapter, OfAClassifierEqualsPeft) {
  const fs::path folder = kGolden / "bert-classify";
  const Expected expected(folder);
  ThreadPool pool(2);
  Checkpoint checkpoint =
      Checkpoint::Open(MALMOI_SOURCE_DIR
                       "/tests/golden/zoo_encoders/bert-sequence-"
                       "classification");
  checkpoint.Adapt({{folder}});
  const auto encoder = Encoder::Load(checkpoint, Precision::kExact, pool,
                                     nullptr, Task::kClassify);
  const std::vector<int32_t> ids = expected.Ids("ids");
  Arena arena;
  Exec exec{pool, arena, {}, nullptr};
  const EncoderInput input = {ids, {}};
  const auto rows = encoder->Forward(exec, {&input, 1});
  const size_t width = static_cast<size_t>(encoder->spec().width);
  EXPECT_LT(Difference(encoder->Head(exec, rows.first(width), 1),
                       expected.Floats("logits")),
            1e-4);
}

std::string ErrorOf(const fs::path& base, const fs::path& adapter) {
  try {
    ThreadPool pool(1);
    Load(base, {{adapter}}, pool);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Adapter, OfAnotherModelIsToldWithEverythingThatDoesNotFit) {
  const std::string message = ErrorOf(kZoo / "gpt2", kGolden / "llama");
  EXPECT_NE(message.find("of another model"), std::string::npos) << message;
  EXPECT_NE(message.find("model.layers.0.self_attn.q_proj is no matrix"),
            std::string::npos)
      << message;
  EXPECT_NE(message.find("llama-linear"), std::string::npos) << message;
  EXPECT_NE(message.find("and 4 more"), std::string::npos) << message;
  // Names fit, shapes do not: 4 heads of 12 and of 16.
  const std::string shapes = ErrorOf(kZoo / "llama-bias", kGolden / "llama");
  EXPECT_NE(
      shapes.find("q_proj is for a matrix of [48, 32], expected [64, 32]"),
      std::string::npos)
      << shapes;
  EXPECT_NE(shapes.find("layers.1.self_attn.k_proj"), std::string::npos);
}

TEST(Adapter, RefusesByNameWhatItDoesNotApply) {
  const fs::path folder =
      fs::temp_directory_path() / ("malmoi_lora_" + std::to_string(getpid()));
  fs::create_directories(folder);
  fs::copy_file(kGolden / "llama/adapter_model.safetensors",
                folder / "adapter_model.safetensors",
                fs::copy_options::overwrite_existing);
  const Json good = ReadJson(kGolden / "llama/adapter_config.json");
  const auto error_with = [&](const char* key, const Json& value) {
    Json config = good;
    config[key] = value;
    std::ofstream(folder / "adapter_config.json") << config.dump();
    return ErrorOf(kZoo / "llama-linear", folder);
  };
  EXPECT_EQ(error_with("use_dora", false), "");
  EXPECT_NE(error_with("use_dora", true).find("DoRA"), std::string::npos);
  EXPECT_NE(error_with("bias", "lora_only").find("lora_only"),
            std::string::npos);
  EXPECT_NE(error_with("peft_type", "IA3").find("IA3"), std::string::npos);
  EXPECT_NE(error_with("init_lora_weights", "pissa").find("pissa"),
            std::string::npos);
  EXPECT_NE(error_with("layer_replication", Json::array({Json::array({0, 1})}))
                .find("replicated"),
            std::string::npos);
  EXPECT_NE(error_with("alpha_pattern", {{".*q_proj", 3}}).find("q_proj"),
            std::string::npos);
  EXPECT_NE(error_with("lora_alpha", "8").find("lora_alpha"),
            std::string::npos);
  fs::remove(folder / "adapter_model.safetensors");
  std::ofstream(folder / "adapter_model.bin") << "\x80\x04\x95";
  EXPECT_NE(error_with("use_dora", false).find("runs code"), std::string::npos);
  fs::remove_all(folder);
}

TEST(Adapter, ReadsItsScale) {
  EXPECT_EQ(ParseAdapterChoice("/a/b:0.25").scale, 0.25);
  EXPECT_EQ(ParseAdapterChoice("/a/b:0.25").path, "/a/b");
  EXPECT_EQ(ParseAdapterChoice("/a/b").scale, 1.0);
  EXPECT_THROW(ParseAdapterChoice("/a/b:much"), Error);
  EXPECT_THROW(ParseAdapterChoice("/a/b:"), Error);
}

}  // namespace
}  // namespace malmoi::models
