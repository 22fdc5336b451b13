// Attention over a text in tiles of bf16, and what leaves bf16 behind a
// product: see tiles.h. Once in a program, behind amx-inl.h.
HWY_BEFORE_NAMESPACE();
namespace malmoi::kernels {
namespace MALMOI_TARGET {
namespace amx {

constexpr int64_t kLanes = 16;

HWY_INLINE __m256i ToBF16(__m512 x) {
  return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x));
}
void RoundBF16(const float* values, int64_t count, uint16_t* out) {
  for (int64_t k = 0; k < count; k += kLanes) {
    const __mmask16 some = static_cast<__mmask16>(
        count - k < kLanes ? (1u << (count - k)) - 1 : 0xffffu);
    _mm256_mask_storeu_epi16(out + k, some,
                             ToBF16(_mm512_maskz_loadu_ps(some, values + k)));
  }
}

// As Gelu() of rows-inl.h, but fitted within ±4.6 (tools/fit_gelu.py), with a
// reciprocal of 14 bits: within 2e-5 + 3e-5·|x| of x·(1+erf(x/√2))/2, a
// fraction of what rounding to bf16 costs.
HWY_INLINE __m512 ShortGelu(__m512 x) {
  const __m512 edge = _mm512_set1_ps(4.6f);
  const __m512 y = _mm512_range_ps(x, edge, 2);  // the nearer to 0, x's sign
  const __m512 s = _mm512_mul_ps(y, y);
  __m512 p = _mm512_set1_ps(6.55129406e-05f);
  p = _mm512_fmadd_ps(p, s, _mm512_set1_ps(0.0076341005f));
  p = _mm512_fmadd_ps(p, s, _mm512_set1_ps(0.0553451292f));
  p = _mm512_fmadd_ps(p, s, _mm512_set1_ps(0.797850788f));
  __m512 q = _mm512_set1_ps(0.00115421379f);
  q = _mm512_fmadd_ps(q, s, _mm512_set1_ps(0.0239140987f));
  q = _mm512_fmadd_ps(q, s, _mm512_set1_ps(0.235967085f));
  q = _mm512_fmadd_ps(q, s, _mm512_set1_ps(1.0f));
  const __m512 erf = _mm512_mul_ps(_mm512_mul_ps(y, p), _mm512_rcp14_ps(q));
  const __m512 half = _mm512_mul_ps(x, _mm512_set1_ps(0.5f));
  return _mm512_fmadd_ps(half, erf, half);
}

// 16 columns from k on, `some` of them.
template <bool kGelu>
HWY_INLINE __m512 Finished(const Finishing& in, const float* row, int64_t k,
                           __mmask16 some) {
  __m512 x = _mm512_maskz_loadu_ps(some, row + k);
  if (in.bias != nullptr) {
    x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(some, in.bias + k));
  }
  if constexpr (kGelu) return ShortGelu(x);
  return _mm512_mul_ps(x, _mm512_set1_ps(in.scale));
}

template <bool kGelu>
void FinishRows(const Finishing& in) {
  constexpr __mmask16 kAll = 0xffff;
  for (int64_t r = 0; r < in.rows; ++r) {
    const float* from = in.values + r * in.stride;
    uint16_t* to = in.out + r * in.out_stride;
    int64_t k = 0;
    for (; k + 2 * kLanes <= in.count; k += 2 * kLanes) {
      const __m512 first = Finished<kGelu>(in, from, k, kAll);
      const __m512 second = Finished<kGelu>(in, from, k + kLanes, kAll);
      _mm512_storeu_si512(to + k, reinterpret_cast<__m512i>(
                                      _mm512_cvtne2ps_pbh(second, first)));
    }
    for (; k < in.count; k += kLanes) {
      const auto some = static_cast<__mmask16>(
          in.count - k < kLanes ? (1u << (in.count - k)) - 1 : 0xffffu);
      _mm256_mask_storeu_epi16(to + k, some,
                               ToBF16(Finished<kGelu>(in, from, k, some)));
    }
  }
}

void Finish(const Finishing& in) {
  if (in.gelu) return FinishRows<true>(in);
  FinishRows<false>(in);
}

// x + (add + bias), as AddTwo() of rows-inl.h, in place.
HWY_INLINE void AddInPlace(const Norming& in, int64_t row) {
  float* x = in.x + row * in.columns;
  const float* add = in.add + row * in.add_stride;
  for (int64_t k = 0; k < in.columns; k += kLanes) {
    const auto some = static_cast<__mmask16>(
        in.columns - k < kLanes ? (1u << (in.columns - k)) - 1 : 0xffffu);
    __m512 more = _mm512_maskz_loadu_ps(some, add + k);
    if (in.add_bias != nullptr) {
      more = _mm512_add_ps(more, _mm512_maskz_loadu_ps(some, in.add_bias + k));
    }
    _mm512_mask_storeu_ps(
        x + k, some, _mm512_add_ps(_mm512_maskz_loadu_ps(some, x + k), more));
  }
}

