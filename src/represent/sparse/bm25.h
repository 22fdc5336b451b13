// BM25 over an inverted index in one file. A posting holds its whole
// contribution to the score (bm25s's idea: Lù 2024, "BM25S"); common words have
// it in a byte for every document besides, rounded up, so that most of their
// lists is never read. Variants: Kamphuis et al. 2020, "Which BM25 Do You
// Mean?".
#ifndef MALMOI_REPRESENT_SPARSE_BM25_H_
#define MALMOI_REPRESENT_SPARSE_BM25_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/thread_pool.h"
#include "represent/sparse/analyzer.h"
#include "represent/sparse/bm25_layout.h"
#include "represent/sparse/counter.h"

namespace malmoi::represent {

enum class Bm25Variant { kLucene, kRobertson, kAtire, kBm25L, kBm25Plus };
std::string_view Bm25VariantName(Bm25Variant variant);  // "bm25+"
std::optional<Bm25Variant> FindBm25Variant(std::string_view name);

struct Bm25Options {
  AnalyzerOptions analyzer;
  Bm25Variant variant = Bm25Variant::kLucene;
  double k1 = 1.5;
  double b = 0.75;
  double delta = 0.5;  // of BM25L and BM25+
};

// Factors of the score, in doubles; those of absent terms are not 0 for BM25L
// and BM25+.
double Bm25Idf(Bm25Variant variant, int64_t documents, int64_t with_term);
double Bm25Frequency(const Bm25Options& options, double count,
                     double length_ratio);

struct Bm25Summary {
  int64_t documents = 0;
  int64_t terms = 0;
  int64_t postings = 0;
  double mean_length = 0;
  uint64_t bytes = 0;
};

// Writes the index of a corpus, beside `path` until it is complete. Postings
// are placed in the mapped file, so memory is that of the vocabulary and of
// `count.memory_bytes`. Throws kInvalidArgument (options, empty corpus), what
// the reader throws, kDiskFull, kIo, kLimit (2^32 documents).
Bm25Summary BuildBm25(DocumentReader& reader, const Bm25Options& options,
                      const std::filesystem::path& path, ThreadPool& pool,
                      CountOptions count = {});

struct Bm25Hit {
  uint32_t document;  // counted from 0
  float score;
  bool operator==(const Bm25Hit&) const = default;
};

// What a search needs besides the index; one per thread.
struct Bm25Scratch {
  TokenBuffer buffer;
  std::vector<float> sums;  // zeros between searches
  std::vector<uint32_t> found;
  std::string terms;           // of the query
  uint64_t postings_read = 0;  // of all searches: what pruning left
};

// An index as it lies in its file. Immutable: threads share one.
class Bm25Index {
 public:
  // Throws kNotFound, kPermission, kCorrupt, kUnsupported (another version).
  static Bm25Index Open(const std::filesystem::path& path);
  // `owner` keeps the bytes, which begin at a multiple of 8.
  static Bm25Index Parse(std::span<const std::byte> bytes,
                         std::shared_ptr<const void> owner,
                         const std::string& where);

  // The `top` best of the documents that have a term of the query, best first;
  // of equal scores the lower number. A term counts as often as the query has
  // it. Scores do not depend on `top`. `query` is valid UTF-8.
  std::vector<Bm25Hit> Search(std::string_view query, size_t top,
                              Bm25Scratch& scratch) const;

  const Bm25Options& options() const { return options_; }
  const Bm25Summary& summary() const { return summary_; }
  // Throws kCorrupt where the index is damaged.
  std::string_view term(size_t i) const;
  std::optional<size_t> FindTerm(std::string_view term) const;

  // With how many documents a term's kept least contributions are reached.
  static constexpr size_t kRanks[2] = {10, 100};

 private:
  friend class Bm25Search;
  Bm25Index() = default;
  std::optional<size_t> FindTerm(uint64_t hash, std::string_view term) const;

  std::shared_ptr<const void> owner_;
  Bm25Options options_;
  std::shared_ptr<const Analyzer> analyzer_;
  Bm25Summary summary_;
  std::string where_;
  std::span<const uint32_t> slots_;  // hash table: term + 1
  std::span<const Bm25Term> terms_;
  std::string_view term_bytes_;
  std::span<const uint32_t> documents_;  // [postings]
  std::span<const float> impacts_;       // [postings]
  std::span<const uint32_t> ranks_;      // [dense, groups]
  std::span<const uint8_t> codes_;       // [dense, groups, kCodeGroup]
};

}  // namespace malmoi::represent

#endif  // MALMOI_REPRESENT_SPARSE_BM25_H_
