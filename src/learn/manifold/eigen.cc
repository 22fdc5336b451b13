#include "learn/manifold/eigen.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"
#include "base/random.h"

namespace malmoi::learn {

Eigenpairs SymmetricEigen(std::vector<double> a, int64_t n) {
  MALMOI_CHECK(static_cast<int64_t>(a.size()) == n * n);
  std::vector<double> v(a.size());
  for (int64_t i = 0; i < n; ++i) v[static_cast<size_t>(i * n + i)] = 1;
  double* const m = a.data();
  double* const rows = v.data();  // row i is the ith vector
  for (int sweep = 0; sweep < 60; ++sweep) {
    double off = 0, all = 0;
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        all += m[i * n + j] * m[i * n + j];
        if (i != j) off += m[i * n + j] * m[i * n + j];
      }
    }
    if (off <= 1e-30 * all) break;
    for (int64_t p = 0; p + 1 < n; ++p) {
      for (int64_t q = p + 1; q < n; ++q) {
        const double apq = m[p * n + q];
        if (apq == 0) continue;
        const double theta = (m[q * n + q] - m[p * n + p]) / (2 * apq);
        const double t = (theta >= 0 ? 1 : -1) /
                         (std::abs(theta) + std::sqrt(theta * theta + 1));
        const double c = 1 / std::sqrt(t * t + 1), s = t * c;
        for (int64_t k = 0; k < n; ++k) {
          const double kp = m[k * n + p], kq = m[k * n + q];
          m[k * n + p] = c * kp - s * kq;
          m[k * n + q] = s * kp + c * kq;
        }
        for (int64_t k = 0; k < n; ++k) {
          const double pk = m[p * n + k], qk = m[q * n + k];
          m[p * n + k] = c * pk - s * qk;
          m[q * n + k] = s * pk + c * qk;
          const double vp = rows[p * n + k], vq = rows[q * n + k];
          rows[p * n + k] = c * vp - s * vq;
          rows[q * n + k] = s * vp + c * vq;
        }
      }
    }
  }
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t i, int64_t j) {
    return m[i * n + i] > m[j * n + j];
  });
  Eigenpairs pairs;
  pairs.vectors.reserve(v.size());
  for (const int64_t i : order) {
    pairs.values.push_back(m[i * n + i]);
    pairs.vectors.insert(pairs.vectors.end(), rows + i * n, rows + i * n + n);
  }
  return pairs;
}

namespace {

constexpr int64_t kChunk = 4096;  // of a vector, for a task

class Lanczos {
 public:
  Lanczos(ThreadPool& pool, int64_t size, const SymmetricOperator& apply,
          const LanczosOptions& options)
      : pool_(pool),
        size_(size),
        apply_(apply),
        options_(options),
        count_(std::min(options.count, size)),
        most_(std::min(size, options.basis > 0
                                 ? std::max(options.basis, options.count + 2)
                                 : 4 * options.count + 24)),
        chunks_((size + kChunk - 1) / kChunk),
        basis_(static_cast<size_t>((most_ + 1) * size)),
        projected_(static_cast<size_t>(most_ * most_)),
        partial_(static_cast<size_t>(chunks_ * (most_ + 1))),
        random_(options.seed) {}

  Eigenpairs Run() {
    PutRandom(0, 0);
    int64_t kept = 0;  // Ritz vectors at the front
    while (true) {
      double rest = 0;
      for (int64_t j = kept; j < most_; ++j) rest = Step(j);
      Eigenpairs small = SymmetricEigen(projected_, most_);
      double worst = 0;
      for (int64_t i = 0; i < count_; ++i) {
        const double last = small.vectors[Index(i, most_ - 1, most_)];
        worst = std::max(worst, std::abs(rest * last));
      }
      const double scale = std::max({std::abs(small.values.front()),
                                     std::abs(small.values.back()), 1e-300});
      const bool done = most_ == size_ || worst <= options_.tolerance * scale;
      if (done || products_ >= options_.most_products) {
        Combine(small, count_);
        Eigenpairs found;
        found.values.assign(small.values.begin(),
                            small.values.begin() + count_);
        found.vectors.assign(basis_.begin(), basis_.begin() + count_ * size_);
        found.converged = done;
        return found;
      }
      kept = std::min(most_ - 2, count_ + (most_ - count_) / 2);
      // The residual is the same vector for all of them.
      std::copy_n(Vector(most_), size_, next_.data());
      Combine(small, kept);
      std::copy_n(next_.data(), size_, Vector(kept));
      std::fill(projected_.begin(), projected_.end(), 0.0);
      for (int64_t i = 0; i < kept; ++i) {
        projected_[Index(i, i, most_)] = small.values[static_cast<size_t>(i)];
      }
    }
  }

 private:
  static size_t Index(int64_t row, int64_t column, int64_t width) {
    return static_cast<size_t>(row * width + column);
  }
  double* Vector(int64_t j) { return basis_.data() + j * size_; }

  // use(first, last, chunk) of pieces of a vector.
  template <typename Use>
  void ForChunks(const Use& use) {
    pool_.Run(static_cast<int>(chunks_), [&](int chunk, int) {
      const int64_t first = chunk * kChunk;
      use(first, std::min(first + kChunk, size_), chunk);
    });
  }

