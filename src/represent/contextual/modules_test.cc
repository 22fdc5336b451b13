// Embedders against sentence-transformers: every kind of pooling, prompts,
// projections, cutting, decoders that read one way and both ways, from folders
// and GGUF (values: tools/make_golden_embedders.py).
#include "represent/contextual/modules.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "models/testing/reference.h"
#include "represent/contextual/embedder.h"
#include "text/tokenize/tokenizer.h"

namespace malmoi::represent {
namespace {

namespace fs = std::filesystem;
using models::Difference;
using models::Expected;

const fs::path kGolden = MALMOI_SOURCE_DIR "/tests/golden/embedders";

// A case of the golden files as one folder.
class Case {
 public:
  explicit Case(const std::string& name)
      : name_(name),
        about_(ReadJson(kGolden / name / "case.json")),
        expected_(kGolden / name),
        folder_(fs::temp_directory_path() /
                ("malmoi_embedders_" + std::to_string(getpid()) + name)) {
    fs::remove_all(folder_);
    const auto copy = fs::copy_options::recursive;
    fs::copy(kGolden / about_["base"].get<std::string>(), folder_, copy);
    fs::copy(kGolden / name, folder_, copy);
    fs::remove(folder_ / "model.gguf");
    for (const Json& text : about_["texts"]) {
      texts_.push_back(text.get<std::string>());
    }
  }
  ~Case() { fs::remove_all(folder_); }

  const fs::path& folder() const { return folder_; }
  fs::path gguf() const { return kGolden / name_ / "model.gguf"; }
  bool has_gguf() const { return about_["gguf"].get<bool>(); }
  const std::vector<std::string>& texts() const { return texts_; }
  const Json& prompts() const { return about_["prompts"]; }
  const Expected& expected() const { return expected_; }

  std::vector<float> Wanted(const std::string& key, size_t text,
                            size_t width) const {
    const auto all = expected_.Floats(key);
    EXPECT_EQ(all.size(), texts_.size() * width);
    const auto at = all.begin() + static_cast<std::ptrdiff_t>(text * width);
    return {at, at + static_cast<std::ptrdiff_t>(width)};
  }

