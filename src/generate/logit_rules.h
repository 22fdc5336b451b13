// What a model's settings forbid and force, whatever is likely: transformers'
// processors of logits, in their order.
#ifndef MALMOI_GENERATE_LOGIT_RULES_H_
#define MALMOI_GENERATE_LOGIT_RULES_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace malmoi::generate {

struct LogitRules {
  double repetition_penalty = 1.0;  // 1: off (Keskar et al. 2019, CTRL)
  int64_t no_repeat_ngram = 0;      // no sequence of so many tokens comes twice
  std::vector<std::vector<int32_t>> bad_words;  // as tokens
  int64_t min_tokens = 0;        // written before an end token may come
  std::optional<int32_t> first;  // the token that is written first
  std::vector<int32_t> last;     // written where the length ends
  bool renormalize = false;      // log-probabilities sum to 1 again
};

// Changes `scores` [vocab_size], logits or log-probabilities, of the token that
// follows `tokens`: the start token and what was written, which may come to
// `max_length` in all. `ends`: the end tokens. What is forbidden becomes -inf.
void ApplyRules(const LogitRules& rules, std::span<const int32_t> tokens,
                int64_t max_length, std::span<const int32_t> ends,
                std::span<float> scores);

// scores - log(sum(exp(scores))).
void LogSoftmax(std::span<float> scores);

}  // namespace malmoi::generate

#endif  // MALMOI_GENERATE_LOGIT_RULES_H_
