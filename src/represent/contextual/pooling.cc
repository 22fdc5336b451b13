#include "represent/contextual/pooling.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/format.h"

namespace malmoi::represent {

namespace {

constexpr std::pair<Pooling, std::string_view> kNames[] = {
    {Pooling::kFirst, "cls"},
    {Pooling::kMax, "max"},
    {Pooling::kMean, "mean"},
    {Pooling::kMeanSqrt, "mean_sqrt_len_tokens"},
    {Pooling::kWeightedMean, "weightedmean"},
    {Pooling::kLast, "lasttoken"}};

// Rows from `first` on, the row at index i times weight(i), over `divisor`.
template <typename Weight>
void SumRows(std::span<const float> rows, int64_t width, int64_t first,
             double divisor, const Weight& weight, float* out) {
  const auto columns = static_cast<size_t>(width);
  const int64_t count = static_cast<int64_t>(rows.size()) / width;
  std::vector<double> sums(columns, 0.0);
  for (int64_t r = first; r < count; ++r) {
    const float* row = rows.data() + r * width;
    const double by = weight(r);
    for (size_t k = 0; k < columns; ++k) {
      sums[k] += by * static_cast<double>(row[k]);
    }
  }
  for (size_t k = 0; k < columns; ++k) {
    out[k] = static_cast<float>(sums[k] / divisor);
  }
}

void PoolOne(Pooling mode, std::span<const float> rows, int64_t width,
             int64_t first, float* out) {
  const int64_t count = static_cast<int64_t>(rows.size()) / width;
  const auto n = static_cast<double>(count - first);
  const auto one = [](int64_t) { return 1.0; };
  switch (mode) {
    case Pooling::kFirst:
      std::copy_n(rows.data() + first * width, width, out);
      return;
    case Pooling::kLast:
      std::copy_n(rows.data() + (count - 1) * width, width, out);
      return;
    case Pooling::kMax:
      std::copy_n(rows.data() + first * width, width, out);
      for (int64_t r = first + 1; r < count; ++r) {
        const float* row = rows.data() + r * width;
        for (int64_t k = 0; k < width; ++k) out[k] = std::max(out[k], row[k]);
      }
      return;
    case Pooling::kMean:
      return SumRows(rows, width, first, n, one, out);
    case Pooling::kMeanSqrt:
      return SumRows(rows, width, first, std::sqrt(n), one, out);
    case Pooling::kWeightedMean: {
      const auto all = static_cast<double>(count);
      const auto left = static_cast<double>(first);
      return SumRows(
          rows, width, first, (all * (all + 1) - left * (left + 1)) / 2,
          [](int64_t r) { return static_cast<double>(r + 1); }, out);
    }
  }
}

}  // namespace

std::string_view PoolingName(Pooling pooling) {
  for (const auto& [each, name] : kNames) {
    if (each == pooling) return name;
  }
  return "";
}

std::optional<Pooling> FindPooling(std::string_view name) {
  for (const auto& [each, known] : kNames) {
    if (known == name) return each;
  }
  return std::nullopt;
}

void PoolRows(std::span<const Pooling> modes, std::span<const float> rows,
              int64_t width, int64_t skip, std::span<float> out) {
  std::fill(out.begin(), out.end(), 0.0f);
  const int64_t count = static_cast<int64_t>(rows.size()) / width;
  if (count == 0) return;
  const int64_t first = skip < count ? skip : 0;
  float* to = out.data();
  for (const Pooling mode : modes) {
    PoolOne(mode, rows, width, first, to);
    to += width;
  }
}

void NormalizeVector(std::span<float> vector) {
  double squares = 0;
  for (const float value : vector) {
    squares += static_cast<double>(value) * static_cast<double>(value);
  }
  const auto inverse =
      static_cast<float>(1.0 / std::max(std::sqrt(squares), 1e-12));
  for (float& value : vector) value *= inverse;
}

void NormalizeVectors(std::span<float> values, int64_t width) {
  const auto size = static_cast<size_t>(width);
  for (size_t at = 0; at < values.size(); at += size) {
    NormalizeVector(values.subspan(at, size));
  }
}

void CutVectors(int64_t dimensions, int64_t width, std::vector<float>& values) {
  if (dimensions == 0) return;
  const auto from = static_cast<size_t>(width);
  const auto to = static_cast<size_t>(dimensions);
  const size_t count = values.size() / from;
  for (size_t i = 0; i < count; ++i) {
    std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(i * from), to,
                values.begin() + static_cast<std::ptrdiff_t>(i * to));
  }
  values.resize(count * to);
  NormalizeVectors(values, dimensions);
}

void CheckDimensions(int64_t dimensions, int64_t most) {
  if (dimensions >= 0 && dimensions <= most) return;
  throw Error(ErrorCode::kInvalidArgument, {.where = "--dimensions",
                                            .what = "value out of range",
                                            .expected = Format("1 to {}", most),
                                            .got = std::to_string(dimensions)});
}

}  // namespace malmoi::represent
