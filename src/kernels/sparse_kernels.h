// Kernels of counted texts: words of ASCII, rows in the order of their columns,
// and sums over ranges of documents. One table per instruction set, as
// kernels.h; a file of its own, because it compiles in a moment.
#ifndef MALMOI_KERNELS_SPARSE_KERNELS_H_
#define MALMOI_KERNELS_SPARSE_KERNELS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace malmoi::kernels {

// Where a word lies in its text.
struct WordBounds {
  uint32_t begin, size;
};
inline constexpr size_t kNotAscii = SIZE_MAX;
// Bytes behind a text that cut_words() may write to.
inline constexpr size_t kTextSlack = 64;
// The longest row that rank_row() takes, and what behind it may be touched.
inline constexpr size_t kMostRanked = 128;
inline constexpr size_t kRowSlack = 16;
inline constexpr size_t kSumGroup = 64;

// Postings of a range of documents. A bound of each is its value with `scale`,
// where there are values, and what `sums` and the codes, with theirs, have of
// its document.
struct PostingBounds {
  const uint32_t* documents = nullptr;  // kRowSlack more can be read
  const float* values = nullptr;        // of values too
  size_t size = 0;
  float scale = 1;
  uint32_t mask = 0;  // a document's place is these bits, at most `last`
  uint32_t last = 0;
  const float* sums = nullptr;
  const uint8_t* const* codes = nullptr;  // 3 bytes behind can be read
  const float* scales = nullptr;
  size_t count = 0;  // of codes
};

struct SparseKernelTable {
  std::string_view name;

  // Runs of two or more letters, digits and underscores of a text of ASCII,
  // which is copied to `out` (with small letters where `lower`), zeros behind
  // it. Returns how many; `words` has room for size / 3 + 2. kNotAscii where it
  // is none; what was written then means nothing. size < 2^32.
  size_t (*cut_words)(const char* text, size_t size, bool lower, char* out,
                      WordBounds* words);

  // ranks[i] = how many of the different columns are below columns[i]; 0 <
  // size <= kMostRanked; columns below 2^31; kRowSlack more of both may be
  // touched.
  void (*rank_row)(uint32_t* columns, size_t size, uint32_t* ranks);

  // sums[i] = Σ_t scales[t]·codes[t][i]; size a multiple of kSumGroup.
  void (*sum_codes)(const uint8_t* const* codes, const float* scales,
                    size_t count, size_t size, float* sums);
  // The places of values that are not below `least`, in order; returns how
  // many. size a multiple of kSumGroup; `found` has room for all.
  size_t (*find_at_least)(const float* values, size_t size, float least,
                          uint32_t* found);
  // The postings whose bounds are not below `least`, in order; returns how
  // many. `found` has room for all.
  size_t (*find_postings)(const PostingBounds& postings, float least,
                          uint32_t* found);
};

// That of Kernels() (kernels.h).
const SparseKernelTable& SparseKernels();
// Best first, the scalar one last.
std::span<const SparseKernelTable* const> AllSparseKernels();
const SparseKernelTable& ScalarSparseKernels();

}  // namespace malmoi::kernels

#endif  // MALMOI_KERNELS_SPARSE_KERNELS_H_
