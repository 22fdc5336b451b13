// A Hugging Face folder as one GGUF file, and the other way: weights,
// tokenizer, chat template.
#ifndef MALMOI_GENERATE_CONVERT_H_
#define MALMOI_GENERATE_CONVERT_H_

#include <cstdint>
#include <filesystem>
#include <functional>

#include "models/convert.h"
#include "models/convert_folder.h"
#include "models/convert_from_gguf.h"

namespace malmoi::generate {

// Throws as models::ConvertToGguf() and text::AddTokenizer().
models::ConvertResult ConvertModel(
    const std::filesystem::path& source, const std::filesystem::path& output,
    bool overwrite,
    const std::function<bool(uint64_t done, uint64_t total)>& progress = {});

// Throws as models::ConvertFromGguf() and text::WriteTokenizer().
models::ConvertResult ConvertGgufToFolder(
    const models::Checkpoint& source, const std::filesystem::path& output,
    const models::ConvertFolderOptions& folder);

}  // namespace malmoi::generate

#endif  // MALMOI_GENERATE_CONVERT_H_
