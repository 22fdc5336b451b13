// Words and sentences against Perl's (tests/golden/sparse/breaks.json), lower
// case against Python's rules, Korean against what its grammar says.
#include <gtest/gtest.h>

#include "base/json.h"
#include "text/segment/breaks.h"
#include "text/segment/fold.h"
#include "text/segment/korean.h"
#include "text/segment/words.h"
#include "text/unicode/utf8.h"

namespace malmoi::text {
namespace {

TEST(Breaks, AreThoseOfUnicode) {
  const Json golden = ReadJson(std::filesystem::path(MALMOI_SOURCE_DIR) /
                               "tests/golden/sparse/breaks.json");
  ASSERT_GE(golden.size(), 20u);
  for (const Json& one : golden) {
    const auto text = one["text"].get<std::string>();
    std::vector<std::string_view> words;
    AppendUnicodeWords(text, words);
    EXPECT_EQ(std::vector<std::string>(words.begin(), words.end()),
              one["words"].get<std::vector<std::string>>())
        << text;
    const auto bounds = SentenceBoundaries(text);
    std::vector<std::string> sentences;
    for (size_t i = 1; i < bounds.size(); ++i) {
      sentences.push_back(
          text.substr(bounds[i - 1], bounds[i] - bounds[i - 1]));
    }
    EXPECT_EQ(sentences, one["sentences"].get<std::vector<std::string>>())
        << text;
  }
}

std::string Lower(std::string_view text) {
  std::string out;
  Fold(text, {}, out);
  out.pop_back();
  return out;
}

// str.lower() of Python 3.11.
TEST(Fold, LowersAsPython) {
  EXPECT_EQ(Lower("İI"), "i\xcc\x87i");
  EXPECT_EQ(Lower("ΟΔΥΣΣΕΥΣ ΑΣ."), "οδυσσευς ας.");
  EXPECT_EQ(Lower("Σ ΣΑ ΑΣ'Α ΑΣ'"), "σ σα ασ'α ας'");
  EXPECT_EQ(Lower("ÀÉ Ⅷ Ⓐ Ж"), "àé ⅷ ⓐ ж");
}

TEST(Fold, TakesHangulApartAsNfd) {
  for (const char* text : {"각 가 힣 abc 漢", "", "닭이"}) {
    std::string jamo;
    AppendJamo(text, jamo);
    EXPECT_EQ(jamo, Normalize(text, NormalForm::kNfd));
  }
}

TEST(Korean, LosesParticlesAndEndings) {
  const std::pair<const char*, const char*> words[] = {
      {"학교에서", "학교"}, {"친구가", "친구"},
      {"책을", "책"},       {"사람들에게", "사람"},
      {"먹었어요", "먹"},   {"갔어요", "가"},
      {"갑니다", "가"},     {"봤는데", "보"},
      {"마셨어요", "마시"}, {"공부했습니다", "공부"},
      {"너랑", "너"},       {"어디로", "어디"},
      {"물", "물"},         {"나는", "나"},
      {"오이", "오이"},
  };
  for (const auto& [word, stem] : words) {
    std::string made;
    made.reserve(64);
    EXPECT_EQ(StripKorean(word, made), stem) << word;
  }
}

TEST(Words, FollowTheirRule) {
  const auto cut = [](WordRule rule, std::string text) {
    text += '\n';
    std::string made;
    std::vector<std::string_view> words;
    CutWords(rule, text, made, words);
    return std::vector<std::string>(words.begin(), words.end());
  };
  using Words = std::vector<std::string>;
  EXPECT_EQ(cut(WordRule::kSklearn, "can't a bc d_e 3 14"),
            (Words{"can", "bc", "d_e", "14"}));
  EXPECT_EQ(cut(WordRule::kUnicode, "can't a 3.14!"),
            (Words{"can't", "a", "3.14"}));
  EXPECT_EQ(cut(WordRule::kKorean, "LG전자가 왔어요, 3일에"),
            (Words{"LG", "전자", "오", "3", "일"}));
}

TEST(Utf8, FindsTheFirstBadByteWhereverItIs) {
  for (size_t size = 1; size < 100; ++size) {
    for (size_t at = 0; at < size; ++at) {
      std::string text(size, 'a');
      EXPECT_FALSE(FindInvalidUtf8(text));
      text[at] = '\xff';
      EXPECT_EQ(FindInvalidUtf8(text), at);
      if (at + 1 == size) continue;
      text[at] = '\xc3';  // cut, then whole
      EXPECT_EQ(FindInvalidUtf8(text), at);
      text[at + 1] = '\xa4';
      EXPECT_FALSE(FindInvalidUtf8(text));
    }
  }
}

}  // namespace
}  // namespace malmoi::text
