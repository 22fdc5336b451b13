#include "archive/zip.h"

#include <zip.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "base/error.h"
#include "base/file.h"

namespace malmoi::archive {

namespace {

namespace fs = std::filesystem;

[[noreturn]] void Corrupt(const std::string& where, std::string what,
                          std::string got = "") {
  throw Error(ErrorCode::kCorrupt,
              {.where = where, .what = std::move(what), .got = std::move(got)});
}

zip_t* Handle(const std::shared_ptr<void>& zip) {
  return static_cast<zip_t*>(zip.get());
}

// 1 January 1980, the format's zero.
constexpr zip_uint16_t kDosTime = 0, kDosDate = (1 << 5) | 1;

[[noreturn]] void ThrowZip(const fs::path& path, zip_error_t* error) {
  const int system = zip_error_code_system(error);
  if (zip_error_system_type(error) == ZIP_ET_SYS && system != 0) {
    ThrowErrno(path.string(), "cannot write file", system);
  }
  throw Error(ErrorCode::kIo, {.where = path.string(),
                               .what = "cannot write file",
                               .got = zip_error_strerror(error)});
}

}  // namespace

ZipReader ZipReader::Open(const fs::path& path) {
  int error = 0;
  errno = 0;
  zip_t* zip = zip_open(path.c_str(), ZIP_RDONLY, &error);
  if (zip == nullptr) {
    const int system = errno;
    if (error == ZIP_ER_NOENT) {
      ThrowErrno(path.string(), "cannot open file", ENOENT);
    }
    if ((error == ZIP_ER_OPEN || error == ZIP_ER_READ) && system != 0) {
      ThrowErrno(path.string(), "cannot open file", system);
    }
    Corrupt(path.string(), "not a zip archive");
  }
  return {std::shared_ptr<void>(
              zip, [](void* it) { zip_discard(static_cast<zip_t*>(it)); }),
          path.string()};
}

ZipReader ZipReader::Parse(std::span<const std::byte> bytes,
                           std::string where) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source =
      zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error);
  zip_t* zip = source == nullptr
                   ? nullptr
                   : zip_open_from_source(source, ZIP_RDONLY, &error);
  zip_error_fini(&error);
  if (zip == nullptr) {
    if (source != nullptr) zip_source_free(source);
    Corrupt(where, "not a zip archive");
  }
  return {std::shared_ptr<void>(
              zip, [](void* it) { zip_discard(static_cast<zip_t*>(it)); }),
          std::move(where)};
}

std::vector<std::string> ZipReader::names() const {
  std::vector<std::string> names;
  const zip_int64_t count = zip_get_num_entries(Handle(zip_), 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    const char* name =
        zip_get_name(Handle(zip_), static_cast<zip_uint64_t>(i), 0);
    if (name == nullptr) Corrupt(where_, "an entry without a name");
    names.emplace_back(name);
  }
  return names;
}

uint64_t ZipReader::Read(
    const std::string& name, uint64_t limit,
    const std::function<void(std::string_view)>& sink) const {
  const std::unique_ptr<zip_file_t, int (*)(zip_file_t*)> file(
      zip_fopen(Handle(zip_), name.c_str(), 0), zip_fclose);
  if (file == nullptr) {
    if (zip_name_locate(Handle(zip_), name.c_str(), 0) < 0) {
      Corrupt(where_, "the archive lacks an entry", name);
    }
    Corrupt(where_, "a damaged entry", name);
  }
  std::vector<char> buffer(size_t{1} << 20);
  uint64_t total = 0;
  while (true) {
    const zip_int64_t count =
        zip_fread(file.get(), buffer.data(), buffer.size());
    if (count < 0) Corrupt(where_, "a damaged entry", name);
    if (count == 0) return total;
    if (static_cast<uint64_t>(count) > limit - total) {
      Corrupt(where_, "an entry larger than it should be", name);
    }
    total += static_cast<uint64_t>(count);
    sink({buffer.data(), static_cast<size_t>(count)});
  }
}

void WriteZip(const fs::path& path, std::span<const ZipItem> items,
              bool compress) {
  if (!compress) return StoreZip(path, items);
  // zip_close() writes a temporary file beside `path` and renames it.
  int code = 0;
  errno = 0;
  zip_t* zip = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
  if (zip == nullptr) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    const std::string text = zip_error_strerror(&error);
    const int system = errno;
    zip_error_fini(&error);
    if (system != 0) ThrowErrno(path.string(), "cannot create file", system);
    throw Error(
        ErrorCode::kIo,
        {.where = path.string(), .what = "cannot create file", .got = text});
  }
  const auto fail = [&] {
    // The message lives in the handle.
    const std::unique_ptr<zip_t, void (*)(zip_t*)> guard(zip, zip_discard);
    ThrowZip(path, zip_get_error(zip));
  };
  for (const ZipItem& item : items) {
    zip_source_t* source =
        item.file.empty()
            ? zip_source_buffer(zip, item.bytes.data(), item.bytes.size(), 0)
            : zip_source_file(zip, item.file.c_str(), 0, -1);
    if (source == nullptr) fail();
    const zip_int64_t index =
        zip_file_add(zip, item.name.c_str(), source, ZIP_FL_ENC_UTF_8);
    if (index < 0) {
      zip_source_free(source);
      fail();
    }
    const auto entry = static_cast<zip_uint64_t>(index);
    if (zip_set_file_compression(zip, entry, ZIP_CM_DEFLATE, 0) != 0 ||
        zip_file_set_dostime(zip, entry, kDosTime, kDosDate, 0) != 0) {
      fail();
    }
  }
  if (zip_close(zip) != 0) fail();
}

}  // namespace malmoi::archive
