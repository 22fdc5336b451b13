#include "learn/word2vec/word2vec.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "base/format.h"
#include "learn/word2vec/batch.h"
#include "learn/word2vec/checkpoint.h"
#include "learn/word2vec/weights.h"
#include "represent/static/fasttext.h"

namespace malmoi::learn {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kPiecesAtOnce = 16;  // read and subsampled in one region
constexpr uint64_t kMeasureEvery = 8;  // batches of which the loss is counted

double Since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void Require(bool right, const char* where, const char* expected,
             const std::string& got) {
  if (right) return;
  throw Error(ErrorCode::kInvalidArgument, {.where = where,
                                            .what = "value out of range",
                                            .expected = expected,
                                            .got = got});
}

void CheckOptions(const Word2VecOptions& o) {
  Require(o.dimensions >= 1 && o.dimensions <= 10000, "dimensions",
          "1 to 10000", std::to_string(o.dimensions));
  Require(o.window >= 1 && o.window <= kMostWindow, "window", "1 to 100",
          std::to_string(o.window));
  Require(o.hierarchical || (o.negatives >= 1 && o.negatives <= 100),
          "negatives", "1 to 100", std::to_string(o.negatives));
  Require(o.epochs >= 1 && o.epochs <= 100000, "epochs", "1 to 100000",
          std::to_string(o.epochs));
  Require(o.subsample >= 0 && o.subsample <= 1, "subsample", "0 to 1",
          Format("{}", o.subsample));
  Require(o.rate >= 0 && o.rate <= 10, "rate", "above 0, at most 10",
          Format("{}", o.rate));
  Require(o.lexicon.min_count >= 1, "min count", "at least 1",
          std::to_string(o.lexicon.min_count));
  Require(o.lexicon.phrases >= 0 && o.lexicon.phrases <= 10, "phrases",
          "0 to 10", std::to_string(o.lexicon.phrases));
  Require(o.subwords.max_chars == 0 ||
              (o.subwords.min_chars >= 1 &&
               o.subwords.min_chars <= o.subwords.max_chars &&
               o.subwords.max_chars <= 100 && o.subwords.buckets >= 1 &&
               o.subwords.buckets <= 1'000'000'000),
          "subwords", "1 <= shortest <= longest <= 100, and buckets",
          Format("{}, {}, {}", o.subwords.min_chars, o.subwords.max_chars,
                 o.subwords.buckets));
}

class Training {
 public:
  Training(const Corpus& corpus, const Word2VecOptions& options,
           const Lexicon& lexicon, ThreadPool& pool)
      : corpus_(corpus), options_(options), lexicon_(lexicon), pool_(pool) {
    first_rate_ = options.rate > 0 ? options.rate : options.cbow ? 0.05 : 0.025;
    MakeModel();
    MakeKeep();
    MakeShares();
    segments_.resize(kBatchSegments);
    for (Segment& segment : segments_) segment.Prepare(model_);
    pieces_.resize(kPiecesAtOnce);
    scratch_.resize(kPiecesAtOnce);
  }

  void Run() {
    if (options_.resume) {
      place_ = ReadCheckpoint(options_.checkpoint, About(), model_.input,
                              model_.output);
    }
    start_ = last_saved_ = last_told_ = Clock::now();
    first_tokens_ = place_.tokens;
    const int64_t pieces = corpus_.pieces();
    for (; place_.epoch < options_.epochs; ++place_.epoch) {
      for (; place_.piece < pieces; place_.piece += kPiecesAtOnce) {
        TrainPieces(std::min(kPiecesAtOnce, pieces - place_.piece));
        const bool due =
            stopped_ || Since(last_saved_) > options_.checkpoint_every_s;
        if (due && !options_.checkpoint.empty()) {
          SaveAt(place_.piece + kPiecesAtOnce);
        }
        if (stopped_) {
          throw Error(ErrorCode::kCancelled,
                      {.where = corpus_.where(), .what = "cancelled"});
        }
      }
      place_.epoch_losses.push_back(place_.loss / std::max(1.0, place_.losses));
      place_.piece = 0;
      place_.loss = place_.losses = 0;
    }
  }

  void Finish(Word2VecResult& result) {
    result.seconds = Since(start_);
    result.words_per_s = Speed();
    result.losses = place_.epoch_losses;
    result.input = model_.input.Dense();
    result.output = model_.output.Dense();
  }

 private:
  void MakeModel() {
    model_.cbow = options_.cbow;
    model_.window = options_.window;
    model_.negatives = options_.hierarchical ? 0 : options_.negatives;
    const int64_t words = lexicon_.size();
    const bool subwords = options_.subwords.max_chars > 0;
    const int64_t buckets = subwords ? options_.subwords.buckets : 0;
    model_.input = AlignedRows(words + buckets, options_.dimensions);
    model_.output = AlignedRows(options_.hierarchical ? words - 1 : words,
                                options_.dimensions);
    // As word2vec, or with subwords as fastText.
    const double scale =
        (subwords ? 1.0 : 0.5) / static_cast<double>(options_.dimensions);
    FillUniform(model_.input, static_cast<float>(scale), options_.seed, pool_);
    if (options_.hierarchical) {
      model_.tree = represent::MakeHuffmanTree(lexicon_.counts());
    } else {
      model_.sampler = WordSampler(lexicon_.counts(), 0.75);
    }
    if (!subwords) return;
    model_.row_begins.push_back(0);
    for (int64_t i = 0; i < words; ++i) {
      model_.rows.push_back(static_cast<int32_t>(i));
      for (int64_t bucket : represent::SubwordBuckets(lexicon_.words().word(i),
                                                      options_.subwords)) {
        model_.rows.push_back(static_cast<int32_t>(words + bucket));
      }
      model_.row_begins.push_back(static_cast<int64_t>(model_.rows.size()));
    }
  }

  // The chance of each word to stay, of 2^32 (word2vec's formula).
  void MakeKeep() {
    for (int64_t i = 0; i < lexicon_.size(); ++i) {
      double keep = 1;
      if (options_.subsample > 0) {
        const double share =
            static_cast<double>(lexicon_.counts()[static_cast<size_t>(i)]) /
            static_cast<double>(lexicon_.tokens()) / options_.subsample;
        keep = std::min(1.0, std::sqrt(1 / share) + 1 / share);
      }
      keep_.push_back(
          static_cast<uint32_t>(std::min(keep * 0x1.0p32, 4294967295.0)));
    }
  }

  // How often a word is a center, and a negative.
  void MakeShares() {
    std::vector<double> shares, negative;
    double sum = 0, negative_sum = 0;
    for (int64_t i = 0; i < lexicon_.size(); ++i) {
      const size_t at = static_cast<size_t>(i);
      const auto count = static_cast<double>(lexicon_.counts()[at]);
      shares.push_back(count * keep_[at]);
      negative.push_back(std::pow(count, 0.75));
      sum += shares.back();
      negative_sum += negative.back();
    }
    for (double& share : shares) share /= sum;
    for (double& share : negative) share /= negative_sum;
    MakeFactors(model_, shares, negative);
  }

  void ReadPiece(int64_t index, Piece& piece, Lexicon::Scratch& scratch) {
    piece.words.clear();
    piece.begins.clear();
    piece.ends.clear();
    piece.tokens = 0;
    piece.seed =
        MixSeed(MixSeed(options_.seed, static_cast<uint64_t>(place_.epoch + 1)),
                static_cast<uint64_t>(index));
    Random random(piece.seed);
    lexicon_.ForSentences(
        corpus_.piece(index), scratch, [&](const std::vector<int32_t>& ids) {
          const auto begin = static_cast<int32_t>(piece.words.size());
          piece.tokens += static_cast<int64_t>(ids.size());
          for (int32_t id : ids) {
            const uint32_t keep = keep_[static_cast<size_t>(id)];
            if (keep == UINT32_MAX || random.Next() < keep) {
              piece.words.push_back(id);
            }
          }
          const auto end = static_cast<int32_t>(piece.words.size());
          piece.begins.resize(static_cast<size_t>(end), begin);
          piece.ends.resize(static_cast<size_t>(end), end);
        });
    corpus_.Drop(index);
  }

  void TrainPieces(int64_t count) {
    pool_.Run(static_cast<int>(count), [&](int task, int) {
      const size_t i = static_cast<size_t>(task);
      ReadPiece(place_.piece + task, pieces_[i], scratch_[i]);
    });
    for (int64_t i = 0; i < count; ++i) {
      TrainPiece(pieces_[static_cast<size_t>(i)]);
      if (options_.progress && Since(last_told_) > options_.progress_every_s) {
        Tell();
      }
    }
  }

  void TrainPiece(const Piece& piece) {
    const auto words = static_cast<int32_t>(piece.words.size());
    constexpr int32_t kBatch = kSegmentCenters * kBatchSegments;
    for (int32_t begin = 0; begin < words; begin += kBatch) {
      const int32_t end = std::min(words, begin + kBatch);
      const double done = static_cast<double>(place_.tokens) +
                          static_cast<double>(piece.tokens) * begin / words;
      fraction_ =
          done / (static_cast<double>(lexicon_.tokens()) * options_.epochs);
      rate_ = first_rate_ * std::max(1e-4, 1 - fraction_);
      TrainBatch(piece, begin, end);
    }
    place_.tokens += piece.tokens;
  }

  void TrainBatch(const Piece& piece, int32_t begin, int32_t end) {
    const int count = (end - begin + kSegmentCenters - 1) / kSegmentCenters;
    const bool measure = place_.batches++ % kMeasureEvery == 0;
    pool_.Run(count, [&](int task, int) {
      const int32_t first = begin + task * kSegmentCenters;
      segments_[static_cast<size_t>(task)].Compute(
          model_, piece, first, std::min(end, first + kSegmentCenters),
          static_cast<float>(rate_), measure);
    });
    pool_.Run(kOwners, [&](int owner, int) {
      for (int i = 0; i < count; ++i) {
        segments_[static_cast<size_t>(i)].Apply(model_, owner);
      }
    });
    if (!measure) return;
    double loss = 0;
    int64_t losses = 0;
    for (int i = 0; i < count; ++i) {
      loss += segments_[static_cast<size_t>(i)].loss();
      losses += segments_[static_cast<size_t>(i)].losses();
    }
    place_.loss += loss;
    place_.losses += static_cast<double>(losses);
    if (losses > 0) {
      recent_ = recent_ * 0.98 + loss / static_cast<double>(losses) * 0.02;
      weight_ = weight_ * 0.98 + 0.02;
    }
  }

  double Speed() const {
    return static_cast<double>(place_.tokens - first_tokens_) /
           std::max(1e-9, Since(start_)) *
           static_cast<double>(lexicon_.all_tokens()) /
           static_cast<double>(lexicon_.tokens());
  }

  void Tell() {
    last_told_ = Clock::now();
    const bool go =
        options_.progress({.epoch = static_cast<int>(place_.epoch) + 1,
                           .epochs = options_.epochs,
                           .fraction = fraction_,
                           .words_per_s = Speed(),
                           .loss = weight_ > 0 ? recent_ / weight_ : 0,
                           .rate = rate_});
    if (!go) stopped_ = true;
  }

  void SaveAt(int64_t piece) {
    TrainingPlace next = place_;
    next.piece = piece;
    WriteCheckpoint(options_.checkpoint, About(), next, model_.input,
                    model_.output);
    last_saved_ = Clock::now();
  }

  std::string About() const;

  const Corpus& corpus_;
  const Word2VecOptions& options_;
  const Lexicon& lexicon_;
  ThreadPool& pool_;
  Model model_;
  std::vector<uint32_t> keep_;
  std::vector<Segment> segments_;
  std::vector<Piece> pieces_;
  std::vector<Lexicon::Scratch> scratch_;
  TrainingPlace place_;
  double first_rate_ = 0, rate_ = 0, fraction_ = 0;
  double recent_ = 0, weight_ = 0;  // of the last batches
  int64_t first_tokens_ = 0;
  bool stopped_ = false;
  Clock::time_point start_, last_saved_, last_told_;
};

std::string Training::About() const {
  uint64_t words = 0;
  for (int64_t i = 0; i < lexicon_.size(); ++i) {
    words = MixSeed(
        words ^ represent::HashWord(lexicon_.words().word(i)),
        static_cast<uint64_t>(lexicon_.counts()[static_cast<size_t>(i)]));
  }
  const Word2VecOptions& o = options_;
  return Format(
      "{} bytes, words {:016x}, {} {} dimensions {}, window {}, negatives {}, "
      "epochs {}, subsample {}, rate {}, seed {}, subwords {} {} {}",
      corpus_.text().size(), words, o.cbow ? "cbow" : "skip-gram",
      o.hierarchical ? "hierarchical" : "negative", o.dimensions, o.window,
      o.negatives, o.epochs, o.subsample, first_rate_, o.seed,
      o.subwords.min_chars, o.subwords.max_chars, o.subwords.buckets);
}

}  // namespace

Word2VecResult TrainWord2Vec(const Corpus& corpus,
                             const Word2VecOptions& options, ThreadPool& pool) {
  CheckOptions(options);
  Word2VecResult result;
  result.options = options;
  result.lexicon = Lexicon::Count(corpus, options.lexicon, options.counting);
  Training training(corpus, options, result.lexicon, pool);
  training.Run();
  training.Finish(result);
  return result;
}

represent::WordVectors VectorsOf(const Word2VecResult& result) {
  const auto& subwords = result.options.subwords;
  const int64_t words = result.lexicon.size();
  const size_t dimensions = static_cast<size_t>(result.options.dimensions);
  std::vector<float> values(
      result.input.begin(),
      result.input.begin() + words * static_cast<int64_t>(dimensions));
  for (int64_t i = 0; i < words && subwords.max_chars > 0; ++i) {
    float* to = values.data() + static_cast<size_t>(i) * dimensions;
    const auto buckets =
        represent::SubwordBuckets(result.lexicon.words().word(i), subwords);
    for (int64_t bucket : buckets) {
      const float* from = result.input.data() +
                          static_cast<size_t>(words + bucket) * dimensions;
      for (size_t k = 0; k < dimensions; ++k) to[k] += from[k];
    }
    const float factor = 1.0f / static_cast<float>(buckets.size() + 1);
    for (size_t k = 0; k < dimensions; ++k) to[k] *= factor;
  }
  return represent::WordVectors::Own(
      result.lexicon.words(), result.options.dimensions, std::move(values));
}

namespace {

void WriteModel(const std::filesystem::path& path, const Word2VecResult& result,
                represent::VectorFormat format) {
  if (format != represent::VectorFormat::kFastText) {
    return represent::WriteVectors(path, VectorsOf(result), format);
  }
  const Word2VecOptions& o = result.options;
  const bool subwords = o.subwords.max_chars > 0;
  represent::FastTextParts parts;
  parts.args = {
      .dimensions = static_cast<int32_t>(o.dimensions),
      .window = o.window,
      .epochs = o.epochs,
      .min_count = static_cast<int32_t>(o.lexicon.min_count),
      .negatives = o.negatives,
      .word_ngrams = 1,
      .loss = o.hierarchical ? represent::FastTextLoss::kHierarchical
                             : represent::FastTextLoss::kNegative,
      .kind = o.cbow ? represent::FastTextKind::kCbow
                     : represent::FastTextKind::kSkipGram,
      .buckets = subwords ? static_cast<int32_t>(o.subwords.buckets) : 0,
      .min_chars = subwords ? o.subwords.min_chars : 0,
      .max_chars = o.subwords.max_chars,
      .subsample = o.subsample};
  parts.words = &result.lexicon.words();
  parts.word_counts = result.lexicon.counts();
  parts.tokens = result.lexicon.all_tokens();
  parts.input = result.input;
  // fastText wants a row for each word; a tree has one less.
  std::vector<float> output = result.output;
  output.resize(static_cast<size_t>(result.lexicon.size() * o.dimensions));
  parts.output = output;
  represent::WriteFastText(path, parts);
}

}  // namespace

void WriteResult(const std::filesystem::path& path,
                 const Word2VecResult& result, represent::VectorFormat format) {
  WriteModel(path, result, format);
  if (!result.options.checkpoint.empty()) {
    std::filesystem::remove(result.options.checkpoint);
  }
}

}  // namespace malmoi::learn
