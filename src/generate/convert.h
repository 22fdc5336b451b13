// A Hugging Face folder as one GGUF file: weights, tokenizer, chat template.
#ifndef MALMOI_GENERATE_CONVERT_H_
#define MALMOI_GENERATE_CONVERT_H_

#include <cstdint>
#include <filesystem>
#include <functional>

#include "models/convert.h"

namespace malmoi::generate {

// Throws as models::ConvertToGguf() and text::AddTokenizer().
models::ConvertResult ConvertModel(
    const std::filesystem::path& source, const std::filesystem::path& output,
    bool overwrite,
    const std::function<bool(uint64_t done, uint64_t total)>& progress = {});

}  // namespace malmoi::generate

#endif  // MALMOI_GENERATE_CONVERT_H_
