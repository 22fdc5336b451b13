#include "learn/manifold/fuzzy.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace malmoi::learn {

namespace {

// The scale with which `membership` sums to `target`; halved 64 times at most.
double FindScale(const float* distances, int64_t count, double nearest,
                 double target) {
  double low = 0, high = std::numeric_limits<double>::infinity(), scale = 1;
  for (int step = 0; step < 64; ++step) {
    double sum = 0;
    for (int64_t i = 1; i < count; ++i) {
      const double beyond = static_cast<double>(distances[i]) - nearest;
      sum += beyond > 0 ? std::exp(-beyond / scale) : 1;
    }
    if (std::abs(sum - target) < 1e-5) break;
    if (sum > target) {
      high = scale;
      scale = (low + high) / 2;
    } else {
      low = scale;
      scale = std::isinf(high) ? scale * 2 : (low + high) / 2;
    }
  }
  return scale;
}

}  // namespace

SmoothDistances SmoothNearest(const NearestTable& table) {
  // A scale is no less than a thousandth of the mean distance.
  constexpr double kLeastScale = 1e-3;
  SmoothDistances smooth;
  const double target = std::log2(static_cast<double>(table.count));
  double all = 0;
  for (const float distance : table.distances) {
    all += static_cast<double>(distance);
  }
  all /= static_cast<double>(table.distances.size());
  for (int64_t r = 0; r < table.rows; ++r) {
    const float* distances = table.distances.data() + r * table.count;
    double nearest = 0, mean = 0;
    for (int64_t i = 0; i < table.count; ++i) {
      const auto distance = static_cast<double>(distances[i]);
      if (nearest == 0 && distance > 0) nearest = distance;
      mean += distance;
    }
    mean /= static_cast<double>(table.count);
    const double scale =
        std::max(FindScale(distances, table.count, nearest, target),
                 kLeastScale * (nearest > 0 ? mean : all));
    smooth.nearest.push_back(static_cast<float>(nearest));
    smooth.scales.push_back(static_cast<float>(scale));
  }
  return smooth;
}

Graph FuzzyUnion(const NearestTable& table, const SmoothDistances& smooth) {
  struct Edge {
    int32_t other;
    float out, in;  // membership from this row's side, from the other's
  };
  const auto rows = static_cast<size_t>(table.rows);
  std::vector<std::vector<Edge>> edges(rows);
  for (size_t r = 0; r < rows; ++r) {
    for (int64_t i = 0; i < table.count; ++i) {
      const auto at =
          r * static_cast<size_t>(table.count) + static_cast<size_t>(i);
      const int32_t other = table.ids[at];
      if (other == static_cast<int32_t>(r)) continue;
      const float beyond = table.distances[at] - smooth.nearest[r];
      const float scale = smooth.scales[r];
      const float weight =
          beyond <= 0 || scale == 0 ? 1.0f : std::exp(-beyond / scale);
      if (weight == 0) continue;
      edges[r].push_back({other, weight, 0});
      edges[static_cast<size_t>(other)].push_back(
          {static_cast<int32_t>(r), 0, weight});
    }
  }
  Graph graph;
  graph.size = table.rows;
  graph.starts.push_back(0);
  for (auto& row : edges) {
    std::stable_sort(row.begin(), row.end(), [](const Edge& a, const Edge& b) {
      return a.other < b.other;
    });
    for (size_t i = 0; i < row.size();) {
      float out = 0, in = 0;
      const int32_t other = row[i].other;
      for (; i < row.size() && row[i].other == other; ++i) {
        out += row[i].out;
        in += row[i].in;
      }
      graph.others.push_back(other);
      graph.weights.push_back(out + in - out * in);
    }
    graph.starts.push_back(static_cast<int64_t>(graph.others.size()));
  }
  return graph;
}

Curve FitCurve(double spread, double min_dist) {
  if (!(min_dist >= 0 && spread > 0 && min_dist <= spread)) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "the curve of a map",
                 .what = "min-dist and spread do not go together",
                 .expected = "0 <= min-dist <= spread, and spread above 0",
                 .got = Format("min-dist {}, spread {}", min_dist, spread)});
  }
  constexpr int kSteps = 300;
  const auto point = [&](int i) { return 3 * spread * i / (kSteps - 1); };
  const auto wanted = [&](double x) {
    return x < min_dist ? 1 : std::exp(-(x - min_dist) / spread);
  };
  const auto error = [&](double a, double b) {
    double sum = 0;
    for (int i = 0; i < kSteps; ++i) {
      const double x = point(i);
      const double rest = 1 / (1 + a * std::pow(x, 2 * b)) - wanted(x);
      sum += rest * rest;
    }
    return sum;
  };
  // Levenberg and Marquardt, of two numbers.
  double a = 1, b = 1, damping = 1e-3, now = error(a, b);
  for (int step = 0; step < 500; ++step) {
    double aa = 0, ab = 0, bb = 0, ra = 0, rb = 0;
    for (int i = 1; i < kSteps; ++i) {
      const double x = point(i), power = std::pow(x, 2 * b);
      const double value = 1 / (1 + a * power);
      const double by_a = -value * value * power;
      const double by_b = by_a * a * 2 * std::log(x);
      const double rest = value - wanted(x);
      aa += by_a * by_a;
      ab += by_a * by_b;
      bb += by_b * by_b;
      ra += by_a * rest;
      rb += by_b * rest;
    }
    const double p = aa * (1 + damping), q = bb * (1 + damping);
    const double determinant = p * q - ab * ab;
    if (!(std::abs(determinant) > 0)) break;
    const double da = (q * ra - ab * rb) / determinant;
    const double db = (p * rb - ab * ra) / determinant;
    const double next = a - da > 0 ? error(a - da, b - db)
                                   : std::numeric_limits<double>::infinity();
    if (next <= now) {
      a -= da;
      b -= db;
      now = next;
      damping = std::max(damping / 10, 1e-15);
      if (std::abs(da) < 1e-12 * a && std::abs(db) < 1e-12) break;
    } else {
      damping *= 10;
      if (damping > 1e12) break;
    }
  }
  return {a, b};
}

std::vector<int32_t> Components(const Graph& graph, int32_t* count) {
  std::vector<int32_t> component(static_cast<size_t>(graph.size), -1);
  std::vector<int32_t> waiting;
  int32_t next = 0;
  for (int64_t v = 0; v < graph.size; ++v) {
    if (component[static_cast<size_t>(v)] >= 0) continue;
    component[static_cast<size_t>(v)] = next;
    waiting.push_back(static_cast<int32_t>(v));
    while (!waiting.empty()) {
      const auto at = static_cast<size_t>(waiting.back());
      waiting.pop_back();
      for (int64_t e = graph.starts[at]; e < graph.starts[at + 1]; ++e) {
        const int32_t other = graph.others[static_cast<size_t>(e)];
        if (component[static_cast<size_t>(other)] >= 0) continue;
        component[static_cast<size_t>(other)] = next;
        waiting.push_back(other);
      }
    }
    ++next;
  }
  *count = next;
  return component;
}

}  // namespace malmoi::learn
