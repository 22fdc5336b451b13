// The highest of many scores that pass by, for one row.
#ifndef MALMOI_LEARN_MANIFOLD_BEST_SCORES_H_
#define MALMOI_LEARN_MANIFOLD_BEST_SCORES_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace malmoi::learn {

class BestScores {
 public:
  explicit BestScores(int64_t most) : most_(static_cast<size_t>(most)) {
    kept_.reserve(4 * most_);
  }

  // scores[i] of row first + i. Of equal scores the smaller number is kept.
  void Offer(const float* scores, int64_t count, int64_t first) {
    constexpr int64_t kRun = 16;
    int64_t i = 0;
    for (; i + kRun <= count; i += kRun) {
      // Most runs hold nothing; this loop is vectorized.
      float best = scores[i];
      for (int64_t k = 1; k < kRun; ++k) best = std::max(best, scores[i + k]);
      if (best < least_) continue;
      for (int64_t k = 0; k < kRun; ++k) Offer(scores[i + k], first + i + k);
    }
    for (; i < count; ++i) Offer(scores[i], first + i);
  }

  void Offer(float score, int64_t row) {
    if (score < least_) return;
    kept_.emplace_back(score, -static_cast<int32_t>(row));
    // Four times as many are kept before the lowest go.
    if (kept_.size() == 4 * most_) Cut();
  }

  // Leaves the highest `most` only.
  void Cut() {
    if (kept_.size() < most_) return;
    const auto last = kept_.begin() + static_cast<ptrdiff_t>(most_) - 1;
    std::nth_element(kept_.begin(), last, kept_.end(), std::greater<>());
    kept_.resize(most_);
    least_ = kept_.back().first;
  }

  // Lower scores are not kept any more. After Cut(), the least that was kept,
  // if all of `most` are there.
  float least() const { return least_; }
  // (score, -row) of what was kept, in no order; after Cut().
  std::span<const std::pair<float, int32_t>> kept() const { return kept_; }
  std::vector<int32_t> Rows() const {
    std::vector<int32_t> rows;
    for (const auto& one : kept_) rows.push_back(-one.second);
    return rows;
  }
  void Clear() {
    kept_.clear();
    least_ = -std::numeric_limits<float>::infinity();
  }

 private:
  size_t most_;
  float least_ = -std::numeric_limits<float>::infinity();
  std::vector<std::pair<float, int32_t>> kept_;
};

}  // namespace malmoi::learn

#endif  // MALMOI_LEARN_MANIFOLD_BEST_SCORES_H_
