// Distilling against model2vec's own, from a small random BERT
// (tools/make_golden_distill.py), and what cannot be distilled.
#include "learn/distill/distill.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "formats/safetensors.h"
#include "represent/contextual/embedder.h"
#include "represent/static/token_embedder.h"
#include "text/tokenize/tokenizer.h"

namespace malmoi::learn {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = MALMOI_SOURCE_DIR "/tests/golden";

class DistillTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() /
              ("malmoi_distill_" + std::to_string(getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "model");
    for (const char* name : {"config.json", "model.safetensors"}) {
      fs::copy_file(kGolden / "zoo_encoders" / "bert" / name,
                    folder_ / "model" / name);
    }
    for (const char* name : {"tokenizer.json", "tokenizer_config.json"}) {
      fs::copy_file(kGolden / "static" / "distilled" / name,
                    folder_ / "model" / name);
    }
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path folder_;
};

TEST_F(DistillTest, EqualsModel2Vec) {
  DistillOptions options;
  options.dimensions = 8;
  options.half = false;
  options.threads = 2;
  int64_t told = -1;
  options.progress = [&](int64_t done, int64_t all) {
    EXPECT_EQ(all, 294);
    EXPECT_GT(done, told);
    told = done;
    return true;
  };
  const fs::path out = folder_ / "out";
  const DistillResult result = Distill(folder_ / "model", out, options);
  EXPECT_EQ(result.tokens, 294);
  EXPECT_EQ(result.dimensions, 8);
  EXPECT_GT(result.share, 0.3);
  EXPECT_LT(result.share, 1);
  EXPECT_GE(told, 0);
  const auto expected = formats::SafetensorsFile::Open(
      kGolden / "static" / "distilled" / "expected.safetensors");
  const auto& want = expected.tensors.at("embeddings");
  const auto table = represent::TokenTable::Open(out);
  ASSERT_EQ(table.rows.shape, want.shape);
  EXPECT_TRUE(table.normalizes);
  const auto* a = reinterpret_cast<const float*>(table.rows.data.data());
  const auto* b = reinterpret_cast<const float*>(want.data.data());
  for (int64_t i = 0; i < want.elements(); ++i) {
    EXPECT_NEAR(a[i], b[i], 2e-4) << i / 8 << ", " << i % 8;
  }
  const Json tokens =
      ReadJson(kGolden / "static" / "distilled" / "tokens.json");
  const auto tokenizer = text::Tokenizer::FromFolder(out);
  ASSERT_EQ(tokenizer->vocab_size(), static_cast<int32_t>(tokens.size()));
  for (int32_t id = 0; id < tokenizer->vocab_size(); ++id) {
    EXPECT_EQ(tokenizer->TokenText(id),
              tokens[static_cast<size_t>(id)].get<std::string>());
  }
  // In 16 bits nearly the same, and an embedder.
  options.half = true;
  options.progress = {};
  Distill(folder_ / "model", out, options);
  const std::vector<std::string> texts = {"w11 w12", "w21"};
  const auto embedder = represent::Embedder::Load(out);
  const auto got = embedder->Embed(texts);
  ASSERT_EQ(got.tokens, (std::vector<int64_t>{2, 1}));
  const auto id = static_cast<size_t>(*tokenizer->TokenId("w21"));
  EXPECT_NEAR(represent::Cosine(got.row(1), {b + id * 8, 8}), 1, 1e-5);
}

TEST_F(DistillTest, WithoutComponentsOrWeightsItIsTheEncoder) {
  DistillOptions options;
  options.dimensions = 0;
  options.sif_weight = 0;
  options.half = false;
  const fs::path out = folder_ / "out";
  const DistillResult result = Distill(folder_ / "model", out, options);
  EXPECT_EQ(result.dimensions, 40);
  const std::vector<std::string> texts = {"w11"};
  const auto encoder = represent::Embedder::Load(folder_ / "model");
  const auto made = represent::Embedder::Load(out);
  EXPECT_NEAR(represent::Cosine(encoder->Embed(texts).row(0),
                                made->Embed(texts).row(0)),
              1, 1e-5);
}

TEST_F(DistillTest, WhatIsWrongIsNamed) {
  const auto failure = [&](const DistillOptions& options) {
    try {
      Distill(folder_ / "model", folder_ / "out", options);
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::kIo;
  };
  EXPECT_EQ(failure({.dimensions = 41}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(failure({.sif_weight = 1}), ErrorCode::kInvalidArgument);
  DistillOptions stopped;
  stopped.progress = [](int64_t, int64_t) { return false; };
  EXPECT_EQ(failure(stopped), ErrorCode::kCancelled);
  EXPECT_FALSE(fs::exists(folder_ / "out"));
  const std::string tokenizer = ReadFile(folder_ / "model" / "tokenizer.json");
  fs::remove(folder_ / "model" / "tokenizer.json");
  EXPECT_EQ(failure({}), ErrorCode::kUnsupported);
  WriteFileAtomically(folder_ / "model" / "tokenizer.json", "{}");
  EXPECT_EQ(failure({}), ErrorCode::kCorrupt);
}

// A vocabulary that is a list, as Unigram has it.
TEST(TokenizerOfTokens, ListsOfPiecesAreClosedUp) {
  const Json tokenizer = ParseJson(
      R"({"model": {"type": "Unigram", "unk_id": 3, "vocab": [["<s>", 0],
          ["<pad>", 0], ["</s>", 0], ["<unk>", 0], ["a", -1],
          ["[unused1]", -2], ["b", -3]]},
          "added_tokens": [{"id": 0, "content": "<s>"},
          {"id": 1, "content": "<pad>"}, {"id": 2, "content": "</s>"},
          {"id": 3, "content": "<unk>"}, {"id": 7, "content": "<mask>"}],
          "post_processor": {"type": "Template"}})",
      "test");
  std::vector<int32_t> kept;
  const Json own = TokenizerOfTokens(tokenizer, "test", 1, kept);
  EXPECT_EQ(kept, (std::vector<int32_t>{1, 3, 4, 6}));
  EXPECT_EQ(own["model"]["unk_id"], 1);
  EXPECT_EQ(own["model"]["vocab"].size(), 4u);
  EXPECT_EQ(own["model"]["vocab"][3][0], "b");
  EXPECT_EQ(own["added_tokens"].size(), 2u);
  EXPECT_EQ(own["added_tokens"][1]["id"], 1);
  EXPECT_TRUE(own["post_processor"].is_null());
  for (const char* bad :
       {"[]", "{}", R"({"model": 1})", R"({"model": {}})",
        R"({"model": {"vocab": {"a": "x"}}})", R"({"model": {"vocab": [1]}})",
        R"({"model": {"vocab": 1}})", R"({"model": {"vocab": {}}})",
        R"({"model": {"vocab": {"a": 0}}, "added_tokens": [1]})"}) {
    EXPECT_THROW(TokenizerOfTokens(ParseJson(bad, "test"), "test", {}, kept),
                 Error)
        << bad;
  }
}

}  // namespace
}  // namespace malmoi::learn