 private:
  std::string name_;
  Json about_;
  Expected expected_;
  fs::path folder_;
  std::vector<std::string> texts_;
};

std::string PromptOf(const Embedder& embedder, const std::string& key) {
  if (key == "plain") return "";
  if (key == "default") return embedder.Prompt({});
  return embedder.Prompt(key);
}

class Golden : public ::testing::TestWithParam<const char*> {};

TEST_P(Golden, EqualsTheReference) {
  const Case golden(GetParam());
  const auto embedder =
      Embedder::Load(golden.folder(), {.precision = models::Precision::kExact});
  double worst = 0;
  for (const Json& item : golden.prompts()) {
    const auto key = item.get<std::string>();
    const EmbedOptions options = {.longer = LongTexts::kTruncate,
                                  .prompt = PromptOf(*embedder, key)};
    const Embeddings got = embedder->Embed(golden.texts(), options);
    const auto tokens = golden.expected().Ids(key + ".tokens");
    for (size_t i = 0; i < golden.texts().size(); ++i) {
      EXPECT_EQ(got.tokens[i], tokens[i]) << key << i;
      const auto want =
          golden.Wanted(key, i, static_cast<size_t>(got.dimensions));
      const double difference = Difference(got.row(i), want);
      EXPECT_LT(difference, 1e-5) << GetParam() << " " << key << " " << i;
      worst = std::max(worst, difference);
      // The same bits alone.
      const Embeddings one =
          embedder->Embed(std::span(&golden.texts()[i], 1), options);
      EXPECT_TRUE(
          std::equal(one.values.begin(), one.values.end(), got.row(i).begin()));
    }
  }
  models::Enter(std::string("embedder-") + GetParam(), "folder", worst);
  const auto rows = embedder->EmbedTokens(std::span(&golden.texts()[0], 1),
                                          {.longer = LongTexts::kTruncate});
  EXPECT_LT(Difference(rows[0].values, golden.expected().Floats("rows")), 1e-5);
}

// As `embed` computes, activations of decoders with bf16 weights rounded.
TEST_P(Golden, IsNearInTheFastPrecision) {
  const Case golden(GetParam());
  const auto embedder = Embedder::Load(golden.folder());
  const Embeddings got =
      embedder->Embed(golden.texts(), {.longer = LongTexts::kTruncate});
  for (size_t i = 0; i < golden.texts().size(); ++i) {
    const auto want =
        golden.Wanted("plain", i, static_cast<size_t>(got.dimensions));
    EXPECT_GT(Cosine(got.row(i), want), 0.999) << GetParam() << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Embedders, Golden,
                         ::testing::Values("all", "without-prompt", "legacy",
                                           "tokens", "last", "weighted",
                                           "both-ways"));

TEST(GgufEmbedder, PoolsAsItsMetadataSays) {
  for (const char* name : {"last", "both-ways"}) {
    const Case golden(name);
    ASSERT_TRUE(golden.has_gguf());
    const auto embedder =
        Embedder::Load(golden.gguf(), {.precision = models::Precision::kExact});
    const Embeddings got = embedder->Embed(golden.texts(), {.normalize = true});
    const auto tokens = golden.expected().Ids("plain.tokens");
    for (size_t i = 0; i < golden.texts().size(); ++i) {
      // The folder's limit, which a GGUF does not have.
      if (got.tokens[i] != tokens[i]) {
        EXPECT_GT(got.tokens[i], 60);
        continue;
      }
      const auto want =
          golden.Wanted("plain", i, static_cast<size_t>(got.dimensions));
      EXPECT_LT(Difference(got.row(i), want), 1e-5) << name << i;
    }
  }
}

TEST(Embedder, DefaultPromptIsTheFolders) {
  const Case golden("without-prompt");
  const auto embedder = Embedder::Load(golden.folder());
  EXPECT_EQ(embedder->default_prompt(), "query");
  EXPECT_EQ(embedder->Prompt({}), "task: search | query: ");
  try {
    embedder->Prompt("passage");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(error.message().find("document, query"), std::string::npos);
  }
}

TEST(Embedder, FewerDimensionsAreTheFirstAtLengthOne) {
  const Case golden("weighted");
  const auto embedder =
      Embedder::Load(golden.folder(), {.precision = models::Precision::kExact});
  const Embeddings got = embedder->Embed(golden.texts(), {.dimensions = 10});
  ASSERT_EQ(got.dimensions, 10);
  for (size_t i = 0; i < golden.texts().size(); ++i) {
    std::vector<float> want = golden.Wanted("plain", i, 32);
    want.resize(10);
    double squares = 0;
    for (float x : want) {
      squares += static_cast<double>(x) * static_cast<double>(x);
    }
    for (float& x : want) x /= static_cast<float>(std::sqrt(squares));
    EXPECT_LT(Difference(got.row(i), want), 1e-5);
  }
  for (const int64_t bad : {int64_t{33}, int64_t{-1}}) {
    EXPECT_THROW(embedder->Embed(golden.texts(), {.dimensions = bad}), Error);
  }
}

// What chunks are: windows that one could embed as texts.
TEST(Embedder, LongTextsAreReadInWindows) {
  const Case golden("all");
  std::ofstream(golden.folder() / "sentence_bert_config.json")
      << R"({"max_seq_length": 12})";
  std::ofstream(golden.folder() / "1_Pooling" / "config.json")
      << R"({"pooling_mode": "mean"})";
  const auto embedder =
      Embedder::Load(golden.folder(), {.precision = models::Precision::kExact});
  const auto ids = [&](const std::string& text) {
    return text::Tokenizer::FromFolder(golden.folder())
        ->Encode(text, {.add_special_tokens = false})
        .ids;
  };
  // Letters of digits are tokens of their own.
  const std::string text = "0123456789012345678901234";
  ASSERT_EQ(ids(text).size(), 25u);
  const std::vector<std::string> texts = {"01", text};
  const Embeddings got =
      embedder->Embed(texts, {.longer = LongTexts::kChunk, .overlap = 3});
  EXPECT_EQ(got.chunks, (std::vector<int64_t>{1, 4}));
  EXPECT_EQ(got.tokens, (std::vector<int64_t>{4, 27}));
  EXPECT_FALSE(got.truncated[1]);
  // Windows of 10 tokens: 0-9, 7-16, 14-23, 21-24.
  const std::vector<std::string> parts = {"0123456789", "7890123456",
                                          "4567890123", "1234"};
  const Embeddings windows = embedder->Embed(parts);
  std::vector<float> want(24, 0.0f);
  for (size_t k = 0; k < 24; ++k) {
    for (size_t i = 0; i < 4; ++i) {
      want[k] += windows.row(i)[k] * static_cast<float>(parts[i].size()) / 34;
    }
  }
  EXPECT_LT(Difference(got.row(1), want), 1e-6);
  EXPECT_TRUE(
      std::equal(got.row(0).begin(), got.row(0).end(),
                 embedder->Embed(std::span(texts.data(), 1)).values.begin()));
  // Every window has the prompt.
  const Embeddings prompted = embedder->Embed(
      texts, {.longer = LongTexts::kChunk, .overlap = 0, .prompt = "<<<>>>"});
  EXPECT_EQ(prompted.chunks[1],
            (25 + 9 - static_cast<int64_t>(ids("<<<>>>").size())) /
                (10 - static_cast<int64_t>(ids("<<<>>>").size())));
  for (const int64_t overlap : {10, -1}) {
    EXPECT_THROW(embedder->Embed(
                     texts, {.longer = LongTexts::kChunk, .overlap = overlap}),
                 Error);
  }
}

// What was cut ends with a special token only where the tokenizer adds one.
TEST(Embedder, CutTextsKeepTheTokensAroundThem) {
  const Case golden("last");
  std::ofstream(golden.folder() / "sentence_bert_config.json")
      << R"({"max_seq_length": 5})";
  Json tokenizer = ReadJson(golden.folder() / "tokenizer.json");
  const auto last_id = [&] {
    const auto embedder = Embedder::Load(golden.folder());
    const std::vector<std::string> texts = {"0123456789"};
    const auto rows =
        embedder->EmbedTokens(texts, {.longer = LongTexts::kTruncate});
    EXPECT_EQ(rows[0].ids.size(), 5u);
    EXPECT_TRUE(rows[0].truncated);
    return rows[0].texts.back();
  };
  EXPECT_EQ(last_id(), "</s>");
  tokenizer["post_processor"] = nullptr;
  std::ofstream(golden.folder() / "tokenizer.json") << tokenizer.dump();
  EXPECT_EQ(last_id(), "4");
}

TEST(Modules, TransformerMayLieInAFolderOfItsOwn) {
  const Case golden("weighted");
  const auto want = Embedder::Load(golden.folder())->Embed(golden.texts());
  fs::create_directories(golden.folder() / "0_Transformer");
  for (const char* name :
       {"config.json", "model.safetensors", "tokenizer.json",
        "tokenizer_config.json", "sentence_bert_config.json"}) {
    fs::rename(golden.folder() / name,
               golden.folder() / "0_Transformer" / name);
  }
  Json modules = ReadJson(golden.folder() / "modules.json");
  modules[0]["path"] = "0_Transformer";
  std::ofstream(golden.folder() / "modules.json") << modules.dump();
  const auto got = Embedder::Load(golden.folder())->Embed(golden.texts());
  EXPECT_EQ(got.values, want.values);
}

TEST(Modules, WhatIsNotKnownIsRefusedByName) {
  const auto refused = [](const std::string& name,
                          const std::function<void(const fs::path&)>& change,
                          ErrorCode code, const std::string& part) {
    const Case golden(name);
    change(golden.folder());
    try {
      Embedder::Load(golden.folder());
      ADD_FAILURE() << part;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.message();
      EXPECT_NE(error.message().find(part), std::string::npos)
          << error.message();
    }
  };
  const auto set = [](const char* file, const Json& changes) {
    return [=](const fs::path& folder) {
      Json json = ReadJsonIfThere(folder / file);
      if (!json.is_object()) json = Json::object();
      json.update(changes);
      std::ofstream(folder / file) << json.dump();
    };
  };
  refused("all", set("1_Pooling/config.json", {{"pooling_mode", "attention"}}),
          ErrorCode::kUnsupported, "attention");
  refused("legacy",
          set("2_Dense/config.json",
              {{"activation_function", "torch.nn.modules.activation.Mish"}}),
          ErrorCode::kUnsupported, "Mish");
  refused("legacy", set("2_Dense/config.json", {{"in_features", 47}}),
          ErrorCode::kCorrupt, "linear.weight is missing or misshapen");
  refused("legacy",
          set("2_Dense/config.json", {{"module_input_name", "other"}}),
          ErrorCode::kUnsupported, "other");
  refused("all",
          set("sentence_bert_config.json", {{"transformer_task", "fill-mask"}}),
          ErrorCode::kUnsupported, "fill-mask");
  refused(
      "legacy",
      [](const fs::path& folder) {
        fs::rename(folder / "2_Dense" / "model.safetensors",
                   folder / "2_Dense" / "pytorch_model.bin");
      },
      ErrorCode::kUnsupported, "pickle");
  refused(
      "both-ways",
      [](const fs::path& folder) {
        Json modules = ReadJson(folder / "modules.json");
        modules.erase(2);
        std::ofstream(folder / "modules.json") << modules.dump();
      },
      ErrorCode::kCorrupt, "another width");
}

// A model that reads both ways cannot generate.
TEST(BothWays, WritesNothing) {
  ThreadPool pool(1);
  try {
    models::Decoder::Load(models::Checkpoint::Open(kGolden / "gemma3"),
                          models::Precision::kFast, pool);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_NE(error.message().find("malmoi embed"), std::string::npos);
  }
}

}  // namespace
}  // namespace malmoi::represent
