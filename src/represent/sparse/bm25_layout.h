// The bytes of a BM25 index: a head, then sections that each begin at a
// multiple of 64 bytes. All numbers are little-endian.
#ifndef MALMOI_REPRESENT_SPARSE_BM25_LAYOUT_H_
#define MALMOI_REPRESENT_SPARSE_BM25_LAYOUT_H_

#include <array>
#include <cstdint>
#include <optional>

#include "base/check.h"

namespace malmoi::represent {

struct Bm25Head {
  char magic[8];  // "MALMOIBM"
  uint64_t version;
  uint64_t options_bytes;  // JSON
  uint64_t slots;          // a power of two
  uint64_t terms;
  uint64_t term_bytes;
  uint64_t postings;
  uint64_t blocks;
  uint64_t documents;
  uint64_t tokens;  // terms with repetitions
  uint64_t reserved[6];
};
static_assert(sizeof(Bm25Head) == 128);
inline constexpr char kBm25Magic[9] = "MALMOIBM";
inline constexpr uint64_t kBm25Version = 1;

enum Bm25Section {
  kOptions,
  kSlots,
  kTermEnds,
  kTermBytes,
  kBegins,
  kBlockBegins,
  kAbsent,
  kMost,
  kRanked,
  kDocuments,
  kImpacts,
  kBlocks,
  kSections
};

struct Bm25Places {
  std::array<uint64_t, kSections> begin, bytes;
  uint64_t end;
};

// Where the sections lie; nullopt where sizes overflow.
inline std::optional<Bm25Places> PlacesOf(const Bm25Head& head) {
  constexpr uint64_t kBlockBytes = 12;
  if (head.terms == UINT64_MAX) return std::nullopt;
  const std::array<std::array<uint64_t, 2>, kSections> sizes = {{
      {head.options_bytes, 1},
      {head.slots, 4},
      {head.terms, 8},
      {head.term_bytes, 1},
      {head.terms + 1, 8},
      {head.terms + 1, 8},
      {head.terms, 4},
      {head.terms, 4},
      {head.terms, 8},
      {head.postings, 4},
      {head.postings, 4},
      {head.blocks, kBlockBytes},
  }};
  Bm25Places places;
  uint64_t at = sizeof(Bm25Head);
  for (size_t i = 0; i < kSections; ++i) {
    const auto bytes = CheckedMul(sizes[i][0], sizes[i][1]);
    const auto rounded = CheckedAdd(at, 63);
    if (!bytes || !rounded) return std::nullopt;
    places.begin[i] = *rounded / 64 * 64;
    places.bytes[i] = *bytes;
    const auto end = CheckedAdd(places.begin[i], *bytes);
    if (!end) return std::nullopt;
    at = *end;
  }
  places.end = at;
  return places;
}

}  // namespace malmoi::represent

#endif  // MALMOI_REPRESENT_SPARSE_BM25_LAYOUT_H_
