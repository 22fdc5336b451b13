// The plain twin of every kernel: no intrinsics, the same order of additions
// as the vector kernels where that order is part of the contract.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/unpack.h"

namespace malmoi::kernels {

namespace {

constexpr int kLanes = 4;

int Code(const PanelFormat& format, const std::byte* block, int lane, int k) {
  if (format.codes == Codes::kU8) {
    return static_cast<int>(block[(k / 4 * kLanes + lane) * 4 + k % 4]);
  }
  const int j = k % 16;
  const int both = static_cast<int>(block[(j / 4 * kLanes + lane) * 4 + j % 4]);
  return k < 16 ? both & 15 : both >> 4;
}

float Scale(const PanelFormat& format, const std::byte* scales, int index) {
  if (format.half_scales) {
    uint16_t half;
    std::memcpy(&half, scales + index * 2, 2);
    return HalfToFloat(half);
  }
  float value;
  std::memcpy(&value, scales + index * 4, 4);
  return value;
}

void MatmulInt8(const PanelFormat& format, const std::byte* panels,
                int64_t panel_count, const Int8Rows& rows, int64_t first,
                int64_t tokens, float* out, int64_t out_stride) {
  const int64_t blocks = rows.columns / 32;
  const size_t panel_bytes = PanelBytes(format, kLanes, rows.columns);
  const size_t block_bytes = panel_bytes / static_cast<size_t>(blocks);
  const int groups = 32 / format.group;
  const int code_bytes = (format.codes == Codes::kU4 ? 16 : 32) * kLanes;
  const int scale_bytes = groups * kLanes * (format.half_scales ? 2 : 4);
  for (int64_t t = 0; t < tokens; ++t) {
    const int64_t row = first + t;
    for (int64_t p = 0; p < panel_count; ++p) {
      for (int r = 0; r < kLanes; ++r) {
        float sum = 0;
        for (int64_t b = 0; b < blocks; ++b) {
          const std::byte* block = panels +
                                   static_cast<size_t>(p) * panel_bytes +
                                   static_cast<size_t>(b) * block_bytes;
          const int8_t* codes = rows.codes + row * rows.columns + b * 32;
          const float scale_a = rows.scales[row * blocks + b];
          for (int g = 0; g < groups; ++g) {
            int dot = 0;
            for (int k = g * format.group; k < (g + 1) * format.group; ++k) {
              dot += Code(format, block, r, k) * codes[k];
            }
            const std::byte* scales = block + code_bytes;
            const float scale = Scale(format, scales, g * kLanes + r);
            const float min =
                format.stored_min
                    ? Scale(format, scales + scale_bytes, g * kLanes + r)
                    : -static_cast<float>(format.zero) * scale;
            const float sum_a = groups == 1
                                    ? rows.sums32[row * blocks + b]
                                    : rows.sums16[(row * blocks + b) * 2 + g];
            sum = std::fma(static_cast<float>(dot), scale * scale_a, sum);
            sum = std::fma(min, sum_a, sum);
          }
        }
        out[t * out_stride + p * kLanes + r] = sum;
      }
    }
  }
}

void MatmulFloat(const PanelFormat& format, const std::byte* panels,
                 int64_t panel_count, const float* rows, int64_t stride,
                 int64_t columns, int64_t tokens, float* out,
                 int64_t out_stride) {
  const size_t panel_bytes = PanelBytes(format, kLanes, columns);
  for (int64_t t = 0; t < tokens; ++t) {
    for (int64_t p = 0; p < panel_count; ++p) {
      const std::byte* panel = panels + static_cast<size_t>(p) * panel_bytes;
      for (int r = 0; r < kLanes; ++r) {
        float sums[4] = {};
        for (int64_t k = 0; k < columns; ++k) {
          sums[k % 4] =
              std::fma(PanelWeight(format, kLanes, columns, panel, r, k),
                       rows[t * stride + k], sums[k % 4]);
        }
        out[t * out_stride + p * kLanes + r] =
            (sums[0] + sums[1]) + (sums[2] + sums[3]);
      }
    }
  }
}

void QuantizeRow(const float* values, const Int8Rows& out, int64_t index) {
  const int64_t blocks = out.columns / 32;
  for (int64_t b = 0; b < blocks; ++b) {
    const float* x = values + b * 32;
    float largest = 0;
    for (int k = 0; k < 32; ++k) largest = std::max(largest, std::fabs(x[k]));
    const float scale = largest / 127.0f;
    const float inverse = largest > 0 ? 127.0f / largest : 0.0f;
    int sums[2] = {};
    for (int k = 0; k < 32; ++k) {
      const int code = static_cast<int>(std::nearbyint(x[k] * inverse));
      out.codes[index * out.columns + b * 32 + k] = static_cast<int8_t>(code);
      sums[k / 16] += code;
    }
    out.scales[index * blocks + b] = scale;
    out.sums32[index * blocks + b] =
        scale * static_cast<float>(sums[0] + sums[1]);
    out.sums16[(index * blocks + b) * 2] = scale * static_cast<float>(sums[0]);
    out.sums16[(index * blocks + b) * 2 + 1] =
        scale * static_cast<float>(sums[1]);
  }
}

void RmsNorm(const float* x, const float* weight, int64_t columns,
             float epsilon, float* out) {
  float sum = 0;
  for (int64_t k = 0; k < columns; ++k) sum = std::fma(x[k], x[k], sum);
  const float scale =
      1.0f / std::sqrt(sum / static_cast<float>(columns) + epsilon);
  for (int64_t k = 0; k < columns; ++k) out[k] = x[k] * scale * weight[k];
}

void SiluMul(float* gate, const float* up, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    gate[i] = gate[i] / (1.0f + std::exp(-gate[i])) * up[i];
  }
}

void Add(float* to, const float* from, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] += from[i];
}

