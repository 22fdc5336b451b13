// The index against a search from the end; the policy's promises.
#include "generate/lookup.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace malmoi::generate {
namespace {

using Ids = std::vector<int32_t>;

LookupIndex Index(const Ids& tokens) {
  LookupIndex index;
  for (int32_t token : tokens) index.Append(token);
  return index;
}

TEST(LookupIndex, GuessesWhatFollowedTheLastOccurrence) {
  EXPECT_EQ(Index({1, 2, 3, 4, 5, 6, 1, 2, 3}).Guess(3), (Ids{4, 5, 6}));
  // The later of two occurrences.
  EXPECT_EQ(Index({1, 2, 3, 4, 1, 2, 3, 5, 1, 2, 3}).Guess(1), (Ids{5}));
  // Three tokens before a later two.
  EXPECT_EQ(Index({1, 2, 3, 4, 9, 2, 3, 5, 1, 2, 3}).Guess(1), (Ids{4}));
  // Two where there are no three.
  EXPECT_EQ(Index({2, 3, 5, 1, 2, 3}).Guess(2), (Ids{5, 1}));
}

TEST(LookupIndex, HasNoGuessForWhatIsNew) {
  EXPECT_TRUE(Index({}).Guess(7).empty());
  EXPECT_TRUE(Index({1}).Guess(7).empty());
  EXPECT_TRUE(Index({1, 2}).Guess(7).empty());
  EXPECT_TRUE(Index({1, 2, 3, 1}).Guess(7).empty());
}

TEST(LookupIndex, GoesOnInCircles) {
  EXPECT_EQ(Index({1, 2, 1, 2}).Guess(5), (Ids{1, 2, 1, 2, 1}));
  EXPECT_EQ(Index({7, 7, 7}).Guess(3), (Ids{7, 7, 7}));
}

TEST(LookupIndex, EqualsASearchFromTheEnd) {
  Random random(5);
  LookupIndex index;
  Ids all;
  for (int step = 0; step < 2000; ++step) {
    all.push_back(static_cast<int32_t>(random.Below(6)));
    index.Append(all.back());
    size_t match = 0;
    for (size_t n : {3u, 2u}) {
      for (size_t end = all.size() - 1; end >= n && match == 0; --end) {
        if (std::equal(all.end() - static_cast<ptrdiff_t>(n), all.end(),
                       all.begin() + static_cast<ptrdiff_t>(end - n))) {
          match = end;
        }
      }
    }
    const Ids guess = index.Guess(1);
    ASSERT_EQ(guess.empty(), match == 0) << step;
    if (match != 0) {
      ASSERT_EQ(guess[0], all[match]) << step;
    }
  }
}

TEST(LookupPolicy, GuessesMoreWhileGuessesAreRight) {
  LookupPolicy policy(Lookup::kAutomatic);
  for (int64_t expected : {2, 4, 7, 7}) {
    EXPECT_EQ(policy.Count(), expected);
    policy.Record(expected, expected);
  }
  policy.Record(7, 3);
  EXPECT_EQ(policy.Count(), 4);
  policy.Record(4, 0);
  EXPECT_EQ(policy.Count(), 2);
}

TEST(LookupPolicy, PausesLongerWhileGuessesAreWrong) {
  LookupPolicy policy(Lookup::kAutomatic);
  int64_t guesses = 0;
  constexpr int64_t kForwards = 10'000;
  for (int64_t i = 0; i < kForwards; ++i) {
    const int64_t count = policy.Count();
    if (count == 0) continue;
    ++guesses;
    policy.Record(count, 0);
  }
  EXPECT_GT(guesses, 10);              // it never gives up
  EXPECT_LT(guesses, kForwards / 50);  // and costs next to nothing
}

TEST(LookupPolicy, OnNeverPausesAndOffNeverGuesses) {
  LookupPolicy on(Lookup::kOn), off(Lookup::kOff);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(off.Count(), 0);
    EXPECT_EQ(on.Count(), 2);
    on.Record(2, 0);
  }
}

}  // namespace
}  // namespace malmoi::generate