void Norm(const Norming& in) {
  const __m512 zero = _mm512_setzero_ps();
  const auto whole = in.columns / (2 * kLanes) * (2 * kLanes);
  const auto mask = [&](int64_t k) HWY_ATTR {
    const int64_t left = std::clamp<int64_t>(in.columns - k, 0, kLanes);
    return static_cast<__mmask16>((1u << left) - 1);
  };
  const __mmask16 low = mask(whole), high = mask(whole + kLanes);
  const float count = static_cast<float>(in.columns);
  for (int64_t r = 0; r < in.rows; ++r) {
    float* x = in.x + r * in.columns;
    uint16_t* out = in.out + r * in.columns;
    if (in.add != nullptr) AddInPlace(in, r);
    __m512 sum = _mm512_maskz_loadu_ps(low, x + whole);
    __m512 more = _mm512_maskz_loadu_ps(high, x + whole + kLanes);
    for (int64_t k = 0; k < whole; k += 2 * kLanes) {
      sum = _mm512_add_ps(sum, _mm512_loadu_ps(x + k));
      more = _mm512_add_ps(more, _mm512_loadu_ps(x + k + kLanes));
    }
    const __m512 mean =
        _mm512_set1_ps(_mm512_reduce_add_ps(_mm512_add_ps(sum, more)) / count);
    const auto over = [&](__mmask16 some, int64_t k) HWY_ATTR {
      return _mm512_maskz_sub_ps(some, _mm512_maskz_loadu_ps(some, x + k),
                                 mean);
    };
    constexpr __mmask16 kAll = 0xffff;
    const __m512 a = over(low, whole), b = over(high, whole + kLanes);
    sum = _mm512_fmadd_ps(a, a, zero);
    more = _mm512_fmadd_ps(b, b, zero);
    for (int64_t k = 0; k < whole; k += 2 * kLanes) {
      const __m512 first = over(kAll, k), second = over(kAll, k + kLanes);
      sum = _mm512_fmadd_ps(first, first, sum);
      more = _mm512_fmadd_ps(second, second, more);
    }
    const float variance =
        _mm512_reduce_add_ps(_mm512_add_ps(sum, more)) / count;
    const __m512 factor =
        _mm512_set1_ps(1.0f / std::sqrt(variance + in.epsilon));
    const auto put = [&](__mmask16 some, int64_t k) HWY_ATTR {
      const __m512 bias =
          in.bias != nullptr ? _mm512_maskz_loadu_ps(some, in.bias + k) : zero;
      const __m512 normed =
          _mm512_fmadd_ps(_mm512_mul_ps(over(some, k), factor),
                          _mm512_maskz_loadu_ps(some, in.weight + k), bias);
      _mm512_mask_storeu_ps(x + k, some, normed);
      _mm256_mask_storeu_epi16(out + k, some, ToBF16(normed));
    };
    for (int64_t k = 0; k < whole; k += kLanes) put(kAll, k);
    put(low, whole);
    put(high, whole + kLanes);
  }
}

// 2^x of x <= 0, within 8e-5 of it: a polynomial of what is over the next lower
// integer, fitted by reweighted least squares.
HWY_INLINE __m512 PowerOfTwo(__m512 x) {
  const __m512 over = _mm512_reduce_ps(x, 1);  // x - floor(x)
  __m512 p = _mm512_set1_ps(7.802451402e-02f);
  p = _mm512_fmadd_ps(p, over, _mm512_set1_ps(2.260671705e-01f));
  p = _mm512_fmadd_ps(p, over, _mm512_set1_ps(6.958335638e-01f));
  p = _mm512_fmadd_ps(p, over, _mm512_set1_ps(9.999251962e-01f));
  return _mm512_scalef_ps(p, x);
}

