// Words by stretches of 64 bytes against the rules one word at a time, which
// other tests hold to the regular expressions.
#include "text/tokenize/word_starts.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>

namespace malmoi::text {
namespace {

// ASCII at which rules part, most often letters and spaces; sometimes more.
std::string RandomText(uint32_t seed, bool ascii) {
  static constexpr std::string_view kAtoms[] = {
      "a",  "Bc",   "the",  "word", " ",   " ",    " a",   " The", "  ",  "\t",
      "\n", "\r\n", "\v",   "'",    "'s",  "'S",   "'re",  "'LL",  "'ve", "'t",
      "'x", "''",   "0",    "42",   "123", "4567", ".",    ",\n",  "!?",  "--",
      "(",  "_",    "\x7f", "\x01", " '",  "\n\n", " \n ", "...\n"};
  static constexpr std::string_view kForeign[] = {"\u00e9", "\u017f", "\u00a0",
                                                  "\u4e2d", "'\u017f"};
  std::mt19937 random(seed);
  std::string text;
  while (text.size() < 600) {
    if (!ascii && random() % 20 == 0) {
      text += kForeign[random() % std::size(kForeign)];
    } else {
      text += kAtoms[random() % std::size(kAtoms)];
    }
  }
  return text;
}

template <CutRule kRule>
void ExpectTheRulesWords() {
  if (!HasWordStarts(kRule)) return;
  size_t told = 0;
  for (uint32_t seed = 0; seed < 4000; ++seed) {
    const std::string text = RandomText(seed, seed % 2 == 0);
    size_t at = 0;
    while (text.size() - at > kStretch) {
      uint64_t starts = WordStarts<kRule>(text.data() + at);
      ASSERT_EQ(starts & 1, 1u);
      size_t from = at;
      while ((starts &= starts - 1) != 0) {
        const size_t end = at + static_cast<size_t>(std::countr_zero(starts));
        ASSERT_EQ(PieceEnd<kRule>(text.data(), from, text.size(), nullptr), end)
            << text << "\nword at " << from << ", stretch at " << at;
        from = end;
        ++told;
      }
      at = from > at ? from
                     : PieceEnd<kRule>(text.data(), at, text.size(), nullptr);
    }
  }
  EXPECT_GT(told, 200'000u);  // most words
}

TEST(WordStarts, AreThoseOfTheRules) {
  ExpectTheRulesWords<CutRule::kWords>();
  ExpectTheRulesWords<CutRule::kPrefixed3>();
  ExpectTheRulesWords<CutRule::kPrefixed1>();
}

}  // namespace
}  // namespace malmoi::text
