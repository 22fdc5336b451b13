// Static sentence vectors: folders of model2vec and sentence-transformers
// against what these libraries give, word vectors against fastText and SIF
// (tools/make_golden_static.py); the real wordllama where it is there.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "formats/safetensors_writer.h"
#include "represent/contextual/embedder.h"
#include "represent/static/token_embedder.h"
#include "represent/static/word_embedder.h"

namespace malmoi::represent {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = MALMOI_SOURCE_DIR "/tests/golden/static";
const fs::path kWords = MALMOI_SOURCE_DIR "/tests/golden/word_vectors";

const Json& Answers() {
  static const Json answers = ReadJson(kGolden / "answers.json");
  return answers;
}

std::vector<std::string> Texts(const char* key) {
  return Answers()[key].get<std::vector<std::string>>();
}

void ExpectRows(const Embeddings& got, const Json& want, double bound,
                const std::string& name) {
  ASSERT_EQ(got.values.size(),
            want.size() * static_cast<size_t>(got.dimensions))
      << name;
  for (size_t i = 0; i < want.size(); ++i) {
    for (size_t k = 0; k < want[i].size(); ++k) {
      EXPECT_NEAR(got.row(i)[k], want[i][k].get<double>(), bound)
          << name << ": text " << i << ", component " << k;
    }
  }
}

TEST(TokenEmbedder, FoldersGiveTheirLibrariesVectors) {
  const auto texts = Texts("texts");
  for (const char* name : {"plain", "clustered", "int8", "modules"}) {
    const auto embedder = Embedder::Load(kGolden / name);
    EXPECT_EQ(embedder->dimensions(), 8);
    const Embeddings got = embedder->Embed(texts);
    ExpectRows(got, Answers()[name], 1e-6, name);
    const bool drops = name != std::string("modules");
    // "unknown words only here": three unknown.
    EXPECT_EQ(got.unknown[2], drops ? 3 : 0) << name;
    EXPECT_EQ(got.tokens[2], drops ? 1 : 4) << name;
  }
  const auto embedder = Embedder::Load(kGolden / "modules");
  EmbedOptions options;
  options.prompt = embedder->Prompt("query");
  ExpectRows(embedder->Embed(texts, options), Answers()["modules_query"], 1e-6,
             "query");
}

TEST(TokenEmbedder, ThreadsAndNeighboursChangeNothing) {
  std::vector<std::string> texts;
  for (int i = 0; i < 300; ++i) {
    for (const std::string& text : Texts("texts")) texts.push_back(text);
  }
  const auto one = Embedder::Load(kGolden / "plain", {.threads = 1});
  const auto four = Embedder::Load(kGolden / "plain", {.threads = 4});
  EXPECT_EQ(one->Embed(texts).values, four->Embed(texts).values);
}

TEST(TokenEmbedder, TokensHaveVectorsToo) {
  const auto embedder = Embedder::Load(kGolden / "plain");
  const std::vector<std::string> texts = {"The cats zzz"};
  const auto got = embedder->EmbedTokens(texts);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].ids, (std::vector<int32_t>{4, 5, 6}));
  EXPECT_EQ(got[0].texts, (std::vector<std::string>{"the", "cat", "##s"}));
  const auto file =
      formats::SafetensorsFile::Open(kGolden / "plain" / "model.safetensors");
  const auto* rows =
      reinterpret_cast<const float*>(file.tensors.at("embeddings").data.data());
  EXPECT_EQ(0, std::memcmp(got[0].values.data(), rows + 4 * 8, 3 * 8 * 4));
}

class StaticFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() /
              ("malmoi_static_" + std::to_string(getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    for (const char* name :
         {"config.json", "tokenizer.json", "model.safetensors"}) {
      fs::copy_file(kGolden / "plain" / name, folder_ / name);
    }
  }
  void TearDown() override { fs::remove_all(folder_); }

  struct Array {
    std::string name;
    Shape shape;
    std::vector<float> values;
  };
  void WriteTensors(const std::vector<Array>& arrays) {
    std::vector<formats::SafetensorsInfo> infos;
    for (const Array& array : arrays)
      infos.push_back({array.name, array.shape});
    formats::SafetensorsWriter writer(folder_ / "model.safetensors", infos,
                                      nullptr);
    for (const Array& array : arrays) {
      writer.Write(std::as_bytes(std::span(array.values)));
    }
    writer.Finish();
  }
  void Config(const std::string& text) {
    WriteFileAtomically(folder_ / "config.json", text);
  }
  // The code and the message of what loading and embedding throws.
  std::pair<ErrorCode, std::string> Failure(const EmbedOptions& options = {}) {
    try {
      const std::vector<std::string> texts = {"the cat",
                                              "the cat sat on a mat"};
      Embedder::Load(folder_)->Embed(texts, options);
    } catch (const Error& error) {
      return {error.code(), error.message()};
    }
    return {ErrorCode::kIo, "no error"};
  }
  void ExpectFailure(ErrorCode code, const std::string& part) {
    const auto [got, message] = Failure();
    EXPECT_EQ(got, code) << message;
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }

  fs::path folder_;
};

TEST_F(StaticFolder, LongTexts) {
  Config(R"({"model_type": "model2vec", "max_length": 4, "normalize": false})");
  const auto embedder = Embedder::Load(folder_);
  EXPECT_EQ(embedder->max_tokens(), 4);
  const auto [code, message] = Failure();
  EXPECT_EQ(code, ErrorCode::kContextOverflow);
  EXPECT_NE(message.find("text 2"), std::string::npos) << message;
  const std::vector<std::string> texts = {"the cat sat on a mat",
                                          "the cat sat on"};
  const auto cut = embedder->Embed(texts, {.longer = LongTexts::kTruncate});
  EXPECT_TRUE(cut.truncated[0]);
  EXPECT_FALSE(cut.truncated[1]);
  EXPECT_TRUE(
      std::equal(cut.row(0).begin(), cut.row(0).end(), cut.row(1).begin()));
  const auto all = embedder->Embed(texts, {.longer = LongTexts::kChunk});
  EXPECT_EQ(all.chunks, (std::vector<int64_t>{2, 1}));
  Config(R"({"model_type": "model2vec", "max_length": null})");
  EXPECT_EQ(Embedder::Load(folder_)->Embed(texts).values, all.values);
}

TEST_F(StaticFolder, BareTablesNeedNoConfig) {
  fs::remove(folder_ / "config.json");
  const std::vector<std::string> texts = {"the cat sat"};
  const auto bare = Embedder::Load(folder_)->Embed(texts);
  const auto whole = Embedder::Load(kGolden / "plain")->Embed(texts);
  EXPECT_NEAR(Cosine(bare.row(0), whole.row(0)), 1, 1e-6);
  const auto first = Embedder::Load(folder_)->Embed(texts, {.dimensions = 3});
  EXPECT_EQ(first.values.size(), 3u);
  EXPECT_NEAR(Cosine(first.row(0), bare.row(0).first(3)), 1, 1e-6);
}

