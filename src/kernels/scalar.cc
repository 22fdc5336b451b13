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

// One output; see kernels.h for the order.
float Int8Dot(const PanelFormat& format, const std::byte* panel, int lane,
              const Int8Rows& rows, int64_t row) {
  const size_t block_bytes = BlockBytes(format, kLanes);
  const int64_t block_columns = format.block();
  const int64_t blocks = rows.columns / block_columns;
  const auto code_at = rows.Find(row, rows.columns, 4);
  const auto scale_at = rows.Find(row, blocks, 1);
  const auto pair_at = rows.Find(row, rows.columns / format.group, 2);
  const int16_t* pairs = format.group == 16 ? rows.pairs16 : rows.pairs32;
  float sum = 0;
  CodeBlock block;
  for (int64_t b = 0; b < blocks; ++b, panel += block_bytes) {
    UnpackLane(format, kLanes, panel, lane, block);
    const float scale_a = rows.scales[scale_at.first + b * scale_at.step];
    int dots = 0, mins = 0;
    for (int k = 0; k < block_columns; ++k) {
      const int64_t column = b * block_columns + k;
      dots +=
          block.scales[k / format.group] * CodeOf(format, block, k) *
          rows.codes[code_at.first + column / 4 * code_at.step + column % 4];
    }
    if (!format.super) {
      sum = std::fma(static_cast<float>(dots), block.d * scale_a, sum);
      if (!format.has_min()) continue;
      sum = std::fma(-block.dmin, rows.sums[scale_at.first + b * scale_at.step],
                     sum);
      continue;
    }
    const int64_t groups = 256 / format.group;
    for (int64_t g = 0; g < groups; ++g) {
      const int64_t pair = (b * groups + g) / 2;
      mins += (format.stored_min ? block.mins[g] : block.scales[g]) *
              pairs[pair_at.first + pair * pair_at.step + g % 2];
    }
    if (format.stored_min) {
      sum = std::fma(static_cast<float>(dots), block.d * scale_a, sum);
      sum = std::fma(static_cast<float>(mins), -block.dmin * scale_a, sum);
    } else {
      sum = std::fma(static_cast<float>(dots - format.zero * mins),
                     block.d * scale_a, sum);
    }
  }
  return sum;
}

