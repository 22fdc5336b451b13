// Training of word vectors: skip-gram and CBOW with negative sampling or
// hierarchical softmax (Mikolov et al. 2013), with fastText's subwords if
// wished (Bojanowski et al. 2017).
//
// Centers of a batch see the same weights, their changes are summed in a fixed
// order, and random numbers depend on the place in the corpus: the same seed
// gives the same bytes whatever the number of threads, and after a resume. The
// contexts of a center share its negatives, so that a step is a small matrix
// product (kernels/word_kernels.h).
#ifndef MALMOI_LEARN_WORD2VEC_WORD2VEC_H_
#define MALMOI_LEARN_WORD2VEC_WORD2VEC_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "base/thread_pool.h"
#include "learn/word2vec/lexicon.h"
#include "represent/static/subwords.h"
#include "represent/static/vector_files.h"
#include "represent/static/word_vectors.h"

namespace malmoi::learn {

struct Word2VecProgress {
  int epoch = 0, epochs = 0;  // the one under way, from 1
  double fraction = 0;        // of all
  double words_per_s = 0;     // of the corpus, since the start or the resume
  double loss = 0;            // mean over the targets of the last batches, nats
  double rate = 0;            // learning rate
};

struct Word2VecOptions {
  int64_t dimensions = 100;
  bool cbow = false;
  bool hierarchical = false;  // otherwise negative sampling
  int window = 5;             // at most so many words to each side
  int negatives = 5;
  int epochs = 5;
  // Words more frequent than this share of the corpus are left out at random;
  // 0: none.
  double subsample = 1e-3;
  double rate = 0;  // the first; falls linearly to 1/10000 of it. 0: 0.025, or
                    // 0.05 for CBOW
  uint64_t seed = 1;
  represent::SubwordOptions subwords = {.max_chars = 0};  // 0: words only
  LexiconOptions lexicon;
  // Where the state is kept at times; empty: nowhere. WriteResult() removes it.
  std::filesystem::path checkpoint;
  double checkpoint_every_s = 300;
  bool resume = false;
  // False stops: what was learnt is in the checkpoint, and kCancelled thrown.
  std::function<bool(const Word2VecProgress&)> progress;
  double progress_every_s = 0.2;
  std::function<bool(uint64_t done, uint64_t total)> counting;
};

struct Word2VecResult {
  Lexicon lexicon;
  Word2VecOptions options;
  std::vector<float> input;    // [words + buckets][dimensions]
  std::vector<float> output;   // [words or inner nodes][dimensions]
  std::vector<double> losses;  // mean of each epoch, nats a target
  double seconds = 0;          // of training, without counting
  double words_per_s = 0;
};

// Throws kInvalidArgument for options or a corpus that make no sense, kNotFound
// for a checkpoint that is not there, kCorrupt or kInvalidArgument for one that
// is not of this corpus and these options, kLimit for too little memory,
// kDiskFull while a checkpoint is written (the one before it stays).
Word2VecResult TrainWord2Vec(const Corpus& corpus,
                             const Word2VecOptions& options, ThreadPool& pool);

// The vectors of the words, subwords included.
represent::WordVectors VectorsOf(const Word2VecResult& result);
// Writes vectors, or with kFastText the whole model; then the checkpoint is
// removed, which a full disk thus leaves. Throws as WriteVectors().
void WriteResult(const std::filesystem::path& path,
                 const Word2VecResult& result, represent::VectorFormat format);

}  // namespace malmoi::learn

#endif  // MALMOI_LEARN_WORD2VEC_WORD2VEC_H_
