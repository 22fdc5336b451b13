#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "base/format.h"
#include "base/json.h"
#include "base/random.h"

namespace malmoi {
namespace {

TEST(Error, MessageHasTheDocumentedForm) {
  const Error error(ErrorCode::kCorrupt, {.where = "model.gguf",
                                          .what = "bad magic",
                                          .expected = "GGUF",
                                          .got = "PK",
                                          .hint = "another file"});
  EXPECT_EQ(error.message(),
            "model.gguf: bad magic; expected GGUF, got PK; try another file");
  EXPECT_EQ(
      Error(ErrorCode::kIo, {.where = "a", .what = "b", .got = "c"}).message(),
      "a: b; got c");
}

TEST(Error, ErrnoBecomesACode) {
  auto code_of = [](int number) {
    try {
      ThrowErrno("x", "y", number);
    } catch (const Error& e) {
      return e.code();
    }
  };
  EXPECT_EQ(code_of(ENOENT), ErrorCode::kNotFound);
  EXPECT_EQ(code_of(ENOSPC), ErrorCode::kDiskFull);
  EXPECT_EQ(code_of(EACCES), ErrorCode::kPermission);
  EXPECT_EQ(code_of(EIO), ErrorCode::kIo);
}

TEST(Check, ThrowsLogicErrorAndDetectsOverflow) {
  EXPECT_THROW(MALMOI_CHECK(1 == 2), std::logic_error);
  EXPECT_FALSE(CheckedMul(uint64_t{1} << 40, uint64_t{1} << 40));
  EXPECT_EQ(*CheckedMul(6, 7), 42u);
  EXPECT_FALSE(CheckedAdd(~uint64_t{0}, 1));
}

TEST(File, WritesAtomicallyReadsAndMaps) {
  const auto dir = std::filesystem::temp_directory_path() /
                   ("malmoi_base_" + std::to_string(getpid()));
  std::filesystem::create_directories(dir);
  const auto path = dir / "말모이.txt";
  WriteFileAtomically(path, "first");
  WriteFileAtomically(path, "안녕");
  EXPECT_EQ(ReadFile(path), "안녕");
  EXPECT_EQ(MappedFile::Open(path)->bytes().size(), 6u);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir), {}), 1);
  EXPECT_THROW(ReadFile(path, 3), Error);
  EXPECT_THROW(ReadFile(dir), Error);
  EXPECT_THROW(MappedFile::Open(dir / "none"), Error);
  // A device or a folder is never renamed over.
  for (const char* other : {"/dev/null", "/tmp"}) {
    EXPECT_THROW(WriteFileAtomically(other, "x"), Error) << other;
    EXPECT_FALSE(std::filesystem::is_regular_file(other));
  }
  WriteFileAtomically(path, "");
  EXPECT_THROW(MappedFile::Open(path), Error);
  std::filesystem::remove_all(dir);
}

TEST(Json, LimitsDepthAndReportsErrors) {
  EXPECT_EQ(ParseJson("{\"a\":[1]}", "t")["a"][0], 1);
  EXPECT_THROW(ParseJson(std::string(100000, '['), "t"), Error);
  EXPECT_THROW(ParseJson("{", "t"), Error);
  EXPECT_THROW(ParseJson("[1,2,3]", "t", {.max_bytes = 3}), Error);
  EXPECT_EQ(DumpJson(Json("\xff")), "\"\xEF\xBF\xBD\"");
}

TEST(Json, KeepsTheOrderOfKeysAndTheLastOfRepeatedOnes) {
  const Json json = ParseJson(
      R"({"b":1,"a":{"x":[null,true,-2,2.5,"s"],"y":{}},"b":2,"c":3,"b":4})",
      "t");
  EXPECT_EQ(DumpJson(json),
            R"({"b":4,"a":{"x":[null,true,-2,2.5,"s"],"y":{}},"c":3})");
  // 200,000 keys: comparing each with all before it would take a minute.
  std::string large = "{";
  for (int i = 0; i < 200000; ++i) {
    large += (i == 0 ? "\"k" : ",\"k") + std::to_string(i) + "\":1";
  }
  EXPECT_EQ(ParseJson(large + "}", "t").size(), 200000u);
}

TEST(Format, Bytes) {
  EXPECT_EQ(FormatBytes(999), "999 B");
  EXPECT_EQ(FormatBytes(98362432), "98.4 MB");
  EXPECT_EQ(FormatBytes(999960), "1.0 MB");
}

// The first outputs of pcg32_srandom(42, 54) in the PCG paper's demo program.
TEST(Random, MatchesPublishedPcg32) {
  Random random(42, 54);
  EXPECT_EQ(random.Next(), 0xa15c02b7u);
  EXPECT_EQ(random.Next(), 0x7b47f409u);
  EXPECT_EQ(random.Next(), 0xba1d3330u);
}

}  // namespace
}  // namespace malmoi
