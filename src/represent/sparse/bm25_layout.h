// The bytes of a BM25 index: a head, then sections that each begin at a
// multiple of 64 bytes. All numbers are little-endian.
#ifndef MALMOI_REPRESENT_SPARSE_BM25_LAYOUT_H_
#define MALMOI_REPRESENT_SPARSE_BM25_LAYOUT_H_

#include <array>
#include <cstddef>
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
  uint64_t dense;  // terms with codes
  uint64_t documents;
  uint64_t tokens;  // terms with repetitions
  uint64_t reserved[6];
};
static_assert(sizeof(Bm25Head) == 128);
inline constexpr char kBm25Magic[9] = "MALMOIBM";
inline constexpr uint64_t kBm25Version = 2;

// A term in one cache line.
struct Bm25Term {
  uint64_t begin;  // of its postings
  uint64_t text;   // where it begins among the bytes of all
  uint32_t size;   // documents that have it
  uint32_t text_size;
  float absent;     // its score in other documents
  float most;       // its largest contribution
  float ranked[2];  // see Bm25Index::kRanks
  uint32_t dense;   // the number of its codes, plus 1; 0: none
  uint32_t zero;
  char near[16];  // its first bytes
};
static_assert(sizeof(Bm25Term) == 64);

enum Bm25Section {
  kOptions,
  kSlots,
  kTerms,
  kTermBytes,
  kDocuments,
  kImpacts,
  kGroupRanks,
  kCodes,
  kEndSlack,  // can be read behind the last posting or code
  kSections
};

// A term in a sixteenth of all documents has, besides its list, a byte for
// every document: 0 where it is not, otherwise its contribution, rounded up to
// a multiple of CodeScale(). For each kCodeGroup of them kGroupRanks has how
// many postings lie before.
inline constexpr uint64_t kDenseShare = 16;
inline constexpr uint64_t kLeastDense = 64;
inline constexpr uint64_t kCodeGroup = 64;
inline bool HasCodes(uint64_t with_term, uint64_t documents) {
  return with_term >= kLeastDense && with_term * kDenseShare >= documents;
}
inline uint64_t CodeGroups(uint64_t documents) {
  return (documents + kCodeGroup - 1) / kCodeGroup;
}
// Of a term whose largest contribution is `most`: 255 times it is no less.
inline float CodeScale(float most) {
  return most > 0 ? most / 255.0f * 1.000001f : 0.0f;
}

struct Bm25Places {
  std::array<uint64_t, kSections> begin, bytes;
  uint64_t end;
};

// Where the sections lie; nullopt where sizes overflow.
inline std::optional<Bm25Places> PlacesOf(const Bm25Head& head) {
  if (head.documents > UINT32_MAX) return std::nullopt;
  const uint64_t groups = CodeGroups(head.documents);
  const std::array<std::array<uint64_t, 2>, kSections> sizes = {{
      {head.options_bytes, 1},
      {head.slots, 4},
      {head.terms, sizeof(Bm25Term)},
      {head.term_bytes, 1},
      {head.postings, 4},
      {head.postings, 4},
      {head.dense, groups * 4},
      {head.dense, groups * kCodeGroup},
      {1, 64},
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
