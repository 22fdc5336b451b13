// Training from scratch on small corpora that hold a pattern; the same bytes
// whatever the threads and after a resume; what cannot be learnt from is named.
#include "learn/word2vec/word2vec.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/random.h"
#include "learn/word2vec/checkpoint.h"
#include "learn/word2vec/supervised.h"
#include "learn/word2vec/weights.h"
#include "represent/static/fasttext.h"
#include "represent/static/neighbors.h"

namespace malmoi::learn {
namespace {

namespace fs = std::filesystem;

class Folder {
 public:
  Folder()
      : path_(fs::temp_directory_path() /
              ("malmoi_learn_" + std::to_string(getpid()))) {
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  fs::path operator/(const char* name) const { return path_ / name; }

 private:
  fs::path path_;
};

// Men and women of several ranks: who is a man, and of which rank, is told by
// the words around them.
std::string RoyalCorpus(int sentences) {
  const char* names[6][2] = {{"king", "queen"},      {"man", "woman"},
                             {"uncle", "aunt"},      {"actor", "actress"},
                             {"waiter", "waitress"}, {"monk", "nun"}};
  const char* kinds[2][4] = {{"he", "his", "beard", "sir"},
                             {"she", "her", "gown", "madam"}};
  const char* ranks[6][4] = {{"crown", "throne", "palace", "rules"},
                             {"street", "works", "village", "market"},
                             {"family", "nephew", "visit", "home"},
                             {"stage", "film", "play", "role"},
                             {"dinner", "table", "serves", "menu"},
                             {"prays", "abbey", "vow", "choir"}};
  const char* filler[] = {"the", "and", "then", "was", "there"};
  Random random(5);
  std::string text;
  for (int i = 0; i < sentences; ++i) {
    const uint32_t rank = random.Below(6), kind = random.Below(2);
    for (int k = 0; k < 2; ++k) {
      text += std::string(filler[random.Below(5)]) + " " +
              kinds[kind][random.Below(4)] + " " +
              ranks[rank][random.Below(4)] + " ";
      if (k == 0) text += std::string(names[rank][kind]) + " ";
    }
    text += "\n";
  }
  return text;
}

Word2VecOptions SmallOptions() {
  Word2VecOptions options;
  options.dimensions = 24;
  options.window = 3;
  options.epochs = 12;
  options.subsample = 0;
  options.lexicon.min_count = 1;
  return options;
}

std::vector<std::string> Nearest(const represent::WordVectors& vectors,
                                 std::vector<std::string> positive,
                                 std::vector<std::string> negative,
                                 ThreadPool& pool) {
  std::vector<std::string> words;
  for (const auto& neighbor : represent::FindNeighbors(
           vectors, positive, negative, {.top = 3}, pool)) {
    words.emplace_back(vectors.words().word(neighbor.id));
  }
  return words;
}

TEST(Word2Vec, KingMinusManPlusWomanIsQueen) {
  const std::string text = RoyalCorpus(6000);
  const Corpus corpus(text, "royal");
  ThreadPool pool(2);
  for (const bool cbow : {false, true}) {
    for (const bool hierarchical : {false, true}) {
      Word2VecOptions options = SmallOptions();
      options.cbow = cbow;
      options.hierarchical = hierarchical;
      const auto result = TrainWord2Vec(corpus, options, pool);
      const auto vectors = VectorsOf(result);
      EXPECT_EQ(Nearest(vectors, {"king", "woman"}, {"man"}, pool)[0], "queen")
          << cbow << hierarchical;
      ASSERT_EQ(result.losses.size(), 12u);
      EXPECT_LT(result.losses.back(), 0.9 * result.losses.front())
          << cbow << hierarchical;
    }
  }
}

TEST(Word2Vec, SameSeedSameBytesWhateverTheThreads) {
  const std::string text = RoyalCorpus(9000);  // several pieces
  const Corpus corpus(text, "royal");
  Word2VecOptions options = SmallOptions();
  options.epochs = 2;
  options.subsample = 1e-2;
  std::vector<float> first;
  for (const bool subwords : {false, true}) {
    first.clear();
    options.subwords = {2, subwords ? 4 : 0, 500};
    for (int threads : {1, 2, 5}) {
      ThreadPool pool(threads);
      const auto result = TrainWord2Vec(corpus, options, pool);
      if (first.empty()) first = result.input;
      ASSERT_EQ(first.size(), result.input.size());
      EXPECT_EQ(0, std::memcmp(first.data(), result.input.data(),
                               first.size() * sizeof(float)))
          << threads;
    }
    ThreadPool pool(1);
    options.seed = 2;
    EXPECT_NE(TrainWord2Vec(corpus, options, pool).input, first);
    options.seed = 1;
  }
}

TEST(Word2Vec, StoppedAndResumedIsTheSame) {
  const Folder folder;
  const std::string text = RoyalCorpus(40000);
  const Corpus corpus(text, "royal");
  ASSERT_GT(corpus.pieces(), 16);
  ThreadPool pool(2);
  Word2VecOptions options = SmallOptions();
  options.epochs = 2;
  const auto whole = TrainWord2Vec(corpus, options, pool);
  options.checkpoint = folder / "state";
  options.checkpoint_every_s = options.progress_every_s = 0;
  int told = 0;
  options.progress = [&](const Word2VecProgress& p) {
    EXPECT_GT(p.words_per_s, 0);
    return p.epoch < 2 && ++told < 2;
  };
  try {
    TrainWord2Vec(corpus, options, pool);
    FAIL() << "not stopped";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCancelled);
  }
  ASSERT_TRUE(fs::exists(options.checkpoint));
  options.progress = {};
  options.resume = true;
  // Of another training it is refused, and still there.
  Word2VecOptions other = options;
  other.window = 4;
  EXPECT_THROW(TrainWord2Vec(corpus, other, pool), Error);
  const auto resumed = TrainWord2Vec(corpus, options, pool);
  EXPECT_EQ(whole.input, resumed.input);
  EXPECT_EQ(whole.losses, resumed.losses);
  // It stays until the vectors are written.
  EXPECT_THROW(WriteResult(folder / "none/v.txt", resumed,
                           represent::VectorFormat::kText),
               Error);
  ASSERT_TRUE(fs::exists(options.checkpoint));
  EXPECT_EQ(TrainWord2Vec(corpus, options, pool).input, whole.input);
  WriteResult(folder / "v.txt", resumed, represent::VectorFormat::kText);
  EXPECT_FALSE(fs::exists(options.checkpoint));
  EXPECT_THROW(TrainWord2Vec(corpus, options, pool), Error);  // none to resume
}

// A file that may not grow further is what a full disk is to a program.
TEST(Word2Vec, ADiskThatFillsLeavesTheCheckpoint) {
  const Folder folder;
  AlignedRows input(100, 16), output(100, 16);
  const fs::path path = folder / "state";
  WriteCheckpoint(path, "about", {.epoch = 0, .piece = 3}, input, output);
  const std::string before = ReadFile(path);
  AlignedRows large(100000, 16);
  rlimit limit;
  getrlimit(RLIMIT_FSIZE, &limit);
  const rlimit small = {1 << 20, limit.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  EXPECT_THROW(WriteCheckpoint(path, "about", {}, large, output), Error);
  setrlimit(RLIMIT_FSIZE, &limit);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(ReadFile(path), before);
  EXPECT_EQ(std::distance(fs::directory_iterator(path.parent_path()), {}), 1);
  EXPECT_EQ(ReadCheckpoint(path, "about", input, output).piece, 3);
}

TEST(Word2Vec, SubwordsGiveVectorsToUnknownWords) {
  const Folder folder;
  std::string text;
  Random random(3);
  const char* stems[] = {"walk", "talk", "jump", "play"};
  const char* ends[] = {"ing", "ed", "er", "s"};
  for (int i = 0; i < 3000; ++i) {
    const auto stem = random.Below(4);
    for (int k = 0; k < 4; ++k) {
      // walk+s is never seen.
      auto end = random.Below(4);
      if (stem == 0 && end == 3) end = 0;
      text += std::string(stems[stem]) + ends[end] + " ";
    }
    text += "\n";
  }
  const Corpus corpus(text, "stems");
  ThreadPool pool(1);
  Word2VecOptions options = SmallOptions();
  options.subwords = {3, 5, 2000};
  options.epochs = 5;
  const auto result = TrainWord2Vec(corpus, options, pool);
  const fs::path path = folder / "model.bin";
  WriteResult(path, result, represent::VectorFormat::kFastText);
  const auto vectors = represent::ReadVectors(path);
  EXPECT_EQ(vectors.words().Find("walks"), -1);
  EXPECT_GT(represent::WordSimilarity(vectors, "walks", "walking"),
            represent::WordSimilarity(vectors, "walks", "jumping") + 0.1);
  // The file's vectors are those that were learnt.
  const auto own = VectorsOf(result);
  for (size_t i = 0; i < own.values().size(); ++i) {
    ASSERT_NEAR(own.values()[i], vectors.values()[i], 1e-6);
  }
}

TEST(Lexicon, PhrasesAreThoseOfTheFormula) {
  std::string text;
  for (int i = 0; i < 30; ++i) text += "new york is big\nbig is new\n";
  for (int i = 0; i < 30; ++i) text += "york and big\n";
  // new 60, york 60, big 90, is 60, and 30: 300 words. new york comes 30 times:
  // (30 - 5)·300/(60·60) = 2.08; is big the same over 60·90: 1.39; is new 2.08;
  // big is 1.39; york is 2.08; york and 4.17; and big 2.78.
  const Corpus corpus(text, "text");
  const auto phrases = [&](double threshold) {
    const Lexicon lexicon = Lexicon::Count(
        corpus, {.min_count = 5, .phrases = 1, .phrase_threshold = threshold});
    std::map<std::string, int64_t> found;
    for (int64_t i = 0; i < lexicon.size(); ++i) {
      found[std::string(lexicon.words().word(i))] =
          lexicon.counts()[static_cast<size_t>(i)];
    }
    return found;
  };
  const auto few = phrases(3);
  EXPECT_EQ(few.at("york_and"), 30);
  EXPECT_EQ(few.count("new_york"), 0u);
  EXPECT_EQ(few.at("york"), 30);
  const auto more = phrases(2);
  EXPECT_EQ(more.at("new_york"), 30);  // from left to right: york is joined
  EXPECT_EQ(more.count("york_is"), 0u);
  EXPECT_EQ(more.count("york"), 0u);
  const auto none = phrases(100);
  EXPECT_EQ(none.at("york"), 60);
}

TEST(Lexicon, CountsAndOrder) {
  const Corpus corpus("b a b\tB\n\n c b\r\na", "text");
  const Lexicon own = Lexicon::Count(corpus, {.min_count = 1});
  EXPECT_EQ(own.words().word(0), "b");
  EXPECT_EQ(own.words().word(1), "a");  // as often as none before it
  EXPECT_EQ(own.counts(), (std::vector<int64_t>{3, 2, 1, 1}));
  EXPECT_EQ(own.tokens(), 7);
  const Lexicon lower =
      Lexicon::Count(corpus, {.min_count = 2, .lower_case = true});
  EXPECT_EQ(lower.counts(), (std::vector<int64_t>{4, 2}));
  EXPECT_EQ(lower.all_tokens(), 7);
}

// A line that is longer than any buffer is read in pieces, and no word is lost.
TEST(Lexicon, LinesOfAnyLength) {
  std::string text;
  for (int i = 0; i < 300000; ++i) text += i % 3 == 0 ? "one " : "twò ";
  const Corpus corpus(text, "text");
  EXPECT_GT(corpus.pieces(), 20);
  const Lexicon lexicon = Lexicon::Count(corpus, {});
  EXPECT_EQ(lexicon.counts(), (std::vector<int64_t>{200000, 100000}));
  int64_t seen = 0;
  Lexicon::Scratch scratch;
  for (int64_t i = 0; i < corpus.pieces(); ++i) {
    lexicon.ForSentences(corpus.piece(i), scratch,
                         [&](const std::vector<int32_t>& ids) {
                           seen += static_cast<int64_t>(ids.size());
                         });
  }
  EXPECT_EQ(seen, 300000);
}

TEST(Lexicon, BadCorporaAreNamed) {
  const auto failure = [](std::string_view text) {
    const Corpus corpus(text, "text");
    try {
      Lexicon::Count(corpus, {});
    } catch (const Error& error) {
      return error.message();
    }
    return std::string("no error");
  };
  const auto expect = [&](std::string_view text, std::string_view part) {
    const std::string message = failure(text);
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  expect(" \n\n ", "a corpus without words");
  expect("one one one one one one one", "too few different words");
  expect("a b c d e", "too few different words");
  expect("fine\nnot\xff fine\n", "text:2: not UTF-8");
  expect(std::string(1 << 20, 'x'), "a word that is too long");
  EXPECT_THROW(Corpus("/dev/null"), Error);
}

TEST(WordSampler, DrawsByTheirShares) {
  const std::vector<int64_t> counts = {1000, 500, 100, 10, 1};
  const WordSampler sampler(counts, 0.75);
  double sum = 0;
  for (int64_t count : counts) sum += std::pow(double(count), 0.75);
  Random random(9);
  std::vector<double> seen(5);
  constexpr int kDraws = 400000;
  for (int i = 0; i < kDraws; ++i) {
    ++seen[static_cast<size_t>(sampler.Draw(random))];
  }
  for (size_t i = 0; i < counts.size(); ++i) {
    const double share = std::pow(double(counts[i]), 0.75) / sum;
    EXPECT_NEAR(seen[i] / kDraws, share,
                5 * std::sqrt(share / kDraws));  // five standard deviations
  }
}

TEST(Supervised, LearnsAndWritesWhatFastTextReads) {
  const Folder folder;
  Random random(4);
  const char* words[3][4] = {{"goal", "match", "team", "ball"},
                             {"bank", "money", "loan", "rate"},
                             {"rain", "sun", "cloud", "wind"}};
  const char* labels[] = {"sport", "finance", "weather"};
  std::string text;
  for (int i = 0; i < 900; ++i) {
    text += std::string("__label__") + labels[i % 3];
    for (int k = 0; k < 5; ++k) {
      text += std::string(" ") +
              (random.Below(3) == 0 ? "the" : words[i % 3][random.Below(4)]);
    }
    text += "\n";
  }
  ThreadPool pool(1);
  using represent::FastTextLoss;
  for (const auto loss : {FastTextLoss::kSoftmax, FastTextLoss::kHierarchical,
                          FastTextLoss::kOneVsAll, FastTextLoss::kNegative}) {
    SupervisedOptions options;
    options.loss = loss;
    options.word_ngrams = 2;
    options.subwords = {2, 3, 300};
    options.rate = 0.5;
    const auto result = TrainSupervised(text, "text", options, pool);
    EXPECT_LT(result.losses.back(), 0.5 * result.losses.front());
    WriteSupervised(folder / "model.bin", result);
    const auto model = represent::FastTextModel::Load(folder / "model.bin");
    for (int i = 0; i < 3; ++i) {
      const auto best = model->Predict(
          std::string("the ") + words[i][0] + " " + words[i][3], 3);
      ASSERT_EQ(best.size(), 3u);
      EXPECT_EQ(best[0].label, labels[i]);
      EXPECT_GT(best[0].score, 0.8);
    }
    EXPECT_EQ(TrainSupervised(text, "text", options, pool).input, result.input);
  }
  EXPECT_THROW(TrainSupervised("no labels\n", "text", {}, pool), Error);
  EXPECT_THROW(TrainSupervised("__label__a b\n", "text", {}, pool), Error);
}

}  // namespace
}  // namespace malmoi::learn
