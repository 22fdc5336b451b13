#include "represent/static/neighbors.h"

#include <algorithm>
#include <cmath>
#include <mutex>

#include "base/error.h"
#include "kernels/word_kernels.h"
#include "represent/best.h"

namespace malmoi::represent {

namespace {

constexpr int64_t kRowsOfTask = 2048, kQueriesAtOnce = 6;

struct Better {
  bool operator()(const Neighbor& a, const Neighbor& b) const {
    return a.score != b.score ? a.score > b.score : a.id < b.id;
  }
};
using BestNeighbors = Best<Neighbor, Better>;

BestNeighbors NewBest(const NeighborOptions& options) {
  return BestNeighbors(static_cast<size_t>(std::max<int64_t>(0, options.top)));
}

bool Contains(const std::vector<int64_t>& ids, int64_t id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

float Length(std::span<const float> v) {
  double square = 0;
  for (float value : v) square += double{value} * value;
  return static_cast<float>(std::sqrt(square));
}

// A word's vector with length 1; a zero vector stays zero.
std::vector<float> UnitOf(const WordVectors& vectors, const std::string& word) {
  std::vector<float> unit = vectors.VectorOf(word);
  const float length = Length(unit);
  if (length > 0) {
    for (float& value : unit) value /= length;
  }
  return unit;
}

std::vector<int64_t> KnownIds(const WordVectors& vectors,
                              std::span<const std::string> positive,
                              std::span<const std::string> negative) {
  std::vector<int64_t> ids;
  for (const auto& words : {positive, negative}) {
    for (const std::string& word : words) {
      const int64_t id = vectors.words().Find(word);
      if (id >= 0) ids.push_back(id);
    }
  }
  return ids;
}

void RequirePositive(std::span<const std::string> positive) {
  if (!positive.empty()) return;
  throw Error(ErrorCode::kInvalidArgument,
              {.where = "neighbors", .what = "a question without a word"});
}

int64_t RowsIn(const WordVectors& vectors, const NeighborOptions& options) {
  return std::min(vectors.size(), std::max<int64_t>(0, options.first_words));
}

}  // namespace

std::vector<float> Direction(const WordVectors& vectors,
                             std::span<const std::string> positive,
                             std::span<const std::string> negative) {
  RequirePositive(positive);
  std::vector<float> sum(static_cast<size_t>(vectors.dimensions()));
  const auto add = [&](const std::string& word, float sign) {
    const std::vector<float> unit = UnitOf(vectors, word);
    for (size_t k = 0; k < sum.size(); ++k) sum[k] += sign * unit[k];
  };
  for (const std::string& word : positive) add(word, 1);
  for (const std::string& word : negative) add(word, -1);
  return sum;
}

std::vector<std::vector<Neighbor>> NearestRows(
    const WordVectors& vectors, const std::vector<std::vector<float>>& queries,
    const std::vector<std::vector<int64_t>>& left_out,
    const NeighborOptions& options, ThreadPool& pool) {
  const int64_t rows = RowsIn(vectors, options);
  const int64_t count = static_cast<int64_t>(queries.size());
  std::vector<std::vector<float>> units = queries;
  for (auto& unit : units) {
    const float length = Length(unit);
    if (length > 0) {
      for (float& value : unit) value /= length;
    }
  }
  std::vector<std::vector<Neighbor>> results(queries.size());
  std::mutex mutex;
  const auto& kernels = kernels::WordKernels();
  // Few queries: the rows are dealt out. Many: the queries.
  const int64_t groups = (count + kQueriesAtOnce - 1) / kQueriesAtOnce;
  const int64_t pieces =
      groups > 2 * pool.threads()
          ? 1
          : std::max<int64_t>(1, (rows + kRowsOfTask - 1) / kRowsOfTask);
  pool.Run(static_cast<int>(groups * pieces), [&](int task, int) {
    const int64_t first = task / pieces * kQueriesAtOnce;
    const int64_t own = std::min(kQueriesAtOnce, count - first);
    const int64_t begin = rows * (task % pieces) / pieces;
    const int64_t end = rows * (task % pieces + 1) / pieces;
    std::vector<BestNeighbors> best(static_cast<size_t>(own), NewBest(options));
    const float* pointers[kQueriesAtOnce];
    for (int64_t q = 0; q < own; ++q) {
      pointers[q] = units[static_cast<size_t>(first + q)].data();
    }
    constexpr int64_t kBlock = 96;
    std::vector<float> dots(static_cast<size_t>(kQueriesAtOnce * kBlock));
    for (int64_t r = begin; r < end; r += kBlock) {
      const int64_t some = std::min(kBlock, end - r);
      kernels.dot_queries(pointers, own, vectors.row(r).data(),
                          vectors.dimensions(), some, vectors.dimensions(),
                          dots.data(), kBlock);
      for (int64_t q = 0; q < own; ++q) {
        const auto& out = left_out[static_cast<size_t>(first + q)];
        BestNeighbors& heap = best[static_cast<size_t>(q)];
        for (int64_t i = 0; i < some; ++i) {
          const float norm = vectors.norms()[static_cast<size_t>(r + i)];
          const float score =
              norm > 0 ? dots[static_cast<size_t>(q * kBlock + i)] / norm : 0;
          const Neighbor found{r + i, score};
          if (heap.Wants(found) && !Contains(out, r + i)) heap.Offer(found);
        }
      }
    }
    const std::lock_guard lock(mutex);
    for (int64_t q = 0; q < own; ++q) {
      auto& all = results[static_cast<size_t>(first + q)];
      const auto& items = best[static_cast<size_t>(q)].items();
      all.insert(all.end(), items.begin(), items.end());
    }
  });
  for (auto& all : results) {
    std::sort(all.begin(), all.end(), Better());
    if (static_cast<int64_t>(all.size()) > options.top) {
      all.resize(static_cast<size_t>(options.top));
    }
  }
  return results;
}

std::vector<Neighbor> FindNeighbors(const WordVectors& vectors,
                                    std::span<const std::string> positive,
                                    std::span<const std::string> negative,
                                    const NeighborOptions& options,
                                    ThreadPool& pool) {
  return NearestRows(vectors, {Direction(vectors, positive, negative)},
                     {KnownIds(vectors, positive, negative)}, options, pool)[0];
}

std::vector<Neighbor> FindNeighborsMul(const WordVectors& vectors,
                                       std::span<const std::string> positive,
                                       std::span<const std::string> negative,
                                       const NeighborOptions& options,
                                       ThreadPool& pool) {
  RequirePositive(positive);
  const int64_t rows = RowsIn(vectors, options);
  std::vector<std::vector<float>> units;
  for (const auto& words : {positive, negative}) {
    for (const std::string& word : words) {
      units.push_back(UnitOf(vectors, word));
    }
  }
  std::vector<double> over(static_cast<size_t>(rows), 1.0), under = over;
  const auto& kernels = kernels::WordKernels();
  const int64_t tasks = (rows + kRowsOfTask - 1) / kRowsOfTask;
  pool.Run(static_cast<int>(tasks), [&](int task, int) {
    const int64_t begin = task * kRowsOfTask;
    const int64_t some = std::min(kRowsOfTask, rows - begin);
    std::vector<float> dots(static_cast<size_t>(kRowsOfTask) + 8);
    for (size_t u = 0; u < units.size(); ++u) {
      kernels.dot_rows(units[u].data(), vectors.row(begin).data(),
                       vectors.dimensions(), some, vectors.dimensions(),
                       dots.data());
      auto& product = u < positive.size() ? over : under;
      for (int64_t i = 0; i < some; ++i) {
        const size_t r = static_cast<size_t>(begin + i);
        const float norm = vectors.norms()[r];
        const double cosine =
            norm > 0 ? dots[static_cast<size_t>(i)] / norm : 0.0f;
        product[r] *= (1 + cosine) / 2;
      }
    }
  });
  const auto left_out = KnownIds(vectors, positive, negative);
  BestNeighbors best = NewBest(options);
  for (int64_t r = 0; r < rows; ++r) {
    if (Contains(left_out, r)) continue;
    const size_t i = static_cast<size_t>(r);
    best.Offer({r, over[i] / (under[i] + 0.000001)});
  }
  return best.Sorted();
}

double WordSimilarity(const WordVectors& vectors, std::string_view a,
                      std::string_view b) {
  const auto x = vectors.VectorOf(a), y = vectors.VectorOf(b);
  double dot = 0;
  for (size_t k = 0; k < x.size(); ++k) dot += double{x[k]} * y[k];
  const double lengths = double{Length(x)} * Length(y);
  return lengths > 0 ? dot / lengths : 0;
}

}  // namespace malmoi::represent
