// Writes a Hugging Face folder as GGUF, with the names, order of rows and keys
// of llama.cpp's converter. Weights keep their type; nothing is rounded.
#ifndef MALMOI_MODELS_CONVERT_H_
#define MALMOI_MODELS_CONVERT_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "formats/gguf_writer.h"
#include "models/checkpoint.h"

namespace malmoi::models {

struct ConvertOptions {
  bool overwrite = false;  // an existing output
  // Adds what is known of the tokenizer, given the size of the vocabulary.
  std::function<void(int64_t vocab_size, formats::GgufMetadata& metadata)>
      tokenizer;
  // Bytes done and all; false stops.
  std::function<bool(uint64_t done, uint64_t total)> progress;
};

struct ConvertResult {
  uint64_t bytes = 0;  // of the file
  int64_t tensors = 0, parameters = 0;
  std::string architecture;  // general.architecture
};

// Throws kUnsupported, by name, for a GGUF as source and for architectures,
// rotations, types and tensors that are not converted; kInvalidArgument for an
// output that exists; see GgufFileWriter for other errors of the output.
ConvertResult ConvertToGguf(const Checkpoint& source,
                            const std::filesystem::path& output,
                            const ConvertOptions& options);

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_CONVERT_H_
