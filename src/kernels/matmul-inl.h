// Matrix products over panels. For many rows a few panels are decoded to bytes
// for a stretch of columns, into scratch that stays in the first-level cache,
// and every tile of rows reads the same bytes: one inner loop for all block
// types, and decoding is paid once. For one to three rows codes are taken from
// the panel as it streams by. See panel.h for the layout, kernels.h for the
// order of additions, docs/PERFORMANCE.md for what else was tried.
#if defined(MALMOI_KERNELS_MATMUL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef MALMOI_KERNELS_MATMUL_INL_H_
#undef MALMOI_KERNELS_MATMUL_INL_H_
#else
#define MALMOI_KERNELS_MATMUL_INL_H_
#endif

#include <algorithm>

#include "kernels/decode-inl.h"
#include "kernels/dot-inl.h"
#include "kernels/kernels.h"

HWY_BEFORE_NAMESPACE();
namespace malmoi::kernels {
namespace MALMOI_TARGET {

// A tile is kTilePanels panels times kTileQuads quads: its dot products must
// stay in registers, of which there are 32 on AVX-512 and NEON (where a Dots
// is two), 16 on AVX2 and SSE.
constexpr int kTilePanels = 2;
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
constexpr int kTileQuads = 2;
#else
constexpr int kTileQuads = 1;
#endif
// Columns decoded at a time: 20 to 22 KiB for two panels.
constexpr int64_t kStretch = kF32Lanes == 16 ? 512 : 1024;

HWY_INLINE VI16 BroadcastPair(const int16_t* pair) {
  int32_t both;
  std::memcpy(&both, pair, 4);
  return hn::BitCast(DI16(), hn::Set(DI(), both));
}

// The activations of a tile, from its first column on: row t's word of columns
// 4w..4w+3 lies at codes + w·word_step + t·row_step, and likewise the others,
// by their blocks and pairs.
struct TileRows {
  const int8_t* codes;
  const float* scales;
  const float* sums;
  const int16_t* pairs;
  int64_t word_step, row_step;
  int64_t scale_step, scale_row;
  int64_t pair_step, pair_row;

  // `block` and `group` are the format's, and constants: no divisions.
  HWY_INLINE TileRows(const Int8Rows& rows, int64_t block, int group,
                      int64_t row) {
    const int64_t blocks = rows.columns / block;
    const int64_t per_row = rows.columns / group;  // sums
    const auto code = rows.Find(row, rows.columns, 4);
    const auto scale = rows.Find(row, blocks, 1);
    const auto pair = rows.Find(row, per_row, 2);
    codes = rows.codes + code.first;
    scales = rows.scales + scale.first;
    sums = block == 32 ? rows.sums + scale.first : nullptr;
    pairs = block != 256
                ? nullptr
                : (group == 16 ? rows.pairs16 : rows.pairs32) + pair.first;
    word_step = code.step;
    scale_step = scale.step;
    pair_step = pair.step;
    row_step = rows.columns;
    scale_row = blocks;
    pair_row = per_row;
  }
  // Moves on to later columns.
  HWY_INLINE void Skip(int64_t columns, int64_t block, int group) {
    codes += columns / 4 * word_step;
    scales += columns / block * scale_step;
    if (sums != nullptr) sums += columns / block * scale_step;
    if (pairs != nullptr) pairs += columns / group / 2 * pair_step;
  }
  // The words of some columns: word v of row t.
  struct Words {
    const int8_t* at;
    int64_t word_step, row_step;
    HWY_INLINE VI operator()(int64_t v, int64_t t) const {
      return BroadcastFour(at + v * word_step + t * row_step);
    }
  };
  HWY_INLINE Words From(int64_t word) const {
    return {codes + word * word_step, word_step, row_step};
  }
  HWY_INLINE VF Scale(int64_t block, int64_t t) const {
    return hn::Set(DF(), scales[block * scale_step + t * scale_row]);
  }
  HWY_INLINE VF Sum(int64_t block, int64_t t) const {
    return hn::Set(DF(), sums[block * scale_step + t * scale_row]);
  }
  HWY_INLINE VI16 Pair(int64_t pair, int64_t t) const {
    return BroadcastPair(pairs + pair * pair_step + t * pair_row);
  }
};

// Whole quads: their steps are constants, which makes addresses displacements.
struct QuadRows : TileRows {
  int64_t quad_codes, quad_scales, quad_pairs;  // from a quad to the next

