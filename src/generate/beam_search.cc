#include "generate/beam_search.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace malmoi::generate {

namespace {

// Of beams that are there to make up the number.
constexpr double kUnlikely = -1e9;

}  // namespace

BeamSearch::BeamSearch(BeamOptions options, const LogitRules& rules,
                       int32_t start)
    : options_(std::move(options)), rules_(rules) {
  for (int64_t i = 0; i < options_.beams; ++i) {
    running_.push_back({{start}, i == 0 ? 0.0 : kUnlikely, 0});
  }
}

bool BeamSearch::Ends(int32_t token, int64_t length) const {
  return length >= options_.max_length ||
         std::find(options_.ends.begin(), options_.ends.end(), token) !=
             options_.ends.end();
}

double BeamSearch::Score(double sum, int64_t length) const {
  return sum /
         std::pow(static_cast<double>(length - 1), options_.length_penalty);
}

// The best continuations, best first; enough of them that, whatever ends, all
// beams can go on.
std::vector<BeamSearch::Candidate> BeamSearch::Best(
    std::span<const float> logits) const {
  const size_t beams = running_.size();
  const size_t vocab = logits.size() / beams;
  const size_t wanted = std::min(
      std::max<size_t>(2, 1 + options_.ends.size()) * beams, beams * vocab);
  const auto before = [](const Candidate& a, const Candidate& b) {
    if (a.sum != b.sum) return a.sum > b.sum;
    return a.beam != b.beam ? a.beam < b.beam : a.token < b.token;
  };
  std::vector<Candidate> best;  // a heap, the worst on top
  std::vector<float> scores;
  for (size_t b = 0; b < beams; ++b) {
    const auto row = logits.subspan(b * vocab, vocab);
    scores.assign(row.begin(), row.end());
    LogSoftmax(scores);
    ApplyRules(rules_, running_[b].tokens, options_.max_length, options_.ends,
               scores);
    for (size_t t = 0; t < vocab; ++t) {
      const Candidate candidate = {
          running_[b].sum + static_cast<double>(scores[t]), b,
          static_cast<int32_t>(t)};
      if (best.size() == wanted) {
        if (!before(candidate, best.front())) continue;
        std::pop_heap(best.begin(), best.end(), before);
        best.pop_back();
      }
      best.push_back(candidate);
      std::push_heap(best.begin(), best.end(), before);
    }
  }
  std::sort(best.begin(), best.end(), before);
  return best;
}

// Whether nothing that still runs may be better than all that was found.
bool BeamSearch::Hopeless(int64_t length) const {
  if (found_.size() < running_.size()) return false;
  if (options_.early_stopping == EarlyStopping::kYes) return true;
  const bool greatest = options_.early_stopping == EarlyStopping::kNever &&
                        options_.length_penalty > 0;
  return Score(running_.front().sum, greatest ? options_.max_length : length) <=
         found_.back().score;
}

void BeamSearch::Take(std::span<const float> logits) {
  const std::vector<Candidate> best = Best(logits);
  const auto length = static_cast<int64_t>(running_.front().tokens.size()) + 1;
  const size_t beams = running_.size();
  std::vector<Beam> next;
  for (size_t rank = 0; rank < best.size(); ++rank) {
    const auto& [sum, beam, token] = best[rank];
    const bool ends = Ends(token, length);
    if (ends ? rank >= beams : next.size() == beams) continue;
    std::vector<int32_t> tokens = running_[beam].tokens;
    tokens.push_back(token);
    if (ends) {
      found_.push_back({std::move(tokens), Score(sum, length)});
    } else {
      next.push_back({std::move(tokens), sum, beam});
    }
  }
  std::stable_sort(
      found_.begin(), found_.end(),
      [](const Text& a, const Text& b) { return a.score > b.score; });
  if (found_.size() > beams) found_.resize(beams);
  done_ = next.empty();
  if (done_) return;
  running_ = std::move(next);
  done_ = Hopeless(length);
}

std::vector<BeamSearch::Text> BeamSearch::Finish() const {
  if (!found_.empty()) return found_;
  const Beam& best = running_.front();
  return {{best.tokens,
           Score(best.sum, std::max<int64_t>(
                               static_cast<int64_t>(best.tokens.size()), 2))}};
}

}  // namespace malmoi::generate
