// One batch of centers: its segments compute gradients from weights that do not
// move, then each owner of rows adds what belongs to its own.
#ifndef MALMOI_LEARN_WORD2VEC_BATCH_H_
#define MALMOI_LEARN_WORD2VEC_BATCH_H_

#include <cstdint>
#include <span>
#include <vector>

#include "base/random.h"
#include "base/thread_pool.h"
#include "kernels/word_kernels.h"
#include "learn/word2vec/weights.h"
#include "represent/static/huffman.h"

namespace malmoi::learn {

// Words of a piece of the corpus after subsampling.
struct Piece {
  std::vector<int32_t> words;
  std::vector<int32_t> begins, ends;  // of the sentence of each word
  int64_t tokens = 0;                 // of the vocabulary, before subsampling
  uint64_t seed = 0;
};

struct Model {
  bool cbow = false;
  int window = 5, negatives = 5;  // 0 negatives: hierarchical softmax
  AlignedRows input, output;
  WordSampler sampler;
  represent::HuffmanTree tree;
  // The rows of the input of each word: begins [words + 1] into rows. Empty:
  // the word's own.
  std::vector<int64_t> row_begins;
  std::vector<int32_t> rows;

  // Factors of changes, by row; empty: all 1. A row that is expected to be hit
  // more than kMostHits times in a batch is damped to as many, because all hits
  // see the same weights: the top of a tree, words of a tiny vocabulary.
  std::vector<float> input_factors, output_factors;

  int64_t RowCount(int32_t word) const {
    if (row_begins.empty()) return 1;
    const size_t i = static_cast<size_t>(word);
    return row_begins[i + 1] - row_begins[i];
  }
  int32_t RowOf(int32_t word, int64_t index) const {
    if (row_begins.empty()) return word;
    return rows[static_cast<size_t>(row_begins[static_cast<size_t>(word)] +
                                    index)];
  }
};

inline constexpr int kMostWindow = 100;
inline constexpr int kOwners = 16;          // of rows, by their number
inline constexpr int kSegmentCenters = 32;  // centers of a segment
inline constexpr int kBatchSegments = 8;
// Of a row by centers of a batch; fewer in a tree, where most choices are open
// and gradients large.
inline constexpr double kMostHits = 24, kMostHitsOfTree = 6;

// Fills the factors. `shares`: of each word among the centers; sum to 1.
void MakeFactors(Model& model, std::span<const double> shares,
                 std::span<const double> negative_shares);

// The memory of one segment, used again and again.
class Segment {
 public:
  void Prepare(const Model& model);
  // Gradients for centers [begin, end) of a piece. `measure`: count the loss.
  void Compute(const Model& model, const Piece& piece, int32_t begin,
               int32_t end, float rate, bool measure);
  // Adds to the rows of one owner.
  void Apply(Model& model, int owner) const;

  double loss() const { return loss_; }
  int64_t losses() const { return losses_; }

 private:
  struct Center {
    int32_t first_target = 0, targets = 0;  // into targets_
    int32_t first_x = 0, inputs = 0;        // into x_
    int32_t gradients = 0;                  // into gradients_
  };
  struct Entry {
    int32_t center;  // or position
    int32_t target;  // of the center, or row
  };
  void Gather(const Model& model, const Piece& piece);
  void Draw(const Model& model, const Piece& piece, int32_t begin, int32_t end);
  void Step(const Model& model, const Piece& piece, int32_t center, float rate,
            bool measure);
  void Bucket(const Model& model, const Piece& piece);

  int32_t low_ = 0, high_ = 0, begin_ = 0;  // positions of the piece
  AlignedRows x_rows_, x_change_;           // [positions]
  AlignedRows h_rows_, h_change_;           // [centers]: of CBOW
  std::vector<int32_t> x_counts_;  // rows that were summed at a position
  std::vector<Center> centers_;
  std::vector<int32_t> targets_;
  std::vector<float> target_labels_;
  std::vector<const float*> x_;
  std::vector<float*> x_changes_;
  std::vector<int32_t> reaches_;  // of each center's window
  std::vector<float> gradients_, labels_;
  size_t gradient_end_ = 0;
  std::vector<const float*> y_;
  std::vector<Entry> entries_, outputs_, inputs_;  // the latter by owner
  int32_t output_begins_[kOwners + 1], input_begins_[kOwners + 1];
  const kernels::WordKernelTable* kernels_ = nullptr;
  double loss_ = 0;
  int64_t losses_ = 0;
};

}  // namespace malmoi::learn

#endif  // MALMOI_LEARN_WORD2VEC_BATCH_H_
