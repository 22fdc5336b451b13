// Readers, neighbours, sets of questions and fastText's models against what
// gensim and fastText answer (tools/make_golden_word_vectors.py).
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "represent/static/fasttext.h"
#include "represent/static/neighbors.h"
#include "represent/static/vector_files.h"
#include "represent/static/word_sets.h"

namespace malmoi::represent {
namespace {

namespace fs = std::filesystem;

std::string Golden(const std::string& name) {
  return MALMOI_SOURCE_DIR "/tests/golden/word_vectors/" + name;
}

const Json& Answers() {
  static const Json answers = ReadJson(Golden("answers.json"));
  return answers;
}

WordVectors Parse(std::string_view text,
                  const ReadVectorsOptions& options = {}) {
  return ParseVectors(std::as_bytes(std::span(text)), "test", options);
}

// The code and the message of what parsing throws.
std::pair<ErrorCode, std::string> Failure(std::string_view text) {
  try {
    Parse(text);
  } catch (const Error& error) {
    return {error.code(), error.message()};
  }
  return {ErrorCode::kIo, "no error"};
}

void ExpectNeighbors(const WordVectors& vectors,
                     const std::vector<Neighbor>& own, const Json& expected) {
  ASSERT_EQ(own.size(), expected.size());
  for (size_t i = 0; i < own.size(); ++i) {
    EXPECT_EQ(vectors.words().word(own[i].id),
              expected[i][0].get<std::string>());
    EXPECT_NEAR(own[i].score, expected[i][1].get<double>(), 2e-6);
  }
}

TEST(VectorFiles, AllFormatsHoldTheSame) {
  const WordVectors text = ReadVectors(Golden("vectors.txt"));
  EXPECT_EQ(text.size(), 80);
  EXPECT_EQ(text.dimensions(), 12);
  for (const char* name : {"vectors.bin", "vectors.glove", "vectors.npy"}) {
    const WordVectors other = ReadVectors(Golden(name));
    ASSERT_EQ(other.size(), text.size()) << name;
    for (int64_t i = 0; i < text.size(); ++i) {
      EXPECT_EQ(other.words().word(i), text.words().word(i)) << name;
    }
    EXPECT_TRUE(std::equal(text.values().begin(), text.values().end(),
                           other.values().begin()))
        << name;
  }
}

// gensim's own bytes come out again where its format has one way to write.
TEST(VectorFiles, WritesWhatItReads) {
  const fs::path folder = fs::temp_directory_path() /
                          ("malmoi_vectors_" + std::to_string(getpid()));
  fs::create_directories(folder);
  const WordVectors vectors = ReadVectors(Golden("vectors.txt"));
  for (auto format : {VectorFormat::kText, VectorFormat::kBinary,
                      VectorFormat::kGlove, VectorFormat::kNpy}) {
    const fs::path path = folder / "v.npy";
    WriteVectors(path, vectors, format);
    const WordVectors back = ReadVectors(path);
    ASSERT_EQ(back.size(), vectors.size());
    EXPECT_EQ(0, std::memcmp(back.values().data(), vectors.values().data(),
                             vectors.values().size_bytes()));
    EXPECT_EQ(back.IdOf("대한민국"), vectors.IdOf("대한민국"));
  }
  WriteVectors(folder / "v.txt", vectors, VectorFormat::kText);
  EXPECT_EQ(ReadFile(folder / "v.txt"), ReadFile(Golden("vectors.txt")));
  fs::remove_all(folder);
}

TEST(VectorFiles, LimitsAndDuplicates) {
  EXPECT_EQ(Parse("3 2\na 1 2\nb 3 4\nc 5 6\n", {.max_words = 2}).size(), 2);
  const WordVectors first =
      Parse("a 1 2\nb 3 4\na 5 6\n", {.first_of_duplicates = true});
  EXPECT_EQ(first.size(), 2);
  EXPECT_EQ(first.row(0)[0], 1);
  // GloVe has words with blanks.
  EXPECT_EQ(Parse("a 1 2\n. . 3 4\n").words().word(1), ". .");
}

TEST(VectorFiles, BadInputIsNamed) {
  using Code = ErrorCode;
  const auto expect = [](std::string_view text, std::string_view part) {
    const auto [code, message] = Failure(text);
    EXPECT_EQ(code, Code::kCorrupt) << message;
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  expect("a 1 2\nb 3\n", "test:2: another number of values");
  expect("a 1 2\nb 3 4 5\n", "test:2: another number of values");
  expect("2 3\na 1 2\nb 3 4\n", "test:2: another number of values");
  expect("a 1 2\na 3 4\n", "test:2: a word comes twice");
  expect("a 1 2\nb nan 4\n", "test:2: a value that is not a finite number");
  expect("a 1 2\nb 1e99 4\n", "test:2: a value that is not a finite number");
  expect("a 1 2\nb x 4\n", "test:2: a value that is not a number");
  expect("a 1 2\nb 4 x\n", "test:2: a value that is not a number");
  expect("3 2\na 1 2\nb 3 4\n", "fewer vectors than the header says");
  expect("1 2\na 1 2\nb 3 4\n", "test:3: more vectors than the header says");
  expect("9999999999 100\na 1\n", "a header that the file is too short for");
  expect("-1 100\na 1\n", "a header that the file is too short for");
  expect("hello world\n", "not a file of word vectors");
  expect("a 1 2\n\nb 3 4\n", "test:2: an empty line");
  std::string binary = ReadFile(Golden("vectors.bin"));
  expect(binary.substr(0, binary.size() - 9),
         "the file ends before its last vector");
  const float nan = NAN;
  std::memcpy(binary.data() + binary.find("w0 ") + 3, &nan, 4);
  expect(binary, "word 1: a value that is not a finite number");
}

TEST(Neighbors, AreGensims) {
  const WordVectors vectors = ReadVectors(Golden("vectors.bin"));
  for (int threads : {1, 3}) {
    ThreadPool pool(threads);
    for (const auto& [word, expected] : Answers()["neighbors"].items()) {
      const std::string one[] = {word};
      ExpectNeighbors(
          vectors, FindNeighbors(vectors, one, {}, {.top = 8}, pool), expected);
    }
    const std::string w5[] = {"w5"};
    ExpectNeighbors(
        vectors,
        FindNeighbors(vectors, w5, {}, {.top = 5, .first_words = 30}, pool),
        Answers()["restricted"]);
    for (const Json& analogy : Answers()["analogies"]) {
      const auto q = analogy["question"].get<std::vector<std::string>>();
      const std::string positive[] = {q[1], q[2]}, negative[] = {q[0]};
      ExpectNeighbors(
          vectors, FindNeighbors(vectors, positive, negative, {.top = 5}, pool),
          analogy["add"]);
      ExpectNeighbors(
          vectors,
          FindNeighborsMul(vectors, positive, negative, {.top = 5}, pool),
          analogy["mul"]);
    }
  }
}

TEST(Neighbors, UnknownWordsAreNamed) {
  const WordVectors vectors = Parse("a 1 2\nb 3 4\n");
  ThreadPool pool(1);
  const std::string one[] = {"nothing"};
  try {
    FindNeighbors(vectors, one, {}, {}, pool);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_NE(error.message().find("nothing"), std::string::npos);
  }
}

WordSetOptions SetOptions(const Json& json) {
  WordSetOptions options;
  options.fold_case = json.value("case_insensitive", true);
  options.first_words = json.value("restrict_vocab", 300000);
  options.unknown_is_wrong = json.value("dummy4unknown", false);
  return options;
}

TEST(WordSets, AccuraciesAreGensims) {
  const WordVectors vectors = ReadVectors(Golden("vectors.txt"));
  const std::string text = ReadFile(Golden("questions.txt"));
  ThreadPool pool(2);
  int64_t correct = 0;
  for (const Json& evaluation : Answers()["evaluations"]) {
    const auto result = AskAnalogies(vectors, text, "questions",
                                     SetOptions(evaluation["options"]), pool);
    const Json& sections = evaluation["sections"];
    ASSERT_EQ(result.sections.size() + 1, sections.size());  // and the total
    for (size_t i = 0; i < sections.size(); ++i) {
      const AnalogySection& own =
          i < result.sections.size() ? result.sections[i] : result.total;
      EXPECT_EQ(own.correct, sections[i][1].get<int64_t>())
          << evaluation["options"] << sections[i];
      EXPECT_EQ(own.asked, sections[i][2].get<int64_t>())
          << evaluation["options"] << sections[i];
    }
    correct += result.total.correct;
  }
  EXPECT_GT(correct, 50);  // the set is not trivial
}

TEST(WordSets, CorrelationsAreSciPys) {
  const WordVectors vectors = ReadVectors(Golden("vectors.txt"));
  const std::string text = ReadFile(Golden("pairs.tsv"));
  for (size_t i = 0; i < Answers()["pairs"].size(); ++i) {
    const Json& expected = Answers()["pairs"][i];
    const auto own =
        CompareSimilarities(vectors, text, "pairs",
                            SetOptions(Answers()["evaluations"][i]["options"]));
    EXPECT_NEAR(own.pearson, expected[0].get<double>(), 1e-6);
    EXPECT_NEAR(own.spearman, expected[1].get<double>(), 1e-6);
  }
}

TEST(WordSets, BadLinesAreNamed) {
  const WordVectors vectors = Parse("a 1 2\nb 3 4\n");
  ThreadPool pool(1);
  EXPECT_THROW(AskAnalogies(vectors, "a b a b\n", "q", {}, pool), Error);
  EXPECT_THROW(AskAnalogies(vectors, ": s\na b a\n", "q", {}, pool), Error);
  EXPECT_THROW(CompareSimilarities(vectors, "a\tb\n", "p", {}), Error);
  EXPECT_THROW(CompareSimilarities(vectors, "a\tb\t1\n", "p", {}), Error);
}

TEST(FastText, VectorsAreFastTexts) {
  for (const auto& [kind, expected] : Answers()["fasttext"].items()) {
    const auto model = FastTextModel::Load(Golden(kind + ".bin"));
    EXPECT_EQ(model->words().size(), expected["words"].get<int64_t>());
    const WordVectors words = ReadVectors(Golden(kind + ".bin"));
    EXPECT_TRUE(words.has_subwords());
    for (const auto& [word, values] : expected["vectors"].items()) {
      std::vector<float> own(6);
      model->VectorOf(word, own);
      for (size_t k = 0; k < own.size(); ++k) {
        EXPECT_NEAR(own[k], values[k].get<float>(), 1e-6) << word;
      }
      // The parts that fastText names.
      std::vector<int64_t> parts;
      if (words.words().Find(word) >= 0) {
        parts.push_back(words.words().Find(word));
      }
      for (int64_t bucket : SubwordBuckets(
               word, {model->args().min_chars, model->args().max_chars,
                      model->args().buckets})) {
        parts.push_back(words.size() + bucket);
      }
      EXPECT_EQ(parts, expected["parts"][word].get<std::vector<int64_t>>());
      if (!parts.empty()) EXPECT_EQ(words.VectorOf(word), own);
    }
  }
}

TEST(FastText, PredictionsAreFastTexts) {
  const auto asked = Answers()["asked"].get<std::vector<std::string>>();
  for (const auto& [file, expected] : Answers()["classifiers"].items()) {
    const auto model = FastTextModel::Load(Golden(file));
    ASSERT_EQ(expected.size(), asked.size());
    for (size_t i = 0; i < asked.size(); ++i) {
      const auto own = model->Predict(asked[i], 4);
      ASSERT_GE(own.size(), expected[i].size()) << file << " " << asked[i];
      for (size_t k = 0; k < own.size(); ++k) {
        // Of a tree fastText leaves out labels below 1e-5.
        if (k >= expected[i].size()) {
          EXPECT_LT(own[k].score, 1.1e-5) << file << " " << asked[i];
          continue;
        }
        // fastText adds 1e-5 to probabilities before it takes logarithms.
        EXPECT_NEAR(own[k].score, expected[i][k][1].get<double>(), 2e-5);
        if (k > 0 && own[k].score > own[k - 1].score - 1e-4) continue;  // a tie
        if (k + 1 < own.size() && own[k].score < own[k + 1].score + 1e-4) {
          continue;
        }
        EXPECT_EQ(own[k].label, expected[i][k][0].get<std::string>())
            << file << " " << asked[i];
      }
    }
  }
}

TEST(FastText, ModelsWithoutLabelsAndCutFilesAreRefused) {
  const auto model = FastTextModel::Load(Golden("cbow.bin"));
  EXPECT_THROW(model->Predict("text", 1), Error);
  for (const char* name : {"cbow.bin", "softmax.ftz", "hs.bin"}) {
    const std::string bytes = ReadFile(Golden(name));
    for (size_t size = 0; size < bytes.size(); size += 331) {
      EXPECT_THROW(
          FastTextModel::Parse(std::as_bytes(std::span(bytes.data(), size)),
                               nullptr, "cut"),
          Error)
          << name << " " << size;
    }
  }
}

TEST(Huffman, PathsAreThoseOfTheCounts) {
  // Counts 5 2 1 1: depths 1 2 3 3, inner rows as word2vec numbers them.
  const HuffmanTree tree = MakeHuffmanTree(std::vector<int64_t>{5, 2, 1, 1});
  EXPECT_EQ(tree.path(0).size(), 1u);
  EXPECT_EQ(tree.path(1).size(), 2u);
  EXPECT_EQ(tree.path(2).size(), 3u);
  EXPECT_EQ(tree.path(3).size(), 3u);
  EXPECT_EQ(tree.path(3)[0].node, 2);  // the root is made last
  EXPECT_NE(tree.path(2)[2].right, tree.path(3)[2].right);
}

// A quantized matrix of one code for each word, which stands for a thousand
// values: 5 MB that ask for 1.2 GB.
TEST(FastText, VectorsAreBoundedByTheirFile) {
  std::string file;
  const auto put = [&](auto value) {
    file.append(reinterpret_cast<const char*>(&value), sizeof value);
  };
  constexpr int32_t kWordCount = 300000, kColumns = 1000;
  for (const int32_t value :
       {793712314, 12, kColumns, 5, 5, 1, 5, 1, 2, 2, 0, 0, 0, 100}) {
    put(value);
  }
  put(1e-4);
  for (const int32_t value : {kWordCount, kWordCount, 0}) put(value);
  put(int64_t{1});
  put(int64_t{-1});
  for (int32_t i = 0; i < kWordCount; ++i) {
    file += "w" + std::to_string(i);
    put('\0');
    put(int64_t{1});
    put(uint8_t{0});
  }
  const auto matrix = [&] {
    put(uint8_t{0});  // no norms
    put(int64_t{kWordCount});
    put(int64_t{kColumns});
    put(kWordCount);
    file.append(kWordCount, '\0');
    for (const int32_t value : {kColumns, 1, kColumns, kColumns}) put(value);
    file.append(size_t{kColumns} * 256 * 4, '\0');
  };
  put(uint8_t{1});
  matrix();
  put(uint8_t{1});
  matrix();
  const auto model =
      FastTextModel::Parse(std::as_bytes(std::span(file)), nullptr, "test");
  EXPECT_EQ(model->words().size(), kWordCount);
  try {
    model->Words();
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kLimit) << error.message();
  }
}

}  // namespace
}  // namespace malmoi::represent
