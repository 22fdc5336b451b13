// Where words begin, 64 bytes at once: the patterns of cutter.h over ASCII as
// bits, a word's every byte at the same time. Each stretch begins where a word
// does, so that nothing of what was before matters; what isn't ASCII, or is
// rare, ends what a stretch tells.
#ifndef MALMOI_TEXT_TOKENIZE_WORD_STARTS_H_
#define MALMOI_TEXT_TOKENIZE_WORD_STARTS_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "text/tokenize/cutter.h"

namespace malmoi::text {

// The rules that this knows.
inline constexpr bool HasWordStarts(CutRule rule) {
#ifdef __SSE2__
  return rule == CutRule::kWords || rule == CutRule::kPrefixed3 ||
         rule == CutRule::kPrefixed1;
#else
  return false && rule == CutRule::kWords;
#endif
}

inline constexpr size_t kStretch = 64;

#ifdef __SSE2__
namespace cut {

// A bit for each byte of a stretch.
struct Classes {
  uint64_t letters = 0, numbers = 0, spaces = 0;
  uint64_t plain_spaces = 0;  // " "
  uint64_t newlines = 0, apostrophes = 0;
  uint64_t foreign = 0;  // no ASCII
};

inline Classes ClassesOf(const char* text) {
  Classes found;
  for (int part = 0; part < 4; ++part) {
    const __m128i bytes =
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(text) + part);
    const auto add = [&](uint64_t& to, __m128i is) {
      to |= uint64_t{static_cast<uint32_t>(_mm_movemask_epi8(is))}
            << (16 * part);
    };
    const auto is = [&](char c) {
      return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(c));
    };
    const auto within = [](__m128i from, char count) {
      return _mm_cmpeq_epi8(_mm_min_epu8(from, _mm_set1_epi8(count)), from);
    };
    const auto after = [&](__m128i all, char first) {
      return _mm_sub_epi8(all, _mm_set1_epi8(first));
    };
    const __m128i plain = is(' ');
    add(found.letters,
        within(after(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), 'a'), 25));
    add(found.numbers, within(after(bytes, '0'), 9));
    add(found.spaces, _mm_or_si128(plain, within(after(bytes, '\t'), 4)));
    add(found.plain_spaces, plain);
    add(found.newlines, _mm_or_si128(is('\n'), is('\r')));
    add(found.apostrophes, is('\''));
    add(found.foreign, bytes);
  }
  return found;
}

// Those of bits 0 to `last`.
inline uint64_t UpTo(uint64_t bits, size_t last) {
  return bits & (UINT64_MAX >> (63 - last));
}

// GPT-2's, before contractions.
inline uint64_t StartsOfWords(const Classes& c) {
  const uint64_t others = ~(c.letters | c.numbers | c.spaces);
  const uint64_t changes = (c.letters & ~(c.letters << 1)) |
                           (c.numbers & ~(c.numbers << 1)) |
                           (others & ~(others << 1));
  return (c.spaces & (~(c.spaces << 1) | ~c.spaces >> 1)) |
         (changes & ~(c.plain_spaces << 1));
}

// Llama 3's and Qwen's, before contractions; lowers `last`.
template <int kMostDigits>
inline uint64_t StartsOfPrefixed(const Classes& c, size_t& last) {
  const uint64_t others = ~(c.letters | c.numbers | c.spaces);
  // Newlines after others are theirs; adding carries through each run of them.
  const uint64_t after_others = c.newlines & (others << 1);
  const uint64_t theirs =
      ((c.newlines + after_others) ^ c.newlines) & c.newlines;
  const uint64_t spaces = c.spaces & ~theirs;
  const uint64_t newlines = c.newlines & ~theirs;
  const uint64_t blanks = c.spaces & ~c.newlines;
  const uint64_t new_lines_blanks = blanks & (newlines << 1);
  uint64_t starts = spaces & ~(spaces << 1);
  starts |= new_lines_blanks;
  // Unless another newline follows such blanks, which is rare.
  const uint64_t more_lines =
      (blanks + new_lines_blanks) & ~blanks & c.newlines;
  if (more_lines != 0) {
    const int at = std::countr_zero(more_lines);
    const uint64_t before = ~blanks & ((uint64_t{1} << at) - 1);
    last = std::min(last, static_cast<size_t>(63 - std::countl_zero(before)));
  }
  // Spaces at the end of what is known may go on behind it, with newlines.
  const int known = std::countr_zero(c.foreign);
  const uint64_t no_spaces =
      ~c.spaces & (known == 64 ? UINT64_MAX : (uint64_t{1} << known) - 1);
  last = std::min(last, static_cast<size_t>(64 - std::countl_zero(no_spaces)));
  starts |= blanks & (~c.spaces >> 1);
  starts |= ~c.spaces & (c.newlines << 1);
  starts |= c.numbers & ~(c.numbers << 1);
  // Single ones begin words of letters.
  const uint64_t prefixes = others & ~(others << 1) & ~(c.plain_spaces << 1);
  starts |= prefixes;
  starts |= c.letters & ((c.numbers | (others & ~prefixes)) << 1);
  if constexpr (kMostDigits == 1) {
    starts |= c.numbers;
  } else {
    static_assert(kMostDigits == 3);
    const uint64_t fourth =
        c.numbers & (c.numbers << 1) & (c.numbers << 2) & (c.numbers << 3);
    if (fourth != 0) {
      last = std::min(last, static_cast<size_t>(std::countr_zero(fourth) - 3));
    }
  }
  return starts;
}

}  // namespace cut
#endif  // __SSE2__

// Bits of the words' first bytes in 64 bytes of valid UTF-8, of which the first
// begins a word. The last of them tells no more than where a word ends. Zero
// but for the first bit: this doesn't know.
template <CutRule kRule>
inline uint64_t WordStarts(const char* text) {
#ifdef __SSE2__
  const cut::Classes classes = cut::ClassesOf(text);
  // What begins a word depends on up to two bytes behind.
  size_t last = kStretch - 4;
  if (classes.foreign != 0) {
    const auto first = static_cast<size_t>(std::countr_zero(classes.foreign));
    last = std::min(last, first < 2 ? 0 : first - 2);
  }
  uint64_t starts;
  if constexpr (kRule == CutRule::kWords) {
    starts = cut::StartsOfWords(classes);
  } else {
    constexpr int kDigits = kRule == CutRule::kPrefixed3 ? 3 : 1;
    starts = cut::StartsOfPrefixed<kDigits>(classes, last);
  }
  starts |= 1;
  uint64_t apostrophes = cut::UpTo(classes.apostrophes & starts, last);
  for (; apostrophes != 0; apostrophes &= apostrophes - 1) {
    const auto at = static_cast<size_t>(std::countr_zero(apostrophes));
    const size_t end =
        cut::Contraction < kRule != CutRule::kWords > (text, at, kStretch);
    if (end == at) continue;
    starts &= ~(uint64_t{2} << at);
    starts |= uint64_t{1} << end;
  }
  return cut::UpTo(starts, last);
#else
  static_cast<void>(text);
  return 1;
#endif
}

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_TOKENIZE_WORD_STARTS_H_
