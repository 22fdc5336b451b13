// Writes a Hugging Face folder anew: adapters become part of the weights, FP8
// becomes BF16, floats take another type where the user says so.
#ifndef MALMOI_MODELS_CONVERT_FOLDER_H_
#define MALMOI_MODELS_CONVERT_FOLDER_H_

#include <filesystem>
#include <functional>
#include <optional>

#include "models/checkpoint.h"
#include "models/convert.h"

namespace malmoi::models {

struct ConvertFolderOptions {
  bool overwrite = false;      // an existing folder
  std::optional<DType> dtype;  // F32, F16 or BF16; empty: each as it is
  // Bytes done and all; false stops.
  std::function<bool(uint64_t done, uint64_t total)> progress;
};

// `source` with its adapters; what an adapter adds is computed in f32 and
// rounded once. The other files of the folder are copied but for weights. The
// output appears when it is whole. Throws kUnsupported for a GGUF, a GGUF's
// adapter, and a quantized folder other than FP8; kInvalidArgument for an
// output that exists, or an adapter that does not fit, everything together;
// kLimit for a value that F16 cannot hold; kDiskFull, kPermission, kIo.
ConvertResult ConvertToFolder(const Checkpoint& source,
                              const std::filesystem::path& output,
                              const ConvertFolderOptions& options);

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_CONVERT_FOLDER_H_
