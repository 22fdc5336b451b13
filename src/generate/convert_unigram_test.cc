// Folders whose tokenizer is Unigram, and EmbeddingGemma, against what
// llama.cpp's converter makes of them (tests/golden/convert): key for key and
// tensor for tensor; and what was written, read again.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "generate/convert.h"
#include "generate/seq2seq.h"
#include "text/tokenize/tokenizer.h"

namespace malmoi::generate {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = MALMOI_SOURCE_DIR "/tests/golden";

// Tokens that only other files than SentencePiece's name are unused ones there.
bool IsUnnamed(const Json& token) {
  return token.is_string() && token.get<std::string>().starts_with("[PAD");
}

class UnigramTest : public ::testing::Test {
 protected:
  UnigramTest()
      : folder_(fs::temp_directory_path() /
                ("malmoi_unigram_" + std::to_string(getpid()))) {
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "model");
  }
  ~UnigramTest() override { fs::remove_all(folder_); }

  void Copy(const fs::path& from, std::initializer_list<const char*> files) {
    for (const char* file : files) {
      fs::copy_file(from / file, folder_ / "model" / file,
                    fs::copy_options::overwrite_existing);
    }
  }

  std::shared_ptr<const formats::GgufFile> Convert() {
    ConvertModel(folder_ / "model", folder_ / "out.gguf", true);
    return formats::GgufFile::Open(folder_ / "out.gguf");
  }

