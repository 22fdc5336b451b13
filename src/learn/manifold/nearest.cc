#include "learn/manifold/nearest.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "base/check.h"
#include "learn/manifold/best_scores.h"
#include "ops/matmul.h"
#include "ops/rows.h"
#include "tensor/tensor.h"

namespace malmoi::learn {

namespace {

double Square(const float* x, int64_t columns) {
  double sum[4] = {};
  int64_t c = 0;
  for (; c + 4 <= columns; c += 4) {
    for (int u = 0; u < 4; ++u) {
      sum[u] += static_cast<double>(x[c + u]) * static_cast<double>(x[c + u]);
    }
  }
  for (; c < columns; ++c) {
    sum[0] += static_cast<double>(x[c]) * static_cast<double>(x[c]);
  }
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

}  // namespace

Distances::Distances(const Points& points, Metric metric)
    : points_(points), metric_(metric) {
  if (metric != Metric::kCosine) return;
  for (int64_t r = 0; r < points.rows; ++r) {
    squares_.push_back(Square(points.row(r), points.columns));
  }
}

double Distances::Between(int64_t a, int64_t b) const {
  const float* x = points_.row(a);
  const float* y = points_.row(b);
  double sum[4] = {};
  int64_t c = 0;
  const auto add = [&](int64_t at, int u) {
    const double p = static_cast<double>(x[at]), q = static_cast<double>(y[at]);
    sum[u] += metric_ == Metric::kCosine ? p * q : (p - q) * (p - q);
  };
  for (; c + 4 <= points_.columns; c += 4) {
    for (int u = 0; u < 4; ++u) add(c + u, u);
  }
  for (; c < points_.columns; ++c) add(c, 0);
  const double all = (sum[0] + sum[1]) + (sum[2] + sum[3]);
  if (metric_ == Metric::kEuclidean) return std::sqrt(all);
  const double scale =
      squares_[static_cast<size_t>(a)] * squares_[static_cast<size_t>(b)];
  return scale > 0 ? std::max(0.0, 1 - all / std::sqrt(scale)) : 1;
}

struct RoughScores::Packed {
  std::vector<ops::PackedMatrix> matrices;
  Arena arena;
};

Comparable MakeComparable(const Points& points, Metric metric) {
  Comparable out;
  out.values.assign(points.values.begin(), points.values.end());
  std::vector<double> mean(static_cast<size_t>(points.columns));
  if (metric == Metric::kEuclidean) {
    // Distances stay, and numbers shrink.
    for (int64_t r = 0; r < points.rows; ++r) {
      for (size_t c = 0; c < mean.size(); ++c) {
        mean[c] += static_cast<double>(points.row(r)[c]);
      }
    }
    for (double& value : mean) value /= static_cast<double>(points.rows);
  }
  for (int64_t r = 0; r < points.rows; ++r) {
    float* row = out.values.data() + r * points.columns;
    double scale = 1;
    if (metric == Metric::kCosine) {
      const double square = Square(row, points.columns);
      scale = square > 0 ? 1 / std::sqrt(square) : 0;
    }
    for (size_t c = 0; c < mean.size(); ++c) {
      row[c] =
          static_cast<float>((static_cast<double>(row[c]) - mean[c]) * scale);
    }
    out.halves.push_back(
        metric == Metric::kEuclidean
            ? static_cast<float>(Square(row, points.columns) / 2)
            : 0.0f);
  }
  return out;
}

RoughScores::RoughScores(ThreadPool& pool, const Points& points, Metric metric)
    : pool_(pool),
      rows_(points.rows),
      columns_(points.columns),
      comparable_(MakeComparable(points, metric)),
      packed_(std::make_unique<Packed>()) {
  packed_->matrices.resize(static_cast<size_t>(blocks()));
  for (int64_t block = 0; block < blocks(); ++block) {
    Tensor tensor;
    tensor.dtype = DType::kF32;
    tensor.shape = {block_rows(block), columns_};
    tensor.data = std::as_bytes(
        std::span(comparable_.values)
            .subspan(static_cast<size_t>(block * kBlock * columns_),
                     static_cast<size_t>(block_rows(block) * columns_)));
    const ops::PackJob job[] = {{&tensor,
                                 &packed_->matrices[static_cast<size_t>(block)],
                                 /*as_f32=*/true}};
    ops::Pack(pool, job);
  }
}

RoughScores::~RoughScores() = default;

void RoughScores::Compute(int64_t block, int64_t first, int64_t count,
                          float* out, int64_t stride) {
  packed_->arena.Reset();
  Exec exec{pool_, packed_->arena, {}, nullptr};
  const ops::Activations x =
      ops::NewActivations(packed_->arena, count, columns_, {.f32 = true});
  ops::PutRows(exec, comparable_.values.data() + first * columns_, x);
  const float* halves = comparable_.halves.data() + block * kBlock;
  auto keep = [&](const ops::Tile& tile) {
    for (int64_t t = 0; t < tile.tokens; ++t) {
      const float* from = tile.values + t * tile.stride;
      float* to = out + (tile.first_token + t) * stride + tile.first_row;
      for (int64_t r = 0; r < tile.rows; ++r) {
        to[r] = from[r] - halves[tile.first_row + r];
      }
    }
  };
  const ops::Product product[] = {
      {&packed_->matrices[static_cast<size_t>(block)], nullptr, 1, keep}};
  ops::Matmul(exec, x, product);
}

namespace {

// The same with any distance.
void PutSorted(int64_t row, const std::vector<int32_t>& others,
               const std::function<double(int64_t)>& distance,
               NearestTable& table, int64_t place) {
  std::vector<std::pair<double, int32_t>> sorted;
  for (const int32_t other : others) {
    if (other != row) sorted.emplace_back(distance(other), other);
  }
  std::sort(sorted.begin(), sorted.end());
  MALMOI_CHECK(static_cast<int64_t>(sorted.size()) + 1 >= table.count);
  int32_t* ids = table.ids.data() + place * table.count;
  float* distances = table.distances.data() + place * table.count;
  ids[0] = static_cast<int32_t>(row);
  distances[0] = 0;
  for (int64_t i = 1; i < table.count; ++i) {
    distances[i] = static_cast<float>(sorted[static_cast<size_t>(i - 1)].first);
    ids[i] = sorted[static_cast<size_t>(i - 1)].second;
  }
}

NearestTable NewTable(int64_t rows, int64_t count) {
  NearestTable table;
  table.rows = rows;
  table.count = count;
  table.ids.resize(static_cast<size_t>(rows * count));
  table.distances.resize(static_cast<size_t>(rows * count));
  return table;
}

}  // namespace

void PutNearest(const Distances& distances, int64_t row,
                const std::vector<int32_t>& others, NearestTable& table,
                int64_t place) {
  PutSorted(
      row, others, [&](int64_t other) { return distances.Between(row, other); },
      table, place);
}

namespace {

// Every pair of rows is one product, offered to both: a group of rows with the
// blocks that begin no earlier than its own.
class PairSearch {
 public:
  static constexpr int64_t kGroup = 512;
  static_assert(RoughScores::kBlock % kGroup == 0);