// 16 rows of 16 words become 16 columns.
HWY_INLINE void Transpose(const uint16_t* rows, int64_t stride, int64_t count,
                          uint32_t* out) {
  __m512i a[16], b[16];
  HWY_UNROLL(16)
  for (int64_t i = 0; i < 16; ++i) {
    a[i] = i < count ? _mm512_loadu_si512(rows + i * stride)
                     : _mm512_setzero_si512();
  }
  HWY_UNROLL(8)
  for (int i = 0; i < 16; i += 2) {
    b[i] = _mm512_unpacklo_epi32(a[i], a[i + 1]);
    b[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 1]);
  }
  HWY_UNROLL(4)
  for (int i = 0; i < 16; i += 4) {
    a[i] = _mm512_unpacklo_epi64(b[i], b[i + 2]);
    a[i + 1] = _mm512_unpackhi_epi64(b[i], b[i + 2]);
    a[i + 2] = _mm512_unpacklo_epi64(b[i + 1], b[i + 3]);
    a[i + 3] = _mm512_unpackhi_epi64(b[i + 1], b[i + 3]);
  }
  HWY_UNROLL(4)
  for (int i = 0; i < 4; ++i) {
    b[i] = _mm512_shuffle_i32x4(a[i], a[i + 4], 0x88);
    b[i + 4] = _mm512_shuffle_i32x4(a[i], a[i + 4], 0xdd);
    b[i + 8] = _mm512_shuffle_i32x4(a[i + 8], a[i + 12], 0x88);
    b[i + 12] = _mm512_shuffle_i32x4(a[i + 8], a[i + 12], 0xdd);
  }
  HWY_UNROLL(4)
  for (int i = 0; i < 4; ++i) {
    _mm512_store_si512(out + i * 16,
                       _mm512_shuffle_i32x4(b[i], b[i + 8], 0x88));
    _mm512_store_si512(out + (i + 8) * 16,
                       _mm512_shuffle_i32x4(b[i], b[i + 8], 0xdd));
    _mm512_store_si512(out + (i + 4) * 16,
                       _mm512_shuffle_i32x4(b[i + 4], b[i + 12], 0x88));
    _mm512_store_si512(out + (i + 12) * 16,
                       _mm512_shuffle_i32x4(b[i + 4], b[i + 12], 0xdd));
  }
}

class TextWorker {
 public:
  explicit TextWorker(const TextAttention& in)
      : in_(in),
        dim_(in.head_dim),
        panels_((in.rows + kLanes - 1) / kLanes),
        padded_((in.rows + kStep - 1) / kStep * kStep) {
    std::byte* next = in.scratch;
    const auto take = [&](int64_t bytes) {
      std::byte* own = next;
      next += bytes;
      return own;
    };
    keys_ = take(padded_ * dim_ * 2);
    values_ = take(padded_ * dim_ * 2);
    scores_ = reinterpret_cast<float*>(take(kQueries * padded_ * 4));
    weights_ = reinterpret_cast<uint16_t*>(take(kQueries * padded_ * 2));
    sums_ = reinterpret_cast<float*>(take(kQueries * dim_ * 4));
    totals_ = reinterpret_cast<float*>(take(kQueries * 4));
  }

  void Run() {
    Configure(kTileRows, kTileRows, kStep);
    for (int64_t head = 0; head < in_.heads; ++head) {
      PackKeys(head);
      PackValues(head);
      for (int64_t first = 0; first < in_.rows; first += kQueries) {
        Attend(head, first, std::min(kQueries, in_.rows - first));
      }
    }
    _tile_release();
  }

 private:
  static constexpr int64_t kQueries = 2 * kTileRows;

  // As panels of [positions] outputs and [head_dim] columns.
  void PackKeys(int64_t head) {
    for (int64_t p = 0; p < panels_; ++p) {
      for (int64_t d = 0; d < dim_; d += kStep) {
        Transpose(in_.keys + p * kLanes * in_.stride + head * dim_ + d,
                  in_.stride, std::min(kLanes, in_.rows - p * kLanes),
                  reinterpret_cast<uint32_t*>(keys_ + p * kLanes * dim_ * 2 +
                                              d / kStep * kTileBytes));
      }
    }
  }

