// Speed of a model: measured, as a share of what the machine can do, and as
// it was predicted (generate/fit.h).
#ifndef MALMOI_GENERATE_BENCH_H_
#define MALMOI_GENERATE_BENCH_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "generate/evaluate.h"
#include "generate/fit.h"
#include "generate/language_model.h"

namespace malmoi::generate {

struct BenchOptions {
  int64_t prompt_tokens = 512;
  int64_t decode_tokens = 128;
  // Random tokens that are in the context before decoding; 0: eight.
  int64_t depth = 0;
  int64_t sequences = 1;  // that decode at once, in one forward
  std::optional<models::KvType> kv_type;
  int repetitions = 5;  // after one that warms up
};

struct BenchResult {
  // "prompt 512", "decode 128", "decode 128 @4096 x8": the depth where one
  // was asked for, and the sequences where there are several.
  std::string work;
  double tokens_per_s = 0;  // median; of all sequences together
  double share_of_roof = 0;
  std::string roof;         // "int8 arithmetic" or "memory bandwidth"
  PredictedTime predicted;  // of the whole work
  double predicted_tokens_per_s = 0;
};

// Throws kContextOverflow where the model's context is too short.
std::vector<BenchResult> BenchModel(std::shared_ptr<const LanguageModel> model,
                                    const BenchOptions& options,
                                    const EvalProgress& progress = {});

}  // namespace malmoi::generate

#endif  // MALMOI_GENERATE_BENCH_H_