TEST_F(StaticFolder, WhatIsWrongIsNamed) {
  const std::vector<float> table(26 * 2, 0.5f);
  WriteTensors({{"other", {26, 2}, table}});
  ExpectFailure(ErrorCode::kCorrupt, "no table of vectors");
  WriteTensors({{"embeddings", {52}, table}});
  ExpectFailure(ErrorCode::kCorrupt, "no table of vectors");
  WriteTensors({{"embeddings", {13, 4}, table}});
  ExpectFailure(ErrorCode::kCorrupt,
                "fewer vectors than the tokenizer has tokens");
  std::vector<float> bad = table;
  bad[7] = NAN;
  WriteTensors({{"embeddings", {26, 2}, bad}});
  ExpectFailure(ErrorCode::kCorrupt, "not a finite number");
  WriteTensors(
      {{"embeddings", {26, 2}, table}, {"weights", {5}, {1, 1, 1, 1, 1}}});
  ExpectFailure(ErrorCode::kCorrupt,
                "fewer vectors than the tokenizer has tokens");
  WriteTensors({{"embeddings", {26, 2}, table}, {"mapping", {2}, {1, 1}}});
  ExpectFailure(ErrorCode::kCorrupt, "a mapping that is not");
  WriteTensors({{"embeddings", {26, 2}, table}});
  EXPECT_EQ(Failure().second, "no error");
  for (const auto precision :
       {models::Precision::kInt8, models::Precision::kBf16}) {
    EXPECT_THROW(Embedder::Load(folder_, {.precision = precision}), Error);
  }
  fs::remove(folder_ / "tokenizer.json");
  EXPECT_EQ(Failure().first, ErrorCode::kNotFound);
  fs::remove(folder_ / "model.safetensors");
  EXPECT_EQ(Failure().first, ErrorCode::kNotFound);
}

// Found by fuzzing: weights of a type that no one writes.
TEST_F(StaticFolder, TypesThatAreNotReadAreNamed) {
  const std::string file =
      ReadFile(kGolden / "clustered" / "model.safetensors");
  for (const std::string name : {"weights", "embeddings"}) {
    std::string changed = file;
    const size_t at = changed.find("\"" + name + "\"");
    const bool wide = name == "weights";
    const std::string from = wide ? "F64" : "F16", to = wide ? "I64" : "I16";
    const size_t type = changed.find(from, at);
    ASSERT_NE(type, std::string::npos);
    changed.replace(type, 3, to);
    fs::remove_all(folder_);
    fs::copy(kGolden / "clustered", folder_);
    WriteFileAtomically(folder_ / "model.safetensors", changed);
    ExpectFailure(ErrorCode::kUnsupported, "a type that is not read");
  }
}

TEST_F(StaticFolder, MappingsToRowsThatAreNotThere) {
  fs::remove_all(folder_);
  fs::copy(kGolden / "clustered", folder_);
  const std::string file = ReadFile(folder_ / "model.safetensors");
  const auto tensors = formats::SafetensorsFile::Open(kGolden / "clustered" /
                                                      "model.safetensors")
                           .tensors;
  const auto mapping = tensors.at("mapping").data;
  const size_t at =
      file.find(std::string(reinterpret_cast<const char*>(mapping.data()), 40));
  ASSERT_NE(at, std::string::npos);
  for (const char byte : {'\x05', '\xff'}) {
    std::string changed = file;
    changed[at + (byte == '\xff' ? 7 : 0)] = byte;
    WriteFileAtomically(folder_ / "model.safetensors", changed);
    ExpectFailure(ErrorCode::kCorrupt, "a row that is not there");
  }
}

TEST(WordEmbedder, Means) {
  WordEmbedder mean(kWords / "vectors.txt", {});
  const Embeddings got = mean.Embed(Texts("sentences"), {});
  ExpectRows(got, Answers()["mean"], 1e-6, "mean");
  EXPECT_EQ(got.unknown, (std::vector<int64_t>{0, 1, 0, 0, 0, 0}));
  EXPECT_EQ(got.tokens[3], 5);
  const std::vector<std::string> none = {"nowhere", ""};
  EXPECT_EQ(mean.Embed(none, {}).values, std::vector<float>(24));
}

