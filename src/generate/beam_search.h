// Beam search: the most probable texts, of which the best few beginnings are
// kept at every step. A state machine that takes logits and says which tokens
// come next; whoever holds it runs the forward. It finds what transformers
// finds, whose rules it follows to the letter.
#ifndef MALMOI_GENERATE_BEAM_SEARCH_H_
#define MALMOI_GENERATE_BEAM_SEARCH_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "generate/logit_rules.h"

namespace malmoi::generate {

// When a search ends that has found as many texts as it has beams.
enum class EarlyStopping {
  kNo,     // when no better one is likely: judged by the length so far
  kYes,    // at once
  kNever,  // when no better one is possible: by the greatest length
};

struct BeamOptions {
  int64_t beams = 4;
  // A text's score is its log-probability / tokens^length_penalty: above 0 it
  // favours long ones (Wu et al. 2016).
  double length_penalty = 1.0;
  EarlyStopping early_stopping = EarlyStopping::kNo;
  int64_t max_length = 0;  // the start token included
  std::vector<int32_t> ends;
};

class BeamSearch {
 public:
  struct Text {
    std::vector<int32_t> tokens;  // the start token included
    double score = 0;
  };
  // A beginning, and which of those before it went on to it.
  struct Beam {
    std::vector<int32_t> tokens;
    double sum = 0;  // of log-probabilities
    size_t parent = 0;
  };

  // `rules` must outlive it.
  BeamSearch(BeamOptions options, const LogitRules& rules, int32_t start);

  bool done() const { return done_; }
  // As many as there are beams, whose next token is wanted. At first they are
  // the same.
  const std::vector<Beam>& running() const { return running_; }
  // Logits of all of them, [beams][vocab_size].
  void Take(std::span<const float> logits);
  // What was found, best first. Of a search that was cut off before it had
  // found anything, the best beginning.
  std::vector<Text> Finish() const;

 private:
  struct Candidate {
    double sum;
    size_t beam;
    int32_t token;
  };
  std::vector<Candidate> Best(std::span<const float> logits) const;
  bool Ends(int32_t token, int64_t length) const;
  double Score(double sum, int64_t length) const;
  bool Hopeless(int64_t length) const;

  BeamOptions options_;
  const LogitRules& rules_;
  std::vector<Beam> running_;
  std::vector<Text> found_;  // best first
  bool done_ = false;
};

}  // namespace malmoi::generate

#endif  // MALMOI_GENERATE_BEAM_SEARCH_H_
