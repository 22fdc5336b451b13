// Heads on texts against transformers' pipelines (tools/make_golden_heads.py).
#include <gtest/gtest.h>
#include <unistd.h>

#include "apps/heads/classify.h"
#include "apps/heads/entities.h"
#include "apps/heads/extract.h"
#include "apps/heads/fill_mask.h"
#include "base/error.h"
#include "base/file.h"

namespace malmoi::apps {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = MALMOI_SOURCE_DIR "/tests/golden";

class HeadsTest : public ::testing::Test {
 protected:
  HeadsTest()
      : folder_(fs::temp_directory_path() /
                ("malmoi_heads_" + std::to_string(getpid()))) {}
  ~HeadsTest() override { fs::remove_all(folder_); }

  // One of the random models, with the tokenizer and labels of the cases.
  HeadModel Load(const std::string& name, models::Task task,
                 const Json& labels = nullptr) {
    const fs::path folder = folder_ / name;
    fs::create_directories(folder);
    for (const char* file : {"tokenizer.json", "tokenizer_config.json"}) {
      fs::copy(kGolden / "heads" / file, folder / file);
    }
    const fs::path model = kGolden / "zoo_encoders" / name;
    fs::copy(model / "model.safetensors", folder / "model.safetensors");
    Json config = ReadJson(model / "config.json");
    if (labels.is_array()) {
      config["id2label"] = Json::object();
      for (size_t i = 0; i < labels.size(); ++i) {
        config["id2label"][std::to_string(i)] = labels[i];
      }
    }
    WriteFileAtomically(folder / "config.json", DumpJson(config));
    represent::EmbedderOptions options;
    options.precision = models::Precision::kExact;
    options.threads = 2;
    return HeadModel(folder, task, options);
  }
  std::vector<std::string> Texts() const {
    return cases_["texts"].get<std::vector<std::string>>();
  }

