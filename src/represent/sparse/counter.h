// Counts the terms of a corpus on all threads. Each thread has tables of its
// own; what it counts of a document is kept as terms of that thread and counts
// in blocks, on disk past a bound, until the vocabulary of all is known. Blocks
// stay in the order of the documents, so nothing depends on who counted what.
#ifndef MALMOI_REPRESENT_SPARSE_COUNTER_H_
#define MALMOI_REPRESENT_SPARSE_COUNTER_H_

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/thread_pool.h"
#include "represent/sparse/analyzer.h"
#include "represent/sparse/documents.h"
#include "represent/sparse/term_table.h"

namespace malmoi::represent {

// Words and n-grams of words by number.
struct FeatureMap {
  TermTable words;
  PairTable grams;
};

// What is known of a term besides its name.
struct TermStats {
  uint64_t total = 0;  // occurrences
  uint32_t documents = 0;
};

// A vector whose resize() leaves new values as they are.
template <typename T>
struct Unset : std::allocator<T> {
  template <typename U>
  struct rebind {
    using other = Unset<U>;
  };
  template <typename U>
  void construct(U* at) noexcept {
    ::new (static_cast<void*>(at)) U;
  }
  template <typename U, typename... Values>
  void construct(U* at, Values&&... values) {
    ::new (static_cast<void*>(at)) U(std::forward<Values>(values)...);
  }
};
template <typename T>
using RawVector = std::vector<T, Unset<T>>;

// Some documents, one after another. A term is a word's number, or an n-gram's
// and kGramBit.
struct CountedBlock {
  int thread = 0;
  RawVector<uint32_t> terms;      // of each document, different ones
  RawVector<uint8_t> counts;      // of each term, modulo 256
  std::vector<uint64_t> carries;  // places of terms that get 256 more; sorted
  std::vector<uint32_t> sizes;    // different terms of each document
  std::vector<uint32_t> lengths;  // terms of each document, with repetitions
};

// Hands out the documents of a block one after another.
class BlockRows {
 public:
  explicit BlockRows(const CountedBlock& block) : block_(&block) {}
  // The next document's.
  void Next() {
    begin_ += size_;
    size_ = block_->sizes[row_++];
    carry_begin_ = carry_end_;
    while (carry_end_ < block_->carries.size() &&
           block_->carries[carry_end_] < begin_ + size_) {
      ++carry_end_;
    }
  }
  uint32_t size() const { return size_; }
  const uint32_t* terms() const { return block_->terms.data() + begin_; }
  uint32_t count(uint32_t i) const {
    const uint32_t count = block_->counts[begin_ + i];
    return carry_begin_ == carry_end_ ? count : count + Carried(i);
  }
  void CopyCounts(uint32_t* counts) const {
    std::copy_n(block_->counts.data() + begin_, size_, counts);
    for (size_t i = carry_begin_; i < carry_end_; ++i) {
      counts[block_->carries[i] - begin_] += 256;
    }
  }

 private:
  uint32_t Carried(uint32_t i) const;

  const CountedBlock* block_;
  size_t row_ = 0, begin_ = 0, carry_begin_ = 0, carry_end_ = 0;
  uint32_t size_ = 0;
};

class TermCounter {
  class Row;

 public:
  explicit TermCounter(const Analyzer& analyzer)
      : analyzer_(&analyzer), own_(std::make_unique<FeatureMap>()) {
    map_ = own_.get();
  }
  // Counts only what `known` has; it outlives the counter.
  TermCounter(const Analyzer& analyzer, const FeatureMap& known);

  // Counts a document; appends to `block` unless it is null.
  void Add(std::string_view text, CountedBlock* block);

  const FeatureMap& map() const { return *map_; }
  // Of what was counted, by number.
  std::vector<TermStats> WordStats() const;
  std::vector<TermStats> GramStats() const;

 private:
  size_t HashTokens(std::string_view piece);
  template <bool kKnown>
  void AddWords(std::string_view piece, CountedBlock* block);
  template <bool kKnown>
  void AddGrams(CountedBlock* block);
  void NextDocument();

  const Analyzer* analyzer_;
  std::unique_ptr<FeatureMap> own_;  // null: what is known is fixed
  const FeatureMap* map_;
  std::vector<TermPlace> words_, grams_;  // where it is
  std::vector<uint64_t> repeats_;  // of own words, in a document that has them
  uint32_t stamp_ = 0;             // of the present document
  size_t begin_ = 0;               // of its terms in the block
  uint32_t size_ = 0;              // of them
  uint32_t length_ = 0;
  TokenBuffer buffer_;
  std::vector<HashedTerm> hashes_;
  std::vector<uint32_t> ids_, level_;
};

// Blocks in order, in memory up to a bound and in a nameless file behind it.
class BlockStore {
 public:
  explicit BlockStore(uint64_t memory_bytes = uint64_t{1} << 30,
                      std::string folder = "");
  ~BlockStore();
  BlockStore(BlockStore&& other) noexcept;
  BlockStore& operator=(BlockStore&&) = delete;

  // Throws kDiskFull, kIo.
  void Append(CountedBlock block);
  size_t size() const { return blocks_.size(); }
  // Block i; each may be taken once. Any thread.
  CountedBlock Take(size_t i);

 private:
  struct Kept {
    CountedBlock block;  // without content where it is on disk
    uint64_t offset = 0;
    size_t terms = 0, carries = 0, documents = 0;
    bool on_disk = false;
  };
  std::vector<Kept> blocks_;
  uint64_t memory_bytes_, bytes_ = 0, file_bytes_ = 0;
  std::string folder_;
  int file_ = -1;
};

// Called now and then with the bytes read and those there are (0: unknown);
// false stops the work with kCancelled.
using CountProgress = std::function<bool(uint64_t done, uint64_t total)>;

struct CountOptions {
  bool keep_rows = true;  // what each document has, besides sums
  uint64_t memory_bytes = uint64_t{1} << 30;  // of rows kept
  std::string spill_folder;  // default: the system's for temporary files
  CountProgress progress;
};

struct CorpusCounts {
  std::vector<TermCounter> counters;  // one per thread
  BlockStore rows;
  int64_t documents = 0;
  uint64_t terms = 0;  // with repetitions; where rows are kept
};

// Throws what the reader throws; kInvalidArgument for an empty corpus.
CorpusCounts CountCorpus(DocumentReader& reader, const Analyzer& analyzer,
                         ThreadPool& pool, const CountOptions& options);

// Parts of a batch of some hundred kilobytes each, in order.
struct BatchTask {
  size_t begin, end;
};
std::vector<BatchTask> TasksOf(const DocumentBatch& batch);

}  // namespace malmoi::represent

#endif  // MALMOI_REPRESENT_SPARSE_COUNTER_H_
