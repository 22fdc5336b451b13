// The parts of malmoi word2vec: questions to word vectors, and training.
#ifndef MALMOI_CLI_WORD2VEC_H_
#define MALMOI_CLI_WORD2VEC_H_

#include <cstdint>
#include <functional>
#include <string>

#include "cli/verbs.h"
#include "learn/word2vec/word2vec.h"

namespace malmoi::cli {

// A whole number of an option within bounds. Throws kUsage.
int64_t IntegerBetween(const Invocation& call, const char* name,
                       int64_t otherwise, int64_t least, int64_t most);
// -o, or else an error that names it.
std::string OutputOption(const Invocation& call);
represent::SubwordOptions SubwordsOption(const Invocation& call,
                                         represent::SubwordOptions otherwise);

// word2vec_train.cc: each the exit status.
int TrainVectors(const Invocation& call);
int TrainClassifier(const Invocation& call);

}  // namespace malmoi::cli

#endif  // MALMOI_CLI_WORD2VEC_H_