TEST(WordEmbedder, SifIsThatOfItsAuthors) {
  const auto texts = Texts("sentences");
  const fs::path counts =
      fs::temp_directory_path() / ("malmoi_counts_" + std::to_string(getpid()));
  WriteFileAtomically(counts, Answers()["counts"].get<std::string>());
  for (const char* name : {"sif", "sif_counts"}) {
    WordEmbedderOptions options;
    options.sif = true;
    if (name == std::string("sif_counts")) options.counts = counts;
    WordEmbedder sif(kWords / "vectors.txt", options);
    ASSERT_TRUE(sif.WantsTexts());
    sif.LearnFrom(texts, {});
    EXPECT_FALSE(sif.WantsTexts());
    ExpectRows(sif.Embed(texts, {}), Answers()[name], 1e-6, name);
    // The component of an earlier call.
    options.component = sif.component();
    WordEmbedder again(kWords / "vectors.txt", options);
    EXPECT_FALSE(again.WantsTexts());
    EXPECT_EQ(again.Embed(texts, {}).values, sif.Embed(texts, {}).values);
    const std::vector<std::string> one = {"w1"};
    EXPECT_THROW(sif.LearnFrom(one, {}), Error);
  }
  WordEmbedderOptions options;
  options.sif = true;
  options.component = {1, 0};
  EXPECT_THROW(WordEmbedder(kWords / "vectors.txt", options), Error);
  options.component.clear();
  EXPECT_THROW(WordEmbedder(kWords / "ova.bin", options), Error);
  for (const char* line : {"w1\n", "w1 x\n", "w1 -1\n", "w1 1 2\n", "\n"}) {
    WriteFileAtomically(counts, line);
    options.counts = counts;
    EXPECT_THROW(WordEmbedder(kWords / "vectors.txt", options), Error) << line;
  }
  fs::remove(counts);
}

TEST(WordEmbedder, FastTextsOwnRule) {
  const auto texts = Texts("fasttext_sentences");
  for (const std::string name : {"skipgram", "cbow", "ova", "hs"}) {
    WordEmbedder embedder(kWords / (name + ".bin"), {});
    ExpectRows(embedder.Embed(texts, {}), Answers()["fasttext_" + name], 2e-6,
               name);
  }
  WordEmbedder classifier(kWords / "ova.bin", {});
  EXPECT_THROW(classifier.EmbedTokens(texts, {}), Error);
}

TEST(WordEmbedder, WordsByARule) {
  WordEmbedderOptions options;
  options.words = text::WordRule::kKorean;
  WordEmbedder korean(kWords / "vectors.txt", options);
  const std::vector<std::string> texts = {"서울에서, 대한민국은!",
                                          "서울 대한민국"};
  const Embeddings got = korean.Embed(texts, {});
  EXPECT_EQ(got.unknown, (std::vector<int64_t>{0, 0}));
  EXPECT_EQ(got.tokens, (std::vector<int64_t>{2, 2}));
  EXPECT_TRUE(
      std::equal(got.row(0).begin(), got.row(0).end(), got.row(1).begin()));
  WordEmbedder blanks(kWords / "vectors.txt", {});
  EXPECT_EQ(blanks.Embed(texts, {}).unknown, (std::vector<int64_t>{2, 0}));
  const std::vector<std::string> invalid = {"w1 \xff"};
  EXPECT_THROW(korean.Embed(invalid, {}), Error);
  EXPECT_THROW(blanks.Embed(invalid, {}), Error);
  const std::vector<std::string> longer = {std::string(kMaxTextBytes + 1, 'x')};
  EXPECT_THROW(blanks.Embed(longer, {}), Error);
  // Tokens as they were cut.
  const auto tokens = korean.EmbedTokens(std::span(texts.data(), 1), {});
  EXPECT_EQ(tokens[0].texts, (std::vector<std::string>{"서울", "대한민국"}));
}

TEST(WordLlama, EqualsItsOwnVectors) {
  const char* path = std::getenv("MALMOI_TEST_WORDLLAMA");
  if (path == nullptr) {
    GTEST_SKIP() << "MALMOI_TEST_WORDLLAMA is not set (malmoi pull wordllama)";
  }
  const Json& own = Answers()["wordllama"];
  const auto embedder = Embedder::Load(path);
  EXPECT_EQ(embedder->dimensions(), 256);
  ExpectRows(embedder->Embed(own["texts"].get<std::vector<std::string>>()),
             own["vectors"], 1e-6, "wordllama");
}

}  // namespace
}  // namespace malmoi::represent
