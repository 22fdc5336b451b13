// Archives whose entries are stored as they are: libzip writes 4 KiB at a
// time, which is a fifth of the time that counting words takes; this writes a
// megabyte at a time. PKWARE's APPNOTE.TXT 6.3.10; sizes and offsets past 4 GiB
// stand in the Zip64 field (4.5.3).
#include <algorithm>
#include <cerrno>
#include <fstream>
#include <string>

#include "archive/crc32.h"
#include "archive/zip.h"
#include "base/error.h"
#include "base/partial_file.h"

namespace malmoi::archive {

namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMost32 = 0xffffffff;
constexpr uint16_t kUtf8 = 1 << 11, kPlainVersion = 20, kWideVersion = 45;
constexpr uint16_t kDosTime = 0, kDosDate = (1 << 5) | 1;  // 1 January 1980

template <typename T>
void Put(std::string& to, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) {
    to += static_cast<char>(static_cast<uint64_t>(value) >> (8 * i) & 0xff);
  }
}

}  // namespace

struct ZipStore::Entry {
  std::string name;
  uint64_t size = 0, offset = 0;
  uint64_t begin = 0, written = 0;  // of its bytes
  uint32_t sum = 0;

  // What local and central headers share: from the flags to the sizes of the
  // name and of the extra field.
  void PutCommon(std::string& to, uint16_t extra) const {
    Put(to, kUtf8);
    Put(to, uint16_t{0});  // stored
    Put(to, kDosTime);
    Put(to, kDosDate);
    Put(to, sum);
    for (int i = 0; i < 2; ++i) {  // stored and original
      Put(to, static_cast<uint32_t>(std::min(size, kMost32)));
    }
    Put(to, static_cast<uint16_t>(name.size()));
    Put(to, extra);
  }
  std::string Local() const {
    const bool wide = size >= kMost32;
    std::string header = "PK\3\4";
    Put(header, wide ? kWideVersion : kPlainVersion);
    PutCommon(header, wide ? 20 : 0);
    header += name;
    if (!wide) return header;
    Put(header, uint16_t{1});
    Put(header, uint16_t{16});
    Put(header, size);
    Put(header, size);
    return header;
  }
  std::string Central() const {
    std::string more;
    if (size >= kMost32) {
      Put(more, size);
      Put(more, size);
    }
    if (offset >= kMost32) Put(more, offset);
    const uint16_t version = more.empty() ? kPlainVersion : kWideVersion;
    std::string header = "PK\1\2";
    Put(header, static_cast<uint16_t>(3 << 8 | version));  // made on Unix
    Put(header, version);
    PutCommon(header,
              more.empty() ? 0 : static_cast<uint16_t>(more.size() + 4));
    Put(header, uint16_t{0});              // comment
    Put(header, uint16_t{0});              // disk
    Put(header, uint16_t{0});              // internal attributes
    Put(header, uint32_t{0100644} << 16);  // a file that all may read
    Put(header, static_cast<uint32_t>(std::min(offset, kMost32)));
    header += name;
    if (more.empty()) return header;
    Put(header, uint16_t{1});
    Put(header, static_cast<uint16_t>(more.size()));
    return header + more;
  }
};

namespace {

// The archive's end, behind a central directory of `bytes` at `offset`.
std::string End(uint64_t entries, uint64_t offset, uint64_t bytes) {
  std::string end;
  if (entries >= 0xffff || offset >= kMost32 || bytes >= kMost32) {
    end += "PK\6\6";
    Put(end, uint64_t{44});  // what follows of this record
    Put(end, static_cast<uint16_t>(3 << 8 | kWideVersion));
    Put(end, kWideVersion);
    Put(end, uint32_t{0});  // disks
    Put(end, uint32_t{0});
    Put(end, entries);
    Put(end, entries);
    Put(end, bytes);
    Put(end, offset);
    end += "PK\6\7";
    Put(end, uint32_t{0});
    Put(end, offset + bytes);
    Put(end, uint32_t{1});
  }
  end += "PK\5\6";
  Put(end, uint32_t{0});  // disks
  for (int i = 0; i < 2; ++i) {
    Put(end, static_cast<uint16_t>(std::min<uint64_t>(entries, 0xffff)));
  }
  Put(end, static_cast<uint32_t>(std::min(bytes, kMost32)));
  Put(end, static_cast<uint32_t>(std::min(offset, kMost32)));
  Put(end, uint16_t{0});  // comment
  return end;
}

// Hands an item's bytes to use(piece), a megabyte at a time.
template <typename F>
void ForPieces(const ZipItem& item, F&& use) {
  constexpr size_t kPiece = size_t{1} << 20;
  if (item.file.empty()) {
    for (size_t at = 0; at < item.bytes.size(); at += kPiece) {
      use(item.bytes.substr(at, kPiece));
    }
    return;
  }
  std::ifstream file(item.file, std::ios::binary);
  if (!file) ThrowErrno(item.file.string(), "cannot open file", errno);
  std::string piece(kPiece, '\0');
  while (file) {
    file.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    use(std::string_view(piece).substr(0, static_cast<size_t>(file.gcount())));
  }
  if (file.bad()) ThrowErrno(item.file.string(), "cannot read file", EIO);
}

}  // namespace

ZipStore::ZipStore(const fs::path& path, const std::vector<Item>& items)
    : file_(path) {
  for (const Item& item : items) {
    Entry entry;
    entry.name = item.name;
    entry.size = item.size;
    entry.offset = end_;
    entry.begin = end_ + entry.Local().size();
    end_ = entry.begin + entry.size;
    entries_.push_back(std::move(entry));
  }
}

ZipStore::~ZipStore() = default;

void ZipStore::Write(size_t i, std::string_view bytes) {
  Entry& entry = entries_[i];
  if (bytes.size() <= entry.size - entry.written) {
    entry.sum = Crc32(entry.sum, bytes);
    file_.WriteAt(entry.begin + entry.written, bytes);
    entry.written += bytes.size();
    return;
  }
  throw Error(ErrorCode::kIo, {.where = file_.path().string(),
                               .what = "more bytes than were announced",
                               .expected = std::to_string(entry.size)});
}

void ZipStore::Finish() {
  std::string directory;
  for (const Entry& entry : entries_) {
    if (entry.written != entry.size) {
      throw Error(ErrorCode::kIo, {.where = file_.path().string(),
                                   .what = "fewer bytes than were announced",
                                   .expected = std::to_string(entry.size),
                                   .got = std::to_string(entry.written)});
    }
    file_.WriteAt(entry.offset, entry.Local());
    directory += entry.Central();
  }
  file_.WriteAt(end_, directory);
  file_.WriteAt(end_ + directory.size(),
                End(entries_.size(), end_, directory.size()));
  file_.Finish(false);
}

void StoreZip(const fs::path& path, std::span<const ZipItem> items) {
  std::vector<ZipStore::Item> entries;
  for (const ZipItem& item : items) {
    entries.push_back({item.name, item.file.empty()
                                      ? item.bytes.size()
                                      : fs::file_size(item.file)});
  }
  ZipStore store(path, entries);
  for (size_t i = 0; i < items.size(); ++i) {
    ForPieces(items[i], [&](std::string_view piece) { store.Write(i, piece); });
  }
  store.Finish();
}

}  // namespace malmoi::archive
