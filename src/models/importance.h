// Importance of the columns of weight matrices: the mean squares of the inputs
// that they multiply, collected from the taps of a forward. What an error of a
// weight does to a product grows with it, so that quantizing may weigh errors.
// Files are llama.cpp's: GGUF with tensors NAME.in_sum2 and NAME.counts.
#ifndef MALMOI_MODELS_IMPORTANCE_H_
#define MALMOI_MODELS_IMPORTANCE_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/gguf.h"
#include "models/registry.h"
#include "models/spec.h"

namespace malmoi::models {

// Of one weight: a matrix, or several (experts), whose inputs differ.
struct InputSquares {
  std::vector<float> sums;    // [matrices, columns], of squares
  std::vector<float> counts;  // [matrices], of the rows that were summed

  int64_t columns() const {
    return static_cast<int64_t>(sums.size() / counts.size());
  }
  // Mean squares of a matrix's inputs over their mean, as only ratios matter;
  // 1 where nothing was seen.
  std::vector<float> Weights(int64_t matrix) const;
};

struct Importance {
  std::map<std::string, InputSquares, std::less<>> inputs;  // by GGUF's names
  std::vector<std::string> datasets;  // what text it was collected from
  std::string where;                  // names it in errors

  int64_t tokens() const;  // the largest count
  // Whether all of it belongs to these tensors, by names and shapes. Throws
  // kInvalidArgument.
  void CheckFits(const formats::TensorMap& tensors) const;
};

// Throws kInvalidArgument for another kind of GGUF file, kCorrupt for a
// damaged one, and what GgufFile::Open throws.
Importance LoadImportance(const std::filesystem::path& path);
// Throws as GgufFileWriter does.
void SaveImportance(const Importance& importance,
                    const std::filesystem::path& path);

// Tokens of a window when importance is collected, as files tell it.
inline constexpr int64_t kImportanceWindow = 512;

// Sums the squares of what products read: See is an Exec's tap.
class ImportanceCollector {
 public:
  void See(std::string_view name, std::span<const float> values, int64_t rows,
           int64_t columns);
  // By the names that the weights have in a GGUF file of this model. Parts of
  // a fused matrix read the same, and so the whole does.
  Importance Result(const Architecture& architecture, const Spec& spec) const;

 private:
  struct Sums {
    std::vector<double> squares;  // [columns]
    int64_t rows = 0;
  };
  std::map<std::string, Sums, std::less<>> seen_;  // by the taps' names
};

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_IMPORTANCE_H_