  HWY_INLINE QuadRows(const Int8Rows& rows, int64_t block, int group,
                      int64_t row)
      : TileRows(rows, block, group, row),
        quad_codes(rows.columns * 4),
        quad_scales(rows.columns / block * 4),
        quad_pairs(rows.columns / group * 4) {}
  struct Words {
    const int8_t* first;
    const int8_t* second;
    HWY_INLINE VI operator()(int64_t v, int64_t t) const {
      return BroadcastFour((t < 4 ? first : second) + v * 16 + t % 4 * 4);
    }
  };
  HWY_INLINE Words From(int64_t word) const {
    const int8_t* at = codes + word * 16;
    return {at, at + quad_codes};
  }
  HWY_INLINE VF Scale(int64_t block, int64_t t) const {
    return hn::Set(DF(), scales[t / 4 * quad_scales + block * 4 + t % 4]);
  }
  HWY_INLINE VF Sum(int64_t block, int64_t t) const {
    return hn::Set(DF(), sums[t / 4 * quad_scales + block * 4 + t % 4]);
  }
  HWY_INLINE VI16 Pair(int64_t pair, int64_t t) const {
    return BroadcastPair(pairs + t / 4 * quad_pairs + pair * 8 + t % 4 * 2);
  }
};

// A tile: kPanels panels times kRows rows.
template <int kBits, bool kSuper, int kGroup, int kPanels, int kRows>
struct Int8Tile {
  static constexpr int kCells = kPanels * kRows;

  // sums[p·kRows + t] += scale·Σ code·code over vectors [begin, end) of 32
  // columns i.
  template <int kBegin, int kEnd, bool kScaled, typename Source, typename Rows>
  static HWY_INLINE void AddDots(const Source& source, int i, const Rows& rows,
                                 int64_t word,
                                 const Multiplier (&scale)[kPanels],
                                 VI (&sums)[kCells]) {
    const auto words = rows.From(word);
    constexpr int kPerFlush =
        AddsOf(kBits) < kEnd - kBegin ? AddsOf(kBits) : kEnd - kBegin;
    HWY_UNROLL(4)
    for (int first = kBegin; first < kEnd; first += kPerFlush) {
      Dots dots[kCells];
      HWY_UNROLL(16)
      for (int c = 0; c < kCells; ++c) dots[c] = ZeroDots();
      HWY_UNROLL(8)
      for (int v = first; v < first + kPerFlush; ++v) {
        VU8 code[kPanels];
        HWY_UNROLL(2)
        for (int p = 0; p < kPanels; ++p) code[p] = source.Code(p, i, v);
        HWY_UNROLL(8)
        for (int t = 0; t < kRows; ++t) {
          const VI four = words(v, t);
          HWY_UNROLL(2)
          for (int p = 0; p < kPanels; ++p) {
            Dots& dot = dots[p * kRows + t];
            dot = Dot(dot, code[p], four);
          }
        }
        HWY_UNROLL(16)
        for (int c = 0; c < kCells; ++c) Keep(dots[c]);
      }
      HWY_UNROLL(16)
      for (int c = 0; c < kCells; ++c) {
        const VI total =
            kScaled ? Scaled(dots[c], scale[c / kRows]) : Total(dots[c]);
        sums[c] = first == 0 && !kScaled ? total : hn::Add(sums[c], total);
      }
    }
  }

  // dots[p·kRows + t] += Σ code·code of signed codes of 8 bits; activations
  // are moved already in the wide format (kMovesBytes).
  template <int kBegin, int kEnd, typename Source, typename Words>
  static HWY_INLINE void AddBytes(const Source& source, int i,
                                  const Words& words,
                                  const Multiplier (&scale)[kPanels],
                                  VI (&dots)[kCells]) {
    HWY_UNROLL(8)
    for (int v = kBegin; v < kEnd; ++v) {
      if constexpr (kMovesBytes) {
        VU8 code[kPanels];
        HWY_UNROLL(2)
        for (int p = 0; p < kPanels; ++p) code[p] = source.Code(p, i, v);
        HWY_UNROLL(8)
        for (int t = 0; t < kRows; ++t) {
          const VI word = words(v, t);
          const VI moved = kGroup == kWideGroup ? word : MoveUp(word);
          HWY_UNROLL(2)
          for (int p = 0; p < kPanels; ++p) {
            VI& dot = dots[p * kRows + t];
            dot = DotMoved(dot, code[p], moved);
          }
        }
      } else {
        HWY_UNROLL(2)
        for (int p = 0; p < kPanels; ++p) {
          const ByteWeights code(source.Code(p, i, v));
          HWY_UNROLL(8)
          for (int t = 0; t < kRows; ++t) {
            VI& dot = dots[p * kRows + t];
            dot = DotBytes(dot, code, words(v, t), scale[p]);
          }
        }
      }
      HWY_UNROLL(16)
      for (int c = 0; c < kCells; ++c) Keep(dots[c]);
    }
  }

