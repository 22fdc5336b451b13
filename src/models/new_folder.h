// A model's folder that is written beside its name, and takes it when it is
// whole.
#ifndef MALMOI_MODELS_NEW_FOLDER_H_
#define MALMOI_MODELS_NEW_FOLDER_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "formats/safetensors_writer.h"

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

// Writes a folder's model.safetensors, bytes(i) being those of infos[i];
// returns the file's size. Throws kCancelled where `progress` says false, of
// `output`.
uint64_t WriteTensors(
    const NewFolder& folder, const std::filesystem::path& output,
    const std::vector<formats::SafetensorsInfo>& infos,
    const std::function<std::vector<std::byte>(size_t i)>& bytes,
    const std::function<bool(uint64_t done, uint64_t total)>& progress);

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_NEW_FOLDER_H_
