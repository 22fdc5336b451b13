// What loading a decoder would put into memory, from its headers alone: the
// matrices that are packed, as they are stored or as `malmoi quantize` would
// store them. For planning before a load.
#ifndef MALMOI_MODELS_DECODER_PLAN_H_
#define MALMOI_MODELS_DECODER_PLAN_H_

#include <cstdint>
#include <vector>

#include "models/checkpoint.h"
#include "models/kv_cache.h"
#include "models/quantize_recipe.h"
#include "models/registry.h"
#include "models/spec.h"
#include "tensor/dtype.h"

namespace malmoi::models {

struct PackedShape {
  Role role;
  DType dtype;
  int64_t rows = 0, columns = 0;  // of one
  int64_t copies = 1;             // experts: so many are there,
  int64_t used = 1;               // so many of them read each row

  int64_t weights() const { return rows * columns; }
  // Of the panels of one, on this machine's kernels.
  size_t bytes() const;
};

// Whether the layer's forward reads such a tensor.
bool UsesRole(const Spec& spec, Role role, int64_t layer);

struct DecoderPlan {
  Spec spec;  // complete: with vocab_size and tied_head
  KvShape kv;
  std::vector<PackedShape> matrices;  // all that a forward multiplies with
  uint64_t tensor_bytes = 0;          // of all tensors in a file
  int64_t parameters = 0;

  size_t packed_bytes() const;
};

// With `type`, as if the model had been quantized to it. Throws kUnsupported
// for an unknown architecture and kCorrupt for one whose configuration or
// whose list of matrices is not complete.
DecoderPlan PlanDecoder(const Checkpoint& checkpoint,
                        const QuantizeType* type = nullptr);

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_DECODER_PLAN_H_