  // AddDots() of such codes; `start` as ByteStart() of them.
  template <int kBegin, int kEnd, typename Source, typename Rows>
  static HWY_INLINE void AddByteDots(const Source& source, int i,
                                     const Rows& rows, int64_t word,
                                     const Multiplier (&scale)[kPanels],
                                     const VI (&start)[kPanels],
                                     VI (&sums)[kCells]) {
    constexpr bool kLater = !kScalesPairs;  // the scale multiplies the sums
    VI dots[kCells];
    HWY_UNROLL(16)
    for (int c = 0; c < kCells; ++c) {
      dots[c] = kLater ? start[c / kRows] : sums[c];
    }
    AddBytes<kBegin, kEnd>(source, i, rows.From(word), scale, dots);
    HWY_UNROLL(16)
    for (int c = 0; c < kCells; ++c) {
      if constexpr (kLater) {
        sums[c] = hn::Add(sums[c], Later(dots[c], scale[c / kRows]));
      } else {
        sums[c] = dots[c];
      }
    }
  }

  template <typename Source, typename Rows>
  static HWY_INLINE void Simple(const PanelFormat& format, const Source& source,
                                const Rows& rows, int64_t b,
                                VF (&sums)[kCells]) {
    Multiplier one[kPanels];
    HWY_UNROLL(2)
    for (int p = 0; p < kPanels; ++p) one[p] = One();
    VI dots[kCells];
    if constexpr (kBits == 8) {
      HWY_UNROLL(16)
      for (int c = 0; c < kCells; ++c) dots[c] = source.Start(c / kRows);
      AddBytes<0, 8>(source, 0, rows.From(b * 8), one, dots);
    } else {
      AddDots<0, 8, false>(source, 0, rows, b * 8, one, dots);
    }
    HWY_UNROLL(2)
    for (int p = 0; p < kPanels; ++p) {
      const VF scale = source.Scale(p);
      const VF min = source.Min(p);
      HWY_UNROLL(8)
      for (int t = 0; t < kRows; ++t) {
        VF& sum = sums[p * kRows + t];
        sum = hn::MulAdd(hn::ConvertTo(DF(), dots[p * kRows + t]),
                         hn::Mul(scale, rows.Scale(b, t)), sum);
        if (format.has_min()) sum = hn::MulAdd(min, rows.Sum(b, t), sum);
      }
    }
  }

  template <typename Source, typename Rows>
  static HWY_INLINE void Wide(const Source& source, const Rows& rows, int64_t b,
                              VF (&sums)[kCells]) {
    Multiplier one[kPanels];
    HWY_UNROLL(2)
    for (int p = 0; p < kPanels; ++p) one[p] = One();
    VI dots[kCells];
    HWY_UNROLL(16)
    for (int c = 0; c < kCells; ++c) dots[c] = source.Start(c / kRows);
    for (int i = 0; i < kGroup / 32; ++i) {
      AddBytes<0, 8>(source, i, rows.From(b * (kGroup / 4) + i * 8), one, dots);
    }
    HWY_UNROLL(2)
    for (int p = 0; p < kPanels; ++p) {
      const VF scale = source.Scale(p);
      HWY_UNROLL(8)
      for (int t = 0; t < kRows; ++t) {
        VF& sum = sums[p * kRows + t];
        sum = hn::MulAdd(hn::ConvertTo(DF(), dots[p * kRows + t]),
                         hn::Mul(scale, rows.Scale(b, t)), sum);
      }
    }
  }

