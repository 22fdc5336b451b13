// From distances of neighbours to a weighted graph that both ends agree on, and
// the curve by which distances on a map are judged. McInnes, Healy, Melville
// 2018, "UMAP: Uniform Manifold Approximation and Projection for Dimension
// Reduction", sections 2 and 3.
#ifndef MALMOI_LEARN_MANIFOLD_FUZZY_H_
#define MALMOI_LEARN_MANIFOLD_FUZZY_H_

#include <cstdint>
#include <vector>

#include "learn/manifold/nearest.h"

namespace malmoi::learn {

// Of each row the distance to its nearest other that is not at its place, and
// the scale with which the memberships of all of them sum to log2(count).
struct SmoothDistances {
  std::vector<float> nearest, scales;  // rho and sigma, [rows]
};
SmoothDistances SmoothNearest(const NearestTable& table);

// Symmetric, rows sorted by their columns, nothing on the diagonal.
struct Graph {
  int64_t size = 0;
  std::vector<int64_t> starts;  // [size + 1]
  std::vector<int32_t> others;  // [edges]
  std::vector<float> weights;   // [edges], above 0, at most 1
};

// Memberships exp(-(d - rho)/sigma), and a + b - a·b of both directions.
Graph FuzzyUnion(const NearestTable& table, const SmoothDistances& smooth);

// 1/(1 + a·d^2b) that is nearest, by least squares over 300 distances up to
// 3·spread, to 1 below `min_dist` and exp(-(d - min_dist)/spread) above.
struct Curve {
  double a = 1, b = 1;
};
// Throws kInvalidArgument where min_dist is negative or beyond spread.
Curve FitCurve(double spread, double min_dist);

// Which connected component each vertex is in, numbered by first vertices.
std::vector<int32_t> Components(const Graph& graph, int32_t* count);

}  // namespace malmoi::learn

#endif  // MALMOI_LEARN_MANIFOLD_FUZZY_H_
