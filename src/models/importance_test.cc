// Importance: whose input a tap is, files as llama.cpp writes them, and what
// quantizing makes of it and records.
#include "models/importance.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <functional>
#include <limits>

#include "base/error.h"
#include "base/file.h"
#include "base/random.h"
#include "formats/testing/gguf_writer.h"
#include "kernels/unpack.h"
#include "models/quantize.h"

namespace malmoi::models {
namespace {

namespace fs = std::filesystem;

class ImportanceTest : public ::testing::Test {
 protected:
  ImportanceTest()
      : folder_(fs::temp_directory_path() /
                ("malmoi_importance_" + std::to_string(getpid()))) {
    fs::create_directories(folder_);
  }
  ~ImportanceTest() override { fs::remove_all(folder_); }
  fs::path Write(const std::string& name, const formats::GgufWriter& writer) {
    WriteFileAtomically(folder_ / name, writer.Finish());
    return folder_ / name;
  }

  fs::path folder_;
};

ErrorCode CodeOf(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "no error";
  return ErrorCode::kHashMismatch;
}

void See(ImportanceCollector& collector, const std::string& name,
         const std::vector<float>& values, int64_t columns) {
  collector.See(name, values, static_cast<int64_t>(values.size()) / columns,
                columns);
}

TEST_F(ImportanceTest, TapsAreTheInputsOfTheTensorsThatAFileHas) {
  ImportanceCollector collector;
  See(collector, "layer.1.attention_input", {1, 2, 3, -4}, 2);
  See(collector, "layer.1.attention_input", {0.5f, 1}, 2);
  See(collector, "layer.1.attention_mixed", {1, 1, 2}, 3);
  See(collector, "layer.0.feed_forward_input", {2, 0}, 2);
  See(collector, "layer.0.feed_forward_hidden", {3}, 1);
  See(collector, "final_norm", {5, 6}, 2);
  // What is no product's input.
  See(collector, "layer.1.output", {9, 9}, 2);
  See(collector, "embedding", {9, 9}, 2);

  Spec spec;
  spec.layers = 2;
  spec.tied_head = false;
  const Importance apart =
      collector.Result(FindArchitecture("llama", "test"), spec);
  std::vector<std::string> names;
  for (const auto& [name, input] : apart.inputs) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{
                       "blk.0.ffn_down.weight", "blk.0.ffn_gate.weight",
                       "blk.0.ffn_up.weight", "blk.1.attn_k.weight",
                       "blk.1.attn_output.weight", "blk.1.attn_q.weight",
                       "blk.1.attn_v.weight", "output.weight"}));
  const InputSquares& value = apart.inputs.at("blk.1.attn_v.weight");
  EXPECT_EQ(value.sums, (std::vector<float>{1 + 9 + 0.25f, 4 + 16 + 1}));
  EXPECT_EQ(value.counts, std::vector<float>{3});
  EXPECT_EQ(apart.inputs.at("blk.0.ffn_down.weight").sums,
            std::vector<float>{9});
  EXPECT_EQ(apart.tokens(), 3);

  spec.tied_head = true;
  const Importance fused =
      collector.Result(FindArchitecture("phi3", "test"), spec);
  names.clear();
  for (const auto& [name, input] : fused.inputs) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{
                       "blk.0.ffn_down.weight", "blk.0.ffn_up.weight",
                       "blk.1.attn_output.weight", "blk.1.attn_qkv.weight",
                       "token_embd.weight"}));
  EXPECT_EQ(fused.inputs.at("blk.1.attn_qkv.weight").sums, value.sums);
}

TEST_F(ImportanceTest, FilesAreThoseOfLlamaCppAndReadBackTheSame) {
  Importance importance;
  importance.inputs["a.weight"] = {{1, 2.5f, 0}, {700}};
  importance.inputs["experts.weight"] = {{1, 2, 3, 4}, {10, 0}};
  importance.datasets = {"book.txt"};
  const fs::path path = folder_ / "kept.gguf";
  SaveImportance(importance, path);
  const auto file = formats::GgufFile::Open(path);
  EXPECT_EQ(file->GetString("general.type"), "imatrix");
  EXPECT_EQ(file->GetStrings("imatrix.datasets"), importance.datasets);
  EXPECT_EQ(file->GetInt("imatrix.chunk_count"), 2);
  EXPECT_EQ(file->GetInt("imatrix.chunk_size"), 512);
  const formats::TensorMap& tensors = file->tensors();
  EXPECT_EQ(tensors.at("a.weight.in_sum2").shape, Shape{3});
  EXPECT_EQ(tensors.at("a.weight.counts").shape, Shape{1});
  EXPECT_EQ(tensors.at("experts.weight.in_sum2").shape, (Shape{2, 2}));
  EXPECT_EQ(tensors.at("experts.weight.counts").shape, (Shape{2, 1}));

  const Importance back = LoadImportance(path);
  EXPECT_EQ(back.datasets, importance.datasets);
  ASSERT_EQ(back.inputs.size(), 2u);
  for (const auto& [name, input] : importance.inputs) {
    EXPECT_EQ(back.inputs.at(name).sums, input.sums);
    EXPECT_EQ(back.inputs.at(name).counts, input.counts);
  }
  EXPECT_EQ(back.tokens(), 700);
  // Means over their mean; 1 where an expert saw nothing.
  const InputSquares& experts = back.inputs.at("experts.weight");
  EXPECT_EQ(experts.Weights(0), (std::vector<float>{2.0f / 3, 4.0f / 3}));
  EXPECT_EQ(experts.Weights(1), (std::vector<float>{1, 1}));
}

