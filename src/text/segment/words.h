// Where words are in a text, by the rule that a user chooses once and that
// holds wherever texts are counted (--words).
#ifndef MALMOI_TEXT_SEGMENT_WORDS_H_
#define MALMOI_TEXT_SEGMENT_WORDS_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace malmoi::text {

enum class WordRule {
  // Runs of two or more letters, digits and underscores: scikit-learn's
  // default token_pattern, (?u)\b\w\w+\b.
  kSklearn,
  // The words of UAX #29 that hold a letter or a digit ("can't", "3.14").
  kUnicode,
  // As kSklearn from one character on, but words of Hangul lose their particles
  // and endings by rules, without a dictionary (korean.h).
  kKorean,
};

std::string_view WordRuleName(WordRule rule);  // "sklearn"
std::optional<WordRule> FindWordRule(std::string_view name);

// Appends the words of `text` in order: views into it or into `made`, which is
// replaced. `text` is valid UTF-8 and ends in a character that is in no word
// (as Fold() leaves it).
void CutWords(WordRule rule, std::string_view text, std::string& made,
              std::vector<std::string_view>& words);

// The words of what lies between ASCII blanks, where words are learnt and
// looked up: the whole of it where there is no rule. Not for several threads at
// once.
class WordCutter {
 public:
  WordCutter() = default;
  explicit WordCutter(std::optional<WordRule> rule) : rule_(rule) {}

  bool has_rule() const { return rule_.has_value(); }
  // Views into `part` or the cutter, until the next call. Throws
  // kInvalidArgument for invalid UTF-8 where there is a rule.
  const std::vector<std::string_view>& Cut(std::string_view part);

 private:
  std::optional<WordRule> rule_;
  std::string folded_, made_;
  std::vector<std::string_view> words_;
};

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_SEGMENT_WORDS_H_
