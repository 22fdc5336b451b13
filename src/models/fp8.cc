#include "models/fp8.h"

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

#include "base/error.h"
#include "base/format.h"
#include "formats/hf_quantization.h"
#include "kernels/unpack.h"

namespace malmoi::models {

namespace {

// 1 sign, 4 exponent bits of bias 7, 3 of the mantissa; no infinity.
std::array<float, 256> MakeValues() {
  std::array<float, 256> values;
  for (int code = 0; code < 256; ++code) {
    const int exponent = (code >> 3) & 15, mantissa = code & 7;
    float value = exponent == 0 ? std::ldexp(static_cast<float>(mantissa), -9)
                                : std::ldexp(static_cast<float>(8 + mantissa),
                                             exponent - 10);
    if ((code & 127) == 127) value = std::numeric_limits<float>::quiet_NaN();
    values[static_cast<size_t>(code)] = code < 128 ? value : -value;
  }
  return values;
}

// The rows, or columns, that share a scale; 0 where the grid does not fit.
int64_t BlockSize(int64_t size, int64_t scales, int64_t stated) {
  if (scales == 1) return size;
  if (stated > 0 && scales == (size + stated - 1) / stated) return stated;
  return scales > 0 && size % scales == 0 ? size / scales : 0;
}

bool ReadScales(const Tensor& tensor, std::vector<float>& scales) {
  if (tensor.dtype != DType::kF32 && tensor.dtype != DType::kBF16 &&
      tensor.dtype != DType::kF16) {
    return false;
  }
  scales.resize(static_cast<size_t>(tensor.elements()));
  kernels::DequantizeRow(tensor.dtype, tensor.data.data(), tensor.elements(),
                         scales.data());
  return true;
}

}  // namespace

std::string Fp8ScaleName(const Checkpoint& checkpoint,
                         const std::string& tensor) {
  for (const char* end : {"_scale_inv", "_scale"}) {
    if (checkpoint.tensors().contains(tensor + end)) return tensor + end;
  }
  return "";
}

Tensor DequantizeFp8(const Checkpoint& checkpoint, const std::string& name,
                     const Tensor& tensor, std::string& problem) {
  Tensor out = tensor;
  out.dtype = DType::kBF16;
  out.mapped = false;
  out.data = {};
  const std::string scale_name = Fp8ScaleName(checkpoint, name);
  if (scale_name.empty()) {
    problem = name + "_scale_inv is missing";
    return out;
  }
  const Tensor& stored = checkpoint.tensors().find(scale_name)->second;
  formats::Fp8Blocks blocks;
  if (checkpoint.folder) {
    blocks = formats::ReadFp8Blocks(checkpoint.folder->config);
  }
  const int64_t rows = tensor.rows(), columns = tensor.columns();
  const bool one = stored.elements() == 1;
  const int64_t scale_columns =
      one || stored.shape.size() < 2 ? 1 : stored.shape.back();
  const int64_t scale_rows =
      scale_columns > 0 ? stored.elements() / scale_columns : 0;
  const int64_t block_rows = BlockSize(rows, scale_rows, blocks.rows);
  const int64_t block_columns =
      BlockSize(columns, scale_columns, blocks.columns);
  std::vector<float> scales;
  if (block_rows == 0 || block_columns == 0 || !ReadScales(stored, scales)) {
    problem = Format("{} has shape {} and type {}, expected one for {}",
                     scale_name, ShapeString(stored.shape),
                     Info(stored.dtype).name, ShapeString(tensor.shape));
    return out;
  }
  static const std::array<float, 256> kValues = MakeValues();
  auto memory = std::make_shared<std::vector<std::byte>>(
      static_cast<size_t>(tensor.elements()) * 2);
  const auto* codes = reinterpret_cast<const uint8_t*>(tensor.data.data());
  std::byte* to = memory->data();
  for (int64_t r = 0; r < rows; ++r) {
    const float* row = scales.data() + r / block_rows * scale_columns;
    for (int64_t c = 0; c < columns; ++c, ++codes, to += 2) {
      const uint16_t value =
          kernels::FloatToBF16(kValues[*codes] * row[c / block_columns]);
      std::memcpy(to, &value, 2);
    }
  }
  out.data = *memory;
  out.owner = memory;
  return out;
}

Tensor FromFp8(const Checkpoint& checkpoint, const std::string& name,
               const Tensor& tensor) {
  std::string problem;
  Tensor result = DequantizeFp8(checkpoint, name, tensor, problem);
  if (!problem.empty()) {
    throw Error(ErrorCode::kCorrupt, {.where = checkpoint.path.string(),
                                      .what = "scales that do not fit",
                                      .got = problem});
  }
  return result;
}

}  // namespace malmoi::models
