// The Hugging Face Hub: API answers, the cache layout of its own client
// (blobs by etag, snapshots of links, refs), and pinned hashes.
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/format.h"
#include "base/json.h"
#include "hub/cache.h"
#include "hub/choose.h"
#include "hub/digest.h"
#include "hub/download.h"
#include "hub/sources.h"
#include "net/http.h"

namespace malmoi::hub {

namespace {

namespace fs = std::filesystem;

// How long a source that has an alternative may stay silent.
constexpr int kImpatientMs = 5000;

struct RemoteFile {
  std::string name;
  uint64_t bytes = 0;
  bool sized = false;
  std::string sha256;    // of files in large storage
  std::string git_sha1;  // of the others
  const std::string& etag() const { return sha256.empty() ? git_sha1 : sha256; }
};

struct RemoteRepo {
  std::string commit;
  std::string licence;
  std::vector<RemoteFile> files;
};

bool IsHex(const std::string& text, size_t digits) {
  return text.size() == digits &&
         text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

std::string Text(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

// A relative path that stays below its folder and is fit for a link.
bool IsSafeName(const std::string& name) {
  size_t begin = 0;
  while (begin <= name.size()) {
    size_t end = name.find('/', begin);
    if (end == std::string::npos) end = name.size();
    const std::string part = name.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") return false;
    begin = end + 1;
  }
  return std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return c >= ' ' && c != 127 && c != '\\';
  });
}

// What the Hub's refusals mean to the user.
[[noreturn]] void Explain(const Error& error, const ModelRef& ref,
                          const HubOptions& options) {
  ErrorParts parts = error.parts();
  ErrorCode code = error.code();
  const auto said = [&](const char* word) {
    return parts.got.find(word) != std::string::npos;
  };
  const std::string page = net::PublicUrl(options.endpoint + "/" + ref.repo);
  const bool anonymous = options.token.empty();
  if (said("RepoNotFound")) {
    code = ErrorCode::kNotFound;
    parts.what = "no such repository, or a private one";
    parts.hint = anonymous ? "another name, or a token in HF_TOKEN" : "";
  } else if (said("RevisionNotFound")) {
    parts.what = "no such revision";
  } else if (said("GatedRepo")) {
    parts.what = "access to this model must be asked for";
    parts.hint = "asking at " + page +
                 (anonymous ? ", then your token in HF_TOKEN" : "");
  } else if (code == ErrorCode::kAuth) {
    parts.hint = anonymous ? "a token in HF_TOKEN"
                           : "another token in HF_TOKEN; this one is refused";
  }
  throw Error(code, std::move(parts));
}

net::HttpRequest Request(const std::string& url, const Alias* alias,
                         const HubOptions& options) {
  net::HttpRequest request;
  request.url = url;
  if (!options.token.empty()) {
    request.authorization = "Bearer " + options.token;
  }
  request.stall_timeout_ms = options.etag_timeout_ms;
  request.retries = 1;
  if (alias != nullptr) {
    request.retries = 0;
    request.stall_timeout_ms = std::min(request.stall_timeout_ms, kImpatientMs);
  }
  return request;
}

std::string FileUrl(const ModelRef& ref, const std::string& commit,
                    const std::string& name, const HubOptions& options) {
  return Format("{}/{}/resolve/{}/{}", options.endpoint, ref.repo, commit,
                net::PercentEncode(name, "/"));
}

RemoteRepo ParseRepo(const std::string& body, const std::string& where) {
  const Json json = ParseJson(body, where);
  RemoteRepo repo;
  if (json.is_object()) {
    repo.commit = Text(json, "sha");
    const auto card = json.find("cardData");
    if (card != json.end() && card->is_object()) {
      repo.licence = Text(*card, "license");
    }
  }
  if (!IsHex(repo.commit, 40) || !json.contains("siblings") ||
      !json["siblings"].is_array()) {
    throw Error(ErrorCode::kNetwork,
                {.where = where,
                 .what = "the answer is not that of a Hugging Face endpoint"});
  }
  for (const Json& item : json["siblings"]) {
    if (!item.is_object()) continue;
    RemoteFile file;
    file.name = Text(item, "rfilename");
    if (!IsSafeName(file.name)) continue;
    const auto size = item.find("size");
    if (size != item.end() && size->is_number_unsigned()) {
      file.bytes = size->get<uint64_t>();
      file.sized = true;
    }
    const std::string blob = Text(item, "blobId");
    if (IsHex(blob, 40)) file.git_sha1 = blob;
    const auto lfs = item.find("lfs");
    if (lfs != item.end() && lfs->is_object()) {
      const std::string hash = Text(*lfs, "sha256");
      if (IsHex(hash, 64)) file.sha256 = hash;
    }
    repo.files.push_back(std::move(file));
  }
  return repo;
}

RemoteRepo AskRepo(const ModelRef& ref, const Alias* alias,
                   const HubOptions& options, Progress& progress) {
  net::HttpRequest request = Request(
      Format("{}/api/models/{}/revision/{}?blobs=true", options.endpoint,
             ref.repo, net::PercentEncode(ref.revision)),
      alias, options);
  request.cancelled = [&] { return progress.Cancelled(); };
  return ParseRepo(net::Fetch(request).body, net::PublicUrl(request.url));
}

// Size and hash of one file where the listing has none: some mirrors. The
// Hub's redirect to its storage carries them; that is not followed.
void AskFile(RemoteFile& file, std::string url, const Alias* alias,
             const HubOptions& options, Progress& progress) {
  net::HttpResponse response;
  const std::string origin = net::Origin(url);
  for (int hop = 0; hop < 5; ++hop) {
    net::HttpRequest request = Request(url, alias, options);
    request.head = true;
    request.follow_redirects = false;
    request.headers["Accept-Encoding"] = "identity";
    request.cancelled = [&] { return progress.Cancelled(); };
    response = net::Fetch(request);
    if (response.status < 300 || !response.Header("x-linked-etag").empty()) {
      break;
    }
    url = net::ResolveUrl(url, response.Header("location"));
    if (net::Origin(url) != origin) break;
  }
  std::string etag = response.Header("x-linked-etag");
  std::string size = response.Header("x-linked-size");
  if (etag.empty()) etag = response.Header("etag");
  if (size.empty() && response.status < 300) {
    size = response.Header("content-length");
  }
  if (etag.starts_with("W/")) etag = etag.substr(2);
  std::erase(etag, '"');
  if (IsHex(etag, 64)) file.sha256 = etag;
  if (IsHex(etag, 40)) file.git_sha1 = etag;
  if (file.etag().empty() || size.empty()) {
    throw Error(ErrorCode::kUnsupported,
                {.where = net::PublicUrl(url),
                 .what = "the endpoint does not tell the file's size and hash",
                 .got = etag});
  }
  file.bytes = std::strtoull(size.c_str(), nullptr, 10);
  file.sized = true;
}

[[noreturn]] void RefuseFile(const std::string& where, const AliasFile& pin,
                             const std::string& got) {
  throw Error(ErrorCode::kHashMismatch,
              {.where = where + "/" + std::string(pin.path),
               .what = "the source offers another file than the pinned one",
               .expected = std::string(pin.sha256),
               .got = got});
}

// What to download, weights last.
std::vector<RemoteFile> SelectFiles(const RemoteRepo& repo, const ModelRef& ref,
                                    const Alias* alias,
                                    const HubOptions& options,
                                    Progress& progress) {
  const std::string where = net::PublicUrl(options.endpoint + "/" + ref.repo);
  std::vector<std::string> chosen;
  if (alias != nullptr) {
    for (const AliasFile& pin : alias->files) chosen.emplace_back(pin.path);
    std::reverse(chosen.begin(), chosen.end());
  } else {
    std::vector<std::string> names;
    for (const RemoteFile& file : repo.files) names.push_back(file.name);
    chosen = ChooseFiles(names, ref.quant, where);
  }
  std::vector<RemoteFile> files;
  for (const std::string& name : chosen) {
    const auto found =
        std::find_if(repo.files.begin(), repo.files.end(),
                     [&](const RemoteFile& file) { return file.name == name; });
    if (found == repo.files.end()) {
      throw Error(ErrorCode::kNotFound,
                  {.where = where, .what = "file not found", .got = name});
    }
    files.push_back(*found);
    if (found->etag().empty() || !found->sized) {
      AskFile(files.back(), FileUrl(ref, repo.commit, name, options), alias,
              options, progress);
    }
  }
  if (alias != nullptr) {
    for (size_t i = 0; i < files.size(); ++i) {
      const AliasFile& pin = alias->files[files.size() - 1 - i];
      if ((!files[i].sha256.empty() && files[i].sha256 != pin.sha256) ||
          files[i].bytes != pin.bytes) {
        RefuseFile(where, pin,
                   Format("{}, {} bytes", files[i].etag(), files[i].bytes));
      }
    }
  }
  return files;
}

// Links snapshots/COMMIT/NAME to ../../blobs/ETAG; where there are no links,
// the snapshot gets a copy, as from the Hub's client.
void LinkBlob(const fs::path& folder, const fs::path& snapshot,
              const RemoteFile& file) {
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
  if (error) {
    error.clear();
    fs::copy_file(folder / "blobs" / file.etag(), temporary, error);
  }
  if (error) ThrowCache(link, "cannot create link", error.value());
  fs::rename(temporary, link, error);
  if (error) ThrowCache(link, "cannot create link", error.value());
}

// One repository being brought into the cache.
class RepoDownload {
 public:
  RepoDownload(const ModelRef& ref, const Alias* alias,
               const HubOptions& options, Progress& progress)
      : ref_(ref),
        alias_(alias),
        options_(options),
        progress_(progress),
        folder_(RepoFolder(options, ref.repo)) {}

