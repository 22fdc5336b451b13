#include "learn/manifold/measures.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "learn/manifold/nearest.h"

namespace malmoi::learn {

namespace {

// How near every row is to one, nearer being larger: of many rows roughly, of
// few in double, where the last bit may decide a rank.
class Nearness {
 public:
  Nearness(ThreadPool& pool, const Points& points, Metric metric)
      : points_(points), exact_(points, metric) {
    if (points.rows > 2048) rough_.emplace(pool, points, metric);
  }

  // out[i] is of rows asked[i], [points.rows] each.
  void Compute(ThreadPool& pool, std::span<const int32_t> asked,
               std::vector<double>& out) {
    const int64_t rows = points_.rows;
    out.resize(asked.size() * static_cast<size_t>(rows));
    if (!rough_) {
      pool.Run(static_cast<int>(asked.size()), [&](int i, int) {
        for (int64_t r = 0; r < rows; ++r) {
          out[static_cast<size_t>(i * rows + r)] =
              -exact_.Between(asked[static_cast<size_t>(i)], r);
        }
      });
      return;
    }
    buffer_.resize(asked.size() * static_cast<size_t>(RoughScores::kBlock));
    for (int64_t block = 0; block < rough_->blocks(); ++block) {
      rough_->Compute(block, asked, buffer_.data(), RoughScores::kBlock);
      for (size_t i = 0; i < asked.size(); ++i) {
        const float* from = buffer_.data() + i * RoughScores::kBlock;
        std::copy_n(from, rough_->block_rows(block),
                    out.data() + i * static_cast<size_t>(rows) +
                        static_cast<size_t>(block * RoughScores::kBlock));
      }
    }
  }

 private:
  Points points_;
  Distances exact_;
  std::optional<RoughScores> rough_;
  std::vector<float> buffer_;
};

}  // namespace

MapQuality MeasureMap(ThreadPool& pool, const Points& points, const Points& map,
                      const QualityOptions& options, const Progress& progress) {
  const int64_t n = points.rows, k = options.neighbours;
  if (map.rows != n || map.columns > 16) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "quality of a map",
                 .what = "the map is not of these points",
                 .expected = Format("{} rows, up to 16 columns", n),
                 .got = Format("{} x {}", map.rows, map.columns)});
  }
  if (k < 1 || 2 * k >= n) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "quality of a map",
                 .what = "neighbours do not fit the points",
                 .expected = Format("1 to {}, less than half of the points",
                                    (n - 1) / 2),
                 .got = std::to_string(k)});
  }
  std::vector<int32_t> asked;
  const int64_t count = std::min(n, options.most_rows);
  for (int64_t i = 0; i < count; ++i) {
    asked.push_back(static_cast<int32_t>(i * n / count));
  }
  const NearestTable near = NearestInMap(pool, map, k + 1, asked);
  Nearness nearness(pool, points, options.metric);
  std::vector<int64_t> penalty(asked.size()), kept(asked.size());
  // 64 MiB of scores at a time.
  const size_t some =
      static_cast<size_t>(std::clamp<int64_t>((int64_t{8} << 20) / n, 1, 256));
  std::vector<double> scores;
  for (size_t first = 0; first < asked.size(); first += some) {
    Report(progress, "quality",
           static_cast<double>(first) / static_cast<double>(asked.size()));
    const auto part =
        std::span(asked).subspan(first, std::min(some, asked.size() - first));
    nearness.Compute(pool, part, scores);
    pool.Run(static_cast<int>(part.size()), [&](int i, int) {
      const double* own = scores.data() + i * n;
      const int32_t row = part[static_cast<size_t>(i)];
      const auto place = first + static_cast<size_t>(i);
      for (int64_t j = 1; j <= k; ++j) {
        const int32_t other = near.ids[place * static_cast<size_t>(k + 1) +
                                       static_cast<size_t>(j)];
        // Its rank: one more than those that are nearer.
        const double mark = own[other];
        int64_t nearer = 0;
        for (int64_t r = 0; r < n; ++r) nearer += own[r] > mark;
        nearer -= own[row] > mark;
        penalty[place] += std::max<int64_t>(0, nearer + 1 - k);
        kept[place] += nearer < k;
      }
    });
  }
  int64_t penalties = 0, all_kept = 0;
  for (size_t i = 0; i < asked.size(); ++i) {
    penalties += penalty[i];
    all_kept += kept[i];
  }
  MapQuality quality;
  quality.neighbours = k;
  quality.rows = count;
  quality.trustworthiness =
      1 - static_cast<double>(penalties) * 2 /
              (static_cast<double>(count) * static_cast<double>(k) *
               static_cast<double>(2 * n - 3 * k - 1));
  quality.preservation =
      static_cast<double>(all_kept) / static_cast<double>(count * k);
  return quality;
}

}  // namespace malmoi::learn