TEST_F(ImportanceTest, DamagedAndForeignFilesAreRefused) {
  const auto code = [&](const formats::GgufWriter& writer) {
    const fs::path path = Write("bad.gguf", writer);
    return CodeOf([&] { LoadImportance(path); });
  };
  formats::GgufWriter model;
  model.String("general.architecture", "toy");
  model.F32Tensor("a.weight", {2}, {1, 2});
  EXPECT_EQ(code(model), ErrorCode::kInvalidArgument);

  const auto with = [&](const std::function<void(formats::GgufWriter&)>& add) {
    formats::GgufWriter writer;
    writer.String("general.type", "imatrix");
    add(writer);
    return code(writer);
  };
  EXPECT_EQ(with([](auto&) {}), ErrorCode::kCorrupt);
  EXPECT_EQ(with([](auto& w) { w.F32Tensor("a.in_sum2", {2}, {1, 2}); }),
            ErrorCode::kCorrupt);
  EXPECT_EQ(with([](auto& w) { w.F32Tensor("a.counts", {1}, {1}); }),
            ErrorCode::kCorrupt);
  EXPECT_EQ(with([](auto& w) { w.F32Tensor("a.weight", {1}, {1}); }),
            ErrorCode::kCorrupt);
  for (const float bad :
       {-1.0f, std::nanf(""), std::numeric_limits<float>::infinity()}) {
    EXPECT_EQ(with([&](auto& w) {
                w.F32Tensor("a.in_sum2", {2}, {1, bad});
                w.F32Tensor("a.counts", {1}, {1});
              }),
              ErrorCode::kCorrupt);
  }
  EXPECT_EQ(with([](auto& w) {
              w.F32Tensor("a.in_sum2", {3}, {1, 2, 3});
              w.F32Tensor("a.counts", {2, 1}, {1, 1});
            }),
            ErrorCode::kCorrupt);
}

// A matrix of normal weights, another that is not known, and a norm.
formats::GgufWriter Source() {
  formats::GgufWriter writer;
  writer.String("general.architecture", "toy");
  Random random(5);
  for (const char* name : {"known.weight", "other.weight"}) {
    std::vector<float> values(16 * 256);
    for (float& value : values) {
      value = 0;
      for (int i = 0; i < 4; ++i) {
        value += static_cast<float>(random.Uniform() - 0.5);
      }
    }
    writer.F32Tensor(name, {16, 256}, values);
  }
  writer.F32Tensor("x_norm.weight", {256}, std::vector<float>(256, 1.0f));
  return writer;
}

InputSquares Squares() {
  InputSquares input;
  for (int i = 0; i < 256; ++i) {
    input.sums.push_back(std::ldexp(1.0f, i * 7 % 9));
  }
  input.counts = {100};
  return input;
}

std::vector<float> Row(const formats::GgufFile& file, const char* name) {
  const Tensor& tensor = file.tensors().at(name);
  std::vector<float> values(static_cast<size_t>(tensor.elements()));
  kernels::DequantizeRow(tensor.dtype, tensor.data.data(), tensor.elements(),
                         values.data());
  return values;
}

