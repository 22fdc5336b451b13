// Against scikit-learn (tests/golden/sparse, tools/make_golden_sparse.py), and
// that neither threads nor memory change a result.
#include "represent/sparse/vectorizer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "represent/sparse/murmur3.h"

namespace malmoi::represent {
namespace {

namespace fs = std::filesystem;

const Json& Golden() {
  static const Json golden =
      ReadJson(fs::path(MALMOI_SOURCE_DIR) / "tests/golden/sparse/sparse.json");
  return golden;
}

std::vector<std::string> Texts(size_t count) {
  std::vector<std::string> texts;
  for (size_t i = 0; i < count; ++i) {
    texts.push_back(Golden()["texts"][i].get<std::string>());
  }
  return texts;
}

// scikit-learn's arguments as ours.
VectorizerOptions OptionsOf(const Json& one) {
  VectorizerOptions options;
  const std::string name = one["name"];
  options.weights.tfidf = name.starts_with("tfidf");
  if (options.weights.tfidf) options.weights.norm = RowNorm::kL2;
  if (name.starts_with("hash")) {
    options.hashing.emplace();
    options.weights.norm = RowNorm::kL2;
  }
  for (const auto& [key, value] : one["options"].items()) {
    if (key == "lowercase") {
      options.analyzer.fold.lowercase = value;
    } else if (key == "strip_accents") {
      options.analyzer.fold.accents =
          value == "ascii" ? text::Accents::kAscii : text::Accents::kUnicode;
    } else if (key == "ngram_range") {
      options.analyzer.min_n = value[0];
      options.analyzer.max_n = value[1];
    } else if (key == "min_df") {
      options.limits.min_df = {value, value.is_number_float()};
    } else if (key == "max_df") {
      options.limits.max_df = {value, value.is_number_float()};
    } else if (key == "binary") {
      options.weights.binary = value;
    } else if (key == "stop_words") {
      options.analyzer.stop_words = value.get<std::vector<std::string>>();
    } else if (key == "analyzer") {
      options.analyzer.unit = value == "char" ? Unit::kChar : Unit::kCharInWord;
    } else if (key == "sublinear_tf") {
      options.weights.sublinear = value;
    } else if (key == "smooth_idf") {
      options.weights.idf = Idf::kPlain;
    } else if (key == "use_idf") {
      options.weights.idf = Idf::kNone;
    } else if (key == "norm") {
      options.weights.norm = value.is_null() ? RowNorm::kNone : RowNorm::kL1;
    } else if (key == "n_features") {
      options.hashing->features = value;
    } else if (key == "alternate_sign") {
      options.hashing->alternate_sign = value;
    } else {
      ADD_FAILURE() << key;
    }
  }
  return options;
}

class Collect : public MatrixWriter {
 public:
  explicit Collect(SparseRows& rows) : rows_(rows) {}
  void Write(const SparseRows& rows) override { Append(rows_, rows); }
  void Finish() override {}
  static void Append(SparseRows& to, const SparseRows& rows) {
    to.sizes.insert(to.sizes.end(), rows.sizes.begin(), rows.sizes.end());
    to.columns.insert(to.columns.end(), rows.columns.begin(),
                      rows.columns.end());
    to.values.insert(to.values.end(), rows.values.begin(), rows.values.end());
  }