  // `more`: keys that only ours has.
  static void ExpectSame(const formats::GgufFile& got,
                         const fs::path& want_path,
                         const std::set<std::string>& more) {
    const auto want = formats::GgufFile::Open(want_path);
    const Json mine = got.MetadataJson(100'000);
    const Json theirs = want->MetadataJson(100'000);
    const std::set<std::string> free = {"general.name", "general.size_label"};
    for (const std::string& key : got.keys()) {
      EXPECT_TRUE(theirs.contains(key) || more.contains(key)) << key;
    }
    const std::string tokens = "tokenizer.ggml.tokens";
    for (const std::string& key : want->keys()) {
      if (free.contains(key)) continue;
      ASSERT_TRUE(mine.contains(key)) << key;
      EXPECT_EQ(got.TypeName(key), want->TypeName(key)) << key;
      if (key != tokens && key != "tokenizer.ggml.token_type") {
        EXPECT_EQ(mine[key], theirs[key]) << key;
        continue;
      }
      ASSERT_EQ(mine[key].size(), theirs[key].size()) << key;
      for (size_t i = 0; i < mine[key].size(); ++i) {
        if (IsUnnamed(theirs[tokens][i])) continue;
        EXPECT_EQ(mine[key][i], theirs[key][i]) << key << " " << i;
      }
    }
    for (const auto& [name, tensor] : want->tensors()) {
      const auto it = got.tensors().find(name);
      ASSERT_NE(it, got.tensors().end()) << name;
      EXPECT_EQ(it->second.shape, tensor.shape) << name;
      EXPECT_EQ(it->second.dtype, tensor.dtype) << name;
      EXPECT_TRUE(std::ranges::equal(it->second.data, tensor.data)) << name;
    }
    EXPECT_EQ(got.tensors().size(), want->tensors().size());
  }

  // Of the folder, of the file, and of transformers.
  void ExpectSameTokens(const std::shared_ptr<const formats::GgufFile>& file,
                        const char* golden) {
    const auto folder = text::Tokenizer::FromFolder(folder_ / "model");
    const auto made = text::Tokenizer::FromGguf(file);
    EXPECT_EQ(made->unk_id(), folder->unk_id());
    EXPECT_EQ(made->eos_id(), folder->eos_id());
    const fs::path path = kGolden / "convert" / golden / "ids.json";
    for (const Json& one : ParseJson(ReadFile(path), path.string())) {
      const auto text = one["text"].get<std::string>();
      // A folder's Unigram spells tokens with a role, a file does not.
      if (text.find("<mask>") == std::string::npos) {
        EXPECT_EQ(folder->Encode(text, {.parse_special = false}).ids,
                  made->Encode(text, {.parse_special = false}).ids)
            << text;
      }
      // Sentinels are parts of a text here, not special.
      if (text.find("<extra") != std::string::npos) continue;
      EXPECT_EQ(folder->Encode(text).ids, made->Encode(text).ids) << text;
      EXPECT_EQ(Json(made->Encode(text).ids), one["ids"]) << text;
    }
  }

  const fs::path folder_;
};

class T5Test : public UnigramTest {
 protected:
  T5Test() {
    Copy(kGolden / "zoo_seq2seq/flan-t5", {"config.json", "model.safetensors"});
  }
  const fs::path golden_ = kGolden / "convert/t5";
};

TEST_F(T5Test, EqualsLlamaCpps) {
  Copy(golden_, {"tokenizer.json", "tokenizer_config.json", "spiece.model"});
  const auto got = Convert();
  ExpectSame(*got, golden_ / "model.gguf", {});
  ExpectSameTokens(got, "t5");
  // The sentinels, which that converter leaves out.
  EXPECT_EQ(text::Tokenizer::FromGguf(got)->TokenId("<extra_id_0>"), 297);
  const auto folder = Seq2Seq::Load(folder_ / "model", {.threads = 1});
  const auto file = Seq2Seq::Load(folder_ / "out.gguf", {.threads = 1});
  Seq2SeqOptions options = file->defaults();
  EXPECT_EQ(options.start, folder->defaults().start);
  options.max_tokens = 20;
  for (const char* text : {"The ocean and the sea.", "말모이"}) {
    const auto want = folder->Generate(text, options).results.at(0);
    const auto made = file->Generate(text, options).results.at(0);
    EXPECT_EQ(made.tokens, want.tokens);
    EXPECT_EQ(made.score, want.score);
  }
}

TEST_F(T5Test, OfSentencePiecesFileAlone) {
  Copy(golden_, {"spiece.model"});
  const auto got = Convert();
  ExpectSame(*got, golden_ / "spm.gguf", {"tokenizer.ggml.unknown_token_id"});
  // The class of such a model's tokenizer, which says what is put at the end.
  EXPECT_EQ(text::Tokenizer::FromGguf(got)->Encode("a").ids,
            (std::vector<int32_t>{11, 1}));
}

// Which that converter does not read.
TEST_F(T5Test, OfTokenizerJsonAlone) {
  Copy(golden_, {"tokenizer.json", "tokenizer_config.json"});
  const auto got = Convert();
  ExpectSameTokens(got, "t5");
  const auto want = formats::GgufFile::Open(golden_ / "model.gguf");
  const Json mine = got->MetadataJson(100'000);
  const Json theirs = want->MetadataJson(100'000);
  for (const std::string& key : want->keys()) {
    if (key.starts_with("general.") || key == "tokenizer.ggml.tokens" ||
        key == "tokenizer.ggml.token_type" || key == "tokenizer.ggml.scores") {
      continue;
    }
    EXPECT_EQ(mine.value(key, Json()), theirs[key]) << key;
  }
  for (size_t i = 0; i < 289; ++i) {
    for (const char* key : {"tokens", "scores", "token_type"}) {
      const std::string full = std::string("tokenizer.ggml.") + key;
      EXPECT_EQ(mine[full][i], theirs[full][i]) << key << " " << i;
    }
  }
}

TEST_F(T5Test, WhatGgufLacksIsRefused) {
  Copy(golden_, {"tokenizer.json", "tokenizer_config.json"});
  const auto refused = [&](const char* name) {
    try {
      ConvertModel(folder_ / "model", folder_ / "no.gguf", true);
    } catch (const Error& error) {
      EXPECT_FALSE(fs::exists(folder_ / "no.gguf"));
      return std::string(error.what()).find(name) != std::string::npos;
    }
    return false;
  };
  const fs::path path = folder_ / "model/tokenizer.json";
  const Json whole = ParseJson(ReadFile(path), "");
  Json lower = whole;
  lower["normalizer"] = {{"type", "Lowercase"}};
  std::ofstream(path) << lower.dump();
  EXPECT_TRUE(refused("Lowercase"));
  Json split = whole;
  split["pre_tokenizer"] = {{"type", "Whitespace"}};
  std::ofstream(path) << split.dump();
  EXPECT_TRUE(refused("Whitespace"));
  std::ofstream(path) << whole.dump();
  // A numbering of its own.
  Copy(golden_, {"spiece.model"});
  Json other = whole;
  other["added_tokens"][0]["content"] = "<other>";
  std::ofstream(path) << other.dump();
  EXPECT_TRUE(refused("numbering"));
  std::ofstream(path) << whole.dump();
  // Buckets up to another distance, and another activation.
  Copy(kGolden / "zoo_seq2seq/t5", {"config.json", "model.safetensors"});
  EXPECT_TRUE(refused("farthest distance"));
  Copy(kGolden / "zoo_seq2seq/mt5", {"config.json", "model.safetensors"});
  EXPECT_TRUE(refused("farthest distance"));
}

TEST_F(T5Test, AHeadThatIsTheEmbedding) {
  Copy(golden_, {"tokenizer.json", "tokenizer_config.json"});
  const fs::path model = kGolden / "zoo_seq2seq/t5-32";
  Copy(model, {"config.json", "model.safetensors"});
  const auto got = Convert();
  const auto want = formats::GgufFile::Open(model / "model.gguf");
  ASSERT_EQ(got->tensors().size(), want->tensors().size());
  for (const auto& [name, tensor] : want->tensors()) {
    EXPECT_TRUE(std::ranges::equal(got->tensors().at(name).data, tensor.data))
        << name;
  }
  EXPECT_EQ(got->GetInt("t5.block_count"), 3);
  EXPECT_EQ(got->GetInt("t5.decoder_block_count"), 2);
}

class XlmRobertaTest : public UnigramTest {
 protected:
  XlmRobertaTest() {
    Copy(kGolden / "zoo_encoders/xlm-roberta",
         {"config.json", "model.safetensors"});
  }
  const fs::path golden_ = kGolden / "convert/xlm-roberta";
};

TEST_F(XlmRobertaTest, EqualsLlamaCpps) {
  Copy(golden_, {"tokenizer.json", "tokenizer_config.json"});
  auto got = Convert();
  ExpectSame(*got, golden_ / "json.gguf", {});
  ExpectSameTokens(got, "xlm-roberta");
  Copy(golden_, {"sentencepiece.bpe.model"});
  got = Convert();
  ExpectSame(*got, golden_ / "model.gguf", {});
  ExpectSameTokens(got, "xlm-roberta");
  EXPECT_EQ(text::Tokenizer::FromGguf(got)->TokenId("<mask>"), 299);
}

TEST_F(XlmRobertaTest, OfSentencePiecesFileAlone) {
  Copy(golden_, {"sentencepiece.bpe.model", "tokenizer_config.json"});
  const auto got = Convert();
  ExpectSame(*got, golden_ / "spm.gguf",
             {"tokenizer.ggml.unknown_token_id", "tokenizer.ggml.mask_token_id",
              "tokenizer.ggml.seperator_token_id",
              "tokenizer.ggml.add_bos_token", "tokenizer.ggml.add_eos_token"});
  ExpectSameTokens(got, "xlm-roberta");
}

TEST_F(UnigramTest, EmbeddingGemmaEqualsLlamaCpps) {
  const fs::path golden = kGolden / "convert/gemma-embedding";
  fs::copy(golden, folder_ / "model",
           fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  const std::set<std::string> more = {"tokenizer.ggml.unknown_token_id",
                                      "malmoi.embed.normalize"};
  ExpectSame(*Convert(), golden / "dense.gguf", more);
  // That converter's own choice: without what follows the pooling.
  const fs::path path = folder_ / "model/modules.json";
  const Json modules = ParseJson(ReadFile(path), path.string());
  std::ofstream(path) << Json::array({modules[0], modules[1]}).dump();
  ExpectSame(*Convert(), golden / "model.gguf", more);
  const auto refused = [&](const char* what) {
    try {
      Convert();
    } catch (const Error& error) {
      return std::string(error.what()).find(what) != std::string::npos;
    }
    return false;
  };
  std::ofstream(path) << Json::array({modules[0], modules[1], modules[2],
                                      modules[3], modules[2]})
                             .dump();
  EXPECT_TRUE(refused("Dense"));
  std::ofstream(path) << modules.dump();
  const fs::path dense = folder_ / "model/2_Dense/config.json";
  Json config = ParseJson(ReadFile(dense), dense.string());
  config["activation_function"] = "torch.nn.modules.activation.Tanh";
  std::ofstream(dense) << config.dump();
  EXPECT_TRUE(refused("activation"));
  config["activation_function"] = "torch.nn.modules.linear.Identity";
  config["bias"] = true;
  std::ofstream(dense) << config.dump();
  EXPECT_TRUE(refused("bias"));
}

}  // namespace
}  // namespace malmoi::generate
