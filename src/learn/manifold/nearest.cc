#include "learn/manifold/nearest.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "base/check.h"
#include "kernels/kernels.h"
#include "kernels/unpack.h"
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

RoughScores::RoughScores(ThreadPool& pool, const Points& points, Metric metric,
                         bool coarse)
    : pool_(pool),
      metric_(metric),
      rows_(points.rows),
      columns_(points.columns),
      coarse_(coarse && kernels::Kernels().bf16_dot),
      comparable_(MakeComparable(points, metric)),
      packed_(std::make_unique<Packed>()) {
  const std::vector<uint16_t> rounded = Round();
  packed_->matrices.resize(static_cast<size_t>(blocks()));
  for (int64_t block = 0; block < blocks(); ++block) {
    const auto first = static_cast<size_t>(block * kBlock * columns_);
    const auto size = static_cast<size_t>(block_rows(block) * columns_);
    Tensor tensor;
    tensor.shape = {block_rows(block), columns_};
    tensor.dtype = coarse_ ? DType::kBF16 : DType::kF32;
    tensor.data =
        coarse_
            ? std::as_bytes(std::span(rounded).subspan(first, size))
            : std::as_bytes(std::span(comparable_.values).subspan(first, size));
    const ops::PackJob job[] = {
        {.tensor = &tensor,
         .matrix = &packed_->matrices[static_cast<size_t>(block)],
         .as_f32 = !coarse_,
         .bf16_rows = coarse_}};
    ops::Pack(pool, job);
  }
}

RoughScores::~RoughScores() = default;

std::vector<uint16_t> RoughScores::Round() {
  std::vector<uint16_t> rounded(coarse_ ? comparable_.values.size() : 0);
  std::vector<float> left(static_cast<size_t>(columns_));
  for (int64_t r = 0; r < rows_; ++r) {
    const float* row = comparable_.values.data() + r * columns_;
    lengths_.push_back(static_cast<float>(std::sqrt(Square(row, columns_))));
    lost_.push_back(0);
    if (coarse_) {
      uint16_t* to = rounded.data() + r * columns_;
      kernels::Kernels().round_bf16(row, columns_, to);
      for (int64_t c = 0; c < columns_; ++c) {
        left[static_cast<size_t>(c)] = row[c] - kernels::BF16ToFloat(to[c]);
      }
      lost_.back() =
          static_cast<float>(std::sqrt(Square(left.data(), columns_)));
    }
    longest_ = std::max(longest_, lengths_.back());
    most_lost_ = std::max(most_lost_, lost_.back());
  }
  return rounded;
}

double RoughScores::ScoreAt(int64_t row, double distance) const {
  return metric_ == Metric::kCosine
             ? 1 - distance
             : static_cast<double>(half(row)) - distance * distance / 2;
}

double RoughScores::Error(int64_t row) const {
  const double length = static_cast<double>(lengths_[static_cast<size_t>(row)]);
  const double lost = static_cast<double>(lost_[static_cast<size_t>(row)]);
  const double longest = static_cast<double>(longest_);
  const double most_lost = static_cast<double>(most_lost_);
  // Cauchy and Schwarz, for what rounding took; then sums in f32 (a unit in the
  // last place each), and the halves.
  return lost * longest + (length + lost) * most_lost +
         0x1p-23 * (static_cast<double>(columns_) * length + longest) * longest;
}

void RoughScores::Compute(int64_t block, int64_t first, int64_t count,
                          float* out, int64_t stride) {
  packed_->arena.Reset();
  Multiply(block, comparable_.values.data() + first * columns_, count, out,
           stride);
}

void RoughScores::Compute(int64_t block, std::span<const int32_t> rows,
                          float* out, int64_t stride) {
  packed_->arena.Reset();
  const auto count = static_cast<int64_t>(rows.size());
  float* gathered =
      packed_->arena.New<float>(static_cast<size_t>(count * columns_));
  for (int64_t i = 0; i < count; ++i) {
    std::copy_n(
        comparable_.values.data() + rows[static_cast<size_t>(i)] * columns_,
        columns_, gathered + i * columns_);
  }
  Multiply(block, gathered, count, out, stride);
}

