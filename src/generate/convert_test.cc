// convert against llama.cpp's own converter: model.gguf of the zoo, tensor for
// tensor and key for key; then what was written, loaded, against the folder.
#include "generate/convert.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "base/error.h"
#include "generate/language_model.h"

namespace malmoi::generate {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = MALMOI_SOURCE_DIR "/tests/golden";

class FolderTest : public ::testing::Test {
 protected:
  FolderTest()
      : folder_(fs::temp_directory_path() /
                ("malmoi_convert_" + std::to_string(getpid()))) {
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "model");
    for (const char* file : {"tokenizer.json", "tokenizer_config.json"}) {
      fs::copy_file(kGolden / "architectures/llama" / file,
                    folder_ / "model" / file);
    }
  }
  ~FolderTest() override { fs::remove_all(folder_); }

  void Take(const std::string& model) {
    for (const char* file : {"config.json", "model.safetensors"}) {
      fs::copy_file(kGolden / model / file, folder_ / "model" / file);
    }
  }

  std::vector<float> Logits(const fs::path& path) {
    const auto model = LanguageModel::Load(
        path, {.threads = 1, .precision = models::Precision::kExact});
    Arena arena;
    Exec exec{model->pool(), arena, {}, nullptr};
    const std::vector<int32_t> ids =
        model->tokenizer().Encode("the ocean and the sea").ids;
    EXPECT_GT(ids.size(), 3u);
    const auto sequence = model->decoder().NewSequence(40);
    const models::SequenceInput input = {sequence.get(), ids,
                                         models::LogitsFor::kAll};
    const auto logits = model->decoder().Forward(exec, {&input, 1});
    return {logits.begin(), logits.end()};
  }

  const fs::path folder_;
};

class ConvertTest : public FolderTest,
                    public ::testing::WithParamInterface<const char*> {};
class RefusedTest : public FolderTest {};

TEST_P(ConvertTest, EqualsLlamaCpps) {
  Take(GetParam());
  const fs::path output = folder_ / "out.gguf";
  const models::ConvertResult result =
      ConvertModel(folder_ / "model", output, false);
  const auto got = formats::GgufFile::Open(output);
  const auto want =
      formats::GgufFile::Open(kGolden / GetParam() / "model.gguf");
  EXPECT_EQ(result.bytes, fs::file_size(output));
  // Of names, which nobody computes with.
  const std::set<std::string> free = {"general.name", "general.size_label"};
  std::set<std::string> keys;
  const Json got_values = got->MetadataJson(100'000);
  const Json want_values = want->MetadataJson(100'000);
  for (const auto& file : {got, want}) {
    for (const std::string& key : file->keys()) keys.insert(key);
  }
  for (const std::string& key : keys) {
    if (free.contains(key)) continue;
    EXPECT_EQ(got->TypeName(key), want->TypeName(key)) << key;
    EXPECT_EQ(got_values.value(key, Json()), want_values.value(key, Json()))
        << key;
  }
  for (const auto& [name, tensor] : want->tensors()) {
    const auto it = got->tensors().find(name);
    ASSERT_NE(it, got->tensors().end()) << name;
    EXPECT_EQ(it->second.shape, tensor.shape) << name;
    EXPECT_EQ(it->second.dtype, tensor.dtype) << name;
    ASSERT_EQ(it->second.data.size(), tensor.data.size()) << name;
    EXPECT_EQ(std::memcmp(it->second.data.data(), tensor.data.data(),
                          tensor.data.size()),
              0)
        << name;
  }
  EXPECT_EQ(got->tensors().size(), want->tensors().size());
  // Round trip. Sums within heads are in another order where halves are.
  const auto before = Logits(folder_ / "model"), after = Logits(output);
  ASSERT_EQ(before.size(), after.size());
  for (size_t i = 0; i < before.size(); ++i) {
    ASSERT_NEAR(before[i], after[i], 1e-4) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, ConvertTest,
    ::testing::Values("zoo/gpt2", "zoo/llama-bias", "zoo/llama-linear",
                      "zoo/mistral-full", "zoo/olmo2", "zoo/qwen2", "zoo/qwen3",
                      "zoo/smollm3", "zoo/starcoder2"),
    [](const auto& info) {
      std::string name = info.param;
      std::erase_if(name, [](char c) { return !std::isalnum(c); });
      return name;
    });

TEST_F(RefusedTest, ByName) {
  const auto refuse = [&](const std::string& model) {
    fs::remove(folder_ / "model/config.json");
    fs::remove(folder_ / "model/model.safetensors");
    Take(model);
    try {
      ConvertModel(folder_ / "model", folder_ / "out.gguf", false);
    } catch (const Error& error) {
      EXPECT_FALSE(fs::exists(folder_ / "out.gguf"));
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_NE(refuse("zoo/gemma2").find("gemma2"), std::string::npos);
  EXPECT_NE(refuse("zoo/llama-dynamic").find("dynamic"), std::string::npos);
  EXPECT_NE(refuse("zoo/llama-yarn").find("yarn"), std::string::npos);
  EXPECT_NE(refuse("zoo/mistral").find("sliding"), std::string::npos);
  EXPECT_NE(refuse("zoo/mistral").find("16"), std::string::npos);
  EXPECT_NE(refuse("zoo/smollm3-list").find("rotation"), std::string::npos);
  EXPECT_NE(refuse("zoo/qwen2-window").find("sliding"), std::string::npos);
  EXPECT_THROW(ConvertModel(kGolden / "zoo/qwen2/model.gguf",
                            folder_ / "out.gguf", false),
               Error);
  // Without a tokenizer, and where something is already.
  fs::remove(folder_ / "model/tokenizer.json");
  EXPECT_NE(refuse("zoo/qwen2"), "");
  std::ofstream(folder_ / "there.gguf") << "mine";
  EXPECT_THROW(ConvertModel(folder_ / "model", folder_ / "there.gguf", false),
               Error);
  EXPECT_EQ(fs::file_size(folder_ / "there.gguf"), 4u);
}

}  // namespace
}  // namespace malmoi::generate
