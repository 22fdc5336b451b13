// Every instruction set against the plain twins.
#include "kernels/sparse_kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/random.h"

namespace malmoi::kernels {
namespace {

std::vector<std::string> Words(const SparseKernelTable& table,
                               const std::string& text, bool lower,
                               std::string* copy = nullptr) {
  std::string out(text.size() + kTextSlack, '?');
  std::vector<WordBounds> bounds(text.size() / 3 + 2);
  const size_t count = table.cut_words(text.data(), text.size(), lower,
                                       out.data(), bounds.data());
  if (count == kNotAscii) return {"not ASCII"};
  std::vector<std::string> words;
  for (size_t i = 0; i < count; ++i) {
    words.push_back(out.substr(bounds[i].begin, bounds[i].size));
  }
  if (copy != nullptr) *copy = out.substr(0, text.size() + 1);
  return words;
}

TEST(SparseKernels, CutWordsAtTheBoundsOfVectors) {
  using List = std::vector<std::string>;
  Random random(1);
  for (const SparseKernelTable* table : AllSparseKernels()) {
    SCOPED_TRACE(table->name);
    EXPECT_EQ(Words(*table, "", true), List());
    EXPECT_EQ(Words(*table, "It's a_B 3d, @[`{ zz", true),
              List({"it", "a_b", "3d", "zz"}));
    EXPECT_EQ(Words(*table, "AZ az", false), List({"AZ", "az"}));
    EXPECT_EQ(Words(*table, "na\xc3\xafve", true), List({"not ASCII"}));
    for (size_t size = 0; size < 200; ++size) {
      std::string text;
      for (size_t i = 0; i < size; ++i) {
        text +=
            random.Below(3) == 0 ? ' ' : static_cast<char>(random.Below(128));
      }
      std::string own, plain;
      EXPECT_EQ(Words(*table, text, true, &own),
                Words(ScalarSparseKernels(), text, true, &plain));
      EXPECT_EQ(own, plain);
      const std::string word(size, 'w');
      EXPECT_EQ(Words(*table, word, true), size < 2 ? List() : List({word}));
      if (size == 0) continue;
      text[random.Below(static_cast<uint32_t>(size))] = '\x80';
      EXPECT_EQ(Words(*table, text, true), List({"not ASCII"}));
    }
  }
}

TEST(SparseKernels, RanksAreThoseOfASort) {
  Random random(2);
  for (const SparseKernelTable* table : AllSparseKernels()) {
    for (size_t size = 1; size <= kMostRanked; ++size) {
      std::vector<uint32_t> columns(size + kRowSlack, 7);
      for (size_t i = 0; i < size; ++i) {
        columns[i] = static_cast<uint32_t>(i * 16777213 % 2147483647);
      }
      for (size_t i = size; i > 1; --i) {
        std::swap(columns[i - 1],
                  columns[random.Below(static_cast<uint32_t>(i))]);
      }
      std::vector<uint32_t> ranks(size + kRowSlack), sorted(size);
      table->rank_row(columns.data(), size, ranks.data());
      for (size_t i = 0; i < size; ++i) sorted.at(ranks[i]) = columns[i];
      EXPECT_TRUE(std::is_sorted(sorted.begin(), sorted.end()))
          << table->name << ' ' << size;
    }
  }
}

TEST(SparseKernels, SumsAndWhatReachesABound) {
  Random random(3);
  constexpr size_t kSize = 4 * kSumGroup;
  std::vector<std::vector<uint8_t>> codes(3, std::vector<uint8_t>(kSize + 3));
  for (auto& each : codes) {
    for (uint8_t& code : each) code = static_cast<uint8_t>(random.Below(256));
  }
  const uint8_t* pointers[] = {codes[0].data(), codes[1].data(),
                               codes[2].data()};
  const float scales[] = {0.5f, 0.25f, 2};  // sums are exact
  std::vector<uint32_t> documents(100 + kRowSlack);
  std::vector<float> values(documents.size());
  for (size_t i = 0; i < documents.size(); ++i) {
    documents[i] = static_cast<uint32_t>(1024 + i * 3);
    values[i] = static_cast<float>(random.Below(512));
  }
  const SparseKernelTable& plain = ScalarSparseKernels();
  for (const SparseKernelTable* table : AllSparseKernels()) {
    SCOPED_TRACE(table->name);
    for (size_t count : {0, 1, 3}) {
      std::vector<float> own(kSize), other(kSize);
      table->sum_codes(pointers, scales, count, kSize, own.data());
      plain.sum_codes(pointers, scales, count, kSize, other.data());
      EXPECT_EQ(own, other);
      for (float least : {0.0f, 300.0f, 600.0f, 5000.0f}) {
        std::vector<uint32_t> a(kSize), b(kSize);
        a.resize(table->find_at_least(own.data(), kSize, least, a.data()));
        b.resize(plain.find_at_least(own.data(), kSize, least, b.data()));
        EXPECT_EQ(a, b);
        for (size_t size : {0, 1, 15, 16, 17, 100}) {
          for (int kind = 0; kind < 3; ++kind) {
            const PostingBounds postings = {
                .documents = documents.data(),
                .values = kind == 0 ? nullptr : values.data(),
                .size = size,
                .scale = 2,
                .mask = 1023,
                .last = kSize - 1,
                .sums = kind == 1 ? nullptr : own.data(),
                .codes = pointers,
                .scales = scales,
                .count = count};
            std::vector<uint32_t> c(size), d(size);
            c.resize(table->find_postings(postings, least, c.data()));
            d.resize(plain.find_postings(postings, least, d.data()));
            EXPECT_EQ(c, d) << size << ' ' << kind;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace malmoi::kernels