  LocalModel Run() {
    repo_ = AskRepo(ref_, alias_, options_, progress_);
    files_ = SelectFiles(repo_, ref_, alias_, options_, progress_);
    const fs::path snapshot = folder_ / "snapshots" / repo_.commit;
    Announce();
    uint64_t finished = 0;
    std::vector<std::string> names;
    for (const RemoteFile& file : files_) {
      FetchBlob(file, finished);
      CheckPin(file);
      finished += file.bytes;
      progress_.Bytes(finished, total_);
      LinkBlob(folder_, snapshot, file);
      names.push_back(file.name);
    }
    if (ref_.revision != repo_.commit) {
      const fs::path ref = folder_ / "refs" / ref_.revision;
      MakeFolders(ref.parent_path());
      WriteFileAtomically(ref, repo_.commit);
    }
    LocalModel model;
    const bool is_folder = alias_ != nullptr && alias_->folder;
    model.path = is_folder ? snapshot : ModelPath(snapshot, names);
    model.name = ref_.text;
    model.source = "Hub";
    model.licence = Licence();
    model.bytes = total_;
    return model;
  }

 private:
  std::string Licence() const {
    return alias_ != nullptr ? std::string(alias_->licence) : repo_.licence;
  }
  fs::path Blob(const RemoteFile& file) const {
    return folder_ / "blobs" / file.etag();
  }
  fs::path Incomplete(const RemoteFile& file) const {
    return Blob(file).string() + ".incomplete";
  }

