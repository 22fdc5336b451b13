// Writes a GGUF file as a Hugging Face folder: the way of convert.h back.
#ifndef MALMOI_MODELS_CONVERT_FROM_GGUF_H_
#define MALMOI_MODELS_CONVERT_FROM_GGUF_H_

#include <filesystem>
#include <functional>
#include <optional>

#include "models/checkpoint.h"
#include "models/convert.h"

namespace malmoi::models {

struct ConvertFromGgufOptions {
  bool overwrite = false;      // an existing folder
  std::optional<DType> dtype;  // F32, F16 or BF16 for all; empty: floats keep
                               // theirs, blocks become F16
  // Writes what is known of the tokenizer into the folder.
  std::function<void(const std::filesystem::path& folder)> tokenizer;
  std::function<bool(uint64_t done, uint64_t total)> progress;
};

// Only a folder that is read as the file was is kept. Throws kUnsupported, by
// name, for architectures and settings without a place in config.json; kLimit
// for a value beyond F16; kInvalidArgument for an output that exists;
// kDiskFull, kPermission, kIo.
ConvertResult ConvertFromGguf(const Checkpoint& source,
                              const std::filesystem::path& output,
                              const ConvertFromGgufOptions& options);

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_CONVERT_FROM_GGUF_H_
