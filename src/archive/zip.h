// Zip archives, of which wheels, .npz files and office documents are made:
// entries are read piece by piece under a limit, and written the same way each
// time.
#ifndef MALMOI_ARCHIVE_ZIP_H_
#define MALMOI_ARCHIVE_ZIP_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/partial_file.h"

namespace malmoi::archive {

// The entries of an archive; folders are entries whose names end in "/".
class ZipReader {
 public:
  // Throws kNotFound, kPermission, kCorrupt (not an archive).
  static ZipReader Open(const std::filesystem::path& path);
  // `bytes` must outlive the reader; `where` names them in errors.
  static ZipReader Parse(std::span<const std::byte> bytes, std::string where);

  // In the archive's order.
  std::vector<std::string> names() const;

  // Hands an entry to `sink` in pieces; returns its bytes, which were checked
  // against the archive's sum. Throws kCorrupt for an entry that is missing,
  // damaged, encrypted, or longer than `limit`, whatever its header says.
  uint64_t Read(const std::string& name, uint64_t limit,
                const std::function<void(std::string_view)>& sink) const;

 private:
  ZipReader(std::shared_ptr<void> zip, std::string where)
      : zip_(std::move(zip)), where_(std::move(where)) {}

  std::shared_ptr<void> zip_;  // libzip's handle
  std::string where_;
};

// One entry to be written.
struct ZipItem {
  std::string name;
  std::string_view bytes;
  // Where it is not empty, its content is the entry's, read piece by piece.
  std::filesystem::path file;
};

// Writes an archive beside `path` and renames it over it. No times are stored,
// so that the same items make the same bytes. `compress`: deflate, otherwise
// entries are stored as they are. Throws kNotFound (the folder), kPermission,
// kDiskFull, kIo.
void WriteZip(const std::filesystem::path& path, std::span<const ZipItem> items,
              bool compress = true);
// The same of stored entries; what WriteZip() calls for them.
void StoreZip(const std::filesystem::path& path,
              std::span<const ZipItem> items);

// An archive of stored entries whose sizes are known before: their bytes come
// piece by piece, of all entries by turns. Throws as WriteZip().
class ZipStore {
 public:
  struct Item {
    std::string name;
    uint64_t size = 0;
  };
  ZipStore(const std::filesystem::path& path, const std::vector<Item>& items);
  ~ZipStore();

  // What follows in entry `i`.
  void Write(size_t i, std::string_view bytes);
  // Completes the file, which does not exist before. Throws kIo where an entry
  // has not its size.
  void Finish();

 private:
  struct Entry;
  PartialFile file_;
  std::vector<Entry> entries_;
  uint64_t end_ = 0;
};

}  // namespace malmoi::archive

#endif  // MALMOI_ARCHIVE_ZIP_H_
