// Weights of FP8 folders (e4m3, Micikevicius et al. 2022): a matrix and its
// scales beside it, called as the matrix with "_scale_inv", or "_scale". Both
// multiply. The product is rounded to BF16, as transformers does when it
// dequantizes: FP8 has 4 significant bits, BF16 keeps 8.
#ifndef MALMOI_MODELS_FP8_H_
#define MALMOI_MODELS_FP8_H_

#include <string>

#include "models/checkpoint.h"
#include "tensor/tensor.h"

namespace malmoi::models {

// The type a tensor of a checkpoint has once it is found.
inline DType LoadedType(DType dtype) {
  return dtype == DType::kF8E4M3 ? DType::kBF16 : dtype;
}

// The name of the scales of an FP8 tensor; empty where there are none.
std::string Fp8ScaleName(const Checkpoint& checkpoint,
                         const std::string& tensor);

// [rows, columns] in BF16. Scales: one number, [rows, 1], or a grid of blocks
// of the size that config.json states, else of the rows and columns that each
// of them has. Returns no data where they do not fit; `problem` says so.
Tensor DequantizeFp8(const Checkpoint& checkpoint, const std::string& name,
                     const Tensor& tensor, std::string& problem);

// As DequantizeFp8(), and throws kCorrupt where scales do not fit.
Tensor FromFp8(const Checkpoint& checkpoint, const std::string& name,
               const Tensor& tensor);

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_FP8_H_