void MatmulInt8(const PanelFormat& format, const std::byte* panels,
                int64_t panel_count, const Int8Rows& rows, int64_t first,
                int64_t tokens, float* out, int64_t out_stride) {
  const size_t panel_bytes = PanelBytes(format, kLanes, rows.columns);
  for (int64_t t = 0; t < tokens; ++t) {
    for (int64_t r = 0; r < panel_count * kLanes; ++r) {
      out[t * out_stride + r] = Int8Dot(
          format, panels + static_cast<size_t>(r / kLanes) * panel_bytes,
          static_cast<int>(r % kLanes), rows, first + t);
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

void MatmulBF16(const std::byte* panels, int64_t panel_count,
                const uint16_t* rows, int64_t stride, int64_t columns,
                int64_t tokens, float* out, int64_t out_stride) {
  const PanelFormat format = {.codes = Codes::kBF16};
  const size_t panel_bytes = PanelBytes(format, kLanes, columns);
  for (int64_t t = 0; t < tokens; ++t) {
    for (int64_t p = 0; p < panel_count; ++p) {
      const std::byte* panel = panels + static_cast<size_t>(p) * panel_bytes;
      for (int r = 0; r < kLanes; ++r) {
        float sum = 0;
        for (int64_t k = 0; k < PaddedBF16(columns); k += 2) {
          for (int64_t c : {k + 1, k}) {
            sum = std::fma(PanelWeight(format, kLanes, columns, panel, r, c),
                           BF16ToFloat(rows[t * stride + c]), sum);
          }
        }
        out[t * out_stride + p * kLanes + r] = sum;
      }
    }
  }
}

void RoundBF16(const float* values, int64_t count, uint16_t* out) {
  for (int64_t k = 0; k < count; ++k) out[k] = FloatToBF16(values[k]);
}

void QuantizeRow(const float* values, const Int8Rows& out, int64_t index,
                 int64_t first, int64_t count) {
  const auto code_at = out.Find(index, out.columns, 4);
  const auto scale_at = out.Find(index, out.columns / out.block, 1);
  const auto pair16_at = out.Find(index, out.columns / 16, 2);
  const auto pair32_at = out.Find(index, out.columns / 32, 2);
  for (int64_t begin = 0; begin < count; begin += out.block) {
    float largest = 0;
    for (int64_t k = 0; k < out.block; ++k) {
      largest = std::max(largest, std::fabs(values[begin + k]));
    }
    const float scale = largest / 127.0f;
    const float inverse = largest > 0 ? 127.0f / largest : 0.0f;
    const int64_t block = (first + begin) / out.block;
    out.scales[scale_at.first + block * scale_at.step] = scale;
    int sums[16] = {};
    for (int64_t k = 0; k < out.block; ++k) {
      const int64_t column = first + begin + k;
      const int code =
          static_cast<int>(std::nearbyint(values[begin + k] * inverse));
      out.codes[code_at.first + column / 4 * code_at.step + column % 4] =
          static_cast<int8_t>(code);
      sums[k / 16] += code;
    }
    if (out.block == kWideBytes.block()) continue;
    if (out.block == 32) {
      out.sums[scale_at.first + block * scale_at.step] =
          scale * static_cast<float>(sums[0] + sums[1]);
      continue;
    }
    for (int64_t g = 0; g < 16; ++g) {
      const int64_t all = block * 16 + g;  // groups of 16 before
      out.pairs16[pair16_at.first + all / 2 * pair16_at.step + g % 2] =
          static_cast<int16_t>(sums[g]);
      if (g % 2 != 0) continue;
      out.pairs32[pair32_at.first + all / 4 * pair32_at.step + g / 2 % 2] =
          static_cast<int16_t>(sums[g] + sums[g + 1]);
    }
  }
}

void Quantize(const float* values, int64_t stride, int64_t rows,
              const Int8Rows& out, int64_t index, int64_t first,
              int64_t count) {
  for (int64_t r = 0; r < rows; ++r) {
    QuantizeRow(values + r * stride, out, index + r, first, count);
  }
}

void LayerNorm(const float* x, const float* weight, const float* bias,
               int64_t columns, float epsilon, float* out) {
  double sum = 0, squares = 0;
  for (int64_t k = 0; k < columns; ++k) sum += static_cast<double>(x[k]);
  const float mean = static_cast<float>(sum / static_cast<double>(columns));
  for (int64_t k = 0; k < columns; ++k) {
    const double centered = static_cast<double>(x[k] - mean);
    squares += centered * centered;
  }
  const float scale =
      1.0f /
      std::sqrt(static_cast<float>(squares / static_cast<double>(columns)) +
                epsilon);
  for (int64_t k = 0; k < columns; ++k) {
    out[k] =
        (x[k] - mean) * scale * weight[k] + (bias != nullptr ? bias[k] : 0.0f);
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

float Up(const float* up, int64_t i) { return up != nullptr ? up[i] : 1.0f; }

void SiluMul(float* gate, const float* up, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    gate[i] = gate[i] / (1.0f + std::exp(-gate[i])) * Up(up, i);
  }
}

void GeluMul(float* gate, const float* up, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const float x = gate[i];
    gate[i] = 0.5f * x * (1.0f + std::erf(x * 0.70710678f)) * Up(up, i);
  }
}

void GeluTanhMul(float* gate, const float* up, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const float x = gate[i];
    const float inner = 0.7978845608f * (x + 0.044715f * x * x * x);
    gate[i] = 0.5f * x * (1.0f + std::tanh(inner)) * Up(up, i);
  }
}

void Add(float* to, const float* from, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] += from[i];
}

void AddTwo(float* to, const float* from, const float* more, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] += from[i] + more[i];
}

