// Finds the tensors of a checkpoint by role and checks all shapes before
// anything is computed; reports every problem at once.
#ifndef MALMOI_MODELS_LOADER_H_
#define MALMOI_MODELS_LOADER_H_

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "models/checkpoint.h"
#include "models/registry.h"
#include "models/spec.h"

namespace malmoi::models {

// Weights that a tensor holds: bytes of "…_blocks" hold two, their scales none.
int64_t Parameters(std::string_view name, const Tensor& tensor);

// Both, or neither.
struct BlocksAndScales {
  const Tensor* blocks = nullptr;  // U8 [experts, rows, columns/32, 16]
  const Tensor* scales = nullptr;  // U8 [experts, rows, columns/32]
};

class TensorFinder {
 public:
  TensorFinder(const Checkpoint& checkpoint, const Architecture& architecture)
      : checkpoint_(checkpoint), architecture_(architecture) {}

  // The tensor of a role with this shape (of FP8 what it stands for, which this
  // finder keeps), null (and a noted problem) where it
  // is missing or misshapen. `layer` is ignored for roles without layers.
  const Tensor* Find(Role role, int64_t layer, const Shape& shape);
  // The same of its bias.
  const Tensor* FindBias(Role role, int64_t layer, const Shape& shape);
  std::string Name(Role role, int64_t layer) const {
    return NameIn(checkpoint_, architecture_, role, layer);
  }
  // Whether each head's, or expert's, is a tensor of its own.
  bool HasHeads(Role role, int64_t layer) const {
    return Name(role, layer).find("{}") != std::string::npos;
  }
  const Tensor* FindOfHead(Role role, int64_t layer, int64_t head,
                           const Shape& shape);
  // MXFP4 of a file that keeps scales apart. A problem is noted as above.
  BlocksAndScales FindBlocks(Role role, int64_t layer, int64_t experts,
                             int64_t rows, int64_t columns);
  // Null without a problem where it is missing.
  const Tensor* FindOptional(Role role, int64_t layer, const Shape& shape);

  // Notes tensors no role has claimed and throws kCorrupt if there was any
  // problem.
  void Finish();

 private:
  const Tensor* FindOptional(const std::string& name, const Shape& shape);
  const Tensor* Find(const std::string& name, const Shape& shape);

  const Checkpoint& checkpoint_;
  const Architecture& architecture_;
  std::deque<Tensor> made_;  // from FP8
  std::vector<std::string> claimed_;
  std::vector<std::string> problems_;
};

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_LOADER_H_
