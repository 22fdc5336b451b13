// Prompt lookup (Saxena 2023, "Prompt Lookup Decoding"): what followed the
// last tokens when they occurred before is a cheap guess of what follows now.
#ifndef MALMOI_GENERATE_LOOKUP_H_
#define MALMOI_GENERATE_LOOKUP_H_

#include <array>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace malmoi::generate {

enum class Lookup {
  kOff,
  kOn,         // guesses wherever the last tokens occurred before
  kAutomatic,  // stops for a while when guesses do not pay
};

// With the token before them, 7 guesses are 8 rows: two full quads.
inline constexpr int64_t kMostGuesses = 7;

// Where the last three tokens of a growing text, else the last two, occurred
// last before.
class LookupIndex {
 public:
  void Append(int32_t token);
  int64_t size() const { return static_cast<int64_t>(tokens_.size()); }

  // `count` tokens that may follow; none if the end has not occurred before.
  // A repetition that reaches into the end goes on in circles.
  std::vector<int32_t> Guess(int64_t count) const;

 private:
  static constexpr std::array<size_t, 2> kLengths = {3, 2};

  std::vector<int32_t> tokens_;
  // By a hash of the n tokens: the position after their last occurrence. Two
  // runs of tokens that share a hash cost a match, never a wrong one.
  std::array<std::unordered_map<uint64_t, size_t>, kLengths.size()> after_;
  size_t match_ = 0;  // the position after the earlier occurrence; 0: none
};

// How many tokens to guess, from how guesses fared: more while they are
// right, none for a while when their rows cost more than they save.
class LookupPolicy {
 public:
  explicit LookupPolicy(Lookup mode) : mode_(mode) {}

  // 0: do not guess. Asked once per forward.
  int64_t Count();
  void Record(int64_t proposed, int64_t accepted);

 private:
  Lookup mode_;
  int64_t count_ = 2;
  double saved_ = 0;  // forwards of one row, both fading
  double spent_ = 0;
  int64_t recorded_ = 0;  // guesses since the last pause
  int64_t pause_ = 0;     // forwards left without a guess
  int64_t next_pause_ = 16;
};

}  // namespace malmoi::generate

#endif  // MALMOI_GENERATE_LOOKUP_H_
