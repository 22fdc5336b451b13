// What `show` says of models, against their config.json and card.
#include "generate/model_info.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "base/json.h"

namespace malmoi::generate {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = MALMOI_SOURCE_DIR "/tests/golden";
using Strings = std::vector<std::string>;

TEST(ModelInfo, SaysTheShapeOfEveryKind) {
  for (const char* folder :
       {"zoo/qwen3", "zoo_encoders/bert-token-classification"}) {
    const ModelInfo info = DescribeModel(kGolden / folder);
    const Json config =
        ParseJson(ReadFile(kGolden / folder / "config.json"), folder);
    EXPECT_EQ(info.layers, config["num_hidden_layers"].get<int64_t>());
    EXPECT_EQ(info.width, config["hidden_size"].get<int64_t>());
    EXPECT_EQ(info.heads, config["num_attention_heads"].get<int64_t>());
    EXPECT_EQ(info.vocabulary, config["vocab_size"].get<int64_t>());
    EXPECT_EQ(info.kv_heads, config.value("num_key_value_heads", info.heads));
  }
  const ModelInfo both = DescribeModel(kGolden / "zoo_seq2seq/t5");
  const Json config =
      ParseJson(ReadFile(kGolden / "zoo_seq2seq/t5/config.json"), "t5");
  EXPECT_EQ(both.layers, config["num_layers"].get<int64_t>());
  EXPECT_EQ(both.decoder_layers, config["num_decoder_layers"].get<int64_t>());
  EXPECT_EQ(both.vocabulary, config["vocab_size"].get<int64_t>());
}

TEST(ModelInfo, TasksAreThoseOfTheHeads) {
  const auto tasks = [](const char* folder) {
    return DescribeModel(kGolden / "zoo_encoders" / folder).tasks;
  };
  EXPECT_EQ(tasks("bert-token-classification"), (Strings{"embed", "tag"}));
  EXPECT_EQ(tasks("bert-masked-lm"), (Strings{"embed", "fill"}));
  EXPECT_EQ(tasks("bert-question-answering"), (Strings{"embed", "answer"}));
  EXPECT_EQ(tasks("bert-sequence-classification"),
            (Strings{"embed", "classify"}));
  EXPECT_EQ(tasks("bert-cross-encoder"), (Strings{"embed", "rerank"}));
}

TEST(ModelInfo, LanguagesAndLicenceAreThoseOfTheCard) {
  const fs::path folder = fs::path(::testing::TempDir()) / "malmoi_card";
  fs::create_directories(folder);
  for (const char* name : {"config.json", "model.safetensors"}) {
    fs::copy_file(kGolden / "zoo/qwen3" / name, folder / name,
                  fs::copy_options::overwrite_existing);
  }
  const auto info = [&](const std::string& card) {
    WriteFileAtomically(folder / "README.md", card);
    return DescribeModel(folder);
  };
  ModelInfo found = info(
      "---\nlicense: apache-2.0\nlanguage:\n- en\n- ko\ntags:\n- x\n---\n"
      "language: de\n");
  EXPECT_EQ(found.languages, (Strings{"en", "ko"}));
  EXPECT_EQ(found.license, "apache-2.0");
  EXPECT_EQ(info("---\nlanguage: [\"en\", fr]\n---\n").languages,
            (Strings{"en", "fr"}));
  EXPECT_EQ(info("---\nlanguage: ko\n---\n").languages, Strings{"ko"});
  EXPECT_TRUE(
      info("# a card without a head\nlanguage: en\n").languages.empty());
  EXPECT_TRUE(info("").languages.empty());
  fs::remove_all(folder);
}

}  // namespace
}  // namespace malmoi::generate