  // Says what will be downloaded, if anything will; checks for space.
  void Announce() {
    uint64_t missing = 0;
    DownloadPlan plan;
    for (const RemoteFile& file : files_) {
      std::error_code error;
      total_ += file.bytes;
      if (fs::exists(Blob(file), error)) continue;
      const uint64_t there = fs::file_size(Incomplete(file), error);
      missing += file.bytes - std::min(error ? 0 : there, file.bytes);
      plan.files.push_back(file.name);
    }
    if (plan.files.empty()) return;
    plan.name = ref_.text;
    plan.source = "the Hub, " + ref_.repo;
    plan.licence = Licence();
    plan.total_bytes = total_;
    progress_.Plan(plan);
    MakeFolders(folder_ / "blobs");
    CheckSpace(folder_, missing);
  }

  void FetchBlob(const RemoteFile& file, uint64_t finished) {
    const std::function<bool()> cancelled = [this] {
      return progress_.Cancelled();
    };
    std::error_code error;
    if (fs::exists(Blob(file), error)) return;
    const FileLock lock(
        options_.hub_cache / ".locks" / folder_.filename() /
            (file.etag() + ".lock"),
        cancelled, [&] {
          progress_.Notice(Format(
              "{}: waiting for another process that downloads it", file.name));
        });
    if (fs::exists(Blob(file), error)) return;
    FileDownload download;
    download.request = Request(FileUrl(ref_, repo_.commit, file.name, options_),
                               nullptr, options_);
    download.request.stall_timeout_ms = options_.download_timeout_ms;
    download.incomplete = Incomplete(file);
    download.complete = Blob(file);
    download.sha256 = file.sha256;
    download.git_sha1 = file.sha256.empty() ? file.git_sha1 : "";
    download.bytes = file.bytes;
    DownloadFile(
        download,
        [&](uint64_t done) { progress_.Bytes(finished + done, total_); },
        cancelled);
  }

  // Small files have other hashes on the Hub than the pins.
  void CheckPin(const RemoteFile& file) const {
    if (alias_ == nullptr || !file.sha256.empty()) return;
    for (const AliasFile& pin : alias_->files) {
      if (pin.path != file.name) continue;
      const std::string got = FileSha256(Blob(file));
      if (got != pin.sha256) {
        RefuseFile(net::PublicUrl(options_.endpoint + "/" + ref_.repo), pin,
                   got);
      }
    }
  }

  const ModelRef& ref_;
  const Alias* alias_;
  const HubOptions& options_;
  Progress& progress_;
  fs::path folder_;
  RemoteRepo repo_;
  std::vector<RemoteFile> files_;
  uint64_t total_ = 0;
};

}  // namespace

DownloadPlan PlanFromHub(const ModelRef& ref, const HubOptions& options,
                         Progress& progress) {
  try {
    const RemoteRepo repo = AskRepo(ref, nullptr, options, progress);
    DownloadPlan plan;
    plan.name = ref.text;
    plan.source = "the Hub, " + ref.repo;
    plan.licence = repo.licence;
    for (const RemoteFile& file :
         SelectFiles(repo, ref, nullptr, options, progress)) {
      plan.files.push_back(file.name);
      plan.total_bytes += file.bytes;
    }
    return plan;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kAuth &&
        error.code() != ErrorCode::kNotFound) {
      throw;
    }
    Explain(error, ref, options);
  }
}

LocalModel FetchFromHub(const ModelRef& ref, const Alias* alias,
                        const HubOptions& options, Progress& progress) {
  try {
    return RepoDownload(ref, alias, options, progress).Run();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kAuth &&
        error.code() != ErrorCode::kNotFound) {
      throw;
    }
    Explain(error, ref, options);
  }
}

}  // namespace malmoi::hub
