// Panels: the layout in which matrix kernels read weights. A panel holds as
// many output rows as the machine's vector has 32-bit lanes; lane r is row r
// from the first byte to the last, so a row's sum never crosses lanes and its
// order of additions depends on nothing but the row itself.
//
// Codes come in blocks of 32 columns, vector v (0..7) being columns 4v..4v+3
// of each lane:
//   nibbles   vector i (0..3), lane r, byte b: column 4i+b in the low half,
//             16+4i+b in the high one (ggml's nibble order, so packing Q4_0
//             and Q4_1 moves 32-bit words and nothing else)
//   a plane   5-bit codes: one vector; bit 8b+v of lane r is bit 4 of
//             column 4v+b
//   2 planes  6-bit codes: vector h (0..1); bits 8b+2j, 8b+2j+1 of lane r are
//             bits 4, 5 of column 16h+4j+b
//   bytes     8-bit codes, signed: vector v, lane r, byte b
// A simple format is a run of such blocks, each followed by its scales and,
// where stored, mins: [lanes] f16. The wide one has
// two blocks of bytes, then their scales, [lanes] f32, and -128·Σcodes,
// [lanes] int32, which sums begin with where a processor multiplies unsigned by
// signed bytes. A super format keeps the two levels of the K types: 8 blocks of
// codes, then for each pair of groups the two scales and, where stored, the two
// mins: [pairs][lanes][2] int8; then d and, where mins are stored, dmin:
// [lanes] f16. In both, weight = scale·(code - zero), or scale·code + min; a
// super format's scale is d·scale, its min -dmin·min. Nothing is larger than in
// the file but by a few bits. Float weights are [columns][lanes], but bf16
// pairs of columns, [columns/2][lanes][2], as vdpbf16ps reads them; the last
// pair of an odd number has a zero.
#ifndef MALMOI_KERNELS_PANEL_H_
#define MALMOI_KERNELS_PANEL_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "kernels/unpack.h"
#include "tensor/dtype.h"

namespace malmoi::kernels {

enum class Codes : uint8_t { kU4, kU5, kU6, kS8, kF32, kF16, kBF16 };

struct PanelFormat {
  Codes codes = Codes::kF32;
  bool super = false;  // blocks of 256 with integer scales
  int group = 32;      // columns that share a scale: 32; 16 or 32 if super;
                       // 64 in the wide format
  bool stored_min = false;
  int zero = 0;  // without stored mins

  bool integer() const { return codes <= Codes::kS8; }
  bool has_min() const { return stored_min || zero != 0; }
  int bits() const {  // of a code
    constexpr int kBits[] = {4, 5, 6, 8};
    return kBits[static_cast<int>(codes)];
  }
  // Columns that share a scale in the activations it is multiplied with.
  int64_t block() const { return super ? 256 : group; }
  bool operator==(const PanelFormat&) const = default;
};

// What float weights become that are multiplied in 8 bits: no type of a file. A
// scale per 64 columns costs a tenth of the products' time, one per 32 a
// third.
inline constexpr int kWideGroup = 64;
inline constexpr PanelFormat kWideBytes = {.codes = Codes::kS8,
                                           .group = kWideGroup};

// The format that holds weights of this type exactly.
PanelFormat FormatFor(DType dtype);

// Columns of bf16 rows and panels, which hold pairs.
inline int64_t PaddedBF16(int64_t columns) { return (columns + 1) / 2 * 2; }

// Bytes of the codes of a block of 32 columns.
size_t CodeBytes(const PanelFormat& format, int lanes);
// Bytes of format.block() columns, and of a panel of `lanes` rows; columns
// are a multiple of format.block() for integer codes.
size_t BlockBytes(const PanelFormat& format, int lanes);
size_t PanelBytes(const PanelFormat& format, int lanes, int64_t columns);

// Packs rows [0, rows) of `dtype` weights, `row_bytes` apart, into one panel;
// lanes past `rows` become zero. `format` is FormatFor(dtype), or f32 codes,
// for which quantized rows are dequantized, or bf16 codes, for which they are
// rounded too, or kWideBytes, for which rows of
// floats are rounded: scale = largest/127. `scratch` holds
// PackScratchBytes() bytes.
size_t PackScratchBytes(int64_t columns);
void PackPanel(const PanelFormat& format, DType dtype, const std::byte* rows_in,
               size_t row_bytes, int rows, int64_t columns, int lanes,
               std::byte* panel, std::byte* scratch);

// One lane of a block taken apart again, for tests and the scalar kernels. A
// simple format without stored mins has dmin = zero·d.
void UnpackLane(const PanelFormat& format, int lanes, const std::byte* block,
                int lane, CodeBlock& out);

inline int CodeOf(const PanelFormat& format, const CodeBlock& block, int k) {
  return format.codes == Codes::kS8 ? static_cast<int8_t>(block.codes[k])
                                    : block.codes[k];
}

// The value of one weight of a panel.
float PanelWeight(const PanelFormat& format, int lanes, int64_t columns,
                  const std::byte* panel, int lane, int64_t column);

}  // namespace malmoi::kernels

#endif  // MALMOI_KERNELS_PANEL_H_