void Attention(const AttentionQuery* queries, int count,
               const uint16_t* const* keys, const uint16_t* const* values,
               int64_t head_dim) {
  std::vector<double> sums(static_cast<size_t>(head_dim));
  for (int q = 0; q < count; ++q) {
    std::vector<float> scores(static_cast<size_t>(queries[q].visible));
    float largest = -INFINITY;
    for (int64_t j = 0; j < queries[q].visible; ++j) {
      const uint16_t* key = keys[j / 64] + j % 64;
      float score = 0;
      for (int64_t d = 0; d < head_dim; ++d) {
        score = std::fma(queries[q].query[d], HalfToFloat(key[d * 64]), score);
      }
      scores[static_cast<size_t>(j)] = score;
      largest = std::max(largest, score);
    }
    std::fill(sums.begin(), sums.end(), 0.0);
    double total = 0;
    for (int64_t j = 0; j < queries[q].visible; ++j) {
      const double weight =
          std::exp(static_cast<double>(scores[static_cast<size_t>(j)]) -
                   static_cast<double>(largest));
      const uint16_t* value = values[j / 64] + j % 64 * head_dim;
      total += weight;
      for (int64_t d = 0; d < head_dim; ++d) {
        sums[static_cast<size_t>(d)] +=
            weight * static_cast<double>(HalfToFloat(value[d]));
      }
    }
    for (int64_t d = 0; d < head_dim; ++d) {
      queries[q].out[d] =
          static_cast<float>(sums[static_cast<size_t>(d)] / total);
    }
  }
}

double Int8Roof(int64_t iterations) {
  volatile int sink = 0;
  for (int64_t i = 0; i < iterations; ++i)
    sink = sink + static_cast<int>(i) * 3;
  return 2.0 * static_cast<double>(iterations);
}

double F32Roof(int64_t iterations) {
  volatile float sink = 0;
  for (int64_t i = 0; i < iterations; ++i) sink = sink * 0.5f + 1.0f;
  return 2.0 * static_cast<double>(iterations);
}

uint64_t ReadSum(const std::byte* data, size_t bytes) {
  uint64_t sum = 0;
  for (size_t i = 0; i + 8 <= bytes; i += 8) {
    uint64_t word;
    std::memcpy(&word, data + i, 8);
    sum += word;
  }
  return sum;
}

}  // namespace

const KernelTable& ScalarKernels() {
  static constexpr KernelTable kTable = {
      .name = "SCALAR",
      .lanes = kLanes,
      .fused = true,
      .matmul_int8 = MatmulInt8,
      .matmul_float = MatmulFloat,
      .quantize_row = QuantizeRow,
      .rms_norm = RmsNorm,
      .silu_mul = SiluMul,
      .add = Add,
      .attention = Attention,
      .int8_roof = Int8Roof,
      .f32_roof = F32Roof,
      .read_sum = ReadSum,
  };
  return kTable;
}

}  // namespace malmoi::kernels