void RoughScores::Multiply(int64_t block, const float* rows, int64_t count,
                           float* out, int64_t stride) {
  Exec exec{pool_, packed_->arena, {}, nullptr};
  const ops::PackedMatrix& matrix =
      packed_->matrices[static_cast<size_t>(block)];
  ops::ActivationForms forms;
  forms.Add(matrix);
  const ops::Activations x =
      ops::NewActivations(packed_->arena, count, columns_, forms);
  ops::PutRows(exec, rows, x);
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
  const ops::Product product[] = {{&matrix, nullptr, 1, keep}};
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

  PairSearch(ThreadPool& pool, RoughScores& scores, int64_t kept)
      : pool_(pool),
        scores_(scores),
        best_(static_cast<size_t>(scores.rows()), BestScores(kept)),
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

  const BestScores& Best(int64_t row) {
    BestScores& best = best_[static_cast<size_t>(row)];
    best.Cut();
    return best;
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
  RoughScores& scores_;
  std::vector<BestScores> best_;
  std::vector<float> buffer_;
};

// Those of some rows only.
std::vector<BestScores> BestOf(ThreadPool& pool, RoughScores& scores,
                               std::span<const int32_t> rows, int64_t kept) {
  std::vector<BestScores> best(rows.size(), BestScores(kept));
  constexpr size_t kGroup = 256;
  std::vector<float> buffer(kGroup * RoughScores::kBlock);
  for (size_t first = 0; first < rows.size(); first += kGroup) {
    const auto group =
        rows.subspan(first, std::min(kGroup, rows.size() - first));
    for (int64_t block = 0; block < scores.blocks(); ++block) {
      scores.Compute(block, group, buffer.data(), RoughScores::kBlock);
      pool.Run(static_cast<int>(group.size()), [&](int i, int) {
        best[first + static_cast<size_t>(i)].Offer(
            buffer.data() + i * RoughScores::kBlock, scores.block_rows(block),
            block * RoughScores::kBlock);
      });
    }
  }
  for (BestScores& one : best) one.Cut();
  return best;
}

// Of what was kept those that may be among the `count` nearest, where scores
// are off by `error` at most.
std::vector<int32_t> Candidates(const BestScores& best, int64_t count,
                                double error) {
  std::vector<std::pair<float, int32_t>> sorted(best.kept().begin(),
                                                best.kept().end());
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  std::vector<int32_t> rows;
  for (const auto& [score, row] : sorted) {
    if (static_cast<int64_t>(rows.size()) >= count &&
        static_cast<double>(score) + 2 * error <
            static_cast<double>(sorted[static_cast<size_t>(count - 1)].first)) {
      break;
    }
    rows.push_back(-row);
  }
  return rows;
}

// Of rows rounded to bf16 more are kept, so that fewer are looked at twice.
constexpr int64_t kSpareCoarse = 12;

}  // namespace

NearestTable NearestRows(ThreadPool& pool, const Points& points, Metric metric,
                         int64_t count, const Progress& progress) {
  MALMOI_CHECK(count >= 2 && count <= points.rows);
  MALMOI_CHECK(points.rows < int64_t{1} << 24);
  const Distances distances(points, metric);
  NearestTable table = NewTable(points.rows, count);
  std::vector<char> doubtful(static_cast<size_t>(points.rows));
  {
    RoughScores scores(pool, points, metric, /*coarse=*/true);
    PairSearch search(pool, scores,
                      count + (scores.coarse() ? kSpareCoarse : kSpareNearest));
    search.Run(progress);
    constexpr int64_t kTask = 64;
    pool.Run(static_cast<int>((points.rows + kTask - 1) / kTask), [&](int task,
                                                                      int) {
      const int64_t end = std::min(points.rows, (task + int64_t{1}) * kTask);
      for (int64_t row = task * kTask; row < end; ++row) {
        const BestScores& best = search.Best(row);
        PutNearest(distances, row, Candidates(best, count, scores.Error(row)),
                   table, row);
        // No row that was not kept can be nearer than the last that was found.
        const float last =
            table.distances[static_cast<size_t>(row * count + count - 1)];
        doubtful[static_cast<size_t>(row)] =
            scores.coarse() &&
            static_cast<double>(best.least()) + scores.Error(row) >
                scores.ScoreAt(row, static_cast<double>(last));
      }
    });
  }
  std::vector<int32_t> again;
  for (size_t row = 0; row < doubtful.size(); ++row) {
    if (doubtful[row] != 0) again.push_back(static_cast<int32_t>(row));
  }
  if (again.empty()) return table;
  // Too near to one another for bf16.
  RoughScores scores(pool, points, metric);
  const auto best = BestOf(pool, scores, again, count + kSpareNearest);
  pool.Run(static_cast<int>(again.size()), [&](int i, int) {
    const auto at = static_cast<size_t>(i);
    PutNearest(distances, again[at], best[at].Rows(), table, again[at]);
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
      best.Cut();
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
