#include "kernels/panel.h"

#include <cmath>
#include <cstring>

#include "base/check.h"
#include "kernels/unpack.h"

namespace malmoi::kernels {

namespace {

int CodeBytes(const PanelFormat& format, int lanes) {  // of a block
  return (format.codes == Codes::kU4 ? 16 : 32) * lanes;
}
int ScaleBytes(const PanelFormat& format, int lanes) {
  return 32 / format.group * lanes * (format.half_scales ? 2 : 4);
}
size_t BlockBytes(const PanelFormat& format, int lanes) {
  return static_cast<size_t>(CodeBytes(format, lanes) +
                             ScaleBytes(format, lanes) *
                                 (format.stored_min ? 2 : 1));
}
int FloatBytes(Codes codes) { return codes == Codes::kF32 ? 4 : 2; }

void StoreScale(const PanelFormat& format, std::byte* at, int index,
                float value) {
  if (format.half_scales) {
    const uint16_t half = FloatToHalf(value);
    std::memcpy(at + index * 2, &half, 2);
  } else {
    std::memcpy(at + index * 4, &value, 4);
  }
}

// ggml's Q4_0 and Q4_1 blocks are d (f16), [m (f16)], 16 bytes of nibbles.
void PackNibbleBlocks(const PanelFormat& format, const std::byte* rows_in,
                      size_t row_bytes, int rows, int64_t blocks, int lanes,
                      std::byte* panel) {
  const size_t block_bytes = BlockBytes(format, lanes);
  const size_t header = format.stored_min ? 4 : 2;
  for (int64_t b = 0; b < blocks; ++b, panel += block_bytes) {
    std::byte* scales = panel + CodeBytes(format, lanes);
    std::byte* mins = scales + ScaleBytes(format, lanes);
    for (int r = 0; r < rows; ++r) {
      const std::byte* block = rows_in + static_cast<size_t>(r) * row_bytes +
                               static_cast<size_t>(b) * (header + 16);
      for (int i = 0; i < 4; ++i) {
        std::memcpy(panel + (i * lanes + r) * 4, block + header + i * 4, 4);
      }
      std::memcpy(scales + r * 2, block, 2);
      if (format.stored_min) std::memcpy(mins + r * 2, block + 2, 2);
    }
  }
}

void PackFloats(const PanelFormat& format, DType dtype, const std::byte* row,
                int lane, int64_t columns, int lanes, std::byte* panel,
                std::byte* scratch) {
  const int bytes = FloatBytes(format.codes);
  const std::byte* from = row;
  if (format.codes == Codes::kF32 && dtype != DType::kF32) {
    DequantizeRow(dtype, row, columns, reinterpret_cast<float*>(scratch));
    from = scratch;
  }
  for (int64_t k = 0; k < columns; ++k) {
    std::memcpy(panel + (k * lanes + lane) * bytes, from + k * bytes,
                static_cast<size_t>(bytes));
  }
}

}  // namespace

PanelFormat FormatFor(DType dtype) {
  if (dtype == DType::kF32) return {.codes = Codes::kF32};
  if (dtype == DType::kF16) return {.codes = Codes::kF16};
  if (dtype == DType::kBF16) return {.codes = Codes::kBF16};
  PanelFormat format;
  format.group = GroupSize(dtype);
  format.stored_min = ZeroPoint(dtype) < 0;
  format.zero = format.stored_min ? 0 : ZeroPoint(dtype);
  // Scales of the simple types are f16; K types multiply two numbers.
  format.half_scales = Info(dtype).block_elements == 32;
  switch (dtype) {
    case DType::kQ4_0:
    case DType::kQ4_1:
    case DType::kQ2_K:
    case DType::kQ3_K:
    case DType::kQ4_K:
      format.codes = Codes::kU4;
      return format;
    case DType::kQ5_0:
    case DType::kQ5_1:
    case DType::kQ8_0:
    case DType::kQ5_K:
    case DType::kQ6_K:
    case DType::kIQ4_NL:
    case DType::kIQ4_XS:
      format.codes = Codes::kU8;
      return format;
    default:
      break;
  }
  MALMOI_CHECK(!"a weight type without a panel format");
  return {};
}

size_t PanelBytes(const PanelFormat& format, int lanes, int64_t columns) {
  if (format.integer()) {
    MALMOI_CHECK(columns % 32 == 0);
    return static_cast<size_t>(columns / 32) * BlockBytes(format, lanes);
  }
  return static_cast<size_t>(columns * lanes * FloatBytes(format.codes));
}

size_t PackScratchBytes(int64_t columns) {
  // f32 values, or codes with a scale and a min per 16.
  return static_cast<size_t>(columns) * 4 + 256;
}

void PackPanel(const PanelFormat& format, DType dtype, const std::byte* rows_in,
               size_t row_bytes, int rows, int64_t columns, int lanes,
               std::byte* panel, std::byte* scratch) {
  if (rows < lanes) {
    std::memset(panel, 0, PanelBytes(format, lanes, columns));
  }
  if (!format.integer()) {
    for (int r = 0; r < rows; ++r) {
      PackFloats(format, dtype, rows_in + static_cast<size_t>(r) * row_bytes, r,
                 columns, lanes, panel, scratch);
    }
    return;
  }
  if (dtype == DType::kQ4_0 || dtype == DType::kQ4_1) {
    PackNibbleBlocks(format, rows_in, row_bytes, rows, columns / 32, lanes,
                     panel);
    return;
  }
  const int64_t groups = columns / format.group;
  MALMOI_CHECK(GroupSize(dtype) == format.group);
  auto* scales = reinterpret_cast<float*>(scratch);
  float* mins = scales + groups;
  auto* codes = reinterpret_cast<uint8_t*>(mins + groups);
  const size_t block_bytes = BlockBytes(format, lanes);
  const int per_block = 32 / format.group;
  for (int r = 0; r < rows; ++r) {
    UnpackRow(dtype, rows_in + static_cast<size_t>(r) * row_bytes, columns,
              codes, scales, mins);
    for (int64_t b = 0; b < columns / 32; ++b) {
      std::byte* block = panel + static_cast<size_t>(b) * block_bytes;
      const uint8_t* from = codes + b * 32;
      if (format.codes == Codes::kU4) {
        for (int k = 0; k < 16; ++k) {
          block[(k / 4 * lanes + r) * 4 + k % 4] =
              static_cast<std::byte>(from[k] | (from[k + 16] << 4));
        }
      } else {
        for (int i = 0; i < 8; ++i) {
          std::memcpy(block + (i * lanes + r) * 4, from + i * 4, 4);
        }
      }
      std::byte* scale = block + CodeBytes(format, lanes);
      for (int g = 0; g < per_block; ++g) {
        const int64_t group = b * per_block + g;
        StoreScale(format, scale, g * lanes + r, scales[group]);
        if (format.stored_min) {
          StoreScale(format, scale + ScaleBytes(format, lanes), g * lanes + r,
                     mins[group]);
        } else {
          MALMOI_DCHECK(mins[group] == -format.zero * scales[group]);
        }
      }
    }
  }
}

float PanelWeight(const PanelFormat& format, int lanes, int64_t columns,
                  const std::byte* panel, int lane, int64_t column) {
  if (!format.integer()) {
    const int bytes = FloatBytes(format.codes);
    const std::byte* at = panel + (column * lanes + lane) * bytes;
    float value;
    uint16_t half;
    if (bytes == 4) {
      std::memcpy(&value, at, 4);
      return value;
    }
    std::memcpy(&half, at, 2);
    return format.codes == Codes::kF16 ? HalfToFloat(half) : BF16ToFloat(half);
  }
  const std::byte* block =
      panel + static_cast<size_t>(column / 32) * BlockBytes(format, lanes);
  const int k = static_cast<int>(column % 32);
  int code;
  if (format.codes == Codes::kU4) {
    const int j = k % 16;
    const int both =
        static_cast<int>(block[(j / 4 * lanes + lane) * 4 + j % 4]);
    code = k < 16 ? both & 15 : both >> 4;
  } else {
    code = static_cast<int>(block[(k / 4 * lanes + lane) * 4 + k % 4]);
  }
  const int index = k / format.group * lanes + lane;
  const std::byte* scales = block + CodeBytes(format, lanes);
  const auto load = [&](const std::byte* at) {
    float value;
    if (format.half_scales) {
      uint16_t half;
      std::memcpy(&half, at + index * 2, 2);
      value = HalfToFloat(half);
    } else {
      std::memcpy(&value, at + index * 4, 4);
    }
    return value;
  };
  const float scale = load(scales);
  const float min = format.stored_min
                        ? load(scales + ScaleBytes(format, lanes))
                        : -static_cast<float>(format.zero) * scale;
  return std::fma(scale, static_cast<float>(code), min);
}

}  // namespace malmoi::kernels
