#include "generate/logit_rules.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "generate/sample/sampler.h"

namespace malmoi::generate {

namespace {

constexpr float kNever = -INFINITY;

void Forbid(int32_t token, std::span<float> scores) {
  if (token >= 0 && static_cast<size_t>(token) < scores.size()) {
    scores[static_cast<size_t>(token)] = kNever;
  }
}

void ForceOne(std::span<const int32_t> tokens, std::span<float> scores) {
  std::fill(scores.begin(), scores.end(), kNever);
  for (const int32_t token : tokens) {
    if (token >= 0 && static_cast<size_t>(token) < scores.size()) {
      scores[static_cast<size_t>(token)] = 0;
    }
  }
}

void PenalizeRepetition(double penalty, std::span<const int32_t> tokens,
                        std::span<float> scores) {
  for (const int32_t token : std::set<int32_t>(tokens.begin(), tokens.end())) {
    float& score = scores[static_cast<size_t>(token)];
    const double value = static_cast<double>(score);
    score = static_cast<float>(value < 0 ? value * penalty : value / penalty);
  }
}

// Tokens that would end a sequence of `size` that has been there.
void ForbidRepeats(size_t size, std::span<const int32_t> tokens,
                   std::span<float> scores) {
  if (tokens.size() + 1 < size) return;
  const auto end = tokens.last(size - 1);
  for (size_t i = 0; i + size <= tokens.size(); ++i) {
    if (std::equal(end.begin(), end.end(), tokens.begin() + i)) {
      Forbid(tokens[i + size - 1], scores);
    }
  }
}

void ForbidWords(const std::vector<std::vector<int32_t>>& words,
                 std::span<const int32_t> tokens, std::span<float> scores) {
  for (const std::vector<int32_t>& word : words) {
    if (word.empty() || word.size() > std::max<size_t>(tokens.size(), 1)) {
      continue;
    }
    const auto end = tokens.last(word.size() - 1);
    if (std::equal(end.begin(), end.end(), word.begin())) {
      Forbid(word.back(), scores);
    }
  }
}

}  // namespace

void ApplyRules(const LogitRules& rules, std::span<const int32_t> tokens,
                int64_t max_length, std::span<const int32_t> ends,
                std::span<float> scores) {
  const auto length = static_cast<int64_t>(tokens.size());
  if (rules.repetition_penalty != 1.0) {
    PenalizeRepetition(rules.repetition_penalty, tokens, scores);
  }
  if (rules.no_repeat_ngram > 0) {
    ForbidRepeats(static_cast<size_t>(rules.no_repeat_ngram), tokens, scores);
  }
  ForbidWords(rules.bad_words, tokens, scores);
  if (length - 1 < rules.min_tokens) {
    for (const int32_t end : ends) Forbid(end, scores);
  }
  if (rules.first && length == 1) ForceOne({&*rules.first, 1}, scores);
  if (!rules.last.empty() && length == max_length - 1) {
    ForceOne(rules.last, scores);
  }
  if (rules.renormalize) LogSoftmax(scores);
}

void LogSoftmax(std::span<float> scores) {
  const double total = LogSumExp(scores);
  for (float& score : scores) {
    score = static_cast<float>(static_cast<double>(score) - total);
  }
}

}  // namespace malmoi::generate
