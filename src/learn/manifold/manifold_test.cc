// Against umap-learn and scikit-learn (tools/make_golden_map.py), and by
// properties: a seed's bytes, clusters that stay together.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string>

#include "base/json.h"
#include "base/random.h"
#include "formats/npy.h"
#include "learn/manifold/descent.h"
#include "learn/manifold/eigen.h"
#include "learn/manifold/fuzzy.h"
#include "learn/manifold/measures.h"
#include "learn/manifold/nearest.h"
#include "learn/manifold/pca.h"
#include "learn/manifold/spectral.h"
#include "learn/manifold/umap.h"

namespace malmoi::learn {
namespace {

const std::string kFolder =
    std::string(MALMOI_SOURCE_DIR) + "/tests/golden/map/";

struct Golden {
  Tensor tensor = formats::ReadNpy(kFolder + "points.npy");
  Json json = ReadJson(kFolder + "golden.json");
  Points points = {{reinterpret_cast<const float*>(tensor.data.data()),
                    tensor.data.size() / 4},
                   tensor.shape[0],
                   tensor.shape[1]};
};

const Golden& TheGolden() {
  static const Golden golden;
  return golden;
}

constexpr std::pair<Metric, const char*> kMetrics[] = {
    {Metric::kEuclidean, "euclidean"}, {Metric::kCosine, "cosine"}};

std::vector<float> RandomValues(int64_t count, uint64_t seed) {
  Random random(seed);
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) {
    values.push_back(static_cast<float>(random.Uniform()) - 0.5f);
  }
  return values;
}

TEST(Curve, IsUmapLearns) {
  for (const Json& one : TheGolden().json["curves"]) {
    const Curve curve = FitCurve(one[0], one[1]);
    EXPECT_NEAR(curve.a, one[2].get<double>(), 2e-5 * std::max(1.0, curve.a))
        << one.dump();
    EXPECT_NEAR(curve.b, one[3].get<double>(), 2e-5) << one.dump();
  }
  EXPECT_THROW(FitCurve(1, -0.1), Error);
  EXPECT_THROW(FitCurve(1, 1.5), Error);
  EXPECT_THROW(FitCurve(0, 0), Error);
}

TEST(Nearest, AreThoseOfTheReference) {
  ThreadPool pool(2);
  for (const auto& [metric, name] : kMetrics) {
    const auto table = NearestRows(pool, TheGolden().points, metric, 15);
    const Json& want = TheGolden().json[name];
    for (size_t i = 0; i < want["ids"].size(); ++i) {
      for (size_t k = 0; k < 15; ++k) {
        EXPECT_EQ(table.ids[i * 150 + k], want["ids"][i][k]) << name;
        EXPECT_NEAR(table.distances[i * 150 + k],
                    want["distances"][i][k].get<double>(), 1e-5);
      }
    }
  }
}

TEST(Nearest, DoNotDependOnBlocksAndThreads) {
  const auto values = RandomValues(5000 * 3, 5);
  const Points points = {values, 5000, 3};
  ThreadPool one(1), three(3);
  const auto table = NearestRows(three, points, Metric::kEuclidean, 9);
  EXPECT_EQ(table.ids, NearestRows(one, points, Metric::kEuclidean, 9).ids);
  // Two ways to the same.
  EXPECT_EQ(table.ids, NearestInMap(one, points, 9).ids);
  const auto some = NearestInMap(three, points, 9, {4999, 17});
  EXPECT_TRUE(std::equal(some.ids.begin(), some.ids.begin() + 9,
                         table.ids.begin() + 4999 * 9));
  EXPECT_TRUE(std::equal(some.ids.begin() + 9, some.ids.end(),
                         table.ids.begin() + 17 * 9));
}

// Rows so near to one another that bf16 cannot tell them apart, and others.
TEST(Nearest, AreExactWhereRowsAreRounded) {
  constexpr int64_t kRows = 1500, kColumns = 40, kCount = 12;
  std::vector<float> values = RandomValues(kRows * kColumns, 11);
  for (size_t i = kColumns; i < kRows * kColumns / 2; ++i) {
    values[i] = values[i % kColumns] + values[i] / 100;
  }
  const Points points = {values, kRows, kColumns};
  ThreadPool pool(2);
  for (const auto& [metric, name] : kMetrics) {
    const auto table = NearestRows(pool, points, metric, kCount);
    const Distances distances(points, metric);
    for (int64_t row = 0; row < kRows; row += 7) {
      std::vector<std::pair<double, int32_t>> all;
      for (int32_t other = 0; other < kRows; ++other) {
        if (other == row) continue;
        all.emplace_back(distances.Between(row, other), other);
      }
      std::sort(all.begin(), all.end());
      for (int64_t k = 1; k < kCount; ++k) {
        EXPECT_EQ(table.ids[static_cast<size_t>(row * kCount + k)],
                  all[static_cast<size_t>(k - 1)].second)
            << name << " row " << row << " neighbour " << k;
      }
    }
  }
}

// Nearly all of the exact ones, the same for any number of threads.
TEST(Descent, FindsNearlyAllNeighbours) {
  Random random(3);
  std::vector<float> values;
  for (int i = 0; i < 4000; ++i) {
    for (int c = 0; c < 20; ++c) {
      const double centre = (i % 40 * 31 + c * 17) % 23;
      values.push_back(
          static_cast<float>(centre + 4 * (random.Uniform() - 0.5)));
    }
  }
  const Points points = {values, 4000, 20};
  ThreadPool one(1), three(3);
  for (const auto& [metric, name] : kMetrics) {
    const auto exact = NearestRows(three, points, metric, 15);
    const auto near = NearlyNearestRows(three, points, metric, 15, 1);
    int64_t found = 0;
    for (size_t r = 0; r < 4000; ++r) {
      const std::set<int32_t> want(exact.ids.begin() + r * 15,
                                   exact.ids.begin() + r * 15 + 15);
      for (size_t i = 0; i < 15; ++i) found += want.count(near.ids[r * 15 + i]);
    }
    EXPECT_GT(static_cast<double>(found) / 60000, 0.97) << name;
    EXPECT_EQ(near.ids, NearlyNearestRows(one, points, metric, 15, 1).ids);
  }
  // Rows that are all equal, and fewer than a leaf.
  const std::vector<float> equal(500, 1.0f);
  const auto table =
      NearlyNearestRows(one, {equal, 250, 2}, Metric::kEuclidean, 5, 1);
  EXPECT_EQ(table.distances[4], 0);
  EXPECT_EQ(
      NearlyNearestRows(one, {equal, 10, 50}, Metric::kCosine, 10, 1).rows, 10);
}

// Rows at the same place and of length 0 are fine.
TEST(Nearest, OfEqualRows) {
  const std::vector<float> values = {1, 0, 1, 0, 0, 0, 2, 0};
  ThreadPool pool(1);
  const auto table = NearestRows(pool, {values, 4, 2}, Metric::kCosine, 3);
  EXPECT_EQ(table.ids[0], 0);
  EXPECT_EQ(table.ids[1], 1);
  EXPECT_EQ(table.ids[2], 3);
  EXPECT_EQ(table.distances[1], 0);
  EXPECT_EQ(table.distances[7], 1);  // from the row of length 0
}

TEST(Fuzzy, IsUmapLearns) {
  ThreadPool pool(2);
  for (const auto& [metric, name] : kMetrics) {
    const auto table = NearestRows(pool, TheGolden().points, metric, 15);
    const auto smooth = SmoothNearest(table);
    const Json& want = TheGolden().json[name];
    for (size_t i = 0; i < 300; ++i) {
      EXPECT_NEAR(smooth.nearest[i], want["rhos"][i].get<double>(), 1e-5);
      EXPECT_NEAR(smooth.scales[i], want["sigmas"][i].get<double>(), 1e-4);
    }
    const Graph graph = FuzzyUnion(table, smooth);
    EXPECT_EQ(static_cast<int64_t>(graph.others.size()), want["edges"]);
    double sum = 0;
    for (const float weight : graph.weights) sum += static_cast<double>(weight);
    EXPECT_NEAR(sum, want["weights"].get<double>(), 0.05);
    size_t at = 0;
    for (size_t v = 0; v < 20; ++v) {
      for (int64_t e = graph.starts[v]; e < graph.starts[v + 1]; ++e, ++at) {
        const Json& edge = want["first_rows"][at];
        EXPECT_EQ(edge[0], v);
        EXPECT_EQ(edge[1], graph.others[at]);
        EXPECT_NEAR(edge[2].get<double>(), graph.weights[at], 1e-4);
      }
    }
    EXPECT_EQ(at, want["first_rows"].size());
  }
}

TEST(Eigen, OfTheSecondDifferenceAreItsKnownOnes) {
  // 2 - 2cos(pi k/(n + 1)): the largest are for k = n, n - 1, ...
  constexpr int64_t kSize = 300;
  ThreadPool pool(2);
  const SymmetricOperator apply = [&](std::span<const double> x,
                                      std::span<double> y) {
    for (size_t i = 0; i < x.size(); ++i) {
      y[i] =
          2 * x[i] - (i > 0 ? x[i - 1] : 0) - (i + 1 < x.size() ? x[i + 1] : 0);
    }
  };
  const auto pairs = LargestEigenpairs(pool, kSize, apply, {.count = 4});
  EXPECT_TRUE(pairs.converged);
  for (int64_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(
        pairs.values[static_cast<size_t>(i)],
        2 - 2 * std::cos(M_PI * static_cast<double>(kSize - i) / (kSize + 1)),
        1e-9);
  }
}

TEST(Eigen, OfSmallAndDegenerateMatrices) {
  const auto all = SymmetricEigen({2, 1, 1, 2}, 2);
  EXPECT_NEAR(all.values[0], 3, 1e-12);
  EXPECT_NEAR(all.values[1], 1, 1e-12);
  ThreadPool pool(1);
  const SymmetricOperator identity = [](std::span<const double> x,
                                        std::span<double> y) {
    std::copy(x.begin(), x.end(), y.begin());
  };
  for (const int64_t size : {1, 2, 5, 100}) {
    const int64_t count = std::min<int64_t>(size, 3);
    const auto pairs =
        LargestEigenpairs(pool, size, identity, {.count = count});
    for (int64_t i = 0; i < count; ++i) {
      EXPECT_NEAR(pairs.values[static_cast<size_t>(i)], 1, 1e-12);
      for (int64_t j = 0; j <= i; ++j) {
        double dot = 0;
        for (int64_t k = 0; k < size; ++k) {
          dot += pairs.vectors[static_cast<size_t>(i * size + k)] *
                 pairs.vectors[static_cast<size_t>(j * size + k)];
        }
        EXPECT_NEAR(dot, i == j, 1e-10);
      }
    }
  }
}

TEST(Pca, IsScikitLearns) {
  ThreadPool pool(2);
  const Pca pca = FitPca(pool, TheGolden().points, 3);
  const Json& want = TheGolden().json["pca"];
  const auto places = pca.Transform(pool, TheGolden().points);
  for (size_t i = 0; i < 3; ++i) {
    const double variance = want["variance"][i];
    EXPECT_NEAR(pca.variance[i], variance, 1e-5 * variance);
    EXPECT_NEAR(pca.share[i], want["share"][i].get<double>(), 1e-6);
    for (size_t c = 0; c < 12; ++c) {
      EXPECT_NEAR(pca.components[i * 12 + c],
                  want["components"][i][c].get<double>(), 1e-5);
    }
    for (size_t r = 0; r < 20; ++r) {
      EXPECT_NEAR(places[r * 3 + i], want["places"][r][i].get<double>(), 1e-4);
    }
  }
  EXPECT_THROW(FitPca(pool, TheGolden().points, 13), Error);
  const std::vector<float> row = {1, 2};
  EXPECT_THROW(FitPca(pool, {row, 1, 2}, 1), Error);
}

TEST(Quality, IsScikitLearns) {
  ThreadPool pool(2);
  const Pca pca = FitPca(pool, TheGolden().points, 2);
  const auto places = pca.Transform(pool, TheGolden().points);
  for (const auto& [metric, name] : kMetrics) {
    for (const int64_t count : {5, 15}) {
      const auto got = MeasureMap(pool, TheGolden().points, {places, 300, 2},
                                  {.metric = metric, .neighbours = count});
      const double want =
          TheGolden().json["trustworthiness"][Format("{} {}", name, count)];
      EXPECT_NEAR(got.trustworthiness, want, 1e-6) << name << " " << count;
      if (metric == Metric::kEuclidean && count == 15) {
        EXPECT_NEAR(got.preservation,
                    TheGolden().json["preservation euclidean 15"], 1e-9);
      }
    }
  }
  EXPECT_THROW(MeasureMap(pool, TheGolden().points, {places, 300, 2},
                          {.neighbours = 150}),
               Error);
}

// Many rows are compared roughly; that hardly changes a rank.
TEST(Quality, OfManyRowsIsThatOfFew) {
  const auto values = RandomValues(2500 * 8, 6);
  const auto map = RandomValues(2500 * 2, 7);
  ThreadPool pool(2);
  const auto all = MeasureMap(pool, {values, 2500, 8}, {map, 2500, 2}, {});
  EXPECT_NEAR(all.trustworthiness, 0.5, 0.02);  // by chance
  const auto some =
      MeasureMap(pool, {values, 2500, 8}, {map, 2500, 2}, {.most_rows = 500});
  EXPECT_EQ(some.rows, 500);
  EXPECT_NEAR(some.trustworthiness, all.trustworthiness, 0.03);
  // The points themselves are the best map.
  const auto same = MeasureMap(pool, {map, 2500, 2}, {map, 2500, 2},
                               {.metric = Metric::kEuclidean});
  EXPECT_NEAR(same.trustworthiness, 1, 1e-6);
  EXPECT_NEAR(same.preservation, 1, 1e-3);
}

TEST(Umap, GivesTheSameBytesOnAnyNumberOfThreads) {
  ThreadPool one(1), three(3);
  const UmapOptions options = {.epochs = 50};
  const auto places = FitUmap(one, TheGolden().points, options).places;
  EXPECT_EQ(places, FitUmap(three, TheGolden().points, options).places);
  UmapOptions other = options;
  other.seed = 43;
  EXPECT_NE(places, FitUmap(one, TheGolden().points, other).places);
}

// Five clusters stay five: the nearest on the map are of the same.
TEST(Umap, KeepsClustersFromEveryStart) {
  ThreadPool pool(2);
  for (const MapStart start :
       {MapStart::kSpectral, MapStart::kPca, MapStart::kRandom}) {
    for (const int64_t dimensions : {2, 3}) {
      const auto map = FitUmap(pool, TheGolden().points,
                               {.dimensions = dimensions, .start = start});
      for (const float x : map.places) ASSERT_TRUE(std::isfinite(x));
      const auto near = NearestInMap(pool, {map.places, 300, dimensions}, 6);
      int64_t same = 0;
      for (size_t i = 0; i < near.ids.size(); ++i) {
        same += near.ids[i] / 60 == static_cast<int32_t>(i / 6 / 60);
      }
      EXPECT_GT(same, 1790);  // of 1800
      const auto quality = MeasureMap(pool, TheGolden().points,
                                      {map.places, 300, dimensions}, {});
      EXPECT_GT(quality.trustworthiness, 0.94);
    }
  }
}

TEST(Spectral, PutsComponentsApart) {
  // Two rings of 20 and a pair.
  Graph graph;
  graph.starts.push_back(0);
  const auto edge = [&](int32_t other) {
    graph.others.push_back(other);
    graph.weights.push_back(1);
  };
  for (int32_t v = 0; v < 40; ++v) {
    const int32_t ring = v / 20 * 20;
    edge(ring + (v + 19) % 20);
    edge(ring + (v + 1) % 20);
    graph.starts.push_back(static_cast<int64_t>(graph.others.size()));
  }
  for (int32_t v = 40; v < 42; ++v) {
    edge(81 - v);
    graph.starts.push_back(static_cast<int64_t>(graph.others.size()));
  }
  graph.size = 42;
  const auto values = RandomValues(42 * 4, 8);
  ThreadPool pool(2);
  const auto layout = LayOutSpectrally(pool, graph, {values, 42, 4}, 2, 1);
  EXPECT_EQ(layout.components, 3);
  // A ring's first two eigenvectors are a circle.
  const auto radius = [&](size_t v, double x, double y) {
    return std::hypot(layout.places[2 * v] - x, layout.places[2 * v + 1] - y);
  };
  double x = 0, y = 0;
  for (size_t v = 0; v < 20; ++v) {
    x += layout.places[2 * v] / 20;
    y += layout.places[2 * v + 1] / 20;
  }
  for (size_t v = 0; v < 20; ++v) {
    EXPECT_NEAR(radius(v, x, y), radius(0, x, y), 0.01);
  }
}

TEST(Umap, RefusesWhatCannotBeMapped) {
  ThreadPool pool(1);
  const auto& points = TheGolden().points;
  const auto code = [&](const Points& own, const UmapOptions& options) {
    try {
      FitUmap(pool, own, options);
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::kIo;
  };
  EXPECT_EQ(code(points, {.neighbours = 300}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(points, {.neighbours = 1}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(points, {.dimensions = 17}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(points, {.min_dist = 2}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({points.values.subspan(0, 12), 1, 12}, {}),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({{}, 0, 12}, {}), ErrorCode::kInvalidArgument);
  const std::vector<float> equal(60, 1.0f);
  EXPECT_EQ(code({equal, 30, 2}, {}), ErrorCode::kInvalidArgument);
  std::vector<float> wrong(points.values.begin(), points.values.end());
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(),
                          std::numeric_limits<float>::infinity()}) {
    wrong[12 * 7 + 3] = bad;
    try {
      FitUmap(pool, {wrong, 300, 12}, {});
      ADD_FAILURE();
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("row 8"), std::string::npos)
          << error.what();
    }
  }
  EXPECT_THROW(
      FitUmap(pool, points, {}, [](std::string_view, double) { return false; }),
      Error);
}

}  // namespace
}  // namespace malmoi::learn
