// Counts the terms of a corpus on all threads. Each thread has tables of its
// own; what it counts of a document is kept as (term of that thread, count) in
// blocks, on disk past a bound, until the vocabulary of all is known. Blocks
// stay in the order of the documents, so nothing depends on who counted what.
#ifndef MALMOI_REPRESENT_SPARSE_COUNTER_H_
#define MALMOI_REPRESENT_SPARSE_COUNTER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
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
  uint64_t stamp = 0;  // the last document that had it, from 1
  uint32_t documents = 0;
  uint32_t position = 0;  // its entry there
};

// A term is a word's number, or an n-gram's and kGramBit.
struct TermCount {
  uint32_t term;
  uint32_t count;
};

// Some documents, one after another.
struct CountedBlock {
  int thread = 0;
  std::vector<TermCount> counts;
  std::vector<uint32_t> sizes;    // counts of each document
  std::vector<uint32_t> lengths;  // terms of each document, with repetitions
};

class TermCounter {
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
  const std::vector<TermStats>& words() const { return words_; }
  const std::vector<TermStats>& grams() const { return grams_; }

 private:
  template <bool kKnown>
  void AddWords(CountedBlock* block);
  template <bool kKnown>
  void AddGrams(CountedBlock* block);
  void Touch(TermStats& stats, uint32_t term, CountedBlock* block);

  const Analyzer* analyzer_;
  std::unique_ptr<FeatureMap> own_;  // null: what is known is fixed
  const FeatureMap* map_;
  std::vector<TermStats> words_, grams_;
  uint64_t documents_ = 0;
  size_t begin_ = 0;  // of the document's counts in its block
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
    size_t counts = 0, documents = 0;
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
  uint64_t pairs = 0;  // counts in all rows
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
