#include "hub/cache.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/format.h"
#include "hub/choose.h"
#include "hub/environment.h"
#include "hub/output_file.h"

namespace malmoi::hub {

namespace {

namespace fs = std::filesystem;

// Names of blobs are what a snapshot's links point to; a blob may itself be a
// link into the store that newer clients share between repositories.
std::string BlobName(const fs::path& link) {
  std::error_code error;
  const fs::path target = fs::read_symlink(link, error);
  return error ? "" : target.filename().string();
}

uint64_t SumBytes(const fs::path& folder,
                  const std::vector<std::string>& names) {
  uint64_t total = 0;
  for (const std::string& name : names) {
    std::error_code error;
    const uint64_t bytes = fs::file_size(folder / name, error);
    if (!error) total += bytes;
  }
  return total;
}

std::vector<std::string> AliasNames(const Alias& alias) {
  std::vector<std::string> names;
  for (const AliasFile& file : alias.files) names.emplace_back(file.path);
  return names;
}

bool HoldsAlias(const fs::path& snapshot, const Alias& alias) {
  for (const AliasFile& file : alias.files) {
    std::error_code error;
    const uint64_t bytes = fs::file_size(snapshot / file.path, error);
    if (error || bytes != file.bytes) return false;
  }
  // The name of the blob is the hash it was checked against.
  return BlobName(snapshot / alias.files[0].path) == alias.files[0].sha256;
}

// The model's files in a snapshot; empty where a part of them is missing.
std::vector<std::string> WholeModel(const std::vector<std::string>& names,
                                    const std::string& quant) {
  try {
    const auto files = ChooseFiles(names, quant, "");
    const bool gguf = LowerCase(files.back()).ends_with(".gguf");
    if (gguf || HasWholeSafetensors(names)) return files;
  } catch (const Error&) {
    // What is cached is another part of the repository.
  }
  return {};
}

std::vector<fs::path> Entries(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (auto it = fs::directory_iterator(folder, error);
       !error && it != fs::directory_iterator(); it.increment(error)) {
    entries.push_back(it->path());
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

std::string ReadRef(const fs::path& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return "";
  const std::string commit = TrimSpace(ReadFile(path, 4096));
  return commit.find('/') == std::string::npos ? commit : "";
}

std::vector<fs::path> FilesBelow(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (auto it = fs::recursive_directory_iterator(folder, error);
       !error && it != fs::recursive_directory_iterator();
       it.increment(error)) {
    std::error_code inner;
    if (!fs::is_directory(it->symlink_status(inner))) {
      files.push_back(it->path());
    }
  }
  return files;
}

// Bytes on the disk: links count nothing.
uint64_t DiskBytes(const fs::path& path) {
  std::error_code error;
  if (!fs::is_regular_file(fs::symlink_status(path, error))) return 0;
  const uint64_t bytes = fs::file_size(path, error);
  return error ? 0 : bytes;
}

void Remove(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) ThrowCache(path, "cannot remove", error.value());
}

// Removes folders from `folder` up to below `top` that have become empty.
void RemoveEmptyFolders(fs::path folder, const fs::path& top) {
  std::error_code error;
  while (folder != top && fs::is_empty(folder, error) && !error) {
    Remove(folder);
    folder = folder.parent_path();
  }
}

uint64_t RemoveRepo(const HubOptions& options, const fs::path& folder) {
  uint64_t freed = 0;
  for (const fs::path& file : FilesBelow(folder)) freed += DiskBytes(file);
  Remove(folder);
  std::error_code ignored;
  fs::remove_all(options.hub_cache / ".locks" / folder.filename(), ignored);
  return freed;
}

// Removes files of one snapshot and the blobs that were only theirs.
uint64_t RemoveFiles(const HubOptions& options, const fs::path& folder,
                     const fs::path& snapshot,
                     const std::vector<std::string>& names) {
  std::set<std::string> blobs;
  uint64_t freed = 0;
  for (const std::string& name : names) {
    const std::string blob = BlobName(snapshot / name);
    if (!blob.empty()) blobs.insert(blob);
    freed += DiskBytes(snapshot / name);
    Remove(snapshot / name);
    RemoveEmptyFolders((snapshot / name).parent_path(), snapshot);
  }
  for (const fs::path& link : FilesBelow(folder / "snapshots")) {
    blobs.erase(BlobName(link));
  }
  for (const std::string& blob : blobs) {
    freed += DiskBytes(folder / "blobs" / blob);
    Remove(folder / "blobs" / blob);
  }
  std::error_code error;
  if (fs::is_empty(snapshot, error) && !error) {
    const std::string commit = snapshot.filename().string();
    Remove(snapshot);
    for (const fs::path& ref : FilesBelow(folder / "refs")) {
      if (ReadRef(ref) == commit) Remove(ref);
    }
  }
  if (FilesBelow(folder / "snapshots").empty()) {
    freed += RemoveRepo(options, folder);
  }
  return freed;
}

// How each model of a snapshot can be named after "org/repo".
std::map<std::string, std::vector<std::string>> ModelsIn(
    const std::vector<std::string>& names) {
  std::map<std::string, std::vector<std::string>> models;
  const auto ggufs = GgufModels(names);
  for (const auto& files : ggufs) {
    const std::string quant = QuantOf(files[0]);
    const bool unique =
        !quant.empty() &&
        std::count_if(ggufs.begin(), ggufs.end(), [&](const auto& other) {
          return QuantOf(other[0]) == quant;
        }) == 1;
    models[":" + (unique ? quant : files[0])] = files;
  }
  if (HasWholeSafetensors(names)) models[""] = WholeModel(names, "");
  return models;
}

}  // namespace

fs::path RepoFolder(const HubOptions& options, const std::string& repo) {
  std::string name = "models--" + repo;
  const size_t slash = name.find('/');
  if (slash != std::string::npos) name.replace(slash, 1, "--");
  return options.hub_cache / name;
}

std::optional<fs::path> FindSnapshot(const HubOptions& options,
                                     const std::string& repo,
                                     const std::string& revision) {
  const fs::path folder = RepoFolder(options, repo);
  const std::string commit = ReadRef(folder / "refs" / revision);
  const fs::path snapshot =
      folder / "snapshots" / (commit.empty() ? revision : commit);
  std::error_code error;
  if (fs::is_directory(snapshot, error)) return snapshot;
  // The Hub's JavaScript client leaves no refs: a lone snapshot is main's.
  const auto all = Entries(folder / "snapshots");
  if (revision != "main" || !commit.empty() || all.size() != 1) {
    return std::nullopt;
  }
  return all[0];
}

std::vector<std::string> SnapshotFiles(const fs::path& snapshot) {
  std::vector<std::string> names;
  for (const fs::path& file : FilesBelow(snapshot)) {
    std::error_code error;
    if (!fs::is_regular_file(file, error)) continue;  // a dangling link
    names.push_back(file.lexically_relative(snapshot).generic_string());
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
  std::vector<std::string> files;
  if (alias != nullptr) {
    if (!HoldsAlias(*snapshot, *alias)) return std::nullopt;
    files = AliasNames(*alias);
    model.licence = alias->licence;
    model.path = alias->folder ? *snapshot : *snapshot / alias->files[0].path;
  } else {
    files = WholeModel(SnapshotFiles(*snapshot), ref.quant);
    if (files.empty()) return std::nullopt;
    model.path = ModelPath(*snapshot, files);
  }
  model.bytes = SumBytes(*snapshot, files);
  return model;
}

std::vector<LocalModel> ListHubCache(const HubOptions& options) {
  std::vector<LocalModel> models;
  for (const fs::path& folder : Entries(options.hub_cache)) {
    std::string repo = folder.filename().string();
    if (!repo.starts_with("models--")) continue;
    repo = repo.substr(8);
    const size_t dashes = repo.find("--");
    if (dashes == std::string::npos) continue;  // no name malmoi can be given
    repo.replace(dashes, 2, "/");
    const auto main = FindSnapshot(options, repo, "main");
    for (const fs::path& snapshot : Entries(folder / "snapshots")) {
      const std::string commit = snapshot.filename().string();
      for (const auto& [suffix, files] : ModelsIn(SnapshotFiles(snapshot))) {
        LocalModel model;
        model.name = repo + suffix + (snapshot == main ? "" : "@" + commit);
        model.source = "Hub";
        model.path = ModelPath(snapshot, files);
        model.bytes = SumBytes(snapshot, files);
        for (const Alias& alias : Aliases()) {
          if (alias.hub_repo.empty()) continue;
          const auto known = FindSnapshot(options, std::string(alias.hub_repo),
                                          std::string(alias.hub_revision));
          const fs::path path =
              alias.folder ? snapshot : snapshot / alias.files[0].path;
          if (known == snapshot && path == model.path &&
              HoldsAlias(snapshot, alias)) {
            model.name = alias.name;
            model.licence = alias.licence;
          }
        }
        models.push_back(std::move(model));
      }
    }
  }
  return models;
}

std::optional<uint64_t> RemoveFromHubCache(const ModelRef& ref,
                                           const Alias* alias,
                                           const HubOptions& options) {
  const fs::path folder = RepoFolder(options, ref.repo);
  std::error_code error;
  if (!fs::is_directory(folder, error)) return std::nullopt;
  const bool all = alias == nullptr && ref.quant.empty();
  if (all && ref.revision == "main") return RemoveRepo(options, folder);
  const auto snapshot = FindSnapshot(options, ref.repo, ref.revision);
  if (!snapshot) return std::nullopt;
  const auto there = SnapshotFiles(*snapshot);
  std::vector<std::string> names;
  if (alias != nullptr) {
    for (const std::string& name : AliasNames(*alias)) {
      if (std::binary_search(there.begin(), there.end(), name)) {
        names.push_back(name);
      }
    }
  } else {
    names = all ? there : WholeModel(there, ref.quant);
  }
  if (names.empty()) return std::nullopt;
  return RemoveFiles(options, folder, *snapshot, names);
}

}  // namespace malmoi::hub
