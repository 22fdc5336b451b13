#include "represent/contextual/precision.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/format.h"
#include "formats/npy.h"

namespace malmoi::represent {

namespace {

constexpr std::pair<VectorPrecision, std::string_view> kNames[] = {
    {VectorPrecision::kFloat32, "float32"},
    {VectorPrecision::kInt8, "int8"},
    {VectorPrecision::kUint8, "uint8"},
    {VectorPrecision::kBinary, "binary"},
    {VectorPrecision::kUbinary, "ubinary"}};

bool IsByte(VectorPrecision precision) {
  return precision == VectorPrecision::kInt8 ||
         precision == VectorPrecision::kUint8;
}

}  // namespace

VectorPrecision FindVectorPrecision(std::string_view name) {
  for (const auto& [precision, known] : kNames) {
    if (known == name) return precision;
  }
  throw Error(ErrorCode::kInvalidArgument,
              {.where = "--precision",
               .what = "unknown precision",
               .expected = "float32, int8, uint8, binary or ubinary",
               .got = std::string(name)});
}

void Ranges::Add(std::span<const float> vector) {
  if (least.empty()) {
    least.assign(vector.begin(), vector.end());
    greatest = least;
    return;
  }
  for (size_t k = 0; k < vector.size(); ++k) {
    least[k] = std::min(least[k], vector[k]);
    greatest[k] = std::max(greatest[k], vector[k]);
  }
}

Ranges Ranges::Read(const std::filesystem::path& path) {
  const Tensor tensor = formats::ReadNpy(path);
  const bool narrow = tensor.dtype == DType::kF32;
  if (tensor.shape.size() != 2 || tensor.shape[0] != 2 ||
      (!narrow && tensor.dtype != DType::kF64)) {
    throw Error(ErrorCode::kCorrupt,
                {.where = path.string(),
                 .what = "not the ranges of vectors",
                 .expected = "F32 [2, dimensions]",
                 .got = Format("{} {}", Info(tensor.dtype).name,
                               ShapeString(tensor.shape))});
  }
  std::vector<float> values(static_cast<size_t>(tensor.elements()));
  for (size_t i = 0; i < values.size(); ++i) {
    if (narrow) {
      std::memcpy(&values[i], tensor.data.data() + i * 4, 4);
    } else {
      double value;
      std::memcpy(&value, tensor.data.data() + i * 8, 8);
      values[i] = static_cast<float>(value);
    }
  }
  const auto half = values.begin() + tensor.shape[1];
  return {{values.begin(), half}, {half, values.end()}};
}

void Ranges::Write(const std::filesystem::path& path) const {
  formats::NpyWriter writer(path, DType::kF32,
                            {static_cast<int64_t>(least.size())});
  if (!least.empty()) {
    writer.Write(std::span<const float>(least));
    writer.Write(std::span<const float>(greatest));
  }
  writer.Finish();
}

VectorQuantizer::VectorQuantizer(VectorPrecision precision, int64_t dimensions,
                                 Ranges ranges)
    : precision_(precision),
      dimensions_(dimensions),
      ranges_(std::move(ranges)) {
  if (!IsByte(precision)) return;
  if (ranges_.least.size() != static_cast<size_t>(dimensions)) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "--ranges",
                 .what = ranges_.least.empty()
                             ? "a byte for each component needs their ranges"
                             : "ranges of other dimensions",
                 .expected = std::to_string(dimensions),
                 .got = std::to_string(ranges_.least.size()),
                 .hint = "--save-ranges over texts of the same kind"});
  }
}

DType VectorQuantizer::dtype() const {
  switch (precision_) {
    case VectorPrecision::kFloat32:
      return DType::kF32;
    case VectorPrecision::kInt8:
    case VectorPrecision::kBinary:
      return DType::kI8;
    default:
      return DType::kU8;
  }
}

int64_t VectorQuantizer::columns() const {
  const bool bits = precision_ == VectorPrecision::kBinary ||
                    precision_ == VectorPrecision::kUbinary;
  return bits ? (dimensions_ + 7) / 8 : dimensions_;
}

size_t VectorQuantizer::bytes() const {
  const size_t each = precision_ == VectorPrecision::kFloat32 ? 4 : 1;
  return static_cast<size_t>(columns()) * each;
}

std::vector<std::byte> VectorQuantizer::Apply(
    std::span<const float> vector) const {
  std::vector<std::byte> out(bytes());
  if (precision_ == VectorPrecision::kFloat32) {
    std::memcpy(out.data(), vector.data(), out.size());
    return out;
  }
  if (!IsByte(precision_)) {
    for (size_t k = 0; k < vector.size(); ++k) {
      if (vector[k] > 0) {
        out[k / 8] |= static_cast<std::byte>(0x80 >> (k % 8));
      }
    }
  } else {
    for (size_t k = 0; k < vector.size(); ++k) {
      const float start = ranges_.least[k];
      float step = (ranges_.greatest[k] - start) / 255.0f;
      if (step == 0) step = 1;
      const float level =
          std::clamp(std::floor((vector[k] - start) / step), 0.0f, 255.0f);
      // What is no number is the least.
      out[k] = static_cast<std::byte>(level > 0 ? static_cast<int>(level) : 0);
    }
  }
  // int8 and binary are the same, 128 less.
  if (dtype() == DType::kI8) {
    for (std::byte& value : out) value ^= std::byte{0x80};
  }
  return out;
}

}  // namespace malmoi::represent
