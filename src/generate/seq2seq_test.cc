// Encoder-decoders writing, against transformers: its greedy tokens, and the
// texts and scores of its beam searches. Values: tools/make_golden_seq2seq.py.
#include "generate/seq2seq.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "base/error.h"
#include "formats/safetensors.h"

namespace malmoi::generate {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = MALMOI_SOURCE_DIR "/tests/golden/zoo_seq2seq";

class Seq2SeqTest : public ::testing::TestWithParam<const char*> {
 protected:
  template <typename T>
  std::vector<T> Values(const std::string& name) const {
    const Tensor& tensor = tensors_.at(name);
    const auto* values = reinterpret_cast<const T*>(tensor.data.data());
    return {values, values + tensor.elements()};
  }
  // The options of a search, as the folder's README.md tells them.
  Seq2SeqOptions Options(const std::string& search) const {
    Seq2SeqOptions options = model_->defaults();
    options.beams = 4;
    options.results = 4;
    options.max_tokens = 20;
    if (search == "early") {
      options.length_penalty = 2;
      options.early_stopping = EarlyStopping::kYes;
    }
    if (search == "ngram") options.rules.no_repeat_ngram = 2;
    if (search == "forced") {
      const std::string name = GetParam();
      if (name == "bart") options.rules.first = 0;
      if (name == "mbart" || name == "m2m-100") options.rules.first = 291;
      options.rules.last = {name == "marian" ? 0 : 2};
      if (name == "marian") {
        options.rules.bad_words = {{299}};
        options.rules.renormalize = true;
      }
    }
    return options;
  }

  const fs::path folder_ = kGolden / GetParam();
  const formats::TensorMap tensors_ =
      formats::SafetensorsFile::Open(folder_ / "expected.safetensors").tensors;
  const std::shared_ptr<Seq2Seq> model_ = Seq2Seq::Load(
      folder_, {.threads = 2, .precision = models::Precision::kExact});
};

TEST_P(Seq2SeqTest, FindsWhatTransformersFinds) {
  for (const std::string text : {"0.", "1."}) {
    const auto ids = Values<int32_t>(text + "ids");
    for (const std::string search : {"beam", "early", "ngram", "forced"}) {
      if (!tensors_.contains(text + search + ".scores")) continue;
      SCOPED_TRACE(text + search);
      const auto scores = Values<float>(text + search + ".scores");
      const auto want = Values<int32_t>(text + search + ".sequences");
      const size_t length = want.size() / scores.size();
      const auto found = model_->Generate(ids, Options(search)).results;
      ASSERT_EQ(found.size(), scores.size());
      for (size_t i = 0; i < found.size(); ++i) {
        EXPECT_NEAR(found[i].score, scores[i], 1e-4);
        const auto* row = want.data() + i * length;
        ASSERT_LT(found[i].tokens.size(), length);
        const auto& tokens = found[i].tokens;
        EXPECT_EQ(tokens,
                  std::vector<int32_t>(row + 1, row + 1 + tokens.size()));
        // Behind it there is filling only.
        for (size_t k = tokens.size() + 1; k < length; ++k) {
          EXPECT_EQ(row[k], row[length - 1]);
        }
      }
    }
  }
}

TEST_P(Seq2SeqTest, WritesWhatTransformersWrites) {
  for (const std::string text : {"0.", "1."}) {
    const auto want = Values<int32_t>(text + "greedy");
    Seq2SeqOptions options = model_->defaults();
    options.max_tokens = 20;
    const auto completion =
        model_->Generate(Values<int32_t>(text + "ids"), options);
    const auto& tokens = completion.results.at(0).tokens;
    // The reference goes on behind the end token.
    ASSERT_LE(tokens.size(), want.size());
    EXPECT_TRUE(std::equal(tokens.begin(), tokens.end(), want.begin()));
    EXPECT_EQ(completion.results[0].finish_reason, tokens.size() < want.size()
                                                       ? FinishReason::kStop
                                                       : FinishReason::kLength);
    EXPECT_EQ(completion.steps, std::ssize(tokens));
  }
}

TEST_P(Seq2SeqTest, DoesNotDependOnThreads) {
  const auto one = Seq2Seq::Load(
      folder_, {.threads = 1, .precision = models::Precision::kExact});
  const auto ids = Values<int32_t>("1.ids");
  const auto a = one->Generate(ids, Options("beam")).results;
  const auto b = model_->Generate(ids, Options("beam")).results;
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].tokens, b[i].tokens);
    EXPECT_EQ(a[i].score, b[i].score);
  }
}

TEST_P(Seq2SeqTest, SamplesTheSameForTheSameSeed) {
  Seq2SeqOptions options = model_->defaults();
  options.max_tokens = 20;
  options.sampling = {.temperature = 1.0, .top_k = 0, .top_p = 1.0, .seed = 7};
  const auto ids = Values<int32_t>("0.ids");
  const auto first = model_->Generate(ids, options).results[0].tokens;
  EXPECT_EQ(model_->Generate(ids, options).results[0].tokens, first);
}

INSTANTIATE_TEST_SUITE_P(All, Seq2SeqTest,
                         ::testing::Values("bart", "flan-t5", "m2m-100",
                                           "marian", "mbart", "mt5", "t5",
                                           "t5-32"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::erase(name, '-');
                           return name;
                         });

