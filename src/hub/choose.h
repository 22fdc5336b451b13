// Which files of a repository a reference means: names only, so that the
// same rules hold for what a server lists and for what a cache holds.
#ifndef MALMOI_HUB_CHOOSE_H_
#define MALMOI_HUB_CHOOSE_H_

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace malmoi::hub {

// "Q4_K_M" of "folder/model-Q4_K_M-00001-of-00002.gguf"; empty where the name
// tells none.
std::string QuantOf(const std::string& name);

// The GGUF models among `names`, each as its file or its parts in order;
// projectors and importance matrices are none, nor is one that lacks parts.
std::vector<std::vector<std::string>> GgufModels(
    const std::vector<std::string>& names);

// Picks one GGUF model, or the files of a safetensors model (weights last, so
// that what is there in an interrupted download never looks complete).
// Without `quant`: safetensors first, then Q4_K_M, Q4_0, Q4_1, Q8_0, then the
// only one there is. `quant` may be a file's name. Throws kNotFound listing
// what there is, kInvalidArgument where several fit.
std::vector<std::string> ChooseFiles(const std::vector<std::string>& names,
                                     const std::string& quant,
                                     const std::string& where);

// Whether `names` hold a whole safetensors model: config, all shards, and a
// tokenizer (or image processor).
bool HasWholeSafetensors(const std::vector<std::string>& names);

// The model among chosen files of a folder: the GGUF or the folder.
std::filesystem::path ModelPath(const std::filesystem::path& folder,
                                const std::vector<std::string>& files);

}  // namespace malmoi::hub

#endif  // MALMOI_HUB_CHOOSE_H_
