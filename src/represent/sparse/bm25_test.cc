// Against bm25s (tests/golden/sparse), and against sums over all documents.
#include "represent/sparse/bm25.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "base/error.h"
#include "base/json.h"
#include "base/random.h"

namespace malmoi::represent {
namespace {

namespace fs = std::filesystem;

class Bm25Test : public ::testing::Test {
 protected:
  Bm25Test()
      : path_(fs::temp_directory_path() /
              ("malmoi_bm25_" + std::to_string(getpid()))) {}
  ~Bm25Test() override { fs::remove(path_); }
  Bm25Index Build(std::vector<std::string> texts, const Bm25Options& options,
                  int threads = 2) {
    ThreadPool pool(threads);
    BuildBm25(*DocumentReader::FromTexts(std::move(texts)), options, path_,
              pool);
    return Bm25Index::Open(path_);
  }
  fs::path path_;
};

TEST_F(Bm25Test, EqualsBm25s) {
  const Json golden =
      ReadJson(fs::path(MALMOI_SOURCE_DIR) / "tests/golden/sparse/bm25.json");
  Bm25Scratch scratch;
  for (const auto& [name, all] : golden["variants"].items()) {
    SCOPED_TRACE(name);
    const Bm25Index index = Build(
        golden["texts"].get<std::vector<std::string>>(),
        {.variant = *FindBm25Variant(name), .k1 = 1.2, .b = 0.7, .delta = 0.6});
    for (size_t q = 0; q < all.size(); ++q) {
      auto hits =
          index.Search(golden["queries"][q].get<std::string>(), 10, scratch);
      std::vector<Bm25Hit> expected;
      // A term that all scores ignore makes no hit (robertson).
      for (const Json& hit : all[q]) {
        if (hit[1] > 0) expected.push_back({hit[0], hit[1]});
      }
      ASSERT_EQ(hits.size(), expected.size()) << "query " << q;
      for (size_t i = 0; i < hits.size(); ++i) {
        EXPECT_NEAR(hits[i].score, expected[i].score, 1e-4);
      }
      // The same documents, but for equal scores, whose rounding differs.
      for (size_t i = 0; i < hits.size(); ++i) {
        const auto same = std::find_if(
            expected.begin(), expected.end(), [&](const Bm25Hit& hit) {
              return hit.document == hits[i].document;
            });
        if (same == expected.end()) {
          EXPECT_NEAR(hits[i].score, expected.back().score, 1e-5);
        } else {
          EXPECT_NEAR(hits[i].score, same->score, 1e-4);
        }
      }
    }
  }
}

// Words with Zipf's frequencies, and repeated documents for ties.
std::vector<std::string> RandomTexts(size_t count) {
  Random random(7);
  std::vector<std::string> texts;
  for (size_t i = 0; i < count; ++i) {
    if (i % 17 == 5) {
      texts.push_back(texts[random.Below(static_cast<uint32_t>(i))]);
      continue;
    }
    std::string text;
    const uint32_t length = 1 + random.Below(30);
    for (uint32_t j = 0; j < length; ++j) {
      const auto word = static_cast<int>(1 / (random.Uniform() + 0.0005));
      text += (j > 0 ? " w" : "w") + std::to_string(word);
    }
    texts.push_back(text);
  }
  return texts;
}

// The `top` best of all, equal scores by document.
void ExpectBest(const std::vector<Bm25Hit>& hits,
                const std::vector<Bm25Hit>& all, size_t top,
                const std::string& query) {
  ASSERT_EQ(hits.size(), std::min(top, all.size())) << query;
  for (size_t i = 0; i < hits.size(); ++i) {
    ASSERT_NEAR(hits[i].score, all[i].score, 1e-5) << query << ' ' << i;
    if (i > 0 && hits[i].score == hits[i - 1].score) {
      EXPECT_GT(hits[i].document, hits[i - 1].document);
    }
  }
}

// The definition, document by document.
std::vector<Bm25Hit> Exhaustive(const std::vector<std::string>& texts,
                                const Bm25Options& options,
                                const std::string& query) {
  const Analyzer analyzer(options.analyzer);
  TokenBuffer buffer;
  std::vector<std::map<std::string, int>> counts(texts.size());
  std::vector<double> lengths(texts.size());
  std::map<std::string, int> with;
  double sum = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    analyzer.ForTerms(texts[i], buffer, [&](std::string_view term) {
      ++counts[i][std::string(term)];
      ++lengths[i];
      ++sum;
    });
    for (const auto& [term, count] : counts[i]) ++with[term];
  }
  const auto n = static_cast<int64_t>(texts.size());
  std::vector<Bm25Hit> hits;
  for (size_t i = 0; i < texts.size(); ++i) {
    double score = 0, own = 0;
    analyzer.ForTerms(query, buffer, [&](std::string_view term) {
      const std::string name(term);
      if (!with.contains(name)) return;
      const auto idf =
          static_cast<float>(Bm25Idf(options.variant, n, with[name]));
      const auto absent =
          static_cast<float>(Bm25Idf(options.variant, n, with[name]) *
                             Bm25Frequency(options, 0, 1));
      score += absent;
      if (!counts[i].contains(name)) return;
      own += idf * static_cast<float>(Bm25Frequency(
                       options, counts[i][name],
                       lengths[i] / (sum / static_cast<double>(n)))) -
             absent;
    });
    if (own > 0) {
      hits.push_back({static_cast<uint32_t>(i),
                      static_cast<float>(static_cast<float>(own) + score)});
    }
  }
  std::stable_sort(
      hits.begin(), hits.end(),
      [](const Bm25Hit& a, const Bm25Hit& b) { return a.score > b.score; });
  return hits;
}

TEST_F(Bm25Test, SkippingChangesNothing) {
  const auto texts = RandomTexts(6000);
  Random random(3);
  for (Bm25Variant variant :
       {Bm25Variant::kLucene, Bm25Variant::kRobertson, Bm25Variant::kAtire,
        Bm25Variant::kBm25L, Bm25Variant::kBm25Plus}) {
    const Bm25Options options = {.variant = variant};
    const Bm25Index index = Build(texts, options);
    Bm25Scratch scratch;
    for (int q = 0; q < 25; ++q) {
      std::string query;
      for (uint32_t j = 0; j < 1 + random.Below(7); ++j) {
        query += " w" + std::to_string(
                            static_cast<int>(1 / (random.Uniform() + 0.001)));
      }
      const auto all = Exhaustive(texts, options, query);
      for (size_t top : {size_t{1}, size_t{10}, size_t{100}, size_t{9999}}) {
        const auto hits = index.Search(query, top, scratch);
        ExpectBest(hits, all, top, query);
        if (HasFatalFailure()) return;
        // The best do not depend on how many are asked for.
        const auto more = index.Search(query, top * 2, scratch);
        EXPECT_TRUE(std::equal(hits.begin(), hits.end(), more.begin()));
      }
    }
  }
}

// Several ranges of documents, words with codes and without.
TEST_F(Bm25Test, RangesChangeNothing) {
  const auto texts = RandomTexts(20000);
  const Bm25Options options;
  const Bm25Index index = Build(texts, options);
  Bm25Scratch scratch;
  for (const char* query : {"w1 w1 w2", "w1 w40", "w3 w15 w90 w333", "w1999",
                            "w17 w18 w19 w20 w21", "w2 w5 w700 w30"}) {
    const auto all = Exhaustive(texts, options, query);
    for (size_t top : {size_t{1}, size_t{10}, size_t{3000}}) {
      const auto hits = index.Search(query, top, scratch);
      ExpectBest(hits, all, top, query);
      if (HasFatalFailure()) return;
    }
  }
}

TEST_F(Bm25Test, ReadsFewOfACommonWordsPostings) {
  std::vector<std::string> texts;
  for (int i = 0; i < 20000; ++i) {
    texts.push_back("common filler" + std::to_string(i % 11) +
                    (i % 1000 == 0 ? " rare" : ""));
  }
  const Bm25Index index = Build(texts, {});
  Bm25Scratch scratch;
  const auto hits = index.Search("common rare", 10, scratch);
  ASSERT_EQ(hits.size(), 10u);
  EXPECT_EQ(hits[0].document, 0u);
  EXPECT_EQ(hits[9].document, 9000u);
  EXPECT_LT(scratch.postings_read, 2000u);
}

TEST_F(Bm25Test, OneFileWhateverTheThreads) {
  const auto texts = RandomTexts(20000);
  Build(texts, {}, 1);
  const std::string one = ReadFile(path_);
  Build(texts, {}, 3);
  EXPECT_EQ(ReadFile(path_), one);
}

TEST_F(Bm25Test, RefusesDamagedFiles) {
  Build({"one two", "two three"}, {});
  const std::string good = ReadFile(path_);
  const auto parse = [](const std::string& bytes) {
    std::vector<uint64_t> memory((bytes.size() + 7) / 8);
    std::memcpy(memory.data(), bytes.data(), bytes.size());
    return Bm25Index::Parse(
        std::as_bytes(std::span(memory)).first(bytes.size()), nullptr, "test");
  };
  EXPECT_EQ(parse(good).summary().documents, 2);
  EXPECT_THROW(parse(good.substr(0, good.size() - 1)), Error);
  EXPECT_THROW(parse(good + "x"), Error);
  EXPECT_THROW(parse(good.substr(0, 100)), Error);
  for (size_t i = 0; i < 64; ++i) {  // magic, version and sizes
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x40);
    EXPECT_THROW(parse(bad), Error) << i;
  }
  std::string old = good;
  old[8] = 1;  // the version before
  try {
    parse(old);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_NE(error.parts().hint.find("malmoi bm25 index"), std::string::npos);
  }
  ThreadPool pool(1);
  EXPECT_THROW(BuildBm25(*DocumentReader::FromTexts({}), {}, path_, pool),
               Error);
  EXPECT_THROW(
      BuildBm25(*DocumentReader::FromTexts({"a"}), {.b = 2}, path_, pool),
      Error);
}

}  // namespace
}  // namespace malmoi::represent
