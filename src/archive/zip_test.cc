// Stored archives against libzip, which reads them.
#include "archive/zip.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

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

}  // namespace
}  // namespace malmoi::archive
