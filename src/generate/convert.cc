#include "generate/convert.h"

#include "text/tokenize/to_gguf.h"
#include "text/tokenize/to_json.h"

namespace malmoi::generate {

models::ConvertResult ConvertModel(
    const std::filesystem::path& source, const std::filesystem::path& output,
    bool overwrite,
    const std::function<bool(uint64_t done, uint64_t total)>& progress) {
  const models::Checkpoint checkpoint = models::Checkpoint::Open(source);
  models::ConvertOptions options;
  options.overwrite = overwrite;
  options.progress = progress;
  options.tokenizer = [&](int64_t vocab_size, formats::GgufMetadata& metadata) {
    text::AddTokenizer(source, vocab_size, metadata);
  };
  return models::ConvertToGguf(checkpoint, output, options);
}

models::ConvertResult ConvertGgufToFolder(
    const models::Checkpoint& source, const std::filesystem::path& output,
    const models::ConvertFolderOptions& folder) {
  models::ConvertFromGgufOptions options;
  options.overwrite = folder.overwrite;
  options.dtype = folder.dtype;
  options.progress = folder.progress;
  options.tokenizer = [&](const std::filesystem::path& path) {
    text::WriteTokenizer(source.gguf, path);
  };
  return models::ConvertFromGguf(source, output, options);
}

}  // namespace malmoi::generate
