// Finding and fetching models: what is on this machine first, then the
// sources of a name in order. A source that does not answer is passed over.
#ifndef MALMOI_HUB_PULL_H_
#define MALMOI_HUB_PULL_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "hub/model_ref.h"
#include "hub/options.h"
#include "hub/progress.h"

namespace malmoi::hub {

struct LocalModel {
  std::filesystem::path path;  // a .gguf file or a folder
  std::string name;            // by which malmoi knows it
  std::string source;          // "Hub", "package", "path"
  std::string licence;
  uint64_t bytes = 0;
};

// Without any network. A path that does not exist throws kNotFound.
std::optional<LocalModel> FindLocal(const ModelRef& ref,
                                    const HubOptions& options);
// FindLocal, else a download. Throws the last source's error; offline:
// kNotFound. Interrupted downloads resume.
LocalModel Resolve(const ModelRef& ref, const HubOptions& options,
                   Progress& progress);
// What Resolve would download, whether or not some of it is here, without
// downloading it: an alias is pinned, a repository is asked. A path, offline
// mode or a source that does not answer: an Error as of Resolve.
DownloadPlan PlanDownload(const ModelRef& ref, const HubOptions& options,
                          Progress& progress);
// All models of both caches, by name.
std::vector<LocalModel> ListLocal(const HubOptions& options);
// Removes a model that was downloaded (never a path); returns bytes freed.
// Throws kNotFound.
uint64_t RemoveLocal(const ModelRef& ref, const HubOptions& options);

}  // namespace malmoi::hub

#endif  // MALMOI_HUB_PULL_H_
