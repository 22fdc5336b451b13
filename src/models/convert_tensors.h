// The tensors of a GGUF file, made of a folder's: which they are, and how their
// rows, types and numbers change.
#ifndef MALMOI_MODELS_CONVERT_TENSORS_H_
#define MALMOI_MODELS_CONVERT_TENSORS_H_

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "formats/gguf_writer.h"
#include "models/checkpoint.h"
#include "models/gguf_form.h"
#include "models/model_facts.h"
#include "models/registry.h"

namespace malmoi::models {

// Which of the rows of a matrix that a folder has as one.
enum class RowPart { kAll, kFirstHalf, kSecondHalf, kEven, kOdd };

// A factor of some rows, from `begin` on.
struct RowScale {
  int64_t begin = 0, end = 0;
  float factor = 1;
};

// One tensor of the output. Of what is read, in this order: rows and columns
// change places, rows are chosen and sorted, numbers are changed.
struct ConvertStep {
  formats::GgufTensorInfo info;
  std::vector<std::string> names;  // in the folder; several are stacked
  std::vector<float> floats;       // without names
  std::optional<Tensor> outside;   // without either: as it is
  // Of what is read.
  int64_t batches = 1, rows = 0, columns = 0;
  bool transpose = false;
  RowPart part = RowPart::kAll;
  int64_t skipped = 0;           // rows at the beginning
  int64_t interleave_heads = 0;  // their halves become neighbours
  // Rows of groups, each of so many query heads, a key and a value, become
  // those of all queries, keys and values.
  int64_t groups = 0, heads = 0;
  double offset = 0;
  bool rates = false;  // a logarithm becomes what it is of, negative
  std::vector<RowScale> scales;
  bool mxfp4 = false;  // blocks and scales, which lie apart
};

// What a folder may have as one matrix, and the GGUF as two.
struct Halves {
  Role both, first, second;
};
std::span<const Halves> RoleHalves();
// Of weights that a norm offset is added to.
bool HasNormOffset(Role role);
// Whether a matrix is stored the same way in models that transpose.
bool IsTable(Role role);

// Throws kUnsupported for tensors without a place in GGUF, by name, and
// kCorrupt for layers that lack what others have. `facts` are the folder's;
// `head` is what an encoder has beside its own tensors.
std::vector<ConvertStep> PlanTensors(const Checkpoint& source,
                                     const Architecture& architecture,
                                     const GgufForm& form,
                                     const ModelFacts& facts,
                                     std::span<const TensorName> head = {});

// Where the row of the output was, within its batch, before it was sorted.
int64_t SourceRow(const ConvertStep& step, int64_t row);

// The bytes of info.dtype.
std::vector<std::byte> TensorBytes(const Checkpoint& source,
                                   const ConvertStep& step);

[[noreturn]] void RefuseConvert(const Checkpoint& source, std::string what,
                                std::string got);

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_CONVERT_TENSORS_H_