  PairSearch(ThreadPool& pool, const Points& points, Metric metric,
             int64_t kept)
      : pool_(pool),
        scores_(pool, points, metric),
        best_(static_cast<size_t>(points.rows), BestScores(kept)),
        buffer_(static_cast<size_t>(kGroup * RoughScores::kBlock)) {}

  void Run(const Progress& progress) {
    const int64_t rows = scores_.rows();
    for (int64_t first = 0; first < rows; first += kGroup) {
      const double left =
          1 - static_cast<double>(first) / static_cast<double>(rows);
      Report(progress, "neighbours", 1 - left * left);
      const int64_t count = std::min(kGroup, rows - first);
      const int64_t own = first / RoughScores::kBlock;
      for (int64_t block = own; block < scores_.blocks(); ++block) {
        scores_.Compute(block, first, count, buffer_.data(),
                        RoughScores::kBlock);
        Offer(first, count, block, /*both=*/block > own);
      }
    }
  }

  std::vector<int32_t> Best(int64_t row) const {
    return best_[static_cast<size_t>(row)].Rows();
  }

 private:
  void Offer(int64_t first, int64_t count, int64_t block, bool both) {
    constexpr int64_t kTask = 32;
    const int64_t others = scores_.block_rows(block);
    const int64_t begin = block * RoughScores::kBlock;
    const int across = static_cast<int>((count + kTask - 1) / kTask);
    const int down = both ? static_cast<int>((others + kTask - 1) / kTask) : 0;
    pool_.Run(across + down, [&](int task, int) {
      if (task < across) {
        const int64_t end = std::min(count, (task + int64_t{1}) * kTask);
        for (int64_t i = task * kTask; i < end; ++i) {
          best_[static_cast<size_t>(first + i)].Offer(
              buffer_.data() + i * RoughScores::kBlock, others, begin);
        }
      } else {
        const int64_t from = (task - across) * kTask;
        OfferDown(first, count, begin, from,
                  std::min<int64_t>(kTask, others - from));
      }
    });
  }

