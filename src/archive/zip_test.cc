// Stored archives against libzip, which reads them; sums against their
// definition.
#include "archive/zip.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "archive/crc32.h"
#include "base/error.h"
#include "base/file.h"

namespace malmoi::archive {
namespace {

TEST(StoreZip, IsReadByLibzipAndTheSameEachTime) {
  const auto folder = std::filesystem::path(::testing::TempDir());
  const auto path = folder / "stored.zip", again = folder / "again.zip";
  std::string long_bytes;  // several pieces
  for (int i = 0; i < 3000000; ++i) {
    long_bytes += static_cast<char>(i * 2654435761u >> 24);
  }
  const auto file = folder / "entry";
  std::ofstream(file, std::ios::binary) << long_bytes;
  const ZipItem items[] = {{.name = "empty", .bytes = "", .file = {}},
                           {.name = "말모이.npy", .bytes = "abc", .file = {}},
                           {.name = "long", .bytes = long_bytes, .file = {}},
                           {.name = "file", .bytes = "", .file = file}};
  StoreZip(path, items);
  WriteZip(again, items, false);
  EXPECT_EQ(ReadFile(path), ReadFile(again));
  const auto reader = ZipReader::Open(path);
  EXPECT_EQ(reader.names(),
            (std::vector<std::string>{"empty", "말모이.npy", "long", "file"}));
  const auto read = [&](const std::string& name) {
    std::string bytes;  // libzip checks them against the sum
    reader.Read(name, 1 << 24, [&](std::string_view piece) { bytes += piece; });
    return bytes;
  };
  EXPECT_EQ(read("empty"), "");
  EXPECT_EQ(read("말모이.npy"), "abc");
  EXPECT_EQ(read("long"), long_bytes);
  EXPECT_EQ(read("file"), long_bytes);
}

TEST(ZipStore, PlacesEntriesThatComeByTurns) {
  const auto folder = std::filesystem::path(::testing::TempDir());
  const auto path = folder / "turns.zip", whole = folder / "whole.zip";
  std::string a, b;
  ZipStore store(path, {{"a", 3000}, {"b", 30000}});
  for (int i = 0; i < 300; ++i) {
    const std::string piece(10, static_cast<char>('0' + i % 7));
    store.Write(0, piece);
    a += piece;
    for (int j = 0; j < 10; ++j) store.Write(1, piece);
    b += std::string(100, piece[0]);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  store.Finish();
  const ZipItem items[] = {{.name = "a", .bytes = a, .file = {}},
                           {.name = "b", .bytes = b, .file = {}}};
  StoreZip(whole, items);
  EXPECT_EQ(ReadFile(path), ReadFile(whole));
  std::filesystem::remove(path);
  ZipStore wrong(path, {{"a", 2}});
  wrong.Write(0, "x");
  EXPECT_THROW(wrong.Finish(), Error);
  EXPECT_THROW(wrong.Write(0, "yz"), Error);
}

TEST(Crc32, HasThePublishedValueAndIsTheDefinition) {
  EXPECT_EQ(Crc32(0, "123456789"), 0xcbf43926u);  // the usual check value
  std::string bytes;
  for (int i = 0; i < 1500; ++i) {
    bytes += static_cast<char>(i * 2654435761u >> 24);
  }
  const auto plain = [](uint32_t sum, std::string_view text) {  // bit by bit
    sum = ~sum;
    for (char c : text) {
      sum ^= static_cast<unsigned char>(c);
      for (int i = 0; i < 8; ++i) {
        sum = (sum >> 1) ^ ((sum & 1) != 0 ? 0xedb88320 : 0);
      }
    }
    return ~sum;
  };
  for (size_t size = 0; size <= bytes.size(); size += size < 400 ? 1 : 37) {
    const auto text = std::string_view(bytes).substr(bytes.size() - size);
    EXPECT_EQ(Crc32(0, text), plain(0, text)) << size;
    EXPECT_EQ(Crc32(0x12345678, text), plain(0x12345678, text)) << size;
  }
}

}  // namespace
}  // namespace malmoi::archive
