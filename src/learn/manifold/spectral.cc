#include "learn/manifold/spectral.h"

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "learn/manifold/eigen.h"
#include "learn/manifold/pca.h"

namespace malmoi::learn {

namespace {

// The eigenvectors after the first of D^-1/2·W·D^-1/2, [dimensions][size]. The
// first is known, √degree; it is moved to eigenvalue -1 or less.
std::vector<double> Eigenvectors(ThreadPool& pool, const Graph& graph,
                                 int64_t dimensions, uint64_t seed) {
  const auto size = static_cast<size_t>(graph.size);
  std::vector<double> factor(size), first(size);
  double total = 0;
  for (size_t v = 0; v < size; ++v) {
    double degree = 0;
    for (int64_t e = graph.starts[v]; e < graph.starts[v + 1]; ++e) {
      degree += static_cast<double>(graph.weights[static_cast<size_t>(e)]);
    }
    factor[v] = 1 / std::sqrt(degree);
    first[v] = std::sqrt(degree);
    total += degree;
  }
  for (double& value : first) value /= std::sqrt(total);
  std::vector<double> weights(graph.weights.size());
  for (size_t v = 0; v < size; ++v) {
    for (int64_t e = graph.starts[v]; e < graph.starts[v + 1]; ++e) {
      const auto at = static_cast<size_t>(e);
      weights[at] = static_cast<double>(graph.weights[at]) * factor[v] *
                    factor[static_cast<size_t>(graph.others[at])];
    }
  }
  constexpr size_t kTask = 1024;
  const SymmetricOperator apply = [&](std::span<const double> x,
                                      std::span<double> y) {
    double along = 0;
    for (size_t v = 0; v < size; ++v) along += first[v] * x[v];
    pool.Run(static_cast<int>((size + kTask - 1) / kTask), [&](int task, int) {
      const size_t begin = static_cast<size_t>(task) * kTask;
      for (size_t v = begin; v < std::min(size, begin + kTask); ++v) {
        // A shift of 1 keeps the wanted ones largest also by size.
        double sum = x[v] - 2 * along * first[v];
        for (int64_t e = graph.starts[v]; e < graph.starts[v + 1]; ++e) {
          const auto at = static_cast<size_t>(e);
          sum += weights[at] * x[static_cast<size_t>(graph.others[at])];
        }
        y[v] = sum;
      }
    });
  };
  LanczosOptions options;
  options.count = dimensions;
  options.basis = std::min<int64_t>(graph.size, 4 * dimensions + 40);
  options.tolerance = 1e-4;  // a beginning, which is moved afterwards
  options.most_products = 400;
  options.seed = seed;
  Eigenpairs pairs = LargestEigenpairs(pool, graph.size, apply, options);
  for (int64_t d = 0; d < dimensions; ++d) {
    double* vector = pairs.vectors.data() + d * graph.size;
    const double* largest = std::max_element(
        vector, vector + graph.size,
        [](double a, double b) { return std::abs(a) < std::abs(b); });
    if (*largest >= 0) continue;
    for (int64_t v = 0; v < graph.size; ++v) vector[v] = -vector[v];
  }
  return pairs.vectors;
}

struct Part {
  std::vector<int32_t> vertices;
  Graph graph;
};

std::vector<Part> Split(const Graph& graph,
                        const std::vector<int32_t>& component, int32_t count) {
  std::vector<Part> parts(static_cast<size_t>(count));
  std::vector<int32_t> number(component.size());
  for (size_t v = 0; v < component.size(); ++v) {
    Part& part = parts[static_cast<size_t>(component[v])];
    number[v] = static_cast<int32_t>(part.vertices.size());
    part.vertices.push_back(static_cast<int32_t>(v));
  }
  for (Part& part : parts) {
    part.graph.size = static_cast<int64_t>(part.vertices.size());
    part.graph.starts.push_back(0);
    for (const int32_t vertex : part.vertices) {
      const auto v = static_cast<size_t>(vertex);
      for (int64_t e = graph.starts[v]; e < graph.starts[v + 1]; ++e) {
        const auto at = static_cast<size_t>(e);
        part.graph.others.push_back(
            number[static_cast<size_t>(graph.others[at])]);
        part.graph.weights.push_back(graph.weights[at]);
      }
      part.graph.starts.push_back(
          static_cast<int64_t>(part.graph.others.size()));
    }
  }
  return parts;
}

// Where components lie, [parts][dimensions]: their means' principal components,
// or, where there are fewer of those than dimensions, the corners of a star.
std::vector<double> Centres(ThreadPool& pool, const std::vector<Part>& parts,
                            const Points& points, int64_t dimensions) {
  const auto count = static_cast<int64_t>(parts.size());
  std::vector<double> centres(static_cast<size_t>(count * dimensions));
  if (count <= 2 * dimensions) {
    for (int64_t i = 0; i < count; ++i) {
      centres[static_cast<size_t>(i * dimensions + i / 2)] =
          i % 2 == 0 ? 1 : -1;
    }
    return centres;
  }
  std::vector<float> means;
  for (const Part& part : parts) {
    std::vector<double> mean(static_cast<size_t>(points.columns));
    for (const int32_t v : part.vertices) {
      for (int64_t c = 0; c < points.columns; ++c) {
        mean[static_cast<size_t>(c)] += static_cast<double>(points.row(v)[c]);
      }
    }
    for (const double sum : mean) {
      means.push_back(
          static_cast<float>(sum / static_cast<double>(part.vertices.size())));
    }
  }
  const Points rows = {means, count, points.columns};
  const int64_t found = std::min({dimensions, count, points.columns});
  const auto placed = FitPca(pool, rows, found).Transform(pool, rows);
  double largest = 0;
  for (const float x : placed) {
    largest = std::max(largest, std::abs(static_cast<double>(x)));
  }
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t d = 0; d < found && largest > 0; ++d) {
      centres[static_cast<size_t>(i * dimensions + d)] =
          static_cast<double>(placed[static_cast<size_t>(i * found + d)]) /
          largest;
    }
  }
  return centres;
}

