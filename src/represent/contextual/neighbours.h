// Which vectors are near: the best for a query among those that pass by, and
// all pairs of a set that are nearer than a threshold.
#ifndef MALMOI_REPRESENT_CONTEXTUAL_NEIGHBOURS_H_
#define MALMOI_REPRESENT_CONTEXTUAL_NEIGHBOURS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/thread_pool.h"
#include "represent/best.h"

namespace malmoi::represent {

struct Neighbour {
  double score = 0;
  size_t number = 0;  // of the text, from 0
  std::string text;
};

struct NearerNeighbour {
  bool operator()(const Neighbour& a, const Neighbour& b) const {
    return a.score != b.score ? a.score > b.score : a.number < b.number;
  }
};

// The `most` best of all that were offered; of equal scores the earlier.
class BestNeighbours {
 public:
  explicit BestNeighbours(size_t most) : best_(most) {}
  void Offer(double score, size_t number, const std::string& text) {
    Neighbour one{score, number, ""};
    if (!best_.Wants(one)) return;
    one.text = text;
    best_.Offer(std::move(one));
  }
  // Best first.
  std::vector<Neighbour> Sorted() const { return best_.Sorted(); }

 private:
  Best<Neighbour, NearerNeighbour> best_;
};

struct VectorPair {
  size_t first = 0, second = 0;  // first < second
  double score = 0;              // the cosine
};

// All pairs whose cosine is at least `threshold`, best first, equal ones by
// number. vectors: [count][dimensions]. Throws kLimit for more than `most`.
std::vector<VectorPair> NearPairs(ThreadPool& pool,
                                  std::span<const float> vectors,
                                  int64_t dimensions, double threshold,
                                  size_t most = 10'000'000);

}  // namespace malmoi::represent

#endif  // MALMOI_REPRESENT_CONTEXTUAL_NEIGHBOURS_H_