void Convolve(const Convolution& in) {
  const int64_t before = in.taps - 1;
  const auto input = [&](int64_t t) {
    return t < 0 ? in.window + (before + t) * in.stride
                 : in.x + t * in.x_stride;
  };
  for (int64_t t = 0; t < in.rows; ++t) {
    for (int64_t c = 0; c < in.channels; ++c) {
      float sum = in.bias[c];
      for (int64_t k = 0; k < in.taps; ++k) {
        sum = std::fma(in.filters[k * in.stride + c], input(t - before + k)[c],
                       sum);
      }
      in.out[t * in.out_stride + c] =
          in.silu ? sum / (1.0f + std::exp(-sum)) : sum;
    }
  }
  for (int64_t j = 0; j < before; ++j) {
    const float* from = input(in.rows - before + j);
    float* to = in.window + j * in.stride;
    if (from != to) std::copy_n(from, in.channels, to);
  }
}

void ScanChannels(const Scan& in) {
  for (int64_t t = 0; t < in.rows; ++t) {
    for (int64_t c = 0; c < in.channels; ++c) {
      const float x = in.x[t * in.x_stride + c];
      const float step = in.steps[t * in.step_stride + c];
      float y = in.skips[c] * x;
      for (int64_t n = 0; n < in.states; ++n) {
        float& state = in.state[n * in.state_stride + c];
        state = std::fma(std::exp(step * in.rates[n * in.state_stride + c]),
                         state, step * x * in.in[t * in.in_stride + n]);
        y = std::fma(state, in.out[t * in.in_stride + n], y);
      }
      in.y[t * in.y_stride + c] = y;
    }
  }
}

void ScanHead(const Scan& in) {
  for (int64_t t = 0; t < in.rows; ++t) {
    const float step = in.steps[t * in.step_stride];
    const float decay = in.decays[t * in.step_stride];
    for (int64_t c = 0; c < in.channels; ++c) {
      const float x = in.x[t * in.x_stride + c];
      float y = in.skips[0] * x;
      for (int64_t n = 0; n < in.states; ++n) {
        float& state = in.state[n * in.state_stride + c];
        state = std::fma(decay, state, step * x * in.in[t * in.in_stride + n]);
        y = std::fma(state, in.out[t * in.in_stride + n], y);
      }
      in.y[t * in.y_stride + c] = y;
    }
  }
}

void Softplus(float* values, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    values[i] =
        std::max(values[i], 0.0f) + std::log1p(std::exp(-std::fabs(values[i])));
  }
}

float Element(KvType type, const std::byte* page, int64_t index) {
  switch (type) {
    case KvType::kF32:
      return reinterpret_cast<const float*>(page)[index];
    case KvType::kF16:
      return HalfToFloat(reinterpret_cast<const uint16_t*>(page)[index]);
    default:
      return static_cast<float>(reinterpret_cast<const int8_t*>(page)[index]);
  }
}

// The scale of 32 components of a position.
float CodeScale(const std::byte* page, int64_t head_dim, int64_t block,
                int64_t position) {
  const auto* scales =
      reinterpret_cast<const uint16_t*>(page + head_dim * kAttentionPage);
  return HalfToFloat(scales[block * kAttentionPage + position]);
}

float Score(const AttentionInput& in, const float* query, const std::byte* keys,
            int64_t position) {
  float score = 0;
  if (in.type != KvType::kQ8) {
    for (int64_t d = 0; d < in.head_dim; ++d) {
      score = std::fma(query[d],
                       Element(in.type, keys, d * kAttentionPage + position),
                       score);
    }
    return score;
  }
  for (int64_t b = 0; b < in.head_dim / 32; ++b) {
    int8_t codes[32];
    float scale, sum;
    const Int8Rows row = {1, 32, 32, codes, &scale, &sum, nullptr, nullptr};
    QuantizeRow(query + b * 32, row, 0, 0, 32);
    int dot = 0;
    for (int64_t k = 0; k < 32; ++k) {
      const int64_t word = b * 8 + k / 4;
      dot += codes[k] * static_cast<int>(Element(
                            in.type, keys,
                            (word * kAttentionPage + position) * 4 + k % 4));
    }
    score = std::fma(static_cast<float>(dot),
                     CodeScale(keys, in.head_dim, b, position) * scale, score);
  }
  return score;
}

