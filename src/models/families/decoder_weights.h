// The weights of a decoder: found by role, checked together, packed for this
// machine. Files that store query, key and value, or gate and up, as one
// matrix are cut by rows here, so that the forward knows one form.
#ifndef MALMOI_MODELS_FAMILIES_DECODER_WEIGHTS_H_
#define MALMOI_MODELS_FAMILIES_DECODER_WEIGHTS_H_

#include <cstdint>
#include <vector>

#include "base/thread_pool.h"
#include "models/checkpoint.h"
#include "models/decoder.h"
#include "models/packed_cache.h"
#include "models/spec.h"
#include "ops/packed_matrix.h"
#include "tensor/tensor.h"

namespace malmoi::models {

// Norm weights are [width], those of heads [head_dim]; empty where the Spec
// has none.
struct DecoderLayer {
  std::vector<float> attention_norm;
  ops::PackedMatrix query, key, value;  // [heads·head_dim, width], ...
  std::vector<float> query_norm, key_norm;
  ops::PackedMatrix attention_output;  // [width, heads·head_dim]
  std::vector<float> post_attention_norm;
  std::vector<float> feed_forward_norm;
  ops::PackedMatrix gate, up;  // [hidden, width]
  ops::PackedMatrix down;      // [width, hidden]
  std::vector<float> post_feed_forward_norm;
};

struct DecoderWeights {
  Tensor embedding;  // [vocab_size, width], in the file
  std::vector<DecoderLayer> layers;
  std::vector<float> output_norm;
  ops::PackedMatrix head;  // [vocab_size, width]
  int64_t parameters = 0;
  size_t bytes = 0;  // of the panels
};

// Completes `spec` (vocab_size, tied_head) by what the tensors say. Throws
// kCorrupt, naming every missing, unused and misshapen tensor.
// `cache` may be null.
DecoderWeights LoadDecoder(const Checkpoint& checkpoint, Precision precision,
                           ThreadPool& pool, PackedCache* cache, Spec& spec);

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_FAMILIES_DECODER_WEIGHTS_H_
