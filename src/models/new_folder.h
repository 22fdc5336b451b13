// A model's folder that is written beside its name, and takes it when it is
// whole.
#ifndef MALMOI_MODELS_NEW_FOLDER_H_
#define MALMOI_MODELS_NEW_FOLDER_H_

#include <filesystem>

namespace malmoi::models {

class NewFolder {
 public:
  // Throws kInvalidArgument for an output that exists (with `overwrite`, for
  // one that is not a model's) or that is `source`.
  NewFolder(const std::filesystem::path& output,
            const std::filesystem::path& source, bool overwrite);
  // Removed unless it was kept.
  ~NewFolder();
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  void Keep();

 private:
  std::filesystem::path output_, path_;
};

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_NEW_FOLDER_H_
