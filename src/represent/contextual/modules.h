// What stands around an embedder's transformer: how its rows are pooled, what
// vectors pass through after that, what is put in front of texts and how long
// they may be. From a sentence-transformers folder (modules.json and what it
// names), or from GGUF metadata.
#ifndef MALMOI_REPRESENT_CONTEXTUAL_MODULES_H_
#define MALMOI_REPRESENT_CONTEXTUAL_MODULES_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "models/checkpoint.h"
#include "models/families/weight_reader.h"
#include "ops/exec.h"
#include "represent/contextual/pooling.h"

namespace malmoi::represent {

enum class StepKind { kDense, kLayerNorm, kNormalize };
enum class StepActivation { kIdentity, kTanh, kRelu, kGelu, kSigmoid, kSilu };

// What every vector passes through.
struct Step {
  StepKind kind = StepKind::kNormalize;
  models::Linear linear;    // of kDense, in f32
  models::Linear residual;  // of kDense; no rows: x itself, where it is added
  bool adds_input = false;  // of kDense: the residual is added
  StepActivation activation = StepActivation::kIdentity;
  models::Norm norm;  // of kLayerNorm
};

// f32 [count][width] through the steps, in order.
std::vector<float> ApplySteps(Exec& exec, const std::vector<Step>& steps,
                              std::vector<float> vectors, int64_t count);
// The width behind the steps.
int64_t WidthBehind(const std::vector<Step>& steps, int64_t width);

struct Modules {
  std::filesystem::path transformer;  // its folder, or the GGUF file
  // Empty: there is none, vectors are of tokens.
  std::vector<Pooling> pooling;
  bool include_prompt = true;     // its tokens are pooled, too
  std::vector<Step> token_steps;  // before pooling
  std::vector<Step> steps;        // behind it
  std::map<std::string, std::string> prompts;
  std::string default_prompt;                // a name; empty: none
  std::optional<int64_t> max_tokens;         // of sentence_bert_config.json
  std::optional<int64_t> tokenizer_maximum;  // of tokenizer_config.json
  bool lower_case = false;
  bool left = false;  // texts that are cut lose their beginning

  bool normalizes() const {
    return !steps.empty() && steps.back().kind == StepKind::kNormalize;
  }
};

// Where a folder's transformer lies: modules.json may put it into a folder of
// its own. A path that is no such folder is returned as it is.
std::filesystem::path TransformerFolder(const std::filesystem::path& path);

// Where there is no modules.json the mean is taken. `width`: of the
// transformer's rows. `pool` serves packing. Throws kUnsupported for modules,
// activations and kinds of pooling that it does not know, by name; kCorrupt.
Modules ReadModules(const models::Checkpoint& checkpoint,
                    const std::filesystem::path& folder, int64_t width,
                    ThreadPool& pool);

// Of a folder whose vectors are in a table: what follows it in modules.json,
// and its prompts. Throws as ReadModules().
Modules ReadTableModules(const std::filesystem::path& folder, int64_t width,
                         ThreadPool& pool);
// Where modules.json puts a table of vectors, if it begins with one; nullopt
// for all else.
std::optional<std::filesystem::path> TableFolder(
    const std::filesystem::path& folder);

}  // namespace malmoi::represent

#endif  // MALMOI_REPRESENT_CONTEXTUAL_MODULES_H_