  // As panels of [head_dim] outputs and [padded positions] columns.
  void PackValues(int64_t head) {
    const __m256i zero = _mm256_setzero_si256();
    const auto row = [&](int64_t position, int64_t d) HWY_ATTR {
      if (position >= in_.rows) return zero;
      return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(
          in_.values + position * in_.stride + head * dim_ + d));
    };
    for (int64_t d = 0; d < dim_; d += kLanes) {
      std::byte* to = values_ + d * padded_ * 2;
      for (int64_t j = 0; j < padded_; j += 2, to += 64) {
        const __m512i even = _mm512_cvtepu16_epi32(row(j, d));
        const __m512i odd = _mm512_cvtepu16_epi32(row(j + 1, d));
        _mm512_store_si512(to,
                           _mm512_or_si512(even, _mm512_slli_epi32(odd, 16)));
      }
    }
  }

  // out [32][outputs] of 32 rows, or 16 of them where no more are wanted.
  static void Multiply(const std::byte* panels, int64_t panel_count,
                       const uint16_t* rows, int64_t stride, int64_t columns,
                       int64_t count, float* out) {
    const Operands in = {panels, static_cast<size_t>(columns * kLanes * 2),
                         rows,   stride,
                         out,    panel_count * kLanes};
    if (count > kTileRows) {
      Panels<true>(in, panel_count, kQueries, columns / kStep, true);
    } else {
      Panels<false>(in, panel_count, kTileRows, columns / kStep, true);
    }
  }

  void Attend(int64_t head, int64_t first, int64_t count) {
    Multiply(keys_, panels_, in_.queries + first * in_.stride + head * dim_,
             in_.stride, dim_, count, scores_);
    for (int64_t q = 0; q < count; ++q) Softmax(head, first + q, q);
    Multiply(values_, dim_ / kLanes, weights_, padded_, padded_, count, sums_);
    for (int64_t q = 0; q < count; ++q) {
      const __m512 inverse = _mm512_set1_ps(1.0f / totals_[q]);
      uint16_t* to = in_.out + (first + q) * in_.out_stride + head * dim_;
      for (int64_t d = 0; d < dim_; d += kLanes) {
        _mm256_storeu_si256(
            reinterpret_cast<__m256i*>(to + d),
            ToBF16(
                _mm512_mul_ps(inverse, _mm512_load_ps(sums_ + q * dim_ + d))));
      }
    }
  }

  // Weights, not yet divided, and their sum, 32 positions at a time.
  HWY_INLINE void Softmax(int64_t head, int64_t row, int64_t q) {
    float* scores = scores_ + q * panels_ * kLanes;
    const int64_t whole = in_.rows / kStep * kStep;
    const auto left =
        static_cast<uint32_t>((uint64_t{1} << (in_.rows - whole)) - 1);
    const auto low = static_cast<__mmask16>(left);
    const auto high = static_cast<__mmask16>(left >> 16);
    if (in_.bias != nullptr) {
      const float* bias = in_.bias + head * in_.bias_stride - row;
      for (int64_t j = 0; j < in_.rows; j += kLanes) {
        const __mmask16 some = j < whole    ? __mmask16{0xffff}
                               : j == whole ? low
                                            : high;
        _mm512_store_ps(scores + j,
                        _mm512_add_ps(_mm512_load_ps(scores + j),
                                      _mm512_maskz_loadu_ps(some, bias + j)));
      }
    }
    __m512 most = _mm512_set1_ps(kUnseen), more = most;
    for (int64_t j = 0; j < whole; j += kStep) {
      most = _mm512_max_ps(most, _mm512_load_ps(scores + j));
      more = _mm512_max_ps(more, _mm512_load_ps(scores + j + kLanes));
    }
    most = _mm512_mask_max_ps(most, low, most,
                              _mm512_maskz_loadu_ps(low, scores + whole));
    more = _mm512_mask_max_ps(
        more, high, more, _mm512_maskz_loadu_ps(high, scores + whole + kLanes));
    const __m512 largest =
        _mm512_set1_ps(_mm512_reduce_max_ps(_mm512_max_ps(most, more)));
    const auto weigh = [&](__mmask16 some, int64_t j) HWY_ATTR {
      return _mm512_maskz_mov_ps(
          some, PowerOfTwo(_mm512_sub_ps(
                    _mm512_maskz_loadu_ps(some, scores + j), largest)));
    };
    const auto ones = reinterpret_cast<__m512bh>(_mm512_set1_epi16(0x3f80));
    uint16_t* weights = weights_ + q * padded_;
    __m512 total = _mm512_setzero_ps();
    const auto put = [&](int64_t j, __m512 first, __m512 second) HWY_ATTR {
      const __m512bh both = _mm512_cvtne2ps_pbh(second, first);
      total = _mm512_dpbf16_ps(total, both, ones);
      _mm512_store_si512(weights + j, reinterpret_cast<__m512i>(both));
    };
    constexpr __mmask16 kAll = 0xffff;
    for (int64_t j = 0; j < whole; j += kStep) {
      put(j, weigh(kAll, j), weigh(kAll, j + kLanes));
    }
    if (left != 0) put(whole, weigh(low, whole), weigh(high, whole + kLanes));
    totals_[q] = _mm512_reduce_add_ps(total);
  }

  const TextAttention& in_;
  int64_t dim_, panels_, padded_;
  std::byte* keys_;
  std::byte* values_;
  float* scores_;      // [32][panels·16]
  uint16_t* weights_;  // [32][padded]
  float* sums_;        // [32][head_dim]
  float* totals_;      // [32]
};

void Attend(const TextAttention& in) { TextWorker(in).Run(); }

}  // namespace amx
}  // namespace MALMOI_TARGET
}  // namespace malmoi::kernels
HWY_AFTER_NAMESPACE();
