// Random weights in panels and rows of quantized activations, for tests.
#ifndef MALMOI_KERNELS_TESTING_PANELS_H_
#define MALMOI_KERNELS_TESTING_PANELS_H_

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "base/random.h"
#include "kernels/kernels.h"
#include "kernels/unpack.h"

namespace malmoi::kernels {

inline constexpr DType kBlockTypes[] = {
    DType::kQ4_0,   DType::kQ4_1,   DType::kQ5_0, DType::kQ5_1, DType::kQ8_0,
    DType::kQ2_K,   DType::kQ3_K,   DType::kQ4_K, DType::kQ5_K, DType::kQ6_K,
    DType::kIQ4_NL, DType::kIQ4_XS, DType::kMXFP4};
inline constexpr DType kFloatTypes[] = {DType::kF32, DType::kF16, DType::kBF16};

inline float Uniform(Random& random) {
  return static_cast<float>(random.Uniform() * 2 - 1);
}

// Random blocks whose f16 scales are small normal numbers.
inline std::vector<std::byte> RandomRows(DType dtype, int64_t rows,
                                         int64_t columns, Random& random) {
  std::vector<std::byte> bytes(
      *ByteSize(dtype, static_cast<uint64_t>(rows * columns)));
  for (std::byte& b : bytes) b = static_cast<std::byte>(random.Next());
  const DTypeInfo& info = Info(dtype);
  const auto put = [&](size_t at) {
    const uint16_t half = FloatToHalf(Uniform(random) * 0.1f);
    std::memcpy(bytes.data() + at, &half, 2);
  };
  if (!IsQuantized(dtype)) {
    for (size_t i = 0; i < static_cast<size_t>(rows * columns); ++i) {
      const float value = Uniform(random);
      const uint16_t bits =
          dtype == DType::kF16 ? FloatToHalf(value) : FloatToBF16(value);
      if (dtype == DType::kF32) {
        std::memcpy(bytes.data() + i * 4, &value, 4);
      } else {
        std::memcpy(bytes.data() + i * 2, &bits, 2);
      }
    }
    return bytes;
  }
  for (size_t b = 0; b < bytes.size();
       b += static_cast<size_t>(info.block_bytes)) {
    const size_t last = b + static_cast<size_t>(info.block_bytes);
    switch (dtype) {
      case DType::kQ2_K:
        put(last - 4);
        put(last - 2);
        break;
      case DType::kQ3_K:
      case DType::kQ6_K:
        put(last - 2);
        break;
      case DType::kQ4_1:
      case DType::kQ5_1:
      case DType::kQ4_K:
      case DType::kQ5_K:
        put(b);
        put(b + 2);
        break;
      case DType::kMXFP4:  // 2^-12 to 2^-5
        bytes[b] = static_cast<std::byte>(116 + random.Below(8));
        break;
      default:
        put(b);
    }
  }
  return bytes;
}

// Types of files with the formats that hold them, and floats in 8 bits.
struct Packing {
  DType dtype;
  PanelFormat format;
};
inline std::vector<Packing> IntegerPackings() {
  std::vector<Packing> all;
  for (DType dtype : kBlockTypes) all.push_back({dtype, FormatFor(dtype)});
  all.push_back({DType::kF32, kWideBytes});
  return all;
}

struct Packed {
  PanelFormat format;
  size_t panel_bytes;
  std::vector<std::byte> data;
};

inline Packed Pack(DType dtype, const std::vector<std::byte>& rows,
                   int64_t count, int64_t columns, int lanes,
                   std::optional<PanelFormat> format = {}) {
  Packed packed;
  packed.format = format.value_or(FormatFor(dtype));
  packed.panel_bytes = PanelBytes(packed.format, lanes, columns);
  const int64_t panels = (count + lanes - 1) / lanes;
  packed.data.resize(packed.panel_bytes * static_cast<size_t>(panels) + 64);
  std::vector<std::byte> scratch(PackScratchBytes(columns));
  const size_t row_bytes = *ByteSize(dtype, static_cast<uint64_t>(columns));
  for (int64_t p = 0; p < panels; ++p) {
    PackPanel(
        packed.format, dtype,
        rows.data() + static_cast<size_t>(p * lanes) * row_bytes, row_bytes,
        static_cast<int>(std::min<int64_t>(lanes, count - p * lanes)), columns,
        lanes, packed.data.data() + packed.panel_bytes * static_cast<size_t>(p),
        scratch.data());
  }
  return packed;
}

class QuantizedRows {
 public:
  QuantizedRows(int64_t tokens, int64_t columns, int64_t block)
      : codes_(static_cast<size_t>(tokens * columns)),
        scales_(codes_.size() / static_cast<size_t>(block)),
        sums_(codes_.size() / 32),
        pairs16_(codes_.size() / 16),
        pairs32_(codes_.size() / 32) {
    rows = {tokens,         columns,      block,           codes_.data(),
            scales_.data(), sums_.data(), pairs16_.data(), pairs32_.data()};
  }
  // Codes as a target takes them, and back again.
  void Move(const KernelTable& table) {
    if (!table.moved_bytes || rows.block != kWideBytes.block()) return;
    for (int8_t& code : codes_) code = static_cast<int8_t>(code ^ 0x80);
  }
  int8_t& Code(int64_t row, int64_t column) {
    const auto at = rows.Find(row, rows.columns, 4);
    return codes_[static_cast<size_t>(at.first + column / 4 * at.step +
                                      column % 4)];
  }
  float Scale(int64_t row, int64_t column) const {
    const auto at = rows.Find(row, rows.columns / rows.block, 1);
    return scales_[static_cast<size_t>(at.first +
                                       column / rows.block * at.step)];
  }
  Int8Rows rows;

  std::vector<int8_t> codes_;
  std::vector<float> scales_, sums_;
  std::vector<int16_t> pairs16_, pairs32_;
};

}  // namespace malmoi::kernels

#endif  // MALMOI_KERNELS_TESTING_PANELS_H_
