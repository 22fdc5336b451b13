// The Hugging Face Hub: API answers, the cache layout of its own client
// (blobs by etag, snapshots of links, refs), and pinned hashes.
#include <unistd.h>

#include <algorithm>
#include <regex>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/format.h"
#include "base/json.h"
#include "hub/download.h"
#include "hub/sources.h"
#include "net/http.h"

namespace malmoi::hub {

namespace {

namespace fs = std::filesystem;

struct RemoteFile {
  std::string name;
  uint64_t bytes = 0;
  std::string sha256;    // of files in large storage
  std::string git_sha1;  // of the others
  const std::string& etag() const { return sha256.empty() ? git_sha1 : sha256; }
};

struct RemoteRepo {
  std::string commit;
  std::string licence;
  std::vector<RemoteFile> files;
};

std::string Authorization(const HubOptions& options) {
  return options.token.empty() ? "" : "Bearer " + options.token;
}

bool SafeName(const std::string& name) {
  return !name.empty() && name[0] != '/' && name.find('\\') == name.npos &&
         name != ".." && !name.starts_with("../") && !name.ends_with("/..") &&
         name.find("/../") == std::string::npos;
}

RemoteRepo AskRepo(const ModelRef& ref, const HubOptions& options,
                   Progress& progress) {
  net::HttpRequest request;
  request.url = Format("{}/api/models/{}/revision/{}?blobs=true",
                       options.endpoint, ref.repo, ref.revision);
  request.authorization = Authorization(options);
  request.stall_timeout_ms = options.etag_timeout_ms;
  request.retries = 1;
  request.cancelled = [&] { return progress.Cancelled(); };
  const net::HttpResponse response = net::Fetch(request);
  const std::string where = net::PublicUrl(request.url);
  const Json json = ParseJson(response.body, where);
  RemoteRepo repo;
  if (json.is_object()) {
    repo.commit = json.value("sha", "");
    if (json.contains("cardData") && json["cardData"].is_object() &&
        json["cardData"].contains("license") &&
        json["cardData"]["license"].is_string()) {
      repo.licence = json["cardData"]["license"].get<std::string>();
    }
  }
  if (!json.is_object() || !json.contains("siblings") ||
      !json["siblings"].is_array() || repo.commit.empty() ||
      repo.commit.find_first_not_of("0123456789abcdef") != std::string::npos) {
    throw Error(ErrorCode::kNetwork,
                {.where = where,
                 .what = "the answer is not that of a Hugging Face endpoint"});
  }
  for (const Json& item : json["siblings"]) {
    if (!item.is_object()) continue;
    RemoteFile file;
    file.name = item.value("rfilename", "");
    if (!SafeName(file.name)) continue;
    if (item.contains("size") && item["size"].is_number_unsigned()) {
      file.bytes = item["size"].get<uint64_t>();
    }
    file.git_sha1 = item.value("blobId", "");
    if (item.contains("lfs") && item["lfs"].is_object()) {
      file.sha256 = item["lfs"].value("sha256", "");
    }
    const auto hex = [](const std::string& text) {
      return text.find_first_not_of("0123456789abcdef") == text.npos;
    };
    if (file.etag().empty() || !hex(file.etag())) continue;
    repo.files.push_back(std::move(file));
  }
  return repo;
}

// Links snapshots/COMMIT/NAME to ../../blobs/ETAG.
void LinkBlob(const fs::path& snapshot, const RemoteFile& file) {
  const fs::path link = snapshot / file.name;
  MakeFolders(link.parent_path());
  std::string up = "../../";
  for (char c : file.name) {
    if (c == '/') up += "../";
  }
  std::error_code error;
  const fs::path target = up + "blobs/" + file.etag();
  if (fs::read_symlink(link, error) == target) return;
  // Two processes may link at once: the later rename wins, both are right.
  const fs::path temporary =
      link.string() + Format(".{}.link", static_cast<int>(getpid()));
  fs::remove(temporary, error);
  fs::create_symlink(target, temporary, error);
  if (error) ThrowErrno(link.string(), "cannot create link", error.value());
  fs::rename(temporary, link, error);
  if (error) ThrowErrno(link.string(), "cannot create link", error.value());
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
  std::error_code error;
  std::string commit = revision;
  const fs::path ref = folder / "refs" / revision;
  if (fs::is_regular_file(ref, error)) {
    commit = ReadFile(ref, 4096);
    while (!commit.empty() &&
           std::isspace(static_cast<unsigned char>(commit.back()))) {
      commit.pop_back();
    }
  }
  const fs::path snapshot = folder / "snapshots" / commit;
  if (!commit.empty() && fs::is_directory(snapshot, error)) return snapshot;
  // The Hub's JavaScript client leaves no refs: a lone snapshot is main's.
  std::vector<fs::path> all;
  for (auto it = fs::directory_iterator(folder / "snapshots", error);
       !error && it != fs::directory_iterator(); it.increment(error)) {
    all.push_back(it->path());
  }
  if (revision != "main" || all.size() != 1) return std::nullopt;
  return all.front();
}

std::vector<std::string> ChooseFiles(const std::vector<std::string>& names,
                                     const std::string& quant,
                                     const std::string& where) {
  std::vector<std::string> ggufs;
  bool safetensors = false;
  for (const std::string& name : names) {
    const bool projector = name.find("mmproj") != std::string::npos;
    if (name.ends_with(".gguf") && !projector) ggufs.push_back(name);
    safetensors = safetensors || name == "model.safetensors" ||
                  name == "model.safetensors.index.json";
  }
  if (quant.empty() && safetensors) {
    std::vector<std::string> chosen;
    static const std::regex kShard(R"(model(-\d+-of-\d+)?\.safetensors)");
    for (const std::string& name : names) {
      const bool text = name.ends_with(".json") || name.ends_with(".jinja") ||
                        name == "vocab.txt" || name == "merges.txt" ||
                        name == "tokenizer.model";
      const bool deep = std::count(name.begin(), name.end(), '/') > 1;
      if ((text && !deep && !name.starts_with("onnx/") &&
           !name.starts_with("openvino/")) ||
          std::regex_match(name, kShard)) {
        chosen.push_back(name);
      }
    }
    return chosen;
  }
  if (ggufs.empty()) {
    throw Error(ErrorCode::kNotFound,
                {.where = where,
                 .what = "the repository holds no model malmoi reads",
                 .expected = "model.safetensors or .gguf files"});
  }
  // "Q4_K_M" matches as a word of the name, whatever its case.
  const auto matches = [](const std::string& name, const std::string& wanted) {
    const auto lower = [](std::string text) {
      for (char& c : text) {
        c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      }
      return text;
    };
    const std::string text = lower(name);
    const std::string word = lower(wanted);
    for (size_t at = text.find(word); at != std::string::npos;
         at = text.find(word, at + 1)) {
      const auto edge = [&](size_t i) {
        return i >= text.size() ||
               (!std::isalnum(static_cast<unsigned char>(text[i])) &&
                text[i] != '_');
      };
      if ((at == 0 || edge(at - 1)) && edge(at + word.size())) return true;
    }
    return false;
  };
  const std::vector<std::string> wanted =
      quant.empty() ? std::vector<std::string>{"Q4_K_M", "Q4_0", "Q4_1", "Q8_0"}
                    : std::vector<std::string>{quant};
  for (const std::string& one : wanted) {
    std::vector<std::string> chosen;
    for (const std::string& name : ggufs) {
      if (matches(name, one)) chosen.push_back(name);
    }
    std::sort(chosen.begin(), chosen.end());
    // One file, or the parts of one.
    static const std::regex kPart(R"((.*)-\d{5}-of-\d{5}\.gguf)");
    std::smatch match;
    if (chosen.size() > 1 && !std::regex_match(chosen[0], match, kPart)) {
      chosen.resize(1);
    }
    if (!chosen.empty()) return chosen;
  }
  if (quant.empty()) return {ggufs.front()};
  std::string there;
  for (const std::string& name : ggufs) {
    there += (there.empty() ? "" : ", ") + name;
  }
  throw Error(ErrorCode::kNotFound, {.where = where,
                                     .what = "no such quantization",
                                     .expected = there,
                                     .got = quant});
}

fs::path ModelPath(const fs::path& snapshot,
                   const std::vector<std::string>& files) {
  for (const std::string& file : files) {
    if (file.ends_with(".gguf")) return snapshot / file;
  }
  return snapshot;
}

LocalModel FetchFromHub(const ModelRef& ref, const Alias* alias,
                        const HubOptions& options, Progress& progress) {
  const RemoteRepo repo = AskRepo(ref, options, progress);
  const std::string where = options.endpoint + "/" + ref.repo;
  std::vector<std::string> names;
  for (const RemoteFile& file : repo.files) names.push_back(file.name);
  std::vector<std::string> chosen;
  if (alias != nullptr) {
    // The weights decide by their pinned hash.
    for (const AliasFile& file : alias->files) {
      chosen.emplace_back(file.path);
    }
  } else {
    chosen = ChooseFiles(names, ref.quant, where);
  }
  std::vector<RemoteFile> files;
  uint64_t total = 0;
  for (const std::string& name : chosen) {
    const auto found =
        std::find_if(repo.files.begin(), repo.files.end(),
                     [&](const RemoteFile& file) { return file.name == name; });
    if (found == repo.files.end()) {
      throw Error(ErrorCode::kNotFound,
                  {.where = where, .what = "file not found", .got = name});
    }
    files.push_back(*found);
    total += found->bytes;
  }
  if (alias != nullptr && files[0].sha256 != alias->files[0].sha256) {
    throw Error(ErrorCode::kHashMismatch,
                {.where = where,
                 .what = "the source offers another file than the pinned one",
                 .expected = std::string(alias->files[0].sha256),
                 .got = files[0].sha256});
  }
  progress.Plan({alias != nullptr ? std::string(alias->name) : ref.text,
                 "the Hub, " + ref.repo,
                 alias != nullptr ? std::string(alias->licence) : repo.licence,
                 total});
  const fs::path folder = RepoFolder(options, ref.repo);
  const auto cancelled = [&] { return progress.Cancelled(); };
  uint64_t finished = 0;
  for (const RemoteFile& file : files) {
    const fs::path blob = folder / "blobs" / file.etag();
    const FileLock lock(options.hub_cache / ".locks" / folder.filename() /
                            (file.etag() + ".lock"),
                        cancelled);
    std::error_code error;
    if (!fs::exists(blob, error)) {
      FileDownload download;
      download.url = Format("{}/{}/resolve/{}/{}", options.endpoint, ref.repo,
                            repo.commit, file.name);
      download.authorization = Authorization(options);
      download.incomplete = blob.string() + ".incomplete";
      download.complete = blob;
      download.sha256 = file.sha256;
      download.git_sha1 = file.sha256.empty() ? file.git_sha1 : "";
      download.bytes = file.bytes;
      download.stall_timeout_ms = options.download_timeout_ms;
      DownloadFile(
          download,
          [&](uint64_t done) { progress.Bytes(finished + done, total); },
          cancelled);
    }
    finished += file.bytes;
    progress.Bytes(finished, total);
    LinkBlob(folder / "snapshots" / repo.commit, file);
  }
  if (ref.revision != repo.commit) {
    MakeFolders((folder / "refs" / ref.revision).parent_path());
    WriteFileAtomically(folder / "refs" / ref.revision, repo.commit);
  }
  LocalModel model;
  model.path = ModelPath(folder / "snapshots" / repo.commit, chosen);
  model.name = ref.text;
  model.source = "Hub";
  model.licence = alias != nullptr ? std::string(alias->licence) : repo.licence;
  model.bytes = total;
  return model;
}

}  // namespace malmoi::hub