  // Columns [from, from + width) of the buffer to the rows they belong to.
  void OfferDown(int64_t first, int64_t count, int64_t begin, int64_t from,
                 int64_t width) {
    constexpr int64_t kWidth = 32;
    float least[kWidth];
    std::fill_n(least, kWidth, std::numeric_limits<float>::infinity());
    BestScores* best = best_.data() + begin + from;
    const auto limit = [&](int64_t k) {
      return best[k].least() - scores_.half(begin + from + k);
    };
    for (int64_t k = 0; k < width; ++k) least[k] = limit(k);
    for (int64_t i = 0; i < count; ++i) {
      const float* scores = buffer_.data() + i * RoughScores::kBlock + from;
      const float half = scores_.half(first + i);
      int any = 0;
      for (int64_t k = 0; k < width; ++k) {
        any |= scores[k] - half >= least[k];
      }
      if (any == 0) continue;
      for (int64_t k = 0; k < width; ++k) {
        if (scores[k] - half < least[k]) continue;
        best[k].Offer(scores[k] - half + scores_.half(begin + from + k),
                      first + i);
        least[k] = limit(k);
      }
    }
  }

  ThreadPool& pool_;
  RoughScores scores_;
  std::vector<BestScores> best_;
  std::vector<float> buffer_;
};

}  // namespace

NearestTable NearestRows(ThreadPool& pool, const Points& points, Metric metric,
                         int64_t count, const Progress& progress) {
  MALMOI_CHECK(count >= 2 && count <= points.rows);
  MALMOI_CHECK(points.rows < int64_t{1} << 24);
  PairSearch search(pool, points, metric, count + kSpareNearest);
  search.Run(progress);
  const Distances distances(points, metric);
  NearestTable table = NewTable(points.rows, count);
  constexpr int64_t kTask = 64;
  pool.Run(
      static_cast<int>((points.rows + kTask - 1) / kTask), [&](int task, int) {
        const int64_t end = std::min(points.rows, (task + int64_t{1}) * kTask);
        for (int64_t row = task * kTask; row < end; ++row) {
          PutNearest(distances, row, search.Best(row), table, row);
        }
      });
  return table;
}

NearestTable NearestInMap(ThreadPool& pool, const Points& points, int64_t count,
                          const std::vector<int32_t>& asked) {
  const int64_t rows = points.rows, dims = points.columns;
  MALMOI_CHECK(count >= 2 && count <= rows && dims <= 16);
  std::vector<float> turned(static_cast<size_t>(rows * dims));
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t d = 0; d < dims; ++d) {
      turned[static_cast<size_t>(d * rows + r)] = points.row(r)[d];
    }
  }
  const int64_t total =
      asked.empty() ? rows : static_cast<int64_t>(asked.size());
  NearestTable table = NewTable(total, count);
  constexpr int64_t kTask = 32, kPiece = 2048;
  pool.Run(static_cast<int>((total + kTask - 1) / kTask), [&](int task, int) {
    std::vector<float> scores(static_cast<size_t>(kPiece));
    BestScores best(count + kSpareNearest);
    const int64_t end = std::min(total, (task + int64_t{1}) * kTask);
    for (int64_t place = task * kTask; place < end; ++place) {
      const int64_t row =
          asked.empty() ? place : asked[static_cast<size_t>(place)];
      const float* own = points.row(row);
      best.Clear();
      for (int64_t at = 0; at < rows; at += kPiece) {
        const int64_t size = std::min(kPiece, rows - at);
        std::fill_n(scores.data(), size, 0.0f);
        for (int64_t d = 0; d < dims; ++d) {
          const float* column = turned.data() + d * rows + at;
          for (int64_t r = 0; r < size; ++r) {
            const float away = column[r] - own[d];
            scores[static_cast<size_t>(r)] -= away * away;
          }
        }
        best.Offer(scores.data(), size, at);
      }
      PutSorted(
          row, best.Rows(),
          [&](int64_t other) {
            double sum = 0;
            for (int64_t d = 0; d < dims; ++d) {
              const double away = static_cast<double>(own[d]) -
                                  static_cast<double>(points.row(other)[d]);
              sum += away * away;
            }
            return std::sqrt(sum);
          },
          table, place);
    }
  });
  return table;
}

}  // namespace malmoi::learn
