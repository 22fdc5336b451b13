// Training's state on disk: written beside, synced, renamed, so that a disk
// that fills leaves the one before it whole.
#ifndef MALMOI_LEARN_WORD2VEC_CHECKPOINT_H_
#define MALMOI_LEARN_WORD2VEC_CHECKPOINT_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "learn/word2vec/weights.h"

namespace malmoi::learn {

struct TrainingPlace {
  int64_t epoch = 0;   // from 0
  int64_t piece = 0;   // the next one
  int64_t tokens = 0;  // done, of the vocabulary
  uint64_t batches = 0;
  double loss = 0, losses = 0;  // of this epoch
  std::vector<double> epoch_losses;
};

// `about`: what corpus and options were, in words; of another one the state is
// refused.
void WriteCheckpoint(const std::filesystem::path& path,
                     const std::string& about, const TrainingPlace& place,
                     const AlignedRows& input, const AlignedRows& output);
// Fills matrices of the right sizes. Throws kNotFound, kCorrupt,
// kInvalidArgument (of another training).
TrainingPlace ReadCheckpoint(const std::filesystem::path& path,
                             const std::string& about, AlignedRows& input,
                             AlignedRows& output);

}  // namespace malmoi::learn

#endif  // MALMOI_LEARN_WORD2VEC_CHECKPOINT_H_
