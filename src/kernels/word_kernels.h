// Kernels of word vectors: many dot products of short rows at once, and the two
// halves of a training step of word2vec. One table per instruction set, as
// kernels.h; a file of its own, because it compiles in a moment.
// All windows of a center share its negatives, so that a step is a small matrix
// product (Ji et al. 2016, "Parallelizing Word2Vec in Shared and Distributed
// Memory").
#ifndef MALMOI_KERNELS_WORD_KERNELS_H_
#define MALMOI_KERNELS_WORD_KERNELS_H_

#include <cstdint>
#include <span>
#include <string_view>

namespace malmoi::kernels {

// One center of training: `inputs` rows x (its context), `targets` rows y (the
// word and the negatives, or the nodes of its path).
struct WordStep {
  const float* const* x = nullptr;   // [inputs][columns]
  float* const* x_change = nullptr;  // [inputs][columns], added to
  const float* const* y = nullptr;   // [targets][columns]
  const float* labels = nullptr;     // [inputs][targets], 0 or 1
  int64_t inputs = 0, targets = 0;
  int64_t columns = 0;  // a multiple of 16
  float rate = 0;
  // Out: [inputs][targets], and room for 16 more.
  float* gradients = nullptr;
};

struct WordKernelTable {
  std::string_view name;

  // out[q·out_stride + r] = queries[q]·row r, for `count` rows, `stride` apart.
  void (*dot_queries)(const float* const* queries, int64_t query_count,
                      const float* rows, int64_t stride, int64_t count,
                      int64_t columns, float* out, int64_t out_stride);
  // The same with one query.
  void (*dot_rows)(const float* query, const float* rows, int64_t stride,
                   int64_t count, int64_t columns, float* out);

  // gradients = rate·(label - σ(x·y)); x_change[i] += Σ_j gradient·y[j].
  void (*word_step)(const WordStep& step);

  // y += Σ_i weights[i·weight_stride]·x[i]; columns a multiple of 16.
  void (*add_weighted)(const float* const* x, const float* weights,
                       int64_t weight_stride, int64_t count, int64_t columns,
                       float* y);
};

// That of Kernels() (kernels.h).
const WordKernelTable& WordKernels();
// Best first, the scalar one last.
std::span<const WordKernelTable* const> AllWordKernels();
const WordKernelTable& ScalarWordKernels();

}  // namespace malmoi::kernels

#endif  // MALMOI_KERNELS_WORD_KERNELS_H_