// Half the way from each centre to the nearest other.
std::vector<double> Rooms(const std::vector<double>& centres, int64_t count,
                          int64_t dimensions) {
  std::vector<double> rooms;
  for (int64_t i = 0; i < count; ++i) {
    double least = 4;
    for (int64_t j = 0; j < count; ++j) {
      double square = 0;
      for (int64_t d = 0; d < dimensions; ++d) {
        const double away = centres[static_cast<size_t>(i * dimensions + d)] -
                            centres[static_cast<size_t>(j * dimensions + d)];
        square += away * away;
      }
      if (square > 0) least = std::min(least, square);
    }
    rooms.push_back(std::sqrt(least) / 2);
  }
  return rooms;
}

}  // namespace

SpectralLayout LayOutSpectrally(ThreadPool& pool, const Graph& graph,
                                const Points& points, int64_t dimensions,
                                uint64_t seed) {
  SpectralLayout layout;
  const auto component = Components(graph, &layout.components);
  layout.places.resize(static_cast<size_t>(graph.size * dimensions));
  const std::vector<Part> parts = Split(graph, component, layout.components);
  std::vector<double> centres(static_cast<size_t>(dimensions)), rooms = {1};
  if (parts.size() > 1) {
    centres = Centres(pool, parts, points, dimensions);
    rooms = Rooms(centres, layout.components, dimensions);
  }
  Random random(seed, 1);
  for (size_t p = 0; p < parts.size(); ++p) {
    const Part& part = parts[p];
    const bool small =
        part.graph.size < std::max(2 * dimensions, dimensions + 2);
    std::vector<double> own;
    if (small) {
      for (int64_t i = 0; i < part.graph.size * dimensions; ++i) {
        own.push_back(2 * random.Uniform() - 1);
      }
    } else {
      own = Eigenvectors(pool, part.graph, dimensions, seed + p);
    }
    double largest = 0;
    for (const double x : own) largest = std::max(largest, std::abs(x));
    for (size_t i = 0; i < part.vertices.size(); ++i) {
      for (int64_t d = 0; d < dimensions; ++d) {
        const auto at = static_cast<size_t>(d * part.graph.size) + i;
        layout.places[static_cast<size_t>(part.vertices[i] * dimensions + d)] =
            centres[p * static_cast<size_t>(dimensions) +
                    static_cast<size_t>(d)] +
            (largest > 0 ? own[at] / largest * rooms[p] : 0);
      }
    }
  }
  return layout;
}

}  // namespace malmoi::learn
