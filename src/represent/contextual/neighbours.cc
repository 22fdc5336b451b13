#include "represent/contextual/neighbours.h"

#include <algorithm>
#include <mutex>
#include <tuple>

#include "base/error.h"
#include "base/format.h"
#include "ops/matmul.h"
#include "ops/rows.h"
#include "represent/contextual/embedder.h"
#include "represent/contextual/pooling.h"
#include "tensor/tensor.h"

namespace malmoi::represent {

namespace {

// Finds candidates by products of a block of vectors, as a packed matrix, with
// those before it and its own; their cosines are then computed anew in double,
// so that nothing depends on blocks or threads.
class PairFinder {
 public:
  PairFinder(ThreadPool& pool, std::span<const float> vectors,
             int64_t dimensions, double threshold, size_t most)
      : pool_(pool),
        given_(vectors),
        unit_(vectors.begin(), vectors.end()),
        width_(dimensions),
        threshold_(threshold),
        most_(most) {
    const auto width = static_cast<size_t>(width_);
    for (size_t at = 0; at < unit_.size(); at += width) {
      NormalizeVector(std::span(unit_).subspan(at, width));
    }
  }

  std::vector<VectorPair> Run() {
    const int64_t count = static_cast<int64_t>(unit_.size()) / width_;
    constexpr int64_t kBlock = 4096, kRows = 512;
    for (int64_t block = 0; block < count; block += kBlock) {
      const int64_t size = std::min(kBlock, count - block);
      Tensor tensor;
      tensor.dtype = DType::kF32;
      tensor.shape = {size, width_};
      tensor.data = std::as_bytes(
          std::span(unit_).subspan(static_cast<size_t>(block * width_),
                                   static_cast<size_t>(size * width_)));
      ops::PackedMatrix matrix;
      const ops::PackJob job[] = {{&tensor, &matrix, /*as_f32=*/true}};
      ops::Pack(pool_, job);
      for (int64_t row = 0; row < block + size; row += kRows) {
        Compare(matrix, block, row, std::min(kRows, block + size - row));
      }
    }
    std::sort(pairs_.begin(), pairs_.end(),
              [](const VectorPair& a, const VectorPair& b) {
                return std::tie(b.score, a.first, a.second) <
                       std::tie(a.score, b.first, b.second);
              });
    return std::move(pairs_);
  }

 private:
  void Compare(const ops::PackedMatrix& matrix, int64_t block, int64_t row,
               int64_t rows) {
    arena_.Reset();
    Exec exec{pool_, arena_, {}, nullptr};
    const ops::Activations x =
        ops::NewActivations(arena_, rows, width_, {.f32 = true});
    ops::PutRows(exec, unit_.data() + row * width_, x);
    auto keep = [&](const ops::Tile& tile) { Keep(tile, block, row); };
    const ops::Product product[] = {{&matrix, nullptr, 1, keep}};
    ops::Matmul(exec, x, product);
    if (pairs_.size() <= most_) return;
    throw Error(ErrorCode::kLimit,
                {.where = "pairs",
                 .what = "too many pairs are nearer than the threshold",
                 .expected = Format("at most {}", most_),
                 .got = "more",
                 .hint = "a higher --threshold"});
  }

  void Keep(const ops::Tile& tile, int64_t block, int64_t row) {
    std::vector<VectorPair> found;
    for (int64_t t = 0; t < tile.tokens; ++t) {
      const auto first = static_cast<size_t>(row + tile.first_token + t);
      for (int64_t r = 0; r < tile.rows; ++r) {
        const auto second = static_cast<size_t>(block + tile.first_row + r);
        if (first >= second) continue;
        const auto rough =
            static_cast<double>(tile.values[t * tile.stride + r]);
        if (rough < threshold_ - 1e-4) continue;
        const double score = Cosine(Vector(first), Vector(second));
        if (score >= threshold_) found.push_back({first, second, score});
      }
    }
    if (found.empty()) return;
    const std::lock_guard lock(mutex_);
    pairs_.insert(pairs_.end(), found.begin(), found.end());
  }

  std::span<const float> Vector(size_t number) const {
    const auto width = static_cast<size_t>(width_);
    return given_.subspan(number * width, width);
  }

  ThreadPool& pool_;
  Arena arena_;
  std::span<const float> given_;
  std::vector<float> unit_;
  int64_t width_;
  double threshold_;
  size_t most_;
  std::mutex mutex_;
  std::vector<VectorPair> pairs_;
};

}  // namespace

std::vector<VectorPair> NearPairs(ThreadPool& pool,
                                  std::span<const float> vectors,
                                  int64_t dimensions, double threshold,
                                  size_t most) {
  if (vectors.empty()) return {};
  return PairFinder(pool, vectors, dimensions, threshold, most).Run();
}

}  // namespace malmoi::represent
