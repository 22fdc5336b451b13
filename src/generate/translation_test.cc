#include "generate/translation.h"

#include <gtest/gtest.h>

#include "base/error.h"
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

}  // namespace
}  // namespace malmoi::generate
