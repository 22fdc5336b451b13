// Small random models with a tokenizer of 300 tokens, of which 256 are bytes.
#ifndef MALMOI_APPS_TESTING_INSPECTED_H_
#define MALMOI_APPS_TESTING_INSPECTED_H_

#include <unistd.h>

#include <filesystem>
#include <string>

namespace malmoi::apps {

class ModelFolders {
 public:
  explicit ModelFolders(const std::string& golden)
      : golden_(golden),
        folder_(std::filesystem::temp_directory_path() /
                ("malmoi_inspected_" + std::to_string(getpid()))) {}
  ~ModelFolders() { std::filesystem::remove_all(folder_); }
  ModelFolders(const ModelFolders&) = delete;
  ModelFolders& operator=(const ModelFolders&) = delete;

  // "zoo/gpt2" of the golden models.
  std::filesystem::path With(const std::string& model) {
    namespace fs = std::filesystem;
    const fs::path folder = folder_ / model;
    if (fs::exists(folder)) return folder;
    fs::create_directories(folder);
    const auto copy = [&](const fs::path& from) {
      if (fs::exists(from)) fs::copy(from, folder / from.filename());
    };
    for (const char* file :
         {"config.json", "model.safetensors", "generation_config.json"}) {
      copy(golden_ / model / file);
    }
    for (const char* file : {"tokenizer.json", "tokenizer_config.json"}) {
      copy(golden_ / "architectures/llama" / file);
    }
    return folder;
  }

 private:
  std::filesystem::path golden_, folder_;
};

}  // namespace malmoi::apps

#endif  // MALMOI_APPS_TESTING_INSPECTED_H_
