// Writes a GGUF model anew with its matrices in another type, one tensor at a
// time: the memory needed is some megabytes whatever the model's size.
#ifndef MALMOI_MODELS_QUANTIZE_H_
#define MALMOI_MODELS_QUANTIZE_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "models/importance.h"
#include "models/quantize_recipe.h"
#include "models/quantize_record.h"

namespace malmoi::models {

struct QuantizeOptions {
  std::string type;        // as FindQuantizeType
  bool overwrite = false;  // an existing output
  // Weighs errors in the search for scales; null: none.
  const Importance* importance = nullptr;
  // Source bytes done and all; false stops.
  std::function<bool(uint64_t done, uint64_t total)> progress;
};

struct QuantizeResult {
  uint64_t source_bytes = 0, bytes = 0;  // of the tensors; of the file
  int64_t parameters = 0;
  std::map<std::string, int64_t> tensors;  // of each type, by its name
  std::vector<Fallback> fallbacks;
  // The type that most of the source's matrices have, where they had been
  // quantized already: errors add up.
  std::string quantized_from;
  QuantizeRecord record;  // as the output's metadata tell it
  // With importance: tensors that were weighed, and that nothing is known of.
  int64_t weighed = 0, unweighed = 0;
};

// Whether a file may be written there. Throws kInvalidArgument.
void CheckOutput(const std::filesystem::path& output, bool overwrite);

// What can be said before the source is sought: the type's name, an output
// that exists, and importance for a type that has no use for it
// (kInvalidArgument).
void CheckQuantize(const std::filesystem::path& output,
                   const QuantizeOptions& options, bool importance);

// All metadata but general.file_type, general.quantization_version, what an
// earlier run recorded and the bookkeeping of split files is copied byte for
// byte. Folders: kUnsupported. Importance of another model: kInvalidArgument.
// Weights that are no finite numbers: kCorrupt; beyond f16's range where the
// type needs it: kUnsupported. See GgufFileWriter for errors of the output.
QuantizeResult QuantizeFile(const std::filesystem::path& source,
                            const std::filesystem::path& output,
                            const QuantizeOptions& options, ThreadPool& pool);

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_QUANTIZE_H_
