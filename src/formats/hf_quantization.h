// What config.json says of quantized weights. malmoi reads FP8 and refuses
// everything else by its name, before a tensor is looked at: one table.
#ifndef MALMOI_FORMATS_HF_QUANTIZATION_H_
#define MALMOI_FORMATS_HF_QUANTIZATION_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.h"
#include "formats/gguf.h"

namespace malmoi::formats {

// Throws kUnsupported, naming the format and the way out, for weights that
// malmoi does not read.
void CheckQuantization(const Json& config, const std::string& where);

// Scales of activations and of the cache in FP8 folders: here both stay finer.
void DropActivationScales(TensorMap& tensors);

// How FP8 weights are scaled: by one number, or by one for each block.
struct Fp8Blocks {
  int64_t rows = 0, columns = 0;  // 0: what the shape of the scales says
};
Fp8Blocks ReadFp8Blocks(const Json& config);

}  // namespace malmoi::formats

#endif  // MALMOI_FORMATS_HF_QUANTIZATION_H_
