#include "models/new_folder.h"

#include <unistd.h>

#include "base/error.h"
#include "base/format.h"

namespace malmoi::models {

namespace fs = std::filesystem;

NewFolder::NewFolder(const fs::path& output, const fs::path& source,
                     bool overwrite)
    : output_(output.has_filename() ? output : output.parent_path()) {
  if (fs::exists(output) &&
      !(fs::is_directory(output) && fs::is_empty(output)) &&
      (!overwrite || !fs::exists(output / "config.json"))) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = output.string(),
                 .what = "the folder exists already",
                 .hint = "--force, where it is a model's; another name"});
  }
  if (fs::exists(output) && fs::equivalent(output, source)) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = output.string(),
                 .what = "the output is the source",
                 .hint = "another name"});
  }
  path_ = output_.string() + Format(".partial-{}", getpid());
  fs::remove_all(path_);
  fs::create_directories(path_);
}

NewFolder::~NewFolder() {
  std::error_code ignored;
  if (!path_.empty()) fs::remove_all(path_, ignored);
}

uint64_t WriteTensors(
    const NewFolder& folder, const fs::path& output,
    const std::vector<formats::SafetensorsInfo>& infos,
    const std::function<std::vector<std::byte>(size_t i)>& bytes,
    const std::function<bool(uint64_t done, uint64_t total)>& progress) {
  uint64_t total = 0, done = 0;
  for (const formats::SafetensorsInfo& info : infos) {
    uint64_t elements = 1;
    for (const int64_t size : info.shape) {
      elements *= static_cast<uint64_t>(size);
    }
    total += *ByteSize(info.dtype, elements);
  }
  // transformers asks for the format.
  formats::SafetensorsWriter writer(folder.path() / "model.safetensors", infos,
                                    {{"format", "pt"}});
  for (size_t i = 0; i < infos.size(); ++i) {
    const std::vector<std::byte> tensor = bytes(i);
    writer.Write(tensor);
    done += tensor.size();
    if (progress && !progress(done, total)) {
      throw Error(ErrorCode::kCancelled, {.where = output.string(),
                                          .what = "stopped; nothing is kept"});
    }
  }
  writer.Finish();
  return writer.file_bytes();
}

void NewFolder::Keep() {
  fs::remove_all(output_);
  fs::rename(path_, output_);
  path_.clear();
}

}  // namespace malmoi::models
