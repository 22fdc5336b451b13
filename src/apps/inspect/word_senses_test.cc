// Uses of a word: found, compared, and apart by sense, layer by layer.
#include "apps/inspect/word_senses.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>

#include "apps/inspect/pictures.h"
#include "apps/testing/inspected.h"
#include "base/error.h"

namespace malmoi::apps {
namespace {

const std::string kSource = MALMOI_SOURCE_DIR;

using Place = std::pair<size_t, size_t>;

TEST(FindWordTest, PrefersTheWordAlone) {
  EXPECT_EQ(FindWord("Pineapples and apples, an apple.", "apple", ""),
            Place(26, 31));
  EXPECT_EQ(FindWord("Apple is here", "apple", ""), Place(0, 5));
  EXPECT_EQ(FindWord("ate apples", "apple", ""), Place(4, 9));
  EXPECT_EQ(FindWord("나는 사과를 먹었다", "사과", ""), Place(7, 13));
  EXPECT_EQ(FindWord("Das ÄPFELCHEN", "äpfelchen", ""), Place(4, 14));
  EXPECT_THROW(FindWord("a pineapple", "apple", "sentence 1"), Error);
  EXPECT_THROW(FindWord("", "apple", ""), Error);
  EXPECT_THROW(FindWord("apple", "", ""), Error);
}

TEST(SenseSentenceTest, ASenseStandsInFrontOfATab) {
  const SenseSentence both = ParseSenseSentence("fruit\tAn apple.\tYes.");
  EXPECT_EQ(both.sense, "fruit");
  EXPECT_EQ(both.text, "An apple.\tYes.");
  EXPECT_EQ(ParseSenseSentence("An apple.").sense, "");
}

// A rectangle of 6 by 2, moved and turned within four dimensions.
TEST(PrincipalMapTest, FindsTheLongAxisFirst) {
  const double c = 0.6, s = 0.8;
  std::vector<float> vectors;
  for (const double x : {-3.0, 3.0}) {
    for (const double y : {-1.0, 1.0}) {
      for (const double v : {c * x + 7, s * x - 2, y + 1.0, 0.5}) {
        vectors.push_back(static_cast<float>(v));
      }
    }
  }
  std::array<double, 2> explained;
  const auto map = PrincipalMap(vectors, 4, explained);
  EXPECT_NEAR(explained[0], 0.9, 1e-6);
  EXPECT_NEAR(explained[1], 0.1, 1e-6);
  for (const auto& point : map) {
    EXPECT_NEAR(std::fabs(point[0]), 3.0, 1e-5);
    EXPECT_NEAR(std::fabs(point[1]), 1.0, 1e-5);
  }
  EXPECT_NEAR(map[0][0], -map[2][0], 1e-5);
  EXPECT_NEAR(map[0][1], -map[1][1], 1e-5);
  const auto same = PrincipalMap({1, 2, 1, 2, 1, 2}, 2, explained);
  EXPECT_EQ(explained[0], 0);
  EXPECT_EQ(same[2][1], 0);
}

// In a decoder a word's vector begins as its embedding, alike everywhere, and
// then takes in what was before it: the same, or something else.
TEST(WordSensesTest, UsesPartWithTheirPast) {
  ModelFolders folders(kSource + "/tests/golden");
  const InspectedModel model(folders.With("architectures/llama"),
                             {.threads = 2});
  const WordSenses senses =
      ReadWordSenses(model, "apple",
                     {{"we sorted one apple", "a"},
                      {"we sorted one apple, or two", "a"},
                      {"9,1 is: apple", "b"},
                      {"9,1 is: apple \xEB\xA7\x90", "b"}});
  ASSERT_TRUE(senses.compared);
  ASSERT_EQ(senses.layers.size(), 4u);  // embedding, two layers, the last norm
  EXPECT_EQ(senses.layers[3].name, "norm");
  EXPECT_NEAR(senses.layers[0].gap(), 0, 1e-6);
  for (size_t k = 1; k < 4; ++k) {
    const LayerSenses& layer = senses.layers[k];
    EXPECT_NEAR(layer.same, 1.0, 1e-5);
    EXPECT_LT(layer.different, 0.999);
    EXPECT_EQ(layer.nearest_same, 1.0);
    EXPECT_EQ(NearestUses(layer, 0)[0], 1u);
    // Two places: all of the variance lies between them.
    EXPECT_NEAR(layer.explained[0], 1.0, 1e-4);
    EXPECT_NEAR(layer.map[0][0], layer.map[1][0], 1e-3);
    EXPECT_LT(layer.map[0][0] * layer.map[2][0], 0);
  }
  const std::string svg = SensesSvg({.title = "a < b"}, senses);
  EXPECT_NE(svg.find("a &lt; b"), std::string::npos);
  EXPECT_NE(svg.find("we sorted one apple"), std::string::npos);
}

TEST(WordSensesTest, BadSentences) {
  ModelFolders folders(kSource + "/tests/golden");
  const InspectedModel model(folders.With("architectures/llama"),
                             {.threads = 2});
  EXPECT_THROW(ReadWordSenses(model, "apple", {{"an apple", ""}}), Error);
  try {
    ReadWordSenses(model, "apple", {{"an apple", ""}, {"a pear", ""}});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(error.parts().where, "sentence 2");
  }
}

struct Example {
  const char *file, *word;
};

// The committed examples with a real encoder: both senses stand apart.
TEST(WordSensesTest, RealSensesPart) {
  const char* minilm = std::getenv("MALMOI_TEST_MINILM");
  if (minilm == nullptr) {
    GTEST_SKIP() << "MALMOI_TEST_MINILM is not set (malmoi pull minilm)";
  }
  const InspectedModel model(minilm, {.threads = 2});
  for (const auto& [file, word] :
       {Example{"apple.txt", "apple"}, Example{"bank.txt", "bank"}}) {
    SCOPED_TRACE(word);
    std::ifstream in(kSource + "/examples/book/" + file);
    std::vector<SenseSentence> sentences;
    for (std::string line; std::getline(in, line);) {
      if (line[0] != '#') sentences.push_back(ParseSenseSentence(line));
    }
    ASSERT_GE(sentences.size(), 8u);
    const WordSenses senses = ReadWordSenses(model, word, sentences);
    ASSERT_EQ(senses.layers.size(), 7u);
    EXPECT_LT(std::fabs(senses.layers[0].gap()), 0.01);
    EXPECT_LT(senses.layers[0].nearest_same, 0.7);
    const LayerSenses& late = senses.layers.back();
    EXPECT_GT(late.same, late.different);
    EXPECT_GT(late.gap(), senses.layers[0].gap() + 0.08);
    EXPECT_GT(late.gap(), senses.layers[1].gap());
    EXPECT_EQ(late.nearest_same, 1.0);
  }
}

}  // namespace
}  // namespace malmoi::apps
