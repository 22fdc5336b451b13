#include "learn/manifold/pca.h"

#include <algorithm>
#include <cmath>

#include "kernels/word_kernels.h"
#include "learn/manifold/eigen.h"

namespace malmoi::learn {

namespace {

constexpr int64_t kRows = 256;  // of a block of products

std::vector<double> MeanOf(const Points& points) {
  std::vector<double> mean(static_cast<size_t>(points.columns));
  for (int64_t r = 0; r < points.rows; ++r) {
    const float* row = points.row(r);
    for (size_t c = 0; c < mean.size(); ++c)
      mean[c] += static_cast<double>(row[c]);
  }
  for (double& value : mean) value /= static_cast<double>(points.rows);
  return mean;
}

// Σ (x - mean)(x - mean)ᵀ: products of blocks of rows in f32, added in double.
std::vector<double> Scatter(ThreadPool& pool, const Points& points,
                            const std::vector<double>& mean) {
  const int64_t d = points.columns;
  std::vector<double> scatter(static_cast<size_t>(d * d));
  std::vector<float> turned(static_cast<size_t>(d * kRows));
  constexpr int64_t kBand = 16;
  const int bands = static_cast<int>((d + kBand - 1) / kBand);
  const auto& kernels = kernels::WordKernels();
  for (int64_t first = 0; first < points.rows; first += kRows) {
    const int64_t rows = std::min(kRows, points.rows - first);
    for (int64_t r = 0; r < rows; ++r) {
      const float* row = points.row(first + r);
      for (int64_t c = 0; c < d; ++c) {
        turned[static_cast<size_t>(c * kRows + r)] = static_cast<float>(
            static_cast<double>(row[c]) - mean[static_cast<size_t>(c)]);
      }
    }
    pool.Run(bands, [&](int band, int) {
      const int64_t begin = band * kBand, end = std::min(begin + kBand, d);
      const float* queries[kBand];
      for (int64_t c = begin; c < end; ++c) {
        queries[c - begin] = turned.data() + c * kRows;
      }
      // Columns up to `end` only: the rest is their mirror.
      std::vector<float> out(static_cast<size_t>((end - begin) * end));
      kernels.dot_queries(queries, end - begin, turned.data(), kRows, end, rows,
                          out.data(), end);
      for (int64_t c = begin; c < end; ++c) {
        for (int64_t k = 0; k < end; ++k) {
          scatter[static_cast<size_t>(c * d + k)] += static_cast<double>(
              out[static_cast<size_t>((c - begin) * end + k)]);
        }
      }
    });
  }
  for (int64_t c = 0; c < d; ++c) {
    for (int64_t k = c + 1; k < d; ++k) {
      scatter[static_cast<size_t>(c * d + k)] =
          scatter[static_cast<size_t>(k * d + c)];
    }
  }
  return scatter;
}

}  // namespace

Pca FitPca(ThreadPool& pool, const Points& points, int64_t count) {
  const int64_t d = points.columns;
  if (points.rows < 2 || count < 1 || count > std::min(points.rows, d)) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "PCA",
                 .what = "too few vectors or columns for the components",
                 .expected = Format("at least 2 rows, and {} of rows and "
                                    "columns",
                                    count),
                 .got = Format("{} x {}", points.rows, d)});
  }
  if (d > 16384) {
    throw Error(ErrorCode::kLimit, {.where = "PCA",
                                    .what = "too many columns",
                                    .expected = "at most 16384",
                                    .got = std::to_string(d)});
  }
  Pca pca;
  pca.columns = d;
  pca.mean = MeanOf(points);
  std::vector<double> covariance = Scatter(pool, points, pca.mean);
  double all = 0;
  for (double& value : covariance) {
    value /= static_cast<double>(points.rows - 1);
  }
  for (int64_t c = 0; c < d; ++c)
    all += covariance[static_cast<size_t>(c * d + c)];
  const SymmetricOperator apply = [&](std::span<const double> x,
                                      std::span<double> y) {
    pool.Run(static_cast<int>((d + 63) / 64), [&](int band, int) {
      for (int64_t c = band * 64; c < std::min<int64_t>(d, band * 64 + 64);
           ++c) {
        const double* row = covariance.data() + c * d;
        double sum[4] = {};
        int64_t k = 0;
        for (; k + 4 <= d; k += 4) {
          for (int u = 0; u < 4; ++u) {
            sum[u] += row[k + u] * x[static_cast<size_t>(k + u)];
          }
        }
        for (; k < d; ++k) sum[0] += row[k] * x[static_cast<size_t>(k)];
        y[static_cast<size_t>(c)] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
      }
    });
  };
  Eigenpairs pairs = LargestEigenpairs(pool, d, apply, {.count = count});
  for (int64_t i = 0; i < count; ++i) {
    double* vector = pairs.vectors.data() + i * d;
    const double* largest = std::max_element(
        vector, vector + d,
        [](double a, double b) { return std::abs(a) < std::abs(b); });
    if (*largest < 0) {
      for (int64_t c = 0; c < d; ++c) vector[c] = -vector[c];
    }
    const double variance = std::max(0.0, pairs.values[static_cast<size_t>(i)]);
    pca.variance.push_back(variance);
    pca.share.push_back(all > 0 ? variance / all : 0);
  }
  pca.components = std::move(pairs.vectors);
  return pca;
}

std::vector<float> Pca::Transform(ThreadPool& pool,
                                  const Points& points) const {
  const int64_t width = count();
  std::vector<float> out(static_cast<size_t>(points.rows * width));
  constexpr int64_t kTask = 256;
  pool.Run(
      static_cast<int>((points.rows + kTask - 1) / kTask), [&](int task, int) {
        const int64_t last = std::min(points.rows, (task + int64_t{1}) * kTask);
        for (int64_t r = task * kTask; r < last; ++r) {
          const float* row = points.row(r);
          for (int64_t i = 0; i < width; ++i) {
            const double* direction = components.data() + i * columns;
            double sum = 0;
            for (int64_t c = 0; c < columns; ++c) {
              sum += direction[c] * (static_cast<double>(row[c]) -
                                     mean[static_cast<size_t>(c)]);
            }
            out[static_cast<size_t>(r * width + i)] = static_cast<float>(sum);
          }
        }
      });
  return out;
}

}  // namespace malmoi::learn
