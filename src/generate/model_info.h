// What a model is and can do, as its files say.
#ifndef MALMOI_GENERATE_MODEL_INFO_H_
#define MALMOI_GENERATE_MODEL_INFO_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/checkpoint.h"
#include "models/quantize_record.h"
#include "text/tokenize/tokenizer.h"

namespace malmoi::generate {

struct ModelInfo {
  std::string name;  // general.name or the folder's name
  std::filesystem::path path;
  std::string architecture;
  int64_t parameters = 0;
  std::string quantization;
  int64_t context = 0;  // tokens it was trained for
  std::string license;  // empty: not stated
  uint64_t file_bytes = 0;
  // What quantizing lost, where the file says so.
  std::optional<models::QuantizeRecord> quantized;
  std::vector<std::string> tasks;  // {"generate", "chat"}
  std::vector<std::shared_ptr<const models::Adapter>> adapters;

  // Only of DescribeModel(), empty where the model does not say.
  int64_t layers = 0, decoder_layers = 0;  // the second of encoder-decoders
  int64_t width = 0, heads = 0, kv_heads = 0, vocabulary = 0;
  std::vector<std::string> languages;  // {"en", "ko"}, as the model names them
  std::string tokenizer;               // its stages in words
};

// The first part, from headers only.
ModelInfo InfoOf(const models::Checkpoint& checkpoint);
// All of it: the configuration and the tokenizer are read too.
ModelInfo DescribeModel(const std::filesystem::path& path);

std::shared_ptr<const text::Tokenizer> TokenizerOf(
    const models::Checkpoint& checkpoint);
// The chat template's source; empty where there is none.
std::string TemplateOf(const models::Checkpoint& checkpoint);
}  // namespace malmoi::generate

#endif  // MALMOI_GENERATE_MODEL_INFO_H_
