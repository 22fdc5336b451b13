// What stands near a vector: neighbours by cosine, analogies by 3CosAdd
// (Mikolov et al. 2013) and 3CosMul (Levy & Goldberg 2014), with gensim's
// rules: words of the question are left out, its vectors count with length 1.
#ifndef MALMOI_REPRESENT_STATIC_NEIGHBORS_H_
#define MALMOI_REPRESENT_STATIC_NEIGHBORS_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "represent/static/word_vectors.h"

namespace malmoi::represent {

struct Neighbor {
  int64_t id;
  double score;  // cosine; of 3CosMul its quotient
};

struct NeighborOptions {
  int64_t top = 10;
  int64_t first_words = INT64_MAX;  // only among these, the frequent ones
};

// Best first; of equal scores the smaller number first. The question's words
// may be made of subwords. Throws kNotFound, and kInvalidArgument for a
// question without a positive word.
std::vector<Neighbor> FindNeighbors(const WordVectors& vectors,
                                    std::span<const std::string> positive,
                                    std::span<const std::string> negative,
                                    const NeighborOptions& options,
                                    ThreadPool& pool);
std::vector<Neighbor> FindNeighborsMul(const WordVectors& vectors,
                                       std::span<const std::string> positive,
                                       std::span<const std::string> negative,
                                       const NeighborOptions& options,
                                       ThreadPool& pool);

// Neighbours of many directions at once, each [dimensions], of any length.
// `left_out`: of each direction.
std::vector<std::vector<Neighbor>> NearestRows(
    const WordVectors& vectors, const std::vector<std::vector<float>>& queries,
    const std::vector<std::vector<int64_t>>& left_out,
    const NeighborOptions& options, ThreadPool& pool);

// The sum of unit vectors, negative ones subtracted, as a direction.
std::vector<float> Direction(const WordVectors& vectors,
                             std::span<const std::string> positive,
                             std::span<const std::string> negative);

// The cosine of the angle of two words; 0 where one has length 0.
double WordSimilarity(const WordVectors& vectors, std::string_view a,
                      std::string_view b);

}  // namespace malmoi::represent

#endif  // MALMOI_REPRESENT_STATIC_NEIGHBORS_H_
