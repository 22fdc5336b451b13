// Folding: Gopal et al. 2009, "Fast CRC Computation for Generic Polynomials
// Using PCLMULQDQ Instruction". What is left, 16 bytes of the same remainder,
// goes to zlib.
#include "archive/crc32.h"

#include <zlib.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace malmoi::archive {

namespace {

uint32_t Plain(uint32_t sum, std::string_view bytes) {
  return static_cast<uint32_t>(
      crc32_z(sum, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

#if defined(__x86_64__)

// x^power modulo the polynomial, bits reversed, for a product of reversed
// numbers.
constexpr uint64_t Power(int power) {
  uint32_t value = 0x80000000;
  for (int i = 0; i < power; ++i) {
    value = (value >> 1) ^ ((value & 1) != 0 ? 0xedb88320 : 0);
  }
  return uint64_t{value} << 1;
}
static_assert(Power(512 + 32) == 0x154442bd4 && Power(128 - 32) == 0xccaa009e);

// `sum` moved on by the distance that `by` stands for, plus `next`.
[[gnu::target("pclmul,sse4.1")]] inline __m128i Fold(__m128i sum, __m128i next,
                                                     __m128i by) {
  return _mm_xor_si128(_mm_xor_si128(_mm_clmulepi64_si128(sum, by, 0x00),
                                     _mm_clmulepi64_si128(sum, by, 0x11)),
                       next);
}

[[gnu::target("pclmul,sse4.1")]] uint32_t Folded(uint32_t sum,
                                                 std::string_view bytes) {
  const auto load = [&](size_t at) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes.data() + at));
  };
  const __m128i far = _mm_set_epi64x(static_cast<int64_t>(Power(512 - 32)),
                                     static_cast<int64_t>(Power(512 + 32)));
  const __m128i near = _mm_set_epi64x(static_cast<int64_t>(Power(128 - 32)),
                                      static_cast<int64_t>(Power(128 + 32)));
  __m128i sums[4] = {
      _mm_xor_si128(load(0), _mm_cvtsi32_si128(static_cast<int>(~sum))),
      load(16), load(32), load(48)};
  size_t at = 64;
  for (; bytes.size() - at >= 64; at += 64) {
    for (size_t i = 0; i < 4; ++i) {
      sums[i] = Fold(sums[i], load(at + 16 * i), far);
    }
  }
  __m128i all = sums[0];
  for (size_t i = 1; i < 4; ++i) all = Fold(all, sums[i], near);
  char rest[16];
  _mm_storeu_si128(reinterpret_cast<__m128i*>(rest), all);
  return Plain(Plain(0xffffffff, {rest, 16}), bytes.substr(at));
}

#endif

}  // namespace

uint32_t Crc32(uint32_t sum, std::string_view bytes) {
#if defined(__x86_64__)
  static const bool folds =
      __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
  if (folds && bytes.size() >= 256) return Folded(sum, bytes);
#endif
  return Plain(sum, bytes);
}

}  // namespace malmoi::archive
