// From the rows of a text's tokens to one vector: the ways of
// sentence-transformers (Reimers & Gurevych 2019), one or several side by side.
#ifndef MALMOI_REPRESENT_CONTEXTUAL_POOLING_H_
#define MALMOI_REPRESENT_CONTEXTUAL_POOLING_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace malmoi::represent {

enum class Pooling {
  kFirst,         // "cls"
  kMax,           // "max", of each component
  kMean,          // "mean"
  kMeanSqrt,      // "mean_sqrt_len_tokens": the sum over the root of the count
  kWeightedMean,  // "weightedmean": row i, counted from 1, has the weight i
  kLast,          // "lasttoken"
};

// As sentence-transformers names it.
std::string_view PoolingName(Pooling pooling);
std::optional<Pooling> FindPooling(std::string_view name);

// rows: f32 [count][width], of which the first `skip` are left out (a prompt),
// unless they are all. out: [modes][width]; zeros where there is no row.
void PoolRows(std::span<const Pooling> modes, std::span<const float> rows,
              int64_t width, int64_t skip, std::span<float> out);

// To length 1; what is shorter than 1e-12 is divided by that.
void NormalizeVector(std::span<float> vector);
// The same of each of vectors [count][width].
void NormalizeVectors(std::span<float> values, int64_t width);

// The first `dimensions` components of each of vectors [count][width], to
// length 1 (Kusupati et al. 2022, Matryoshka); 0: all, as they are.
void CutVectors(int64_t dimensions, int64_t width, std::vector<float>& values);
// Throws kInvalidArgument where they are not 0 to `most`.
void CheckDimensions(int64_t dimensions, int64_t most);

}  // namespace malmoi::represent

#endif  // MALMOI_REPRESENT_CONTEXTUAL_POOLING_H_
