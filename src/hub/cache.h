// The Hub's cache folder as its own client lays it out: models--ORG--NAME/
// blobs/ETAG, snapshots/COMMIT/FILE (links to blobs), refs/REVISION (a
// commit). Read and pruned here; written by hub_source.cc.
#ifndef MALMOI_HUB_CACHE_H_
#define MALMOI_HUB_CACHE_H_

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
// Names of the files in a snapshot whose content is there, sorted.
std::vector<std::string> SnapshotFiles(const std::filesystem::path& snapshot);

// The model a reference means, if all of it is there. With an alias, its
// pinned files.
std::optional<LocalModel> FindInHubCache(const ModelRef& ref,
                                         const Alias* alias,
                                         const HubOptions& options);
// Every complete model.
std::vector<LocalModel> ListHubCache(const HubOptions& options);
// Removes what the reference means: with a quantization or an alias its files
// only, with a revision that snapshot, else the repository. Blobs that other
// snapshots link to stay. Returns bytes freed; nullopt where nothing is there.
std::optional<uint64_t> RemoveFromHubCache(const ModelRef& ref,
                                           const Alias* alias,
                                           const HubOptions& options);

}  // namespace malmoi::hub

#endif  // MALMOI_HUB_CACHE_H_
