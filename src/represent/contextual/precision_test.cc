// Vectors in fewer bits against sentence_transformers.quantize_embeddings
// (values: tools/make_golden_embedders.py), and pairs against all cosines.
#include "represent/contextual/precision.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/random.h"
#include "formats/npy.h"
#include "formats/safetensors.h"
#include "represent/contextual/embedder.h"
#include "represent/contextual/neighbours.h"

namespace malmoi::represent {
namespace {

namespace fs = std::filesystem;

TEST(VectorQuantizer, EqualsTheReference) {
  const auto file = formats::SafetensorsFile::Open(
      MALMOI_SOURCE_DIR "/tests/golden/embedders/quantized.safetensors");
  const auto floats = [&](const char* name) {
    const Tensor& tensor = file.tensors.at(name);
    const auto* values = reinterpret_cast<const float*>(tensor.data.data());
    return std::vector<float>(values, values + tensor.elements());
  };
  const auto vectors = floats("vectors"), both = floats("ranges");
  const size_t width = both.size() / 2;
  const Ranges ranges = {{both.begin(), both.begin() + 19},
                         {both.begin() + 19, both.end()}};
  for (const char* name : {"int8", "uint8", "binary", "ubinary"}) {
    const VectorQuantizer quantizer(FindVectorPrecision(name),
                                    static_cast<int64_t>(width), ranges);
    const Tensor& want = file.tensors.at(name);
    EXPECT_EQ(quantizer.dtype(), want.dtype) << name;
    EXPECT_EQ(quantizer.columns(), want.columns()) << name;
    for (size_t i = 0; i < vectors.size() / width; ++i) {
      const auto got =
          quantizer.Apply(std::span(vectors).subspan(i * width, width));
      EXPECT_EQ(
          std::memcmp(got.data(), want.data.data() + i * quantizer.bytes(),
                      quantizer.bytes()),
          0)
          << name << i;
    }
  }
}

TEST(VectorQuantizer, RefusesRangesOfOtherDimensions) {
  EXPECT_THROW(VectorQuantizer(VectorPrecision::kInt8, 3, {}), Error);
  EXPECT_THROW(VectorQuantizer(VectorPrecision::kUint8, 3, {{1, 2}, {2, 3}}),
               Error);
  EXPECT_NO_THROW(VectorQuantizer(VectorPrecision::kBinary, 3, {}));
  EXPECT_THROW(FindVectorPrecision("int4"), Error);
}

TEST(Ranges, AreWrittenAndReadBack) {
  const fs::path path = fs::temp_directory_path() /
                        ("malmoi_ranges_" + std::to_string(getpid()) + ".npy");
  Ranges ranges;
  ranges.Add(std::vector<float>{1, -2, 3});
  ranges.Add(std::vector<float>{0, 5, 3});
  ranges.Write(path);
  const Ranges back = Ranges::Read(path);
  EXPECT_EQ(back.least, (std::vector<float>{0, -2, 3}));
  EXPECT_EQ(back.greatest, (std::vector<float>{1, 5, 3}));
  const std::vector<double> wide = {0, 1, 2, 3};
  std::ofstream(path, std::ios::binary)
      << formats::NpyBytes(DType::kF64, {2, 2}, std::span<const double>(wide));
  EXPECT_EQ(Ranges::Read(path).greatest, (std::vector<float>{2, 3}));
  std::ofstream(path, std::ios::binary)
      << formats::NpyBytes(DType::kF64, {4}, std::span<const double>(wide));
  EXPECT_THROW(Ranges::Read(path), Error);
  fs::remove(path);
}

TEST(NearPairs, AreThoseOfAllCosines) {
  // More than one block of rows; some vectors are copies of others.
  constexpr size_t kCount = 1300, kWidth = 9;
  Random random(7);
  std::vector<float> vectors;
  for (size_t i = 0; i < kCount * kWidth; ++i) {
    vectors.push_back(i >= 900 * kWidth
                          ? vectors[i - 900 * kWidth] * 3
                          : static_cast<float>(random.Uniform()) - 0.5f);
  }
  const auto row = [&](size_t i) {
    return std::span<const float>(vectors).subspan(i * kWidth, kWidth);
  };
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads);
    const auto got = NearPairs(pool, vectors, kWidth, 0.9);
    size_t expected = 0;
    for (size_t a = 0; a < kCount; ++a) {
      for (size_t b = a + 1; b < kCount; ++b) {
        expected += Cosine(row(a), row(b)) >= 0.9 ? 1 : 0;
      }
    }
    ASSERT_EQ(got.size(), expected);
    EXPECT_GE(expected, 400u);
    for (size_t i = 0; i < got.size(); ++i) {
      EXPECT_LT(got[i].first, got[i].second);
      EXPECT_EQ(got[i].score, Cosine(row(got[i].first), row(got[i].second)));
      if (i > 0) EXPECT_GE(got[i - 1].score, got[i].score);
    }
    EXPECT_THROW(NearPairs(pool, vectors, kWidth, 0.9, 100), Error);
  }
}

TEST(BestNeighbours, KeepsTheBestAndTheEarlierOfEquals) {
  BestNeighbours best(3);
  const double scores[] = {0.1, 0.9, 0.5, 0.9, 0.5, 0.2, 0.95};
  for (size_t i = 0; i < 7; ++i) best.Offer(scores[i], i, std::to_string(i));
  const auto sorted = best.Sorted();
  ASSERT_EQ(sorted.size(), 3u);
  EXPECT_EQ(sorted[0].text, "6");
  EXPECT_EQ(sorted[1].number, 1u);
  EXPECT_EQ(sorted[2].number, 3u);
}

}  // namespace
}  // namespace malmoi::represent
