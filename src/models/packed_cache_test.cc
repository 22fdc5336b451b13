// Kept panels give the same logits, and anything that is not what was written
// is packed anew.
#include "models/packed_cache.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <vector>

#include "base/file.h"
#include "models/decoder.h"

namespace malmoi::models {
namespace {

namespace fs = std::filesystem;

const fs::path kModel =
    fs::path(MALMOI_SOURCE_DIR) / "tests/golden/architectures/llama/model.gguf";

class PackedCacheTest : public ::testing::Test {
 protected:
  PackedCacheTest()
      : folder_(fs::temp_directory_path() /
                ("malmoi_packed_" + std::to_string(getpid()))) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    model_ = folder_ / "model.gguf";
    fs::copy_file(kModel, model_);
    options_.folder = folder_ / "packed";
  }
  ~PackedCacheTest() override { fs::remove_all(folder_); }

  std::vector<fs::path> Files() const {
    std::vector<fs::path> files;
    if (!fs::exists(options_.folder)) return files;
    for (const auto& entry : fs::directory_iterator(options_.folder)) {
      files.push_back(entry.path());
    }
    return files;
  }

  // Logits after a load with the cache, or without.
  std::vector<float> Logits(PackedCache* cache) {
    ThreadPool pool(2);
    Arena arena;
    Exec exec{pool, arena, {}, nullptr};
    const auto decoder =
        Decoder::Load(Checkpoint::Open(model_), Precision::kFast, pool, cache);
    auto sequence = decoder->NewSequence(64);
    const std::vector<int32_t> tokens = {1, 2, 3, 4, 5};
    const SequenceInput input = {sequence.get(), tokens, LogitsFor::kAll};
    const auto logits = decoder->Forward(exec, {&input, 1});
    if (cache != nullptr) cache->Finish();
    return {logits.begin(), logits.end()};
  }
  std::vector<float> Logits() {
    PackedCache cache(options_);
    return Logits(&cache);
  }

  void Change(const fs::path& file, size_t at, const std::string& bytes) {
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(static_cast<std::streamoff>(at));
    stream << bytes;
  }

  fs::path folder_, model_;
  PackedCacheOptions options_;
};

TEST_F(PackedCacheTest, SecondLoadMapsWhatTheFirstWrote) {
  const auto expected = Logits(nullptr);
  EXPECT_EQ(Logits(), expected);
  const auto files = Files();
  ASSERT_EQ(files.size(), 1u);
  const auto written = fs::last_write_time(files[0]);
  const auto content = ReadFile(files[0]);
  EXPECT_EQ(Logits(), expected);
  EXPECT_EQ(Files(), files);
  EXPECT_GE(fs::last_write_time(files[0]), written);
  // It is read: with other panels, other logits.
  Change(files[0], (2 << 20) + 64, std::string(256, '\x3c'));
  EXPECT_NE(Logits(), expected);
}

TEST_F(PackedCacheTest, AnotherBootChecksTheSums) {
  const auto expected = Logits(nullptr);
  Logits();
  const fs::path file = Files().at(0);
  const std::string before = ReadFile(file);
  Change(file, 0, "another boot");
  EXPECT_EQ(Logits(), expected);
  EXPECT_EQ(ReadFile(file), before) << "marked as of this boot";
  Change(file, 0, "another boot");
  Change(file, before.size() - 4096, std::string(16, 'x'));
  EXPECT_EQ(Logits(), expected) << "packed anew";
  EXPECT_EQ(ReadFile(file), before) << "and written again";
}

TEST_F(PackedCacheTest, DamagedFilesArePackedAnew) {
  const auto expected = Logits(nullptr);
  Logits();
  const fs::path file = Files().at(0);
  const std::string whole = ReadFile(file);
  for (const size_t size : {size_t{0}, size_t{63}, size_t{4096},
                            size_t{2 << 20}, whole.size() - 1}) {
    fs::resize_file(file, size);
    EXPECT_EQ(Logits(), expected) << size;
    EXPECT_EQ(ReadFile(file), whole) << size;
  }
  Change(file, 100, "x");  // the header
  EXPECT_EQ(Logits(), expected);
  EXPECT_EQ(ReadFile(file), whole);
}

TEST_F(PackedCacheTest, AChangedModelIsAnotherModel) {
  Logits();
  const std::string bytes = ReadFile(model_);
  Change(model_, bytes.size() - 8, "12345678");
  Logits();
  EXPECT_EQ(Files().size(), 2u);
}

TEST_F(PackedCacheTest, OldestFilesMakeRoom) {
  Logits();
  const fs::path first = Files().at(0);
  options_.limit_bytes = fs::file_size(first) + 1000;  // for one
  fs::last_write_time(model_,
                      fs::last_write_time(model_) + std::chrono::seconds(5));
  Logits();
  ASSERT_EQ(Files().size(), 1u);
  EXPECT_NE(Files()[0], first);
  options_.limit_bytes = 1000;  // for none
  fs::last_write_time(model_,
                      fs::last_write_time(model_) + std::chrono::seconds(5));
  const auto before = Files();
  Logits();
  EXPECT_EQ(Files(), before);
}

TEST_F(PackedCacheTest, NothingIsKeptWhereNothingCanBeWritten) {
  const auto expected = Logits(nullptr);
  std::ofstream(options_.folder.string()) << "a file, no folder";
  EXPECT_EQ(Logits(), expected);
  options_.folder.clear();
  EXPECT_EQ(Logits(), expected);
}

}  // namespace
}  // namespace malmoi::models
