#include "learn/manifold/umap.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "base/random.h"
#include "kernels/layout_kernels.h"
#include "learn/manifold/descent.h"
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
    Refuse("too few points for a map", "at least 3",
           std::to_string(points.rows));
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

std::vector<float> LayOut(ThreadPool& pool, const Graph& graph,
                          std::vector<float> places, const UmapOptions& options,
                          const Progress& progress) {
  const int64_t size = graph.size, dims = options.dimensions;
  const int64_t epochs =
      options.epochs > 0 ? options.epochs : (size <= 10000 ? 500 : 200);
  const Curve curve = FitCurve(options.spread, options.min_dist);
  // Edges whose turn would come less than once are left out.
  const float most =
      graph.weights.empty()
          ? 1
          : *std::max_element(graph.weights.begin(), graph.weights.end());
  Graph drawn;
  std::vector<float> intervals;
  drawn.starts.push_back(0);
  for (size_t v = 0; v < static_cast<size_t>(size); ++v) {
    for (int64_t e = graph.starts[v]; e < graph.starts[v + 1]; ++e) {
      const auto at = static_cast<size_t>(e);
      if (graph.weights[at] * static_cast<float>(epochs) < most) continue;
      drawn.others.push_back(graph.others[at]);
      intervals.push_back(most / graph.weights[at]);
    }
    drawn.starts.push_back(static_cast<int64_t>(drawn.others.size()));
  }
  std::vector<float> due = intervals;
  std::vector<float> turned(places.size());
  for (int64_t v = 0; v < size; ++v) {
    for (int64_t d = 0; d < dims; ++d) {
      turned[static_cast<size_t>(d * size + v)] =
          places[static_cast<size_t>(v * dims + d)];
    }
  }
  // Batches of points in a random order: neighbours are seldom in the same.
  Random random(options.seed, 3);
  std::vector<int32_t> order(static_cast<size_t>(size));
  std::iota(order.begin(), order.end(), 0);
  for (size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[random.Below(static_cast<uint32_t>(i))]);
  }
  const int64_t batch = std::clamp<int64_t>(size / 16, 1, 1024);
  constexpr int64_t kTask = 32;
  std::vector<float> moved(static_cast<size_t>(batch * dims));
  // Room for the pulls of each task of a batch.
  const auto tasks_of = [&](int64_t count) {
    return static_cast<int>((count + kTask - 1) / kTask);
  };
  std::vector<int64_t> rooms(static_cast<size_t>(tasks_of(batch)) + 1),
      pulled(rooms.size());
  int64_t room = 0;
  const auto find_rooms = [&](int64_t first, int64_t count) {
    int64_t at = 0;
    for (int64_t i = 0; i < count; ++i) {
      if (i % kTask == 0) rooms[static_cast<size_t>(i / kTask)] = at;
      const auto v = static_cast<size_t>(order[static_cast<size_t>(first + i)]);
      at += drawn.starts[v + 1] - drawn.starts[v];
    }
    return at;
  };
  for (int64_t first = 0; first < size; first += batch) {
    room = std::max(room, find_rooms(first, std::min(batch, size - first)));
  }
  std::vector<int32_t> others(static_cast<size_t>(room));
  std::vector<float> changes(static_cast<size_t>(room * dims));
  const auto& kernels = kernels::LayoutKernels();
  kernels::LayoutStep step = {
      .positions = turned.data(),
      .points = size,
      .dimensions = dims,
      .starts = drawn.starts.data(),
      .others = drawn.others.data(),
      .intervals = intervals.data(),
      .due = due.data(),
      .a = static_cast<float>(curve.a),
      .b = static_cast<float>(curve.b),
      .repulsion = static_cast<float>(options.repulsion),
      .negatives = options.negatives};
  for (int64_t epoch = 0; epoch < epochs; ++epoch) {
    if (epoch % 8 == 0) {
      Report(progress, "layout",
             static_cast<double>(epoch) / static_cast<double>(epochs));
    }
    step.epoch = static_cast<float>(epoch);
    step.rate = static_cast<float>(
        options.rate *
        (1 - static_cast<double>(epoch) / static_cast<double>(epochs)));
    step.seed = options.seed * 0x9E3779B97F4A7C15ull +
                static_cast<uint64_t>(epoch) * 0xD1B54A32D192ED03ull;
    for (int64_t first = 0; first < size; first += batch) {
      const int64_t count = std::min(batch, size - first);
      find_rooms(first, count);
      const auto move = [&](int task, int) {
        const int64_t begin = task * kTask;
        const int64_t at = rooms[static_cast<size_t>(task)];
        pulled[static_cast<size_t>(task)] = kernels.move(
            step, order.data() + first + begin, std::min(kTask, count - begin),
            moved.data() + begin * dims,
            {others.data() + at, changes.data() + at * dims});
      };
      pool.Run(tasks_of(count), move);
      for (int64_t i = 0; i < count; ++i) {
        const int32_t v = order[static_cast<size_t>(first + i)];
        for (int64_t d = 0; d < dims; ++d) {
          turned[static_cast<size_t>(d * size + v)] =
              moved[static_cast<size_t>(i * dims + d)];
        }
      }
      for (int task = 0; task < tasks_of(count); ++task) {
        const int64_t at = rooms[static_cast<size_t>(task)];
        const int64_t end = at + pulled[static_cast<size_t>(task)];
        for (int64_t i = at; i < end; ++i) {
          const int64_t v = others[static_cast<size_t>(i)];
          for (int64_t d = 0; d < dims; ++d) {
            turned[static_cast<size_t>(d * size + v)] +=
                changes[static_cast<size_t>(i * dims + d)];
          }
        }
      }
    }
  }
  for (int64_t v = 0; v < size; ++v) {
    for (int64_t d = 0; d < dims; ++d) {
      places[static_cast<size_t>(v * dims + d)] =
          turned[static_cast<size_t>(d * size + v)];
    }
  }
  return places;
}

Umap FitUmap(ThreadPool& pool, const Points& points, const UmapOptions& options,
             const Progress& progress) {
  CheckOptions(points, options);
  Umap result;
  FitCurve(options.spread, options.min_dist);  // before the work, its errors
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
  result.places = LayOut(pool, graph, std::move(places), options, progress);
  return result;
}

}  // namespace malmoi::learn
