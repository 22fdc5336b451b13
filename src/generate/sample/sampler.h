// Choosing the next token from logits: penalties, then filters, then a draw
// that is the same on every machine for the same seed.
#ifndef MALMOI_GENERATE_SAMPLE_SAMPLER_H_
#define MALMOI_GENERATE_SAMPLE_SAMPLER_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/random.h"

namespace malmoi::generate {

struct SamplingOptions {
  double temperature = 0.7;  // 0: always the most probable token (greedy)
  int top_k = 40;            // 0: off
  double top_p = 0.95;       // 1: off (Holtzman et al. 2020)
  double min_p = 0.0;        // 0: off
  double typical_p = 1.0;    // 1: off (Meister et al. 2023)
  double repetition_penalty = 1.0;  // 1: off (Keskar et al. 2019, CTRL)
  double presence_penalty = 0.0;    // subtracted once per seen token
  double frequency_penalty = 0.0;   // subtracted per occurrence
  int penalty_window = 64;          // last tokens that count; -1: all
  double dry_multiplier = 0.0;      // 0: off ("don't repeat yourself")
  double dry_base = 1.75;
  int dry_allowed_length = 2;
  int dry_window = -1;                // -1: all
  std::vector<int32_t> dry_breakers;  // tokens that end a repeated sequence
  uint64_t seed = 0;
};

class Sampler {
 public:
  // Throws kInvalidArgument for a value out of range, naming the option.
  explicit Sampler(SamplingOptions options);

  // Picks from `logits` [vocab_size] given the tokens so far (prompt and
  // completion). Ties go to the lowest id. NaN is kInvalidArgument.
  int32_t Pick(std::span<const float> logits, std::span<const int32_t> history);

  const SamplingOptions& options() const { return options_; }

 private:
  SamplingOptions options_;
  Random random_;
};

// Log-probabilities under the unmodified logits.
struct TokenLogprob {
  int32_t id = 0;
  float logprob = 0;
};
// log(sum(exp(logits))), in double.
double LogSumExp(std::span<const float> logits);
// The `count` most probable tokens, descending, ties by id.
std::vector<TokenLogprob> TopLogprobs(std::span<const float> logits, int count);

}  // namespace malmoi::generate

#endif  // MALMOI_GENERATE_SAMPLE_SAMPLER_H_
