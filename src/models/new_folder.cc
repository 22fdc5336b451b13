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

void NewFolder::Keep() {
  fs::remove_all(output_);
  fs::rename(path_, output_);
  path_.clear();
}

}  // namespace malmoi::models
