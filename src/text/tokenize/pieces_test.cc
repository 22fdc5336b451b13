// Tokenizers of translators as their authors' repositories have them, against
// what transformers makes of texts (tests/golden/translators).
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "text/tokenize/tokenizer.h"

namespace malmoi::text {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = MALMOI_SOURCE_DIR "/tests/golden/translators";

class PiecesTest : public ::testing::TestWithParam<const char*> {
 protected:
  static Json Cases(const std::string& name) {
    const fs::path path = kGolden / name / "cases.json";
    return ParseJson(ReadFile(path), path.string());
  }
};

TEST_P(PiecesTest, IdsAreThoseOfTransformers) {
  const auto tokenizer = Tokenizer::FromFolder(kGolden / GetParam());
  const Json golden = Cases(GetParam());
  int compared = 0;
  for (const Json& one : golden["cases"]) {
    if (!one["language"].is_null()) {
      const auto language =
          tokenizer->TokenId(one["language"].get<std::string>());
      if (!language) continue;  // in other words
      EXPECT_EQ(std::count(one["ids"].begin(), one["ids"].end(), *language), 1);
      continue;
    }
    const auto text = one["text"].get<std::string>();
    EXPECT_EQ(Json(tokenizer->Encode(text, {.parse_special = false}).ids),
              one["ids"])
        << text;
    ++compared;
  }
  EXPECT_GE(compared, 10);
}

TEST_P(PiecesTest, TextsAreThoseOfTransformers) {
  const auto tokenizer = Tokenizer::FromFolder(kGolden / GetParam());
  const Json golden = Cases(GetParam());
  for (const Json& one : golden["decoded"]) {
    const auto ids = one["ids"].get<std::vector<int32_t>>();
    const auto text = one["text"].get<std::string>();
    std::string got = tokenizer->Decode(ids, /*skip_special=*/true);
    while (got.starts_with(' ')) got.erase(0, 1);
    while (got.ends_with(' ')) got.pop_back();
    EXPECT_EQ(got, text) << one["ids"].dump();
  }
}

INSTANTIATE_TEST_SUITE_P(All, PiecesTest,
                         ::testing::Values("marian", "m2m-100", "nllb",
                                           "nllb-legacy"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::erase(name, '-');
                           return name;
                         });

class BrokenPiecesTest : public ::testing::Test {
 protected:
  BrokenPiecesTest()
      : folder_(fs::path(::testing::TempDir()) / "malmoi_pieces") {
    fs::remove_all(folder_);
  }
  ~BrokenPiecesTest() override { fs::remove_all(folder_); }

  void Take(const char* name) {
    fs::remove_all(folder_);
    fs::copy(kGolden / name, folder_);
  }
  void Expect(ErrorCode code, const std::string& text) {
    try {
      Tokenizer::FromFolder(folder_);
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      EXPECT_NE(std::string(error.what()).find(text), std::string::npos)
          << error.what();
    }
  }
  void Write(const char* name, const Json& json) {
    std::ofstream(folder_ / name) << json.dump();
  }
  Json Read(const char* name) {
    return ParseJson(ReadFile(folder_ / name), name);
  }

  const fs::path folder_;
};

TEST_F(BrokenPiecesTest, WhatIsMissingIsNamed) {
  for (const char* file : {"source.spm", "target.spm", "vocab.json"}) {
    Take("marian");
    fs::remove(folder_ / file);
    Expect(ErrorCode::kNotFound, file);
  }
  Take("m2m-100");
  fs::remove(folder_ / "vocab.json");
  Expect(ErrorCode::kUnsupported, "M2M100Tokenizer");
}

TEST_F(BrokenPiecesTest, AVocabularyNeedsItsTokens) {
  for (const char* token : {"</s>", "<unk>", "<pad>"}) {
    Take("marian");
    Json vocab = Read("vocab.json");
    vocab["other"] = vocab[token];
    vocab.erase(token);
    Write("vocab.json", vocab);
    Expect(ErrorCode::kCorrupt, token);
  }
  Take("marian");
  Json vocab = Read("vocab.json");
  vocab["\u2581"] = 3;  // of another
  Write("vocab.json", vocab);
  Expect(ErrorCode::kCorrupt, "ids that do not count the pieces");
  Write("vocab.json", Json::array({1}));
  Expect(ErrorCode::kCorrupt, "names no pieces");
  std::ofstream(folder_ / "vocab.json") << "{";
  Expect(ErrorCode::kCorrupt, "vocab.json");
  Take("m2m-100");
  std::ofstream(folder_ / "sentencepiece.bpe.model") << "x";
  Expect(ErrorCode::kCorrupt, "SentencePiece");
}

// As the reference: what the vocabulary lacks is unknown.
TEST_F(BrokenPiecesTest, APieceThatTheVocabularyLacksIsUnknown) {
  Take("marian");
  Json vocab = Read("vocab.json");
  vocab["other"] = vocab["\u2581"];
  vocab.erase("\u2581");
  Write("vocab.json", vocab);
  const auto tokenizer = Tokenizer::FromFolder(folder_);
  EXPECT_EQ(tokenizer->Encode("\u2603").ids, (std::vector<int32_t>{1, 1, 0}));
}

TEST_F(BrokenPiecesTest, SettingsThatAreNotKnownAreRefused) {
  Take("m2m-100");
  Json config = Read("tokenizer_config.json");
  config["src_lang"] = "tlh";
  Write("tokenizer_config.json", config);
  Expect(ErrorCode::kUnsupported, "__tlh__");
  config["src_lang"] = "ko";
  config["language_codes"] = "wmt22";
  Write("tokenizer_config.json", config);
  Expect(ErrorCode::kUnsupported, "wmt22");
  Take("marian");
  config = Read("tokenizer_config.json");
  config["separate_vocabs"] = true;
  Write("tokenizer_config.json", config);
  Expect(ErrorCode::kUnsupported, "two vocabularies");
  Take("nllb");
  fs::remove(folder_ / "tokenizer_config.json");
  Expect(ErrorCode::kUnsupported, "NllbTokenizer");
}

}  // namespace
}  // namespace malmoi::text
