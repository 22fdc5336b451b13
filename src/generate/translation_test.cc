#include "generate/translation.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "generate/testing/seq2seq_folder.h"

namespace malmoi::generate {
namespace {

namespace fs = std::filesystem;

using Ids = std::vector<int32_t>;

std::shared_ptr<Seq2Seq> Load(const Seq2SeqFolder& folder,
                              const std::string& name,
                              const Json& tokenizer_config = nullptr) {
  const fs::path path = fs::path(::testing::TempDir()) / name;
  folder.WriteTo(path);
  if (!tokenizer_config.is_null()) {
    std::ofstream(path / "tokenizer_config.json") << tokenizer_config.dump();
  }
  return Seq2Seq::Load(path, {.threads = 1});
}

Seq2SeqFolder ManyToMany() {
  return {.model = "m2m-100",
          .special = {{2, "</s>"},
                      {290, "en_XX"},
                      {291, "de_DE"},
                      {292, "kor_Hang"},
                      {293, "__ro__"}},
          .before = {"en_XX"},
          .behind = {"</s>"}};
}

TEST(Translation, LanguagesAreTokens) {
  const auto model = Load(ManyToMany(), "translate-m2m");
  const Translation german(*model, "", "de");
  EXPECT_EQ(german.Encode("w10 w11"), (Ids{290, 10, 11, 2}));
  EXPECT_EQ(german.options().rules.first, 291);
  EXPECT_EQ(german.options().start, 2);
  const Translation back(*model, "ro", "kor_Hang");
  // A language in the text is a word like any other.
  EXPECT_EQ(back.Encode("w10"), (Ids{293, 10, 2}));
  EXPECT_EQ(back.options().rules.first, 292);
  try {
    Translation(*model, "", "fr");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.parts().expected, "__ro__ de_DE en_XX kor_Hang");
  }
  EXPECT_THROW(Translation(*model, "en", ""), Error);
  const auto completion =
      model->Generate(german.Encode("w10 w11"), german.options());
  EXPECT_EQ(completion.results.at(0).tokens.at(0), 291);
}

// The first mBART begins with the language and has it behind the text.
TEST(Translation, TheLanguageMayStart) {
  Seq2SeqFolder folder = ManyToMany();
  folder.model = "mbart";
  folder.before = {};
  folder.behind = {"</s>", "en_XX"};
  const auto model = Load(folder, "translate-mbart");
  const Translation german(*model, "kor", "de");
  EXPECT_EQ(german.Encode("w10"), (Ids{10, 2, 292}));
  EXPECT_EQ(german.options().start, 291);
  EXPECT_FALSE(german.options().rules.first);
}

// Files of NLLB have the order that it was trained with at first.
TEST(Translation, TheLanguageComesFirst) {
  Seq2SeqFolder folder = ManyToMany();
  folder.before = {};
  folder.behind = {"</s>", "en_XX"};
  const Json tokenizer = {{"tokenizer_class", "NllbTokenizer"}};
  const auto model = Load(folder, "translate-nllb", tokenizer);
  EXPECT_EQ(Translation(*model, "", "de").Encode("w10"), (Ids{290, 10, 2}));
  EXPECT_EQ(Translation(*model, "kor", "de").Encode("w10"), (Ids{292, 10, 2}));
}

TEST(Translation, LanguagesAreWords) {
  const Seq2SeqFolder folder = {
      .model = "t5",
      .special = {{1, "</s>"},
                  {20, "translate"},
                  {21, "English"},
                  {22, "to"},
                  {23, "German:"},
                  {24, "Korean:"}},
      .behind = {"</s>"},
      .config = {
          {"task_specific_params",
           {{"summarization", {{"prefix", "summarize: "}, {"min_length", 30}}},
            {"translation_en_to_de",
             {{"early_stopping", true},
              {"max_length", 300},
              {"num_beams", 4},
              {"prefix", "translate English to German: "}}}}}}};

  const auto model = Load(folder, "translate-t5");
  for (const auto& [from, to] :
       {std::pair{"en", "de"}, std::pair{"English", "German"}}) {
    const Translation translation(*model, from, to);
    EXPECT_EQ(translation.options().beams, 4);
    EXPECT_EQ(translation.options().max_tokens, 299);
    EXPECT_EQ(translation.options().early_stopping, EarlyStopping::kYes);
    EXPECT_EQ(translation.Encode("w40"), (Ids{20, 21, 22, 23, 40, 1}));
  }
  const Translation other(*model, "en", "ko");
  EXPECT_EQ(other.options().beams, 1);
  EXPECT_EQ(other.Encode("w40"), (Ids{20, 21, 22, 24, 40, 1}));
  EXPECT_THROW(Translation(*model, "", "de"), Error);
  EXPECT_EQ(model->TaskPrefix("summarization"), "summarize: ");
  EXPECT_EQ(model->TaskDefaults("summarization")->rules.min_tokens, 29);
  EXPECT_FALSE(model->TaskDefaults("translation_ko_to_en"));
}

TEST(Translation, OneWayModelsNeedNoLanguages) {
  const Seq2SeqFolder folder = {
      .model = "marian", .special = {{0, "</s>"}}, .behind = {"</s>"}};
  const auto model = Load(folder, "translate-marian");
  EXPECT_EQ(Translation(*model, "", "").Encode("w40"), (Ids{40, 0}));
  EXPECT_THROW(Translation(*model, "", "de"), Error);
  Seq2SeqFolder targets = folder;
  targets.special.push_back({50, ">>deu<<"});
  const auto many = Load(targets, "translate-targets");
  EXPECT_EQ(Translation(*many, "", "deu").Encode("w40"), (Ids{50, 40, 0}));
}

// The files of their authors' repositories, without tokenizer.json: ids, and
// what transformers writes (tests/golden/translators).
class AuthorsFilesTest : public ::testing::TestWithParam<const char*> {};

TEST_P(AuthorsFilesTest, WriteWhatTransformersWrites) {
  const fs::path golden = MALMOI_SOURCE_DIR "/tests/golden";
  const std::string name = GetParam();
  const fs::path folder = fs::path(::testing::TempDir()) / ("authors-" + name);
  fs::remove_all(folder);
  fs::copy(golden / "translators" / name, folder);
  for (const char* file :
       {"config.json", "generation_config.json", "model.safetensors"}) {
    fs::copy_file(golden / "zoo_seq2seq" / name / file, folder / file);
  }
  const auto model = Seq2Seq::Load(
      folder, {.threads = 1, .precision = models::Precision::kExact});
  const bool tokens = name == "m2m-100";
  const Json cases = ParseJson(ReadFile(folder / "cases.json"), name);
  const auto code = [](const Json& language) {
    return language.is_null() ? "" : language.get<std::string>();
  };
  for (const Json& one : cases["cases"]) {
    const auto text = one["text"].get<std::string>();
    const std::string language = code(one["language"]);
    if (tokens) {
      const Translation translation(*model, language, "ko");
      EXPECT_EQ(Json(translation.Encode(text)), one["ids"]) << text;
      continue;
    }
    const Translation plain(*model, "", "");
    EXPECT_EQ(Json(plain.Encode(language + text)), one["ids"]) << text;
    if (language.empty()) continue;
    const Translation told(*model, "", "kor");
    EXPECT_EQ(Json(told.Encode(text)), one["ids"]) << text;
  }
  const Translation translation(*model, tokens ? "en" : "", tokens ? "ko" : "");
  for (const Json& one : cases["translations"]) {
    for (const int beams : {1, 4}) {
      const std::string key = "beams " + std::to_string(beams);
      Seq2SeqOptions options = translation.options();
      options.beams = beams;
      options.max_tokens = 16;
      options.length_penalty = 1;
      const auto found =
          model
              ->Generate(translation.Encode(one["text"].get<std::string>()),
                         options)
              .results.at(0);
      Ids want = one[key].get<Ids>();
      if (want.back() == *model->tokenizer().eos_id()) want.pop_back();
      Ids got = found.tokens;
      if (got.back() == *model->tokenizer().eos_id()) got.pop_back();
      EXPECT_EQ(got, want);
      const auto text = one[key + " text"].get<std::string>();
      if (text.find("<unk>") == std::string::npos) {
        EXPECT_EQ(model->tokenizer().Decode(got, true), text);
      }
    }
  }
  const auto refused = [&](const char* from, const char* to) {
    try {
      Translation(*model, from, to);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const std::string unknown = refused("", "tlh");
  EXPECT_NE(unknown.find(tokens ? "__ko__" : "kor deu"), std::string::npos)
      << unknown;
  if (!tokens) EXPECT_NE(refused("en", ""), "");
}

INSTANTIATE_TEST_SUITE_P(All, AuthorsFilesTest,
                         ::testing::Values("marian", "m2m-100"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace malmoi::generate