  fs::path folder_;
  const Json cases_ = ReadJson(kGolden / "heads/cases.json");
};

TEST_F(HeadsTest, ClassesAreThoseOfTheReference) {
  HeadModel model =
      Load("bert-sequence-classification", models::Task::kClassify);
  std::vector<text::Encoding> encodings;
  for (const std::string& text : Texts()) {
    bool cut = false;
    encodings.push_back(model.Encode({text}, "text", false, cut));
    EXPECT_FALSE(cut);
  }
  const auto logits = model.Run(encodings);
  const size_t count = model.labels().size();
  for (size_t i = 0; i < encodings.size(); ++i) {
    const auto scores =
        LabelScores(model, std::span(logits).subspan(i * count, count));
    ASSERT_EQ(cases_["classify"][i].size(), count);
    for (const Json& want : cases_["classify"][i]) {
      const auto it = std::find(model.labels().begin(), model.labels().end(),
                                want["label"].get<std::string>());
      ASSERT_NE(it, model.labels().end());
      EXPECT_NEAR(scores[static_cast<size_t>(it - model.labels().begin())],
                  want["score"].get<double>(), 1e-5);
    }
  }
}

TEST_F(HeadsTest, PairsHaveTheScoresOfTheReference) {
  HeadModel model = Load("bert-cross-encoder", models::Task::kClassify);
  for (size_t i = 0; i < cases_["pairs_scores"].size(); ++i) {
    const std::vector<std::string> text = {
        cases_["pairs"][i][1].get<std::string>()};
    std::vector<bool> cut;
    const auto scores = PairScores(
        model, cases_["pairs"][i][0].get<std::string>(), text, false, cut);
    EXPECT_NEAR(scores[0], cases_["pairs_scores"][i].get<double>(), 1e-5);
  }
}

TEST_F(HeadsTest, EntitiesAreThoseOfTheReference) {
  HeadModel model =
      Load("bert-token-classification", models::Task::kTag, cases_["labels"]);
  const auto texts = Texts();
  for (const auto& [name, wanted] : cases_["tag"].items()) {
    for (size_t i = 0; i < texts.size(); ++i) {
      SCOPED_TRACE(name + " " + texts[i]);
      bool cut = false;
      const text::Encoding encoding =
          model.Encode({texts[i]}, "text", false, cut);
      const auto entities =
          JoinEntities(model, texts[i], encoding, model.Run({&encoding, 1}),
                       FindJoining(name));
      ASSERT_EQ(entities.size(), wanted[i].size());
      for (size_t k = 0; k < entities.size(); ++k) {
        EXPECT_EQ(entities[k].label, wanted[i][k]["label"].get<std::string>());
        EXPECT_EQ(entities[k].begin, wanted[i][k]["begin"].get<size_t>());
        EXPECT_EQ(entities[k].end, wanted[i][k]["end"].get<size_t>());
        EXPECT_NEAR(entities[k].score, wanted[i][k]["score"].get<double>(),
                    1e-5);
      }
    }
  }
}

TEST_F(HeadsTest, MasksAreFilledAsByTheReference) {
  HeadModel model = Load("bert-masked-lm", models::Task::kFill);
  std::string text = cases_["masked"].get<std::string>();
  const auto masks = FillMasks(model, text, 5, "text");
  ASSERT_EQ(masks.size(), 1u);
  ASSERT_EQ(masks[0].size(), cases_["fill"].size());
  for (size_t i = 0; i < masks[0].size(); ++i) {
    EXPECT_EQ(masks[0][i].token, cases_["fill"][i]["token"].get<int32_t>());
    EXPECT_NEAR(masks[0][i].score, cases_["fill"][i]["score"].get<double>(),
                1e-5);
    EXPECT_EQ(masks[0][i].sequence,
              cases_["fill"][i]["sequence"].get<std::string>());
  }
  // Another model's spelling is the same mask.
  text.replace(text.find("[MASK]"), 6, "<mask>");
  EXPECT_EQ(FillMasks(model, text, 1, "text")[0][0].token, masks[0][0].token);
  EXPECT_THROW(FillMasks(model, "no mask", 5, "text"), Error);
}

TEST_F(HeadsTest, AnswersAreThoseOfTheReferenceInWindowsToo) {
  HeadModel model = Load("bert-question-answering", models::Task::kAnswer);
  ExtractOptions options;
  options.top = 3;
  options.window = cases_["window"].get<int64_t>();
  options.overlap = cases_["overlap"].get<int64_t>();
  for (size_t i = 0; i < cases_["pairs"].size(); ++i) {
    const std::string text = cases_["pairs"][i][1].get<std::string>();
    const auto passages =
        Extract(model, cases_["pairs"][i][0].get<std::string>(), text, options);
    const Json& wanted = cases_["answer"][i];
    ASSERT_EQ(passages.size(), wanted.size());
    for (size_t k = 0; k < passages.size(); ++k) {
      EXPECT_EQ(passages[k].begin, wanted[k]["begin"].get<size_t>());
      EXPECT_EQ(passages[k].end, wanted[k]["end"].get<size_t>());
      EXPECT_NEAR(passages[k].score, wanted[k]["score"].get<double>(), 1e-6);
      EXPECT_EQ(
          passages[k].text,
          text.substr(passages[k].begin, passages[k].end - passages[k].begin));
    }
  }
  EXPECT_TRUE(Extract(model, "what?", "", options).empty());
}

TEST_F(HeadsTest, TooLongIsAnErrorOrCutWhereItEnds) {
  HeadModel model =
      Load("bert-sequence-classification", models::Task::kClassify);
  std::string text;
  for (int i = 0; i < 60; ++i) text += "a ";
  bool cut = false;
  try {
    model.Encode({text}, "text 7", false, cut);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kContextOverflow);
    EXPECT_EQ(error.parts().where, "text 7");
    EXPECT_EQ(error.parts().got, "62");
  }
  const text::Encoding encoding = model.Encode({text}, "text", true, cut);
  EXPECT_TRUE(cut);
  EXPECT_EQ(static_cast<int64_t>(encoding.ids.size()), model.max_tokens());
  EXPECT_EQ(encoding.ids.back(), 3);  // [SEP]
}

}  // namespace
}  // namespace malmoi::apps