TEST_F(ImportanceTest, QuantizingWeighsErrorsAndRecordsThem) {
  const fs::path source = Write("source.gguf", Source());
  ThreadPool pool(2);
  Importance importance;
  importance.inputs["known.weight"] = Squares();
  const auto quantize = [&](const fs::path& from, const char* to,
                            const char* type, const Importance* used) {
    QuantizeOptions options;
    options.type = type;
    options.importance = used;
    return QuantizeFile(from, folder_ / to, options, pool);
  };
  const QuantizeResult plain = quantize(source, "plain.gguf", "Q4_K", nullptr);
  const QuantizeResult weighed =
      quantize(source, "weighed.gguf", "Q4_K", &importance);
  EXPECT_EQ(weighed.weighed, 1);
  EXPECT_EQ(weighed.unweighed, 1);

  const auto before = formats::GgufFile::Open(source);
  const auto without = formats::GgufFile::Open(folder_ / "plain.gguf");
  const auto with = formats::GgufFile::Open(folder_ / "weighed.gguf");
  const auto error = [&](const formats::GgufFile& file, const char* name,
                         bool weighs) {
    const auto old = Row(*before, name), now = Row(file, name);
    double sum = 0, squares = 0;
    for (size_t i = 0; i < old.size(); ++i) {
      const double difference = static_cast<double>(now[i] - old[i]);
      const double weight = weighs ? std::ldexp(1.0, i % 256 * 7 % 9) : 1;
      sum += weight * difference * difference;
      squares += weight * static_cast<double>(old[i]) * old[i];
    }
    return std::pair(sum, squares);
  };
  EXPECT_LT(error(*with, "known.weight", true).first,
            0.8 * error(*without, "known.weight", true).first);
  EXPECT_EQ(Row(*with, "other.weight"), Row(*without, "other.weight"));

  // What is recorded is what a reader of both files finds.
  const auto record = ReadQuantizeRecord(*with);
  ASSERT_TRUE(record);
  const auto known = error(*with, "known.weight", false);
  const auto other = error(*with, "other.weight", false);
  const double rms =
      std::sqrt((known.first + other.first) / (known.second + other.second));
  EXPECT_NEAR(record->rms_error, rms, 1e-6 * rms);
  EXPECT_NEAR(weighed.record.rms_error, rms, 1e-6 * rms);
  ASSERT_EQ(record->rms_errors.size(), 1u);
  EXPECT_NEAR(record->rms_errors.at("Q4_K"), rms, 1e-6 * rms);
  EXPECT_EQ(record->source_type, "F32");
  EXPECT_EQ(record->type, "Q4_K");
  EXPECT_TRUE(record->importance);
  EXPECT_EQ(record->importance_tokens, 100);
  EXPECT_FALSE(ReadQuantizeRecord(*without)->importance);
  EXPECT_FALSE(ReadQuantizeRecord(*before));

  // Again: the types before it are kept, the rest is new.
  quantize(folder_ / "weighed.gguf", "again.gguf", "Q8_0", nullptr);
  const auto again =
      ReadQuantizeRecord(*formats::GgufFile::Open(folder_ / "again.gguf"));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->source_type, "F32, Q4_K");
  EXPECT_FALSE(again->importance);
  EXPECT_TRUE(again->rms_errors.contains("Q8_0"));
  EXPECT_FALSE(again->rms_errors.contains("Q4_K"));
  EXPECT_LT(again->rms_error, 0.02);
}

TEST_F(ImportanceTest, ThatOfAnotherModelOrForNoUseIsRefused) {
  const fs::path source = Write("source.gguf", Source());
  const auto quantize = [&](const char* type, const std::string& name,
                            const InputSquares& input) {
    Importance importance;
    importance.inputs[name] = input;
    QuantizeOptions options;
    options.type = type;
    options.importance = &importance;
    ThreadPool pool(1);
    QuantizeFile(source, folder_ / "out.gguf", options, pool);
  };
  const auto refused = [&](const std::string& name, const InputSquares& input) {
    EXPECT_EQ(CodeOf([&] { quantize("Q4_0", name, input); }),
              ErrorCode::kInvalidArgument);
    EXPECT_FALSE(fs::exists(folder_ / "out.gguf"));
  };
  refused("blk.7.attn_q.weight", Squares());
  refused("known.weight", {std::vector<float>(128, 1.0f), {1}});
  refused("known.weight", {std::vector<float>(512, 1.0f), {1, 1}});
  EXPECT_EQ(CodeOf([&] { quantize("Q8_0", "known.weight", Squares()); }),
            ErrorCode::kInvalidArgument);
  quantize("Q4_0", "known.weight", Squares());
  EXPECT_TRUE(fs::exists(folder_ / "out.gguf"));
}

// Each expert's rows by the inputs that it saw.
TEST_F(ImportanceTest, ExpertsHaveTheirOwn) {
  formats::GgufWriter writer;
  writer.String("general.architecture", "toy");
  Random random(6);
  std::vector<float> values(2 * 3 * 32);
  for (size_t i = 0; i < values.size() / 2; ++i) {
    values[i] = static_cast<float>(random.Uniform() - 0.5);
    values[i + values.size() / 2] = values[i];
  }
  writer.F32Tensor("experts.weight", {2, 3, 32}, values);
  const fs::path source = Write("experts.gguf", writer);
  Importance importance;
  InputSquares& input = importance.inputs["experts.weight"];
  input.sums.assign(64, 1.0f);
  for (size_t i = 0; i < 16; ++i) input.sums[32 + i] = 1000;
  input.counts = {5, 5};
  QuantizeOptions options;
  options.type = "Q4_0";
  options.importance = &importance;
  ThreadPool pool(2);
  QuantizeFile(source, folder_ / "out.gguf", options, pool);
  const auto now =
      Row(*formats::GgufFile::Open(folder_ / "out.gguf"), "experts.weight");
  double first[2] = {};  // errors of the columns that count for the second
  for (size_t e = 0; e < 2; ++e) {
    for (size_t i = 0; i < 3 * 32; ++i) {
      if (i % 32 >= 16) continue;
      const size_t at = e * 96 + i;
      first[e] += std::pow(static_cast<double>(now[at] - values[at]), 2);
    }
  }
  EXPECT_LT(first[1], 0.9 * first[0]);
}

}  // namespace
}  // namespace malmoi::models
