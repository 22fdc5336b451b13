// Byte-pair encoding against the plainest way to do it, with random lists of
// merges: trained ones have fewer surprises.
#include "text/tokenize/bpe.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

#include "text/tokenize/byte_level.h"
#include "text/tokenize/token_words.h"

namespace malmoi::text {
namespace {

struct Vocabulary {
  std::vector<std::string> spellings;  // by id
  std::vector<std::pair<std::string, std::string>> merges;
};

// All bytes, and merges of what three letters and a space become.
Vocabulary RandomVocabulary(uint32_t seed, size_t merges) {
  Vocabulary made;
  std::map<std::string, bool> known;
  std::vector<std::string> parts;
  for (int b = 0; b < 256; ++b) {
    made.spellings.emplace_back(SpellingOf(static_cast<char>(b)));
    known[made.spellings.back()] = true;
  }
  for (char c : {'a', 'b', 'c', ' '}) parts.emplace_back(SpellingOf(c));
  std::mt19937 random(seed);
  for (size_t i = 0; i < merges; ++i) {
    const std::string left = parts[random() % parts.size()];
    const std::string right = parts[random() % parts.size()];
    made.merges.emplace_back(left, right);
    if (known[left + right]) continue;
    known[left + right] = true;
    made.spellings.push_back(left + right);
    if ((left + right).size() < 8) parts.push_back(left + right);
  }
  return made;
}

Bpe MakeBpe(const Vocabulary& made, BpeOptions options = {}) {
  std::vector<std::string_view> spellings(made.spellings.begin(),
                                          made.spellings.end());
  std::vector<Bpe::Pair> merges(made.merges.begin(), made.merges.end());
  return Bpe(std::move(spellings), merges, nullptr, std::move(options), "test");
}

// The lowest rank first, leftmost before others; of a repeated pair the last.
std::vector<std::string> Merged(const Vocabulary& made, std::string_view word) {
  std::map<std::pair<std::string, std::string>, size_t> ranks;
  for (size_t i = 0; i < made.merges.size(); ++i) ranks[made.merges[i]] = i;
  std::vector<std::string> symbols;
  for (char c : word) symbols.emplace_back(SpellingOf(c));
  for (;;) {
    size_t least = SIZE_MAX;
    size_t place = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto rank = ranks.find({symbols[i], symbols[i + 1]});
      if (rank == ranks.end() || rank->second >= least) continue;
      least = rank->second;
      place = i;
    }
    if (least == SIZE_MAX) return symbols;
    symbols[place] += symbols[place + 1];
    symbols.erase(symbols.begin() + static_cast<long>(place) + 1);
  }
}

std::string RandomWord(std::mt19937& random, size_t most) {
  std::string word;
  for (size_t n = 1 + random() % most; n-- > 0;) word += "abc "[random() % 4];
  return word;
}

TEST(Bpe, MergesAsThePlainWayDoes) {
  for (uint32_t seed = 0; seed < 60; ++seed) {
    // Few merges make long chains, many fill lines of the table.
    const Vocabulary made = RandomVocabulary(seed, seed % 3 == 0 ? 3000 : 60);
    const Bpe bpe = MakeBpe(made);
    std::mt19937 random(seed);
    for (int i = 0; i < 60; ++i) {
      const std::string word = RandomWord(random, i % 6 == 0 ? 100 : 20);
      std::vector<ModelToken> tokens;
      ASSERT_TRUE(bpe.EncodeBytes(word, false, tokens));
      std::vector<std::string> got;
      size_t end = 0;
      for (const ModelToken& token : tokens) {
        got.push_back(*bpe.Spelling(token.id));
        EXPECT_EQ(token.begin, end);
        end = token.end;
      }
      ASSERT_EQ(got, Merged(made, word)) << word << ", seed " << seed;
    }
  }
}

TEST(Bpe, WordsThatAreATokenAreThoseThatMergingMakes) {
  size_t made_tokens = 0;
  size_t others = 0;
  for (uint32_t seed = 0; seed < 200; ++seed) {
    const Vocabulary made = RandomVocabulary(seed, 20 + seed);
    const Bpe bpe = MakeBpe(made);
    const auto words = bpe.FindTokenWords(true);
    const auto all =
        MakeBpe(made, {.ignore_merges = true}).FindTokenWords(true);
    ASSERT_NE(words, nullptr);
    for (size_t id = 0; id < made.spellings.size(); ++id) {
      const std::string word = *BytesOfSpelling(made.spellings[id]);
      const WordKey key = WordKey::Of(word);
      if (key == WordKey()) continue;
      const int32_t found = words->Find(key, words->Home(key.Hash()));
      const bool whole = Merged(made, word).size() == 1;
      EXPECT_EQ(all->Find(key, all->Home(key.Hash())),
                static_cast<int32_t>(id));
      if (found < 0) {
        ++others;  // no proof, but seldom wrong
        continue;
      }
      ++made_tokens;
      ASSERT_EQ(found, static_cast<int32_t>(id));
      ASSERT_TRUE(whole) << word << ", seed " << seed;
    }
    const WordKey stranger = WordKey::Of("stranger");
    EXPECT_EQ(words->Find(stranger, words->Home(stranger.Hash())),
              TokenWords::kNone);
  }
  EXPECT_GT(made_tokens, 50'000u);
  EXPECT_GT(others, 1'000u);
}

// "abc" is a token, but its first two bytes merge before the others do.
TEST(Bpe, ATokenThatMergingNeverMakesIsNoWord) {
  Vocabulary made = RandomVocabulary(0, 0);
  for (const char* token : {"ab", "bc", "abc"}) {
    made.spellings.push_back(token);
  }
  made.merges = {{"a", "b"}, {"b", "c"}, {"a", "bc"}};
  const Bpe bpe = MakeBpe(made);
  const auto words = bpe.FindTokenWords(true);
  const auto find = [&](std::string_view word) {
    const WordKey key = WordKey::Of(word);
    return words->Find(key, words->Home(key.Hash()));
  };
  EXPECT_EQ(find("ab"), 256);
  EXPECT_EQ(find("bc"), 257);
  EXPECT_EQ(find("abc"), TokenWords::kNone);
  EXPECT_EQ(find("a"), 'a');
}

TEST(MergeTable, FindsWhatWasAdded) {
  std::mt19937 random(1);
  std::map<std::pair<int32_t, int32_t>, int32_t> want;
  MergeTable table(20'000);
  for (int32_t rank = 0; rank < 20'000; ++rank) {
    const auto left = static_cast<int32_t>(random() % 200);
    const auto right = static_cast<int32_t>(random() % 200);
    table.Add({left, right, rank});
    want[{left, right}] = rank;
  }
  for (int32_t left = 0; left < 210; ++left) {
    for (int32_t right = 0; right < 210; ++right) {
      const auto found = want.find({left, right});
      const int32_t rank =
          found == want.end() ? MergeTable::kNone : found->second;
      ASSERT_EQ(table.Rank(left, right), rank);
      const int32_t likely = table.LikelyRank(left, right);
      if (likely == rank) continue;
      ASSERT_EQ(rank, MergeTable::kNone);
      EXPECT_FALSE(table.Of(likely).left == left &&
                   table.Of(likely).right == right);
    }
  }
}

}  // namespace
}  // namespace malmoi::text