  // Adds the dot products of a group of a super block.
  template <int kBegin, int kEnd, typename Source, typename Rows>
  static HWY_INLINE void Group(const Source& source, int i, int g,
                               const Rows& rows, int64_t word,
                               VI (&dots)[kCells]) {
    Multiplier scale[kPanels];
    HWY_UNROLL(2)
    for (int p = 0; p < kPanels; ++p) scale[p] = source.GroupScale(p, g);
    if constexpr (kBits == 8) {
      VI start[kPanels];
      HWY_UNROLL(2)
      for (int p = 0; p < kPanels; ++p) {
        start[p] = ByteStart<kBegin, kEnd>(
            [&](int v) { return source.Code(p, i, v); });
      }
      AddByteDots<kBegin, kEnd>(source, i, rows, word, scale, start, dots);
    } else {
      AddDots<kBegin, kEnd, true>(source, i, rows, word, scale, dots);
    }
  }

  template <typename Source, typename Rows>
  static HWY_INLINE void Super(const PanelFormat& format, const Source& source,
                               const Rows& rows, int64_t b,
                               VF (&sums)[kCells]) {
    constexpr int kPairs = 128 / kGroup;
    VI dots[kCells];
    HWY_UNROLL(16)
    for (int c = 0; c < kCells; ++c) dots[c] = hn::Zero(DI());
    for (int i = 0; i < 8; ++i) {
      const int64_t word = b * 64 + i * 8;
      if constexpr (kGroup == 32) {
        Group<0, 8>(source, i, i, rows, word, dots);
      } else {
        Group<0, 4>(source, i, 2 * i, rows, word, dots);
        Group<4, 8>(source, i, 2 * i + 1, rows, word, dots);
      }
    }
    HWY_UNROLL(2)
    for (int p = 0; p < kPanels; ++p) {
      const VF d = source.D(p);
      const VF minus_dmin = source.MinusDmin(p);
      HWY_UNROLL(8)
      for (int t = 0; t < kRows; ++t) {
        VI mins = hn::Zero(DI());
        for (int j = 0; j < kPairs; ++j) {
          mins = hn::Add(mins, PairsTimes(source.MinPair(p, j),
                                          rows.Pair(b * kPairs + j, t)));
        }
        VI dot = dots[p * kRows + t];
        if (!format.stored_min) {
          dot = hn::Sub(dot, hn::Mul(mins, hn::Set(DI(), format.zero)));
        }
        const VF scale_a = rows.Scale(b, t);
        VF& sum = sums[p * kRows + t];
        sum = hn::MulAdd(hn::ConvertTo(DF(), dot), hn::Mul(d, scale_a), sum);
        if (format.stored_min) {
          sum = hn::MulAdd(hn::ConvertTo(DF(), mins),
                           hn::Mul(minus_dmin, scale_a), sum);
        }
      }
    }
  }

