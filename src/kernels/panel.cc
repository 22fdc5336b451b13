#include "kernels/panel.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.h"

namespace malmoi::kernels {

namespace {

int FloatBytes(Codes codes) { return codes == Codes::kF32 ? 4 : 2; }

// Which element of a panel of floats a weight is.
int64_t FloatIndex(Codes codes, int lanes, int lane, int64_t column) {
  if (codes != Codes::kBF16) return column * lanes + lane;
  return (column / 2 * lanes + lane) * 2 + column % 2;
}

// Pairs of groups of a super block: [pairs][lanes][2] scales, then mins.
int Pairs(const PanelFormat& format) { return 256 / format.group / 2; }
size_t PairBytes(const PanelFormat& format, int lanes) {
  return static_cast<size_t>(Pairs(format) * lanes * 2);
}

// Where bit `bit` (4 or 5) of column k of a block lies: the vector after the
// nibbles, and the bit of the lane's 32.
struct HighBit {
  int vector, shift;
};
HighBit HighBitOf(const PanelFormat& format, int k, int bit) {
  const int v = k / 4, b = k % 4;
  if (format.codes == Codes::kU5) return {0, 8 * b + v};
  return {v / 4, 8 * b + 2 * (v % 4) + bit - 4};
}

// Stores the codes of one lane, whose bytes were zero before.
void PutCodes(const PanelFormat& format, int lanes, int lane,
              const uint8_t* codes, std::byte* block) {
  const auto word = [&](int vector) {
    return block + (vector * lanes + lane) * 4;
  };
  if (format.codes == Codes::kS8) {
    for (int k = 0; k < 32; ++k) {
      word(k / 4)[k % 4] = static_cast<std::byte>(codes[k] ^ 0x80);
    }
    return;
  }
  for (int k = 0; k < 16; ++k) {
    word(k / 4)[k % 4] =
        static_cast<std::byte>((codes[k] & 15) | ((codes[k + 16] & 15) << 4));
  }
  uint32_t planes[2] = {};
  for (int k = 0; k < 32; ++k) {
    for (int bit = 4; bit < format.bits(); ++bit) {
      const HighBit at = HighBitOf(format, k, bit);
      planes[at.vector] |= static_cast<uint32_t>((codes[k] >> bit) & 1)
                           << at.shift;
    }
  }
  for (int h = 0; h < format.bits() - 4; ++h) {
    std::memcpy(word(4 + h), &planes[h], 4);
  }
}

void GetCodes(const PanelFormat& format, int lanes, int lane,
              const std::byte* block, uint8_t* codes) {
  const auto word = [&](int vector) {
    return block + (vector * lanes + lane) * 4;
  };
  if (format.codes == Codes::kS8) {
    for (int v = 0; v < 8; ++v) std::memcpy(codes + v * 4, word(v), 4);
    return;
  }
  for (int k = 0; k < 16; ++k) {
    const int both = static_cast<int>(word(k / 4)[k % 4]);
    codes[k] = static_cast<uint8_t>(both & 15);
    codes[k + 16] = static_cast<uint8_t>(both >> 4);
  }
  for (int k = 0; k < 32; ++k) {
    for (int bit = 4; bit < format.bits(); ++bit) {
      const HighBit at = HighBitOf(format, k, bit);
      uint32_t plane;
      std::memcpy(&plane, word(4 + at.vector), 4);
      codes[k] |= static_cast<uint8_t>(((plane >> at.shift) & 1) << bit);
    }
  }
}

void PutHalf(std::byte* at, int index, float value) {
  const uint16_t half = FloatToHalf(value);
  std::memcpy(at + index * 2, &half, 2);
}
float GetHalf(const std::byte* at, int index) {
  uint16_t half;
  std::memcpy(&half, at + index * 2, 2);
  return HalfToFloat(half);
}

void PutBlock(const PanelFormat& format, int lanes, int lane,
              const CodeBlock& from, std::byte* block) {
  const size_t code_bytes = CodeBytes(format, lanes);
  if (!format.super) {
    PutCodes(format, lanes, lane, from.codes, block);
    PutHalf(block + code_bytes, lane, from.d);
    if (format.stored_min) {
      PutHalf(block + code_bytes, lanes + lane, -from.dmin);
    }
    return;
  }
  for (int i = 0; i < 8; ++i) {
    PutCodes(format, lanes, lane, from.codes + i * 32,
             block + static_cast<size_t>(i) * code_bytes);
  }
  std::byte* scales = block + 8 * code_bytes;
  std::byte* mins = scales + PairBytes(format, lanes);
  std::byte* ds = format.stored_min ? mins + PairBytes(format, lanes) : mins;
  for (int g = 0; g < 2 * Pairs(format); ++g) {
    const int at = (g / 2 * lanes + lane) * 2 + g % 2;
    scales[at] = static_cast<std::byte>(from.scales[g]);
    if (format.stored_min) mins[at] = static_cast<std::byte>(from.mins[g]);
  }
  PutHalf(ds, lane, from.d);
  if (format.stored_min) PutHalf(ds, lanes + lane, from.dmin);
}

// ggml's Q4_0, Q4_1 and Q8_0 blocks are d (f16), [m (f16)], then codes as a
// panel has them: whole words move.
void PackWordBlocks(const PanelFormat& format, const std::byte* rows_in,
                    size_t row_bytes, int rows, int64_t blocks, int lanes,
                    std::byte* panel) {
  const size_t block_bytes = BlockBytes(format, lanes);
  const size_t header = format.stored_min ? 4 : 2;
  const int words = format.bits();
  for (int64_t b = 0; b < blocks; ++b, panel += block_bytes) {
    std::byte* scales = panel + CodeBytes(format, lanes);
    std::byte* mins = scales + lanes * 2;
    for (int r = 0; r < rows; ++r) {
      const std::byte* block =
          rows_in + static_cast<size_t>(r) * row_bytes +
          static_cast<size_t>(b) * (header + static_cast<size_t>(words) * 4);
      for (int i = 0; i < words; ++i) {
        std::memcpy(panel + (i * lanes + r) * 4, block + header + i * 4, 4);
      }
      std::memcpy(scales + r * 2, block, 2);
      if (format.stored_min) std::memcpy(mins + r * 2, block + 2, 2);
    }
  }
}

// Of the wide format: where the scale of a lane lies in a block.
size_t WideScaleAt(int lanes, int lane) {
  return kWideGroup / 32 * CodeBytes(kWideBytes, lanes) +
         static_cast<size_t>(lane) * 4;
}

// Rows of floats in the wide format.
void PackWide(DType dtype, const std::byte* rows_in, size_t row_bytes, int rows,
              int64_t columns, int lanes, std::byte* panel, float* row) {
  const int64_t width = kWideBytes.block();
  uint8_t codes[kWideGroup];  // plus 128
  for (int r = 0; r < rows; ++r) {
    DequantizeRow(dtype, rows_in + static_cast<size_t>(r) * row_bytes, columns,
                  row);
    std::byte* to = panel;
    for (int64_t first = 0; first < columns; first += width) {
      float largest = 0;
      for (int64_t k = 0; k < width; ++k) {
        largest = std::max(largest, std::fabs(row[first + k]));
      }
      const float scale = largest / 127.0f;
      const float inverse = largest > 0 ? 127.0f / largest : 0.0f;
      int32_t start = 0;
      for (int64_t k = 0; k < width; ++k) {
        const int code =
            static_cast<int>(std::nearbyint(row[first + k] * inverse));
        codes[k] = static_cast<uint8_t>(code + 128);
        start -= 128 * code;
      }
      for (int i = 0; i < kWideGroup / 32; ++i) {
        PutCodes(kWideBytes, lanes, r, codes + i * 32,
                 to + static_cast<size_t>(i) * CodeBytes(kWideBytes, lanes));
      }
      std::byte* at = to + WideScaleAt(lanes, r);
      std::memcpy(at, &scale, 4);
      std::memcpy(at + lanes * 4, &start, 4);
      to += BlockBytes(kWideBytes, lanes);
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
  } else if (format.codes == Codes::kBF16 && dtype != DType::kBF16) {
    DequantizeRow(dtype, row, columns, reinterpret_cast<float*>(scratch));
    for (int64_t k = 0; k < columns; ++k) {  // each lies before what is read
      float value;
      std::memcpy(&value, scratch + k * 4, 4);
      const uint16_t rounded = FloatToBF16(value);
      std::memcpy(scratch + k * 2, &rounded, 2);
    }
    from = scratch;
  }
  for (int64_t k = 0; k < columns; ++k) {
    std::memcpy(panel + FloatIndex(format.codes, lanes, lane, k) * bytes,
                from + k * bytes, static_cast<size_t>(bytes));
  }
  if (format.codes == Codes::kBF16 && columns % 2 != 0) {
    std::memset(panel + FloatIndex(format.codes, lanes, lane, columns) * bytes,
                0, static_cast<size_t>(bytes));
  }
}

Codes CodesFor(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return Codes::kF32;
    case DType::kF16:
      return Codes::kF16;
    case DType::kBF16:
      return Codes::kBF16;
    case DType::kQ4_0:
    case DType::kQ4_1:
    case DType::kQ2_K:
    case DType::kQ3_K:
    case DType::kQ4_K:
      return Codes::kU4;
    case DType::kQ5_0:
    case DType::kQ5_1:
    case DType::kQ5_K:
    case DType::kMXFP4:
      return Codes::kU5;
    case DType::kQ6_K:
      return Codes::kU6;
    case DType::kQ8_0:
    case DType::kIQ4_NL:
    case DType::kIQ4_XS:
      return Codes::kS8;
    default:
      break;
  }
  MALMOI_CHECK(!"a weight type without a panel format");
  return Codes::kF32;
}

}  // namespace

PanelFormat FormatFor(DType dtype) {
  PanelFormat format;
  format.codes = CodesFor(dtype);
  if (!format.integer()) return format;
  format.super = Info(dtype).block_elements == 256;
  format.group = GroupSize(dtype);
  format.stored_min = ZeroPoint(dtype) < 0;
  format.zero = format.stored_min ? 0 : ZeroPoint(dtype);
  if (format.codes == Codes::kS8) format.zero -= 128;
  return format;
}

size_t CodeBytes(const PanelFormat& format, int lanes) {
  return static_cast<size_t>(4 * format.bits() * lanes);
}

size_t BlockBytes(const PanelFormat& format, int lanes) {
  const size_t levels = format.stored_min ? 2 : 1;
  const size_t halves = levels * static_cast<size_t>(lanes) * 2;
  if (format == kWideBytes) {
    return kWideGroup / 32 * CodeBytes(format, lanes) +
           static_cast<size_t>(lanes) * 8;
  }
  if (!format.super) return CodeBytes(format, lanes) + halves;
  return 8 * CodeBytes(format, lanes) + levels * PairBytes(format, lanes) +
         halves;
}

size_t PanelBytes(const PanelFormat& format, int lanes, int64_t columns) {
  if (format.integer()) {
    MALMOI_CHECK(columns % format.block() == 0);
    return static_cast<size_t>(columns / format.block()) *
           BlockBytes(format, lanes);
  }
  const int64_t stored =
      format.codes == Codes::kBF16 ? PaddedBF16(columns) : columns;
  return static_cast<size_t>(stored * lanes * FloatBytes(format.codes));
}

size_t PackScratchBytes(int64_t columns) {
  return static_cast<size_t>(columns) * 4;  // a row of f32
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
  if (format == kWideBytes) {
    return PackWide(dtype, rows_in, row_bytes, rows, columns, lanes, panel,
                    reinterpret_cast<float*>(scratch));
  }
  if (dtype == DType::kQ4_0 || dtype == DType::kQ4_1 || dtype == DType::kQ8_0) {
    PackWordBlocks(format, rows_in, row_bytes, rows, columns / 32, lanes,
                   panel);
    return;
  }
  const DTypeInfo& info = Info(dtype);
  MALMOI_CHECK(GroupSize(dtype) == format.group &&
               info.block_elements == format.block());
  const size_t block_bytes = BlockBytes(format, lanes);
  CodeBlock unpacked;
  for (int64_t b = 0; b < columns / format.block(); ++b) {
    for (int r = 0; r < rows; ++r) {
      UnpackBlock(
          dtype,
          rows_in + static_cast<size_t>(r) * row_bytes + b * info.block_bytes,
          unpacked);
      PutBlock(format, lanes, r, unpacked, panel);
    }
    panel += block_bytes;
  }
}

void UnpackLane(const PanelFormat& format, int lanes, const std::byte* block,
                int lane, CodeBlock& out) {
  const size_t code_bytes = CodeBytes(format, lanes);
  if (format == kWideBytes) {
    for (int i = 0; i < kWideGroup / 32; ++i) {
      GetCodes(format, lanes, lane, block + static_cast<size_t>(i) * code_bytes,
               out.codes + i * 32);
    }
    out.scales[0] = 1;
    std::memcpy(&out.d, block + WideScaleAt(lanes, lane), 4);
    out.dmin = 0;
    return;
  }
  if (!format.super) {
    GetCodes(format, lanes, lane, block, out.codes);
    out.scales[0] = out.mins[0] = 1;
    out.d = GetHalf(block + code_bytes, lane);
    out.dmin = format.stored_min ? -GetHalf(block + code_bytes, lanes + lane)
                                 : static_cast<float>(format.zero) * out.d;
    return;
  }
  for (int i = 0; i < 8; ++i) {
    GetCodes(format, lanes, lane, block + static_cast<size_t>(i) * code_bytes,
             out.codes + i * 32);
  }
  const std::byte* scales = block + 8 * code_bytes;
  const std::byte* mins = scales + PairBytes(format, lanes);
  const std::byte* ds =
      format.stored_min ? mins + PairBytes(format, lanes) : mins;
  for (int g = 0; g < 2 * Pairs(format); ++g) {
    const int at = (g / 2 * lanes + lane) * 2 + g % 2;
    out.scales[g] = static_cast<int8_t>(scales[at]);
    out.mins[g] = format.stored_min ? static_cast<int8_t>(mins[at]) : int8_t{0};
  }
  out.d = GetHalf(ds, lane);
  out.dmin = format.stored_min ? GetHalf(ds, lanes + lane) : 0.0f;
}

float PanelWeight(const PanelFormat& format, int lanes, int64_t columns,
                  const std::byte* panel, int lane, int64_t column) {
  if (!format.integer()) {
    const int bytes = FloatBytes(format.codes);
    const std::byte* at =
        panel + FloatIndex(format.codes, lanes, lane, column) * bytes;
    float value;
    uint16_t half;
    if (bytes == 4) {
      std::memcpy(&value, at, 4);
      return value;
    }
    std::memcpy(&half, at, 2);
    return format.codes == Codes::kF16 ? HalfToFloat(half) : BF16ToFloat(half);
  }
  MALMOI_DCHECK(column < columns);
  CodeBlock block;
  UnpackLane(format, lanes,
             panel + static_cast<size_t>(column / format.block()) *
                         BlockBytes(format, lanes),
             lane, block);
  const int k = static_cast<int>(column % format.block());
  const float code = static_cast<float>(CodeOf(format, block, k));
  if (!format.super) return std::fma(block.d, code, -block.dmin);
  const int g = k / format.group;
  const float scale = block.d * static_cast<float>(block.scales[g]);
  if (!format.stored_min) {
    return scale * (code - static_cast<float>(format.zero));
  }
  return scale * code - block.dmin * static_cast<float>(block.mins[g]);
}

}  // namespace malmoi::kernels