 private:
  SparseRows& rows_;
};

SparseRows Transformed(const Vectorizer& vectorizer,
                       std::vector<std::string> texts, int threads = 2) {
  ThreadPool pool(threads);
  SparseRows rows;
  vectorizer.Transform(
      *DocumentReader::FromTexts(std::move(texts)), pool,
      [&](const SparseRows& some) { Collect::Append(rows, some); });
  return rows;
}

void ExpectGolden(const SparseRows& rows, const Json& one) {
  size_t at = 0;
  ASSERT_EQ(rows.sizes.size(), one["rows"].size());
  for (size_t i = 0; i < rows.sizes.size(); ++i) {
    const Json& columns = one["rows"][i][0];
    const Json& values = one["rows"][i][1];
    ASSERT_EQ(rows.sizes[i], columns.size()) << "row " << i;
    for (size_t j = 0; j < columns.size(); ++j, ++at) {
      EXPECT_EQ(rows.columns[at], columns[j].get<uint32_t>()) << "row " << i;
      EXPECT_NEAR(rows.values[at], values[j].get<double>(), 1e-6)
          << "row " << i;
    }
  }
}

TEST(Vectorizer, EqualsScikitLearn) {
  for (const Json& one : Golden()["cases"]) {
    SCOPED_TRACE(one["name"].get<std::string>());
    const VectorizerOptions options = OptionsOf(one);
    const auto texts = Texts(one["texts"]);
    if (options.hashing) {
      ExpectGolden(Transformed(Vectorizer::Hashing(options), texts), one);
      continue;
    }
    ThreadPool pool(2);
    SparseRows rows;
    const Vectorizer vectorizer = Vectorizer::Fit(
        *DocumentReader::FromTexts(texts), options, pool, {},
        [&](const Vectorizer&) { return std::make_unique<Collect>(rows); });
    ASSERT_EQ(vectorizer.vocabulary().size(), one["terms"].size());
    for (size_t i = 0; i < one["terms"].size(); ++i) {
      EXPECT_EQ(vectorizer.vocabulary().term(i),
                one["terms"][i].get<std::string>());
    }
    ExpectGolden(rows, one);
    // Learnt or transformed, kept or not: the same.
    ExpectGolden(Transformed(vectorizer, texts), one);
    const fs::path path = fs::temp_directory_path() /
                          ("malmoi_vec" + std::to_string(getpid()) + ".npz");
    vectorizer.Save(path);
    ExpectGolden(Transformed(Vectorizer::Load(path), texts, 1), one);
    fs::remove(path);
  }
}

// Many texts of few words, so that threads share what they count.
std::vector<std::string> Repeated() {
  std::vector<std::string> texts;
  for (int i = 0; i < 40000; ++i) {
    texts.push_back("word" + std::to_string(i % 97) + " other" +
                    std::to_string(i % 31) + " end " +
                    std::to_string(i % 7 + 10));
  }
  return texts;
}

TEST(Vectorizer, NeitherThreadsNorSpillingChangeRows) {
  const auto fit = [](int threads, uint64_t memory) {
    VectorizerOptions options;
    options.analyzer.max_n = 3;
    options.weights = {.tfidf = true, .norm = RowNorm::kL2};
    ThreadPool pool(threads);
    SparseRows rows;
    const Vectorizer vectorizer = Vectorizer::Fit(
        *DocumentReader::FromTexts(Repeated()), options, pool,
        {.memory_bytes = memory},
        [&](const Vectorizer&) { return std::make_unique<Collect>(rows); });
    return std::make_pair(vectorizer.vocabulary().bytes(), rows);
  };
  const auto [terms, rows] = fit(1, uint64_t{1} << 30);
  for (const auto& [threads, memory] :
       {std::pair{3, uint64_t{1} << 30}, {2, uint64_t{0}}}) {
    const auto [other_terms, other] = fit(threads, memory);
    EXPECT_EQ(other_terms, terms);
    EXPECT_EQ(other.sizes, rows.sizes);
    EXPECT_EQ(other.columns, rows.columns);
    EXPECT_EQ(other.values, rows.values);
  }
}

TEST(Vectorizer, PiecesOfALongTextChangeNothing) {
  std::string text;
  while (text.size() < 3 * kPieceBytes) {
    text += "w" + std::to_string(text.size() % 1000) + " and ";
  }
  for (Unit unit : {Unit::kWord, Unit::kCharInWord, Unit::kChar}) {
    VectorizerOptions options;
    options.analyzer.unit = unit;
    options.analyzer.max_n = 2;
    ThreadPool pool(1);
    const Vectorizer vectorizer =
        Vectorizer::Fit(*DocumentReader::FromTexts({text}), options, pool);
    std::map<std::string, uint64_t, std::less<>> counts;
    const Analyzer analyzer(options.analyzer);
    TokenBuffer buffer;
    analyzer.Cut(text, buffer);
    std::string_view before;
    for (std::string_view token : buffer.tokens) {
      ++counts[std::string(token)];
      if (unit == Unit::kWord && !before.empty()) {
        ++counts[std::string(before) + " " + std::string(token)];
      }
      before = token;
    }
    const Vocabulary& terms = vectorizer.vocabulary();
    ASSERT_EQ(terms.size(), counts.size());
    size_t i = 0;
    for (const auto& [term, count] : counts) {
      EXPECT_EQ(terms.term(i), term);
      EXPECT_EQ(terms.totals[i++], count);
    }
  }
  VectorizerOptions options;
  options.analyzer.unit = Unit::kChar;
  ThreadPool pool(1);
  EXPECT_THROW(Vectorizer::Fit(*DocumentReader::FromTexts(
                                   {std::string(kMaxCharBytes + 1, 'a')}),
                               options, pool),
               Error);
}

// Counts past a byte, rows past what is ranked, words at and past the bound of
// what a slot holds, and words that are left out.
TEST(Vectorizer, CountsOfAnySizeAreTheDefinition) {
  std::vector<std::string> texts;
  for (size_t i = 0; i < 60; ++i) {
    std::string text;
    for (size_t j = 0; j < (i == 7 ? 1000 : i); ++j) text += "aa Bb ";
    for (size_t j = 0; j < i * 11; ++j) {
      const std::string number = std::to_string(j * 7919 % 1000);
      text += std::string(j % 20, 'x') + number + " ";
    }
    for (size_t j = 0; i == 9 && j < 513; ++j) text += "once ";
    texts.push_back(text + "end");
  }
  const Analyzer analyzer({});
  TokenBuffer buffer;
  std::map<std::string, std::map<size_t, double>> expected;
  for (size_t i = 0; i < texts.size(); ++i) {
    analyzer.Cut(texts[i], buffer);
    for (std::string_view word : buffer.tokens) {
      ++expected[std::string(word)][i];
    }
  }
  for (int least : {1, 3}) {
    VectorizerOptions options;
    options.limits.min_df = {static_cast<double>(least), false};
    ThreadPool pool(2);
    SparseRows rows;
    const Vectorizer vectorizer = Vectorizer::Fit(
        *DocumentReader::FromTexts(texts), options, pool, {},
        [&](const Vectorizer&) { return std::make_unique<Collect>(rows); });
    std::erase_if(expected, [&](const auto& each) {
      return each.second.size() < static_cast<size_t>(least);
    });
    ASSERT_EQ(vectorizer.vocabulary().size(), expected.size());
    std::vector<std::map<uint32_t, double>> wanted(texts.size());
    uint32_t column = 0;
    for (const auto& [term, counts] : expected) {
      EXPECT_EQ(vectorizer.vocabulary().term(column), term);
      for (const auto& [row, count] : counts) wanted[row][column] = count;
      ++column;
    }
    size_t at = 0;
    for (size_t i = 0; i < texts.size(); ++i) {
      ASSERT_EQ(rows.sizes[i], wanted[i].size());
      for (const auto& [own, count] : wanted[i]) {
        EXPECT_EQ(rows.columns[at], own);
        EXPECT_EQ(rows.values[at++], count);
      }
    }
    // The same rows when what is known is looked up, in either kind of file.
    const fs::path folder = ::testing::TempDir();
    const fs::path placed = folder / "placed.npz", grown = folder / "grown.npz";
    const auto writer = MakeMatrixWriter(
        placed, {.columns = vectorizer.columns(), .integers = true});
    writer->Expect(static_cast<int64_t>(rows.sizes.size()),
                   rows.columns.size());
    writer->Write(rows);
    writer->Finish();
    const auto other = MakeMatrixWriter(
        grown, {.columns = vectorizer.columns(), .integers = true});
    vectorizer.Transform(*DocumentReader::FromTexts(texts), pool,
                         [&](const SparseRows& some) { other->Write(some); });
    other->Finish();
    EXPECT_EQ(ReadFile(placed), ReadFile(grown));
  }
}

TEST(Vectorizer, MaxFeaturesTakesTheFirstOfEquals) {
  VectorizerOptions options;
  options.limits.max_features = 2;
  ThreadPool pool(1);
  const Vectorizer vectorizer = Vectorizer::Fit(
      *DocumentReader::FromTexts({"bb cc aa aa dd", "dd cc bb"}), options,
      pool);
  ASSERT_EQ(vectorizer.vocabulary().size(), 2u);
  EXPECT_EQ(vectorizer.vocabulary().term(0), "aa");
  EXPECT_EQ(vectorizer.vocabulary().term(1), "bb");
}

TEST(Vectorizer, SaysWhatIsWrong) {
  ThreadPool pool(1);
  const auto fit = [&](std::vector<std::string> texts,
                       VectorizerOptions options = {}) {
    return Vectorizer::Fit(*DocumentReader::FromTexts(std::move(texts)),
                           options, pool);
  };
  EXPECT_THROW(fit({}), Error);
  EXPECT_THROW(fit({"", " ,"}), Error);
  EXPECT_THROW(fit({"fine", "bad \xff byte"}), Error);
  VectorizerOptions options;
  options.limits.min_df = {2, false};
  EXPECT_THROW(fit({"one", "two"}, options), Error);
  options.limits.max_df = {1, false};
  EXPECT_THROW(fit({"one", "two"}, options), Error);
  // One word is a corpus.
  EXPECT_EQ(fit({"word"}).vocabulary().size(), 1u);
}

// Values of the reference implementation (SMHasher).
TEST(Murmur3, HasThePublishedValues) {
  EXPECT_EQ(Murmur3("", 0), 0u);
  EXPECT_EQ(Murmur3("", 1), 0x514e28b7u);
  EXPECT_EQ(Murmur3("aaaa", 0x9747b28c), 0x5a97808au);
  EXPECT_EQ(Murmur3("abc", 0x9747b28c), 0xc84a62ddu);
  EXPECT_EQ(Murmur3("Hello, world!", 0x9747b28c), 0x24884cbau);
}

}  // namespace
}  // namespace malmoi::represent