// A GGUF names the token to start with; these have no vocabulary and so no end.
TEST(Seq2SeqGguf, WritesWhatTransformersWrites) {
  for (const char* name : {"flan-t5", "t5-32"}) {
    SCOPED_TRACE(name);
    const fs::path path = kGolden / name / "model.gguf";
    EXPECT_TRUE(Seq2Seq::Is(path));
    const auto model = Seq2Seq::Load(
        path, {.threads = 2, .precision = models::Precision::kExact});
    const auto tensors =
        formats::SafetensorsFile::Open(kGolden / name / "expected.safetensors")
            .tensors;
    const auto ids = [&](const char* key) {
      const Tensor& tensor = tensors.at(key);
      const auto* values = reinterpret_cast<const int32_t*>(tensor.data.data());
      return std::vector<int32_t>(values, values + tensor.elements());
    };
    Seq2SeqOptions options = model->defaults();
    options.max_tokens = 20;
    EXPECT_EQ(model->Generate(ids("1.ids"), options).results.at(0).tokens,
              ids("1.greedy"));
    EXPECT_THROW(model->Generate("text", options), Error);
  }
  EXPECT_FALSE(Seq2Seq::Is(MALMOI_SOURCE_DIR
                           "/tests/golden/architectures/llama/model.gguf"));
}

// A folder whose settings are these.
fs::path FolderWith(const std::string& name, const Json& generation) {
  const fs::path folder = fs::path(::testing::TempDir()) / name;
  fs::create_directories(folder);
  for (const char* file : {"config.json", "model.safetensors"}) {
    fs::copy_file(kGolden / "bart" / file, folder / file,
                  fs::copy_options::overwrite_existing);
  }
  std::ofstream(folder / "generation_config.json") << generation.dump();
  return folder;
}

TEST(Seq2SeqSettings, AreThoseOfTheFolder) {
  const auto model = Seq2Seq::Load(
      FolderWith("seq2seq-settings", {{"num_beams", 4},
                                      {"length_penalty", 2.0},
                                      {"early_stopping", "never"},
                                      {"no_repeat_ngram_size", 3},
                                      {"min_length", 12},
                                      {"max_length", 30},
                                      {"forced_bos_token_id", 0},
                                      {"forced_eos_token_id", 2},
                                      {"bad_words_ids", {{2}, {7, 8}}}}));
  const Seq2SeqOptions& options = model->defaults();
  EXPECT_EQ(options.start, 2);  // of config.json
  EXPECT_EQ(options.beams, 4);
  EXPECT_EQ(options.length_penalty, 2.0);
  EXPECT_EQ(options.early_stopping, EarlyStopping::kNever);
  EXPECT_EQ(options.rules.no_repeat_ngram, 3);
  EXPECT_EQ(options.rules.min_tokens, 11);
  EXPECT_EQ(options.max_tokens, 29);
  EXPECT_EQ(options.rules.first, 0);
  EXPECT_EQ(options.rules.last, std::vector<int32_t>{2});
  EXPECT_EQ(options.rules.bad_words,
            (std::vector<std::vector<int32_t>>{{7, 8}}));
  const auto text = model->Generate(std::vector<int32_t>{0, 5, 6, 2}, options);
  EXPECT_EQ(text.results.at(0).tokens.at(0), 0);
  EXPECT_GE(text.results[0].tokens.size(), 12u);
}

TEST(Seq2SeqSettings, AnUnknownOneIsAnError) {
  EXPECT_THROW(
      Seq2Seq::Load(FolderWith("seq2seq-groups", {{"num_beam_groups", 2}})),
      Error);
}

TEST(Seq2SeqSettings, OptionsOutOfRangeAreErrors) {
  const auto model = Seq2Seq::Load(kGolden / "bart");
  const std::vector<int32_t> ids = {0, 5, 6, 2};
  Seq2SeqOptions options = model->defaults();
  options.beams = 0;
  EXPECT_THROW(model->Generate(ids, options), Error);
  options = model->defaults();
  options.max_tokens = 41;  // of 40 positions
  EXPECT_THROW(model->Generate(ids, options), Error);
  options.max_tokens = 0;
  EXPECT_TRUE(model->Generate(ids, options).results.at(0).tokens.empty());
  EXPECT_THROW(model->Generate("text", options), Error);  // no tokenizer
  EXPECT_THROW(model->Generate(std::vector<int32_t>{}, options), Error);
}

TEST(LogitRules, ForbidRepeatsAndWords) {
  const std::vector<int32_t> tokens = {0, 1, 2, 3, 1, 2};
  std::vector<float> scores(6, 1.0f);
  LogitRules rules;
  rules.no_repeat_ngram = 3;
  ApplyRules(rules, tokens, 100, std::vector<int32_t>{5}, scores);
  EXPECT_EQ(scores, (std::vector<float>{1, 1, 1, -INFINITY, 1, 1}));
  scores.assign(6, 1.0f);
  rules = {.bad_words = {{4}, {2, 0}, {3, 1}}, .min_tokens = 6};
  ApplyRules(rules, tokens, 100, std::vector<int32_t>{5}, scores);
  EXPECT_EQ(scores,
            (std::vector<float>{-INFINITY, 1, 1, 1, -INFINITY, -INFINITY}));
}

}  // namespace
}  // namespace malmoi::generate
