#include "generate/lookup.h"

#include <algorithm>

namespace malmoi::generate {

namespace {

// What each further row of a forward costs, in forwards of one row. Measured
// with SmolLM2 135M in Q4_1, 1,024 tokens of past, a Zen core with AVX-512:
// 2 to 8 rows take 1.22, 1.44, 1.58, 1.88, 2.06, 2.28, 2.48 times one row.
// Where memory is the limit (many cores, larger models) it is less.
constexpr double kRowCost = 0.21;
constexpr double kFade = 0.875;        // about the last 8 guesses count
constexpr int64_t kEnoughGuesses = 4;  // before they are judged
constexpr int64_t kLongestPause = 256;

uint64_t Hash(std::span<const int32_t> tokens) {
  uint64_t hash = tokens.size();
  for (int32_t token : tokens) {
    hash = (hash ^ static_cast<uint32_t>(token)) * 0x9E3779B97F4A7C15ull;
    hash ^= hash >> 32;
  }
  return hash;
}

}  // namespace

void LookupIndex::Append(int32_t token) {
  tokens_.push_back(token);
  match_ = 0;
  const std::span<const int32_t> all = tokens_;
  for (size_t i = 0; i < kLengths.size(); ++i) {
    const size_t n = kLengths[i];
    if (all.size() < n) continue;
    const auto end = all.last(n);
    size_t& after = after_[i][Hash(end)];
    if (match_ == 0 && after != 0 &&
        std::ranges::equal(all.subspan(after - n, n), end)) {
      match_ = after;
    }
    after = all.size();
  }
}

std::vector<int32_t> LookupIndex::Guess(int64_t count) const {
  std::vector<int32_t> guess;
  if (match_ == 0) return guess;
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
    const size_t at = match_ + i;
    guess.push_back(at < tokens_.size() ? tokens_[at]
                                        : guess[at - tokens_.size()]);
  }
  return guess;
}

int64_t LookupPolicy::Count() {
  if (mode_ == Lookup::kOff) return 0;
  if (pause_ > 0) {
    --pause_;
    return 0;
  }
  return count_;
}

void LookupPolicy::Record(int64_t proposed, int64_t accepted) {
  // Twice as many after a guess that was all right; after another, one more
  // than was right.
  count_ = accepted == proposed ? std::max(count_, 2 * proposed) : accepted + 1;
  count_ = std::clamp<int64_t>(count_, 2, kMostGuesses);
  if (mode_ != Lookup::kAutomatic) return;
  saved_ = kFade * saved_ + static_cast<double>(accepted);
  spent_ = kFade * spent_ + kRowCost * static_cast<double>(proposed);
  if (++recorded_ < kEnoughGuesses) return;
  if (saved_ >= spent_) {
    next_pause_ = 16;
    return;
  }
  pause_ = next_pause_;
  next_pause_ = std::min(2 * next_pause_, kLongestPause);
  saved_ = spent_ = 0;
  recorded_ = 0;
}

}  // namespace malmoi::generate