  // Adds `blocks` blocks to out; the first ones begin from zero.
  template <typename Source, typename Rows>
  static HWY_NOINLINE void Run(const PanelFormat& format, Source source,
                               int64_t blocks, const Rows& rows, bool first,
                               float* out, int64_t out_stride) {
    const DF df;
    VF sums[kCells];
    HWY_UNROLL(16)
    for (int c = 0; c < kCells; ++c) {
      sums[c] = first ? hn::Zero(df)
                      : hn::LoadU(df, out + c % kRows * out_stride +
                                          c / kRows * kF32Lanes);
    }
    for (int64_t b = 0; b < blocks; ++b, source.Next()) {
      source.Prefetch();
      if constexpr (kSuper) {
        Super(format, source, rows, b, sums);
      } else if constexpr (kGroup == kWideGroup) {
        Wide(source, rows, b, sums);
      } else {
        Simple(format, source, rows, b, sums);
      }
    }
    HWY_UNROLL(16)
    for (int c = 0; c < kCells; ++c) {
      hn::StoreU(sums[c], df,
                 out + c % kRows * out_stride + c / kRows * kF32Lanes);
    }
  }
};

// What is decoded next: a stretch of each panel.
struct Upcoming {
  const std::byte* first;  // of the first panel
  size_t panel_bytes;      // to that of the next
  size_t block_bytes;
};

// Rows [first, first + tokens) against a decoded stretch of kPanels panels;
// the first tiles fetch what comes next, one panel each.
template <int kBits, bool kSuper, int kGroup, int kPanels, typename Source>
void StretchRows(const PanelFormat& format, Source source, int64_t column,
                 int64_t blocks, const Int8Rows& rows, int64_t first,
                 int64_t tokens, const Upcoming& next, float* out,
                 int64_t out_stride) {
  constexpr int64_t kBlock = kSuper ? 256 : kGroup;
  const bool begins = column == 0;
  const int64_t end = first + tokens;
  size_t fetched = 0;  // panels
  const auto run = [&](int64_t row, auto count, auto tile) {
    constexpr int kRows = decltype(count)::value;
    tile.Skip(column, kBlock, kGroup);
    const bool fetches = fetched < kPanels;
    source.SetAhead(next.first + fetched * next.panel_bytes,
                    fetches ? next.block_bytes : 0);
    fetched += fetches ? 1 : 0;
    Int8Tile<kBits, kSuper, kGroup, kPanels, kRows>::Run(
        format, source, blocks, tile, begins, out + (row - first) * out_stride,
        out_stride);
    return kRows;
  };
  const auto quads = [&](int64_t row, auto count) {
    return run(row, std::integral_constant<int, 4 * decltype(count)::value>(),
               QuadRows(rows, kBlock, kGroup, row));
  };
  const auto few = [&](int64_t row, auto count) {
    return run(row, count, TileRows(rows, kBlock, kGroup, row));
  };
  const int64_t in_quads = rows.rows / 4 * 4;
  for (int64_t row = first; row < end;) {
    const int64_t left = end - row;
    if (row % 4 == 0 && row + 4 <= in_quads && left >= 4) {
      if (kTileQuads > 1 && row + 8 <= in_quads && left >= 8) {
        row += quads(row, std::integral_constant<int, kTileQuads>());
      } else {
        row += quads(row, std::integral_constant<int, 1>());
      }
    } else if (row < in_quads || left == 1) {  // one row of a quad
      row += few(row, std::integral_constant<int, 1>());
    } else if (left == 2) {
      row += few(row, std::integral_constant<int, 2>());
    } else {
      row += few(row, std::integral_constant<int, 3>());
    }
  }
}

// One to three rows, straight from the panels: what counts is memory, and all
// panels together are one stream. What does not change from one panel to the
// next is computed once.
template <int kBits, bool kSuper, int kGroup>
void FewRows(const PanelFormat& format, const std::byte* panels,
             size_t panel_bytes, int64_t panel_count, const Int8Rows& rows,
             int64_t first, int64_t tokens, float* out, int64_t out_stride) {
  using Raw = RawSource<kBits, kSuper, kGroup>;
  constexpr bool kWide = kGroup == kWideGroup;
  constexpr int64_t kColumns = kSuper ? 256 : kGroup;
  const int64_t blocks = rows.columns / kColumns;
  const bool apart = first < rows.rows / 4 * 4;  // rows of a quad
  if (apart && tokens > 1) {
    // Panel by panel, so that a panel is read from memory once.
    for (int64_t p = 0; p < panel_count; ++p) {
      for (int64_t t = 0; t < tokens; ++t) {
        FewRows<kBits, kSuper, kGroup>(
            format, panels + static_cast<size_t>(p) * panel_bytes, panel_bytes,
            1, rows, first + t, 1, out + t * out_stride + p * kF32Lanes,
            out_stride);
      }
    }
    return;
  }
  const auto run = [&](auto count) {
    const TileRows tile(rows, kColumns, kGroup, first);
    auto source = [&] {
      if constexpr (kWide) {
        WideSource wide(panels, panel_bytes);
        wide.SetAhead(panels + 4096, BlockBytes(format, kF32Lanes));
        return wide;
      } else {
        return Raw(format, panels, panel_bytes);
      }
    }();
    for (int64_t p = 0; p < panel_count; ++p, source.NextPanel()) {
      Int8Tile<kBits, kSuper, kGroup, 1, decltype(count)::value>::Run(
          format, source, blocks, tile, true, out + p * kF32Lanes, out_stride);
    }
  };
  if (tokens == 1) run(std::integral_constant<int, 1>());
  if (tokens == 2) run(std::integral_constant<int, 2>());
  if (tokens == 3) run(std::integral_constant<int, 3>());
}

template <int kBits, bool kSuper, int kGroup, int kPanels>
void PanelGroup(const PanelFormat& format, const std::byte* panels,
                size_t panel_bytes, const Int8Rows& rows, int64_t first,
                int64_t tokens, float* out, int64_t out_stride) {
  using Raw = RawSource<kBits, kSuper, kGroup>;
  using Decoded = DecodedSource<kBits, kSuper, kGroup>;
  constexpr int64_t kColumns = kSuper ? 256 : kGroup;
  const int64_t columns = rows.columns;
  constexpr bool kWide = kGroup == kWideGroup;  // is read as it lies
  constexpr size_t kStep = kStretch / kColumns * Decoded::kVectors * kByteLanes;
  alignas(64) uint8_t decoded[kWide ? 1 : kPanels * kStep];
  const size_t block_bytes = BlockBytes(format, static_cast<int>(kF32Lanes));
  for (int64_t column = 0; column < columns; column += kStretch) {
    const int64_t blocks = std::min(kStretch, columns - column) / kColumns;
    const std::byte* from =
        panels + static_cast<size_t>(column / kColumns) * block_bytes;
    const bool last = column + kStretch >= columns;
    const Upcoming next = {
        last ? panels + kPanels * panel_bytes
             : from + static_cast<size_t>(blocks) * block_bytes,
        panel_bytes, block_bytes};
    const auto compute = [&](const auto& source) {
      StretchRows<kBits, kSuper, kGroup, kPanels>(format, source, column,
                                                  blocks, rows, first, tokens,
                                                  next, out, out_stride);
    };
    if constexpr (kWide) {
      compute(WideSource(from, panel_bytes));
    } else {
      for (size_t i = 0; i < kPanels; ++i) {
        DecodeBlocks(Raw(format, from + i * panel_bytes, 0), blocks,
                     decoded + i * kStep);
      }
      compute(Decoded(decoded, kStep));
    }
  }
}

template <int kBits, bool kSuper, int kGroup>
void Int8Panels(const PanelFormat& format, const std::byte* panels,
                int64_t panel_count, const Int8Rows& rows, int64_t first,
                int64_t tokens, float* out, int64_t out_stride) {
  const size_t bytes =
      PanelBytes(format, static_cast<int>(kF32Lanes), rows.columns);
  if (tokens < 4) {
    return FewRows<kBits, kSuper, kGroup>(format, panels, bytes, panel_count,
                                          rows, first, tokens, out, out_stride);
  }
  int64_t p = 0;
  for (; p + kTilePanels <= panel_count; p += kTilePanels) {
    PanelGroup<kBits, kSuper, kGroup, kTilePanels>(
        format, panels + static_cast<size_t>(p) * bytes, bytes, rows, first,
        tokens, out + p * kF32Lanes, out_stride);
  }
  for (; p < panel_count; ++p) {
    PanelGroup<kBits, kSuper, kGroup, 1>(
        format, panels + static_cast<size_t>(p) * bytes, bytes, rows, first,
        tokens, out + p * kF32Lanes, out_stride);
  }
}

void MatmulInt8(const PanelFormat& format, const std::byte* panels,
                int64_t panel_count, const Int8Rows& rows, int64_t first,
                int64_t tokens, float* out, int64_t out_stride) {
  const auto run = [&](auto function) {
    function(format, panels, panel_count, rows, first, tokens, out, out_stride);
  };
  const bool fine = format.group == 16;
  if (!format.super) {
    if (format.codes == Codes::kU4) return run(Int8Panels<4, false, 32>);
    if (format.codes == Codes::kU5) return run(Int8Panels<5, false, 32>);
    if (format.group == kWideGroup)
      return run(Int8Panels<8, false, kWideGroup>);
    return run(Int8Panels<8, false, 32>);
  }
  switch (format.codes) {
    case Codes::kU4:
      return fine ? run(Int8Panels<4, true, 16>) : run(Int8Panels<4, true, 32>);
    case Codes::kU5:
      return run(Int8Panels<5, true, 32>);
    case Codes::kU6:
      return run(Int8Panels<6, true, 16>);
    default:
      return run(Int8Panels<8, true, 32>);
  }
}

}  // namespace MALMOI_TARGET
}  // namespace malmoi::kernels
HWY_AFTER_NAMESPACE();

#endif  // toggle