  // Coefficients of vector `j` of the basis with those before it, twice
  // subtracted; its length before it is brought to 1.
  double Orthogonalize(int64_t j, std::vector<double>& coefficients) {
    coefficients.assign(static_cast<size_t>(j), 0);
    double* const own = Vector(j);
    for (int pass = 0; pass < 2; ++pass) {
      ForChunks([&](int64_t first, int64_t last, int64_t chunk) {
        for (int64_t i = 0; i < j; ++i) {
          const double* other = Vector(i);
          double sum[4] = {};
          int64_t k = first;
          for (; k + 4 <= last; k += 4) {
            for (int u = 0; u < 4; ++u) sum[u] += other[k + u] * own[k + u];
          }
          for (; k < last; ++k) sum[0] += other[k] * own[k];
          partial_[Index(chunk, i, most_ + 1)] =
              (sum[0] + sum[1]) + (sum[2] + sum[3]);
        }
      });
      std::vector<double> sums(static_cast<size_t>(j), 0);
      for (int64_t chunk = 0; chunk < chunks_; ++chunk) {
        for (int64_t i = 0; i < j; ++i) {
          sums[static_cast<size_t>(i)] += partial_[Index(chunk, i, most_ + 1)];
        }
      }
      ForChunks([&](int64_t first, int64_t last, int64_t) {
        for (int64_t i = 0; i < j; ++i) {
          const double* other = Vector(i);
          const double factor = sums[static_cast<size_t>(i)];
          for (int64_t k = first; k < last; ++k) own[k] -= factor * other[k];
        }
      });
      for (size_t i = 0; i < sums.size(); ++i) coefficients[i] += sums[i];
    }
    ForChunks([&](int64_t first, int64_t last, int64_t chunk) {
      double sum = 0;
      for (int64_t k = first; k < last; ++k) sum += own[k] * own[k];
      partial_[static_cast<size_t>(chunk)] = sum;
    });
    double sum = 0;
    for (int64_t c = 0; c < chunks_; ++c)
      sum += partial_[static_cast<size_t>(c)];
    const double length = std::sqrt(sum);
    if (length > 0) {
      for (int64_t k = 0; k < size_; ++k) own[k] /= length;
    }
    return length;
  }

  // A random direction that is orthogonal to the first `j`, as vector `j`.
  void PutRandom(int64_t j, int tries) {
    double* own = Vector(j);
    for (int64_t k = 0; k < size_; ++k) own[k] = random_.Uniform() - 0.5;
    if (j == size_) {  // the whole space is spanned
      std::fill_n(own, size_, 0.0);
      return;
    }
    std::vector<double> unused;
    if (Orthogonalize(j, unused) < 1e-8 && tries < 5) PutRandom(j, tries + 1);
  }

  // Vector j + 1 from j. Returns what is left of A·v_j beside the basis.
  double Step(int64_t j) {
    apply_({Vector(j), static_cast<size_t>(size_)},
           {Vector(j + 1), static_cast<size_t>(size_)});
    ++products_;
    std::vector<double> coefficients;
    double before = 0;
    for (int64_t k = 0; k < size_; ++k) {
      before += Vector(j + 1)[k] * Vector(j + 1)[k];
    }
    double rest = Orthogonalize(j + 1, coefficients);
    for (int64_t i = 0; i <= j; ++i) {
      projected_[Index(i, j, most_)] = projected_[Index(j, i, most_)] =
          coefficients[static_cast<size_t>(i)];
    }
    if (rest <= 1e-13 * std::sqrt(before) || rest == 0) {
      PutRandom(j + 1, 0);
      rest = 0;
    }
    return rest;
  }

  // The first `count` of the basis become the eigenvectors of `small` in it.
  void Combine(const Eigenpairs& small, int64_t count) {
    ForChunks([&](int64_t first, int64_t last, int64_t) {
      const auto width = static_cast<size_t>(last - first);
      std::vector<double> sums(static_cast<size_t>(count) * width);
      for (int64_t i = 0; i < count; ++i) {
        double* own = sums.data() + static_cast<size_t>(i) * width;
        for (int64_t j = 0; j < most_; ++j) {
          const double factor = small.vectors[Index(i, j, most_)];
          const double* from = Vector(j) + first;
          for (size_t k = 0; k < width; ++k) own[k] += factor * from[k];
        }
      }
      for (int64_t i = 0; i < count; ++i) {
        std::copy_n(sums.data() + static_cast<size_t>(i) * width, width,
                    Vector(i) + first);
      }
    });
  }

  ThreadPool& pool_;
  int64_t size_;
  const SymmetricOperator& apply_;
  LanczosOptions options_;
  int64_t count_, most_, chunks_;
  std::vector<double> basis_;      // [most + 1][size]
  std::vector<double> projected_;  // [most][most]
  std::vector<double> partial_;
  std::vector<double> next_ = std::vector<double>(static_cast<size_t>(size_));
  int64_t products_ = 0;
  Random random_;
};

}  // namespace

Eigenpairs LargestEigenpairs(ThreadPool& pool, int64_t size,
                             const SymmetricOperator& apply,
                             const LanczosOptions& options) {
  MALMOI_CHECK(size > 0 && options.count > 0);
  return Lanczos(pool, size, apply, options).Run();
}

}  // namespace malmoi::learn
