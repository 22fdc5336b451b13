// Panels: the layout in which matrix kernels read weights. A panel holds as
// many output rows as the machine's vector has 32-bit lanes; lane r is row r
// from the first byte to the last, so a row's sum never crosses lanes and its
// order of additions depends on nothing but the row itself.
//
// For codes, a panel is a run of blocks of 32 columns, each
//   codes   4-bit: vector i (0..3), lane r, byte b: column 4i+b in the low
//           nibble, 16+4i+b in the high one (ggml's nibble order, so packing
//           Q4_0 and Q4_1 moves 32-bit words and nothing else)
//           8-bit: vector i (0..7), lane r, byte b: column 4i+b
//   scales  [32/group][lanes], f16 or f32, whichever holds them exactly
//   mins    likewise, where they are not -zero·scale
// and weight = scale·code + min. Float weights are [columns][lanes].
#ifndef MALMOI_KERNELS_PANEL_H_
#define MALMOI_KERNELS_PANEL_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "tensor/dtype.h"

namespace malmoi::kernels {

enum class Codes : uint8_t { kU4, kU8, kF32, kF16, kBF16 };

struct PanelFormat {
  Codes codes = Codes::kF32;
  int group = 32;            // columns that share a scale: 16 or 32
  bool half_scales = false;  // f16, else f32
  bool stored_min = false;
  int zero = 0;  // without a stored min: min = -zero·scale

  bool integer() const { return codes == Codes::kU4 || codes == Codes::kU8; }
};

// The format that holds weights of this type exactly.
PanelFormat FormatFor(DType dtype);

// Bytes of a panel of `lanes` rows; columns % 32 == 0 for integer codes.
size_t PanelBytes(const PanelFormat& format, int lanes, int64_t columns);

// Packs rows [0, rows) of `dtype` weights, `row_bytes` apart, into one panel;
// lanes past `rows` become zero. `format` is FormatFor(dtype), or f32 codes,
// for which quantized rows are dequantized. `scratch` holds PackScratch()
// bytes.
size_t PackScratchBytes(int64_t columns);
void PackPanel(const PanelFormat& format, DType dtype, const std::byte* rows_in,
               size_t row_bytes, int rows, int64_t columns, int lanes,
               std::byte* panel, std::byte* scratch);

// The value of one weight of a panel: for tests and the scalar kernels.
float PanelWeight(const PanelFormat& format, int lanes, int64_t columns,
                  const std::byte* panel, int lane, int64_t column);

}  // namespace malmoi::kernels

#endif  // MALMOI_KERNELS_PANEL_H_
