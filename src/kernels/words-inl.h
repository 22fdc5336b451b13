// Products of 8-bit codes where vectors have no dot product of signed bytes
// (AVX2): codes and rows are widened to 16 bits once, and vpmaddwd then sums
// two columns exactly. Two multiplies for 32 columns as with vpmaddubsw, but no
// sign to move, which is as dear as a multiply there. Sums are the same
// integers in the same order as those of Int8Tile.
#if defined(MALMOI_KERNELS_WORDS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef MALMOI_KERNELS_WORDS_INL_H_
#undef MALMOI_KERNELS_WORDS_INL_H_
#else
#define MALMOI_KERNELS_WORDS_INL_H_
#endif

#include <algorithm>
#include <cstring>

#include "kernels/decode-inl.h"
#include "kernels/dot-inl.h"
#include "kernels/kernels.h"

HWY_BEFORE_NAMESPACE();
namespace malmoi::kernels {
namespace MALMOI_TARGET {

constexpr bool kWordTiles = HWY_TARGET == HWY_AVX2;

#if HWY_TARGET == HWY_AVX2
// Columns widened at a time, panels that share a widened quad of rows, and
// vectors of a block: 16 of pairs of columns, scale and min. 18 KiB and 2 KiB.
constexpr int64_t kWordStretch = 256;
constexpr int kWordPanels = 4;
constexpr size_t kWordVectors = 18;
constexpr size_t kWordStep = kWordStretch / 32 * kWordVectors * kByteLanes;

// Columns 4v, 4v+1 (half 0) or 4v+2, 4v+3 of every lane as 16-bit words.
HWY_INLINE VI16 WidenPairs(VU8 codes, int half) {
  const hn::Repartition<uint32_t, DF> du;
  const auto lanes = hn::BitCast(du, codes);
  // The pair in the lane's upper half, spread to the upper bytes of two words.
  const auto pair = half == 0 ? hn::ShiftLeft<16>(lanes) : lanes;
  const auto high = hn::And(pair, hn::Set(du, 0xff000000u));
  const auto low = hn::ShiftRight<8>(hn::And(pair, hn::Set(du, 0x00ff0000u)));
  return hn::ShiftRight<8>(hn::BitCast(DI16(), hn::Or(high, low)));
}

inline void WidenPanel(const PanelFormat& format, const std::byte* panel,
                       int64_t blocks, uint8_t* HWY_RESTRICT to) {
  RawSource<8, false, 32> from(format, panel, 0);
  const auto put = [&to](VU8 bytes) {
    hn::Store(bytes, DU8(), to);
    to += kByteLanes;
  };
  for (int64_t b = 0; b < blocks; ++b, from.Next()) {
    HWY_UNROLL(8)
    for (int v = 0; v < 8; ++v) {
      const VU8 codes = from.Code(0, 0, v);
      put(hn::BitCast(DU8(), WidenPairs(codes, 0)));
      put(hn::BitCast(DU8(), WidenPairs(codes, 1)));
    }
    put(hn::BitCast(DU8(), from.Scale(0)));
    put(hn::BitCast(DU8(), from.Min(0)));
  }
}

// Two panels, or one, times a quad of rows, whose words lie as its codes do:
// [columns/4][4 rows][4].
template <int kPanels>
HWY_NOINLINE void WordTile(const PanelFormat& format,
                           const uint8_t* HWY_RESTRICT widened, int64_t blocks,
                           const int16_t* HWY_RESTRICT words,
                           const float* scales, const float* row_sums,
                           bool first, float* out, int64_t out_stride) {
  constexpr int kCells = kPanels * 4;
  const DF df;
  VF sums[kCells];
  HWY_UNROLL(8)
  for (int c = 0; c < kCells; ++c) {
    sums[c] = first
                  ? hn::Zero(df)
                  : hn::LoadU(df, out + c % 4 * out_stride + c / 4 * kF32Lanes);
  }
  const auto vector = [&](int p, size_t v) {
    return hn::Load(
        DU8(), widened + static_cast<size_t>(p) * kWordStep + v * kByteLanes);
  };
  for (int64_t b = 0; b < blocks; ++b) {
    VI dots[kCells];
    HWY_UNROLL(8)
    for (int c = 0; c < kCells; ++c) dots[c] = hn::Zero(DI());
    HWY_UNROLL(16)
    for (int v = 0; v < 16; ++v) {
      VI16 codes[kPanels];
      HWY_UNROLL(2)
      for (int p = 0; p < kPanels; ++p) {
        codes[p] = hn::BitCast(DI16(), vector(p, static_cast<size_t>(v)));
      }
      HWY_UNROLL(4)
      for (int t = 0; t < 4; ++t) {
        int32_t pair;
        std::memcpy(&pair, words + v / 2 * 16 + t * 4 + v % 2 * 2, 4);
        const VI16 row = hn::BitCast(DI16(), hn::Set(DI(), pair));
        HWY_UNROLL(2)
        for (int p = 0; p < kPanels; ++p) {
          VI& dot = dots[p * 4 + t];
          dot = hn::Add(dot, PairsTimes(codes[p], row));
        }
      }
      HWY_UNROLL(8)
      for (int c = 0; c < kCells; ++c) Keep(dots[c]);
    }
    HWY_UNROLL(2)
    for (int p = 0; p < kPanels; ++p) {
      const VF scale = hn::BitCast(df, vector(p, 16));
      const VF min = hn::BitCast(df, vector(p, 17));
      HWY_UNROLL(4)
      for (int t = 0; t < 4; ++t) {
        VF& sum = sums[p * 4 + t];
        sum = hn::MulAdd(hn::ConvertTo(df, dots[p * 4 + t]),
                         hn::Mul(scale, hn::Set(df, scales[b * 4 + t])), sum);
        if (format.has_min()) {
          sum = hn::MulAdd(min, hn::Set(df, row_sums[b * 4 + t]), sum);
        }
      }
    }
    widened += kWordVectors * kByteLanes;
    words += 32 * 4;
  }
  HWY_UNROLL(8)
  for (int c = 0; c < kCells; ++c) {
    hn::StoreU(sums[c], df, out + c % 4 * out_stride + c / 4 * kF32Lanes);
  }
}

// `quads` whole quads of rows from row `first` on, a multiple of four.
inline void WordQuads(const PanelFormat& format, const std::byte* panels,
                      size_t panel_bytes, int64_t panel_count,
                      const Int8Rows& rows, int64_t first, int64_t quads,
                      float* out, int64_t out_stride) {
  alignas(64) uint8_t widened[kWordPanels * kWordStep];
  alignas(64) int16_t words[kWordStretch * 4];
  const size_t block_bytes = BlockBytes(format, static_cast<int>(kF32Lanes));
  const hn::Rebind<int8_t, DI16> d8;
  for (int64_t group = 0; group < panel_count; group += kWordPanels) {
    const int count =
        static_cast<int>(std::min<int64_t>(kWordPanels, panel_count - group));
    const std::byte* begin = panels + static_cast<size_t>(group) * panel_bytes;
    for (int64_t column = 0; column < rows.columns; column += kWordStretch) {
      const int64_t columns = std::min(kWordStretch, rows.columns - column);
      const size_t at = static_cast<size_t>(column / 32) * block_bytes;
      const bool last = column + kWordStretch >= rows.columns;
      for (int p = 0; p < count; ++p) {
        WidenPanel(format, begin + static_cast<size_t>(p) * panel_bytes + at,
                   columns / 32, widened + static_cast<size_t>(p) * kWordStep);
      }
      for (int64_t q = 0; q < quads; ++q) {
        // While the first quads are computed, what is widened next.
        if (q < kWordPanels) {
          const std::byte* next =
              last ? begin + static_cast<size_t>(kWordPanels + q) * panel_bytes
                   : begin + static_cast<size_t>(q) * panel_bytes + at +
                         static_cast<size_t>(columns / 32) * block_bytes;
          for (size_t i = 0; i < kWordStretch / 32 * block_bytes; i += 64) {
            __builtin_prefetch(next + i);
          }
        }
        const int64_t row = first + q * 4;
        const int8_t* codes = rows.codes + row * rows.columns + column * 4;
        for (int64_t i = 0; i < columns * 4; i += kByteLanes / 2) {
          hn::Store(hn::PromoteTo(DI16(), hn::LoadU(d8, codes + i)), DI16(),
                    words + i);
        }
        const int64_t scale = row * (rows.columns / 32) + column / 32 * 4;
        for (int p = 0; p < count; p += 2) {
          (p + 1 < count
               ? WordTile<2>
               : WordTile<1>)(format,
                              widened + static_cast<size_t>(p) * kWordStep,
                              columns / 32, words, rows.scales + scale,
                              rows.sums + scale, column == 0,
                              out + q * 4 * out_stride +
                                  (group + p) * kF32Lanes,
                              out_stride);
        }
      }
    }
  }
}
#else
inline void WordQuads(const PanelFormat&, const std::byte*, size_t, int64_t,
                      const Int8Rows&, int64_t, int64_t, float*, int64_t) {}
#endif

}  // namespace MALMOI_TARGET
}  // namespace malmoi::kernels
HWY_AFTER_NAMESPACE();

#endif  // toggle
