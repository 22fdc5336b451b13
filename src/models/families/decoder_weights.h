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
#include "models/families/weight_reader.h"
#include "models/packed_cache.h"
#include "models/spec.h"
#include "ops/packed_matrix.h"
#include "tensor/tensor.h"

namespace malmoi::models {

struct Mixture {
  Linear router;  // [experts, width]
  std::vector<Expert> experts;
  Linear shared_router;  // [1, width]; none: it has a weight of 1
  Expert shared;
};

struct StateSpaceLayer {
  // [projected, width]: channels, which the convolution reads, and their gate;
  // where heads have steps the gate, what is convolved (channels, in and out),
  // the steps.
  Linear in;
  std::vector<float> filters;      // [taps][convolved]
  std::vector<float> filter_bias;  // [convolved]
  // Where channels have steps, from what was convolved: the inside of the
  // step, in and out, [step_rank + 2·states, inner], and the step [inner,
  // step_rank]. Of heads only the bias, [heads].
  Linear parts, step;
  std::vector<float> rates;  // as ops::ScanChannels() reads them, or [heads]
  std::vector<float> skips;  // [inner], or [heads]
  Norm norm;                 // [inner], of what was gated
  Linear out;                // [width, inner]
};

struct DecoderLayer {
  Norm attention_norm;
  Linear query, key, value;  // [heads·head_dim, width], ...
  Norm query_norm, key_norm;
  std::vector<float> sinks;     // [heads]
  Linear attention_output;      // [width, heads·head_dim]
  StateSpaceLayer state_space;  // in place of attention, or beside it
  Norm post_attention_norm;
  Norm feed_forward_norm;
  Linear gate, up;  // [hidden, width]; no gate where it is not gated
  Linear down;      // [width, hidden]
  Norm post_feed_forward_norm;
  Mixture mixture;  // in place of gate, up and down

  // What the feed-forward reads first.
  const Linear& first() const { return gate.rows > 0 ? gate : up; }
  // What the layer reads first.
  const Linear& entry() const {
    return state_space.in.rows > 0 ? state_space.in : query;
  }
};

struct DecoderWeights {
  Tensor embedding;              // [vocab_size, width], in the file
  std::vector<float> positions;  // [context][width]: learned ones
  std::vector<DecoderLayer> layers;
  Norm output_norm;
  Linear head;  // [vocab_size, width]
  int64_t parameters = 0;
  size_t bytes = 0;  // of the panels
};

// Completes `spec` (vocab_size, tied_head) by what the tensors say. Throws
// kCorrupt, naming every missing, unused and misshapen tensor.
// `cache` may be null. Without `head` that stays empty.
DecoderWeights LoadDecoder(const Checkpoint& checkpoint, Precision precision,
                           ThreadPool& pool, PackedCache* cache, Spec& spec,
                           bool head = true);

// Of one layer.
void ReadStateSpace(WeightReader& reader, bool gguf, const Spec& spec,
                    int64_t index, StateSpaceLayer& layer);

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_FAMILIES_DECODER_WEIGHTS_H_
