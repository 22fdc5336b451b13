// Which type each tensor of a GGUF model gets: one type for all matrices, or
// a mixture that spends more bits where errors cost most. The mixtures and the
// types for rows that do not fit are those of llama.cpp's llama-quant.cpp.
#ifndef MALMOI_MODELS_QUANTIZE_RECIPE_H_
#define MALMOI_MODELS_QUANTIZE_RECIPE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "formats/gguf.h"

namespace malmoi::models {

enum class Mixture { kNone, kMedium, kSmall };

struct QuantizeType {
  std::string_view name;  // "Q4_K_M"
  DType dtype;
  Mixture mixture;
  uint32_t file_type;  // general.file_type, by llama.cpp's numbers
};

// By name, upper or lower case. Throws kInvalidArgument with all names.
const QuantizeType& FindQuantizeType(std::string_view name);

struct PlannedTensor {
  std::string name;
  const Tensor* source;
  DType dtype;  // equal to the source's: copied
};
// Matrices whose rows are no whole blocks of the chosen type.
struct Fallback {
  DType chosen, used;
  int64_t tensors;
};
struct QuantizePlan {
  std::vector<PlannedTensor> tensors;  // in the order of the layers
  std::vector<Fallback> fallbacks;
};
// Norms, vectors and other small tensors stay as they are.
QuantizePlan PlanQuantize(const formats::GgufFile& file,
                          const QuantizeType& type);
// The same for tensors by their names in GGUF, which need not be in a file.
QuantizePlan PlanQuantize(const formats::TensorMap& tensors, int64_t layers,
                          int64_t experts, const QuantizeType& type);

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_QUANTIZE_RECIPE_H_
