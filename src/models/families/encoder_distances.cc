// What DeBERTa's attention adds: comparisons of contents with vectors for
// distances.
#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "models/families/block_parts.h"
#include "models/families/encoder_family.h"

namespace malmoi::models {

namespace {

// He et al. 2021, "DeBERTa", in the code of version 2: small distances are
// themselves, larger ones lie on a logarithmic scale.
int64_t OwnBucket(int64_t distance, const DisentangledSpec& spec) {
  const int64_t middle = spec.buckets / 2;
  const int64_t n = std::abs(distance);
  if (spec.buckets == 0 || n <= middle) return distance;
  const float scaled =
      std::log(static_cast<float>(n) / static_cast<float>(middle)) /
      static_cast<float>(std::log(static_cast<double>(spec.farthest - 1) /
                                  static_cast<double>(middle))) *
      static_cast<float>(middle - 1);
  const int64_t bucket = middle + static_cast<int64_t>(std::ceil(scaled));
  return distance < 0 ? -bucket : bucket;
}

}  // namespace

// The vectors for distances as each layer's queries and keys: they are the same
// for every text.
void EncoderFamily::ProjectDistances(ThreadPool& pool) {
  const DisentangledSpec& apart = spec_.disentangled;
  const int64_t count = 2 * apart.span, width = spec_.width;
  Arena arena;
  Exec exec{pool, arena, {}, nullptr};
  if (apart.norm) {
    ops::NormInPlace(exec, ops::NormKind::kLayer, count, distance_norm_.weight,
                     distance_norm_.bias, spec_.norm_epsilon, nullptr,
                     distances_.data());
  }
  std::vector<float> projected(static_cast<size_t>(count * width));
  const auto turned = [&](const Linear& weights) {
    ProjectRows(exec, distances_.data(), count, weights, projected.data());
    std::vector<float> all(projected.size());
    for (int64_t c = 0; c < count; ++c) {
      for (int64_t k = 0; k < width; ++k) {
        all[static_cast<size_t>(k * count + c)] =
            projected[static_cast<size_t>(c * width + k)];
      }
    }
    return all;
  };
  for (EncoderLayer& layer : layers_) {
    if (apart.query) layer.key_distances = turned(layer.key);
    if (apart.key) layer.query_distances = turned(layer.query);
  }
  distances_ = {};
}

// For query row i and key row j of a text, in scores' scale:
// q(i)·K(i - j) + k(j)·Q(i - j), [rows][heads][reach].
const float* EncoderFamily::BiasByContents(Exec& exec, const Batch& batch,
                                           const EncoderLayer& layer,
                                           const float* queries,
                                           const float* keys) const {
  const DisentangledSpec& apart = spec_.disentangled;
  const AttentionSpec& attention = spec_.attention;
  const int64_t heads = attention.heads, dim = attention.head_dim;
  const int64_t padded = kernels::PaddedHeadDim(KvType::kF32, dim);
  const int64_t count = 2 * apart.span, reach = batch.reach;
  const float scale = static_cast<float>(attention.scale);
  float* bias =
      exec.arena.New<float>(static_cast<size_t>(batch.rows * heads * reach));
  std::fill_n(bias, batch.rows * heads * reach, 0.0f);
  // The vector for each distance, i - j + reach - 1.
  std::vector<int64_t> column;
  for (int64_t d = 1 - reach; d < reach; ++d) {
    column.push_back(
        std::clamp<int64_t>(OwnBucket(d, apart) + apart.span, 0, count - 1));
  }
  float* scratch = exec.arena.New<float>(
      static_cast<size_t>(exec.pool.threads()) * static_cast<size_t>(count));
  std::vector<int64_t> first_rows;
  int64_t next = 0;
  for (const EncoderInput& input : batch.inputs) {
    first_rows.push_back(next);
    next += static_cast<int64_t>(input.tokens.size());
  }
  const auto texts = static_cast<int64_t>(batch.inputs.size());
  exec.pool.Run(static_cast<int>(texts * heads), [&](int task, int thread) {
    const auto text = static_cast<size_t>(task / heads);
    const int64_t head = task % heads;
    const int64_t first = first_rows[text];
    const auto n = static_cast<int64_t>(batch.inputs[text].tokens.size());
    float* dots = scratch + thread * count;
    // dots[c] = factor·x·vector(c), for the distances that occur.
    const int64_t low = column[static_cast<size_t>(reach - n)];
    const int64_t high = column[static_cast<size_t>(reach + n - 2)];
    const auto compare = [&](const float* x, const std::vector<float>& vectors,
                             float factor) {
      std::fill(dots + low, dots + high + 1, 0.0f);
      for (int64_t d = 0; d < dim; ++d) {
        const float* row = vectors.data() + (head * dim + d) * count;
        const float value = x[d] * factor;
        for (int64_t c = low; c <= high; ++c) dots[c] += value * row[c];
      }
    };
    for (int64_t i = 0; i < n && apart.query; ++i) {
      compare(queries + ((first + i) * heads + head) * padded,
              layer.key_distances, 1.0f);
      float* to = bias + ((first + i) * heads + head) * reach;
      for (int64_t j = 0; j < n; ++j) {
        to[j] += dots[column[static_cast<size_t>(i - j + reach - 1)]];
      }
    }
    for (int64_t j = 0; j < n && apart.key; ++j) {
      compare(keys + ((first + j) * heads + head) * dim, layer.query_distances,
              scale);
      for (int64_t i = 0; i < n; ++i) {
        bias[((first + i) * heads + head) * reach + j] +=
            dots[column[static_cast<size_t>(i - j + reach - 1)]];
      }
    }
  });
  return bias;
}

}  // namespace malmoi::models