void AttendChunk(const AttentionInput& in, int64_t chunk,
                 const AttentionState& state) {
  std::vector<double> sums(static_cast<size_t>(in.head_dim));
  for (int q = 0; q < in.count; ++q) {
    const AttentionQuery& query = in.queries[q];
    const int64_t begin = std::max(chunk * kAttentionChunk, query.first);
    const int64_t end = std::min((chunk + 1) * kAttentionChunk, query.visible);
    std::vector<float> scores;
    float largest = -1e30f;
    for (int64_t j = begin; j < end; ++j) {
      scores.push_back(Score(in, query.query, in.keys[j / kAttentionPage],
                             j % kAttentionPage));
      AdjustScores(in, query, j, 1, &scores.back());
      largest = std::max(largest, scores.back());
    }
    std::fill(sums.begin(), sums.end(), 0.0);
    double total = 0;
    for (int64_t j = begin; j < end; ++j) {
      const double weight =
          std::exp(static_cast<double>(scores[static_cast<size_t>(j - begin)]) -
                   static_cast<double>(largest));
      const std::byte* values = in.values[j / kAttentionPage];
      const int64_t position = j % kAttentionPage;
      total += weight;
      for (int64_t d = 0; d < in.head_dim; ++d) {
        const float scale =
            in.type == KvType::kQ8
                ? CodeScale(values, in.head_dim, d / 32, position)
                : 1.0f;
        sums[static_cast<size_t>(d)] +=
            weight * static_cast<double>(scale) *
            static_cast<double>(
                Element(in.type, values, position * in.head_dim + d));
      }
    }
    state.largest[q] = largest;
    state.total[q] = static_cast<float>(total);
    for (int64_t d = 0; d < in.head_dim; ++d) {
      state.sums[q * in.head_dim + d] =
          static_cast<float>(sums[static_cast<size_t>(d)]);
    }
  }
}

void StoreOne(KvType type, bool key, const float* values, int64_t head_dim,
              std::byte* page, int64_t position) {
  const int64_t padded = PaddedHeadDim(type, head_dim);
  const auto at = [&](int64_t d) {
    return key ? d * kAttentionPage + position : position * padded + d;
  };
  if (type != KvType::kQ8) {
    for (int64_t d = 0; d < head_dim; ++d) {
      if (type == KvType::kF32) {
        reinterpret_cast<float*>(page)[at(d)] = values[d];
      } else {
        reinterpret_cast<uint16_t*>(page)[at(d)] = FloatToHalf(values[d]);
      }
    }
    return;
  }
  for (int64_t b = 0; b < padded / 32; ++b) {
    const int64_t end = std::min<int64_t>(head_dim, (b + 1) * 32);
    float largest = 0;
    for (int64_t d = b * 32; d < end; ++d) {
      largest = std::max(largest, std::fabs(values[d]));
    }
    const uint16_t half = FloatToHalf(largest / 127.0f);
    const float scale = HalfToFloat(half);
    const float inverse = scale > 0 ? 1.0f / scale : 0.0f;
    reinterpret_cast<uint16_t*>(
        page + padded * kAttentionPage)[b * kAttentionPage + position] = half;
    for (int64_t d = b * 32; d < end; ++d) {
      const int64_t to =
          key ? (d / 4 * kAttentionPage + position) * 4 + d % 4 : at(d);
      page[to] = static_cast<std::byte>(
          static_cast<int8_t>(std::nearbyint(values[d] * inverse)));
    }
  }
}

void StoreKv(KvType type, bool key, const float* values, int64_t stride,
             int64_t rows, int64_t head_dim, std::byte* page,
             int64_t position) {
  for (int64_t r = 0; r < rows; ++r) {
    StoreOne(type, key, values + r * stride, head_dim, page, position + r);
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
      .matmul_bf16 = MatmulBF16,
      .round_bf16 = RoundBF16,
      .quantize = Quantize,
      .layer_norm = LayerNorm,
      .rms_norm = RmsNorm,
      .silu_mul = SiluMul,
      .gelu_mul = GeluMul,
      .gelu_tanh_mul = GeluTanhMul,
      .add = Add,
      .add_two = AddTwo,
      .convolve = Convolve,
      .scan_channels = ScanChannels,
      .scan_head = ScanHead,
      .softplus = Softplus,
      .attend_chunk = AttendChunk,
      .store_kv = StoreKv,
      .int8_roof = Int8Roof,
      .f32_roof = F32Roof,
      .read_sum = ReadSum,
  };
  return kTable;
}

}  // namespace malmoi::kernels
