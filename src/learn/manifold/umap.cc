#include "learn/manifold/umap.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/random.h"
#include "kernels/layout_kernels.h"
#include "learn/manifold/descent.h"
#include "learn/manifold/layout.h"
#include "learn/manifold/pca.h"
#include "learn/manifold/spectral.h"

namespace malmoi::learn {

namespace {

constexpr double kSide = 10;  // of the square where a layout begins

[[noreturn]] void Refuse(std::string what, std::string expected,
                         std::string got) {
  throw Error(ErrorCode::kInvalidArgument, {.where = "UMAP",
                                            .what = std::move(what),
                                            .expected = std::move(expected),
                                            .got = std::move(got)});
}

void CheckOptions(const Points& points, const UmapOptions& options) {
  CheckPoints(points, "UMAP");
  if (points.rows >= int64_t{1} << 24) {
    throw Error(ErrorCode::kLimit, {.where = "UMAP",
                                    .what = "too many points",
                                    .expected = "fewer than 16777216",
                                    .got = std::to_string(points.rows)});
  }
  if (points.rows < 3) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "UMAP",
                 .what = "too few points for a map",
                 .expected = "at least 3",
                 .got = std::to_string(points.rows),
                 .hint = "principal components"});
  }
  if (options.neighbours < 2 || options.neighbours >= points.rows) {
    Refuse("neighbours do not fit the points",
           Format("2 to {}, fewer than the points", points.rows - 1),
           std::to_string(options.neighbours));
  }
  if (options.dimensions < 1 ||
      options.dimensions > kernels::kMaxMapDimensions) {
    Refuse("dimensions out of range",
           Format("1 to {}", kernels::kMaxMapDimensions),
           std::to_string(options.dimensions));
  }
  if (options.negatives < 0 || options.negatives > 1000 || options.epochs < 0 ||
      options.epochs > 1'000'000) {
    Refuse("negatives or epochs out of range",
           "0 to 1000 negatives, 0 to 1000000 epochs",
           Format("{} and {}", options.negatives, options.epochs));
  }
  const float* first = points.row(0);
  for (int64_t r = 1; r < points.rows; ++r) {
    if (!std::equal(first, first + points.columns, points.row(r))) return;
  }
  Refuse("all points are equal", "points that differ",
         Format("{} times the same", points.rows));
}

// As numpy's normal, from our random numbers (Box & Muller 1958).
double Normal(Random& random) {
  const double radius = std::sqrt(-2 * std::log(1 - random.Uniform()));
  return radius * std::cos(2 * std::numbers::pi * random.Uniform());
}

// Each dimension from 0 to kSide.
std::vector<float> Fit(const std::vector<double>& places, int64_t dimensions) {
  std::vector<float> out(places.size());
  const auto width = static_cast<size_t>(dimensions);
  for (size_t d = 0; d < width; ++d) {
    double least = places[d], most = places[d];
    for (size_t at = d; at < places.size(); at += width) {
      least = std::min(least, places[at]);
      most = std::max(most, places[at]);
    }
    const double scale = most > least ? kSide / (most - least) : 0;
    for (size_t at = d; at < places.size(); at += width) {
      out[at] = static_cast<float>((places[at] - least) * scale);
    }
  }
  return out;
}

std::vector<float> Begin(ThreadPool& pool, const Graph& graph,
                         const Points& points, const UmapOptions& options,
                         int32_t* components) {
  std::vector<double> places;
  Random random(options.seed, 2);
  const auto total = static_cast<size_t>(points.rows * options.dimensions);
  Components(graph, components);
  const int64_t found =
      std::min({options.dimensions, points.columns, points.rows});
  switch (options.start) {
    case MapStart::kSpectral:
      places = LayOutSpectrally(pool, graph, points, options.dimensions,
                                options.seed)
                   .places;
      break;
    case MapStart::kPca: {
      const auto projected =
          FitPca(pool, points, found).Transform(pool, points);
      places.resize(total);
      for (int64_t r = 0; r < points.rows; ++r) {
        for (int64_t d = 0; d < found; ++d) {
          places[static_cast<size_t>(r * options.dimensions + d)] =
              static_cast<double>(
                  projected[static_cast<size_t>(r * found + d)]);
        }
      }
      break;
    }
    case MapStart::kRandom:
      for (size_t i = 0; i < total; ++i) places.push_back(random.Uniform());
      break;
  }
  double largest = 0;
  for (const double x : places) largest = std::max(largest, std::abs(x));
  for (double& x : places) {
    x = (largest > 0 ? x * kSide / largest : 0) + 1e-4 * Normal(random);
  }
  return Fit(places, options.dimensions);
}

}  // namespace

Umap FitUmap(ThreadPool& pool, const Points& points, const UmapOptions& options,
             const Progress& progress) {
  CheckOptions(points, options);
  Umap result;
  // Before the work, its errors.
  const Curve curve = FitCurve(options.spread, options.min_dist);
  result.exact = points.rows <= options.exact_rows;
  const NearestTable table =
      result.exact
          ? NearestRows(pool, points, options.metric, options.neighbours,
                        progress)
          : NearlyNearestRows(pool, points, options.metric, options.neighbours,
                              options.seed, progress);
  Report(progress, "graph", 0);
  const Graph graph = FuzzyUnion(table, SmoothNearest(table));
  std::vector<float> places =
      Begin(pool, graph, points, options, &result.components);
  LayoutOptions layout;
  layout.dimensions = options.dimensions;
  layout.epochs = options.epochs > 0     ? options.epochs
                  : points.rows <= 10000 ? 500
                                         : 200;
  layout.curve = curve;
  layout.negatives = options.negatives;
  layout.rate = options.rate;
  layout.repulsion = options.repulsion;
  layout.seed = options.seed;
  result.places = LayOut(pool, graph, places, layout, progress);
  return result;
}

}  // namespace malmoi::learn
