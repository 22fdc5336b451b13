#include "represent/sparse/vectorizer.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/format.h"
#include "kernels/sparse_kernels.h"
#include "represent/sparse/murmur3.h"

namespace malmoi::represent {

namespace {

// Column and count of a term in one number, by which rows are sorted. Counts
// of hashed terms may be negative.
uint64_t Packed(uint32_t column, uint32_t count) {
  return uint64_t{column} << 32 | count;
}

// Brings the terms of documents into the order of their columns.
class RowSorter {
 public:
  // Appends a document's columns and counts; returns how many.
  size_t Append(const BlockRows& counted, const TermMaps& maps, bool binary,
                RawVector<uint32_t>& columns, RawVector<double>& values) {
    const size_t size = Gather(counted, maps, binary);
    const size_t begin = columns.size();
    columns.resize(begin + size);
    values.resize(begin + size);
    uint32_t* to = columns.data() + begin;
    double* counts = values.data() + begin;
    if (size > kernels::kMostRanked) {
      SortLong(size, to, counts);
    } else if (size > 0) {
      kernels_.rank_row(own_.data(), size, ranks_.data());
      for (size_t i = 0; i < size; ++i) {
        to[ranks_[i]] = own_[i];
        counts[ranks_[i]] = counts_[i];
      }
    }
    return size;
  }

 private:
  // The columns and counts of a document's terms that have one.
  size_t Gather(const BlockRows& counted, const TermMaps& maps, bool binary) {
    const size_t size = counted.size();
    if (own_.size() < size + kernels::kRowSlack) {
      own_.resize(size * 2 + kernels::kRowSlack);
      counts_.resize(own_.size());
      ranks_.resize(own_.size());
    }
    const uint32_t* terms = counted.terms();
    uint32_t* own = own_.data();
    uint32_t most = 0;
    if (maps.grams.empty()) {
      const uint32_t* words = maps.words.data();
      for (size_t i = 0; i < size; ++i) {
        own[i] = words[terms[i]];
        most = std::max(most, own[i]);
      }
    } else {
      for (size_t i = 0; i < size; ++i) {
        own[i] = maps[terms[i]];
        most = std::max(most, own[i]);
      }
    }
    counted.CopyCounts(counts_.data());
    if (binary) std::fill_n(counts_.begin(), size, 1);
    if (most != kNoTerm) return size;
    size_t kept = 0;
    for (size_t i = 0; i < size; ++i) {
      if (own[i] == kNoTerm) continue;
      own[kept] = own[i];
      counts_[kept++] = counts_[i];
    }
    return kept;
  }

  void SortLong(size_t size, uint32_t* columns, double* values) {
    packed_.clear();
    for (size_t i = 0; i < size; ++i) {
      packed_.push_back(Packed(own_[i], counts_[i]));
    }
    std::sort(packed_.begin(), packed_.end());
    for (size_t i = 0; i < size; ++i) {
      columns[i] = static_cast<uint32_t>(packed_[i] >> 32);
      values[i] = static_cast<uint32_t>(packed_[i]);
    }
  }

  const kernels::SparseKernelTable& kernels_ = kernels::SparseKernels();
  std::vector<uint32_t> own_, counts_, ranks_;
  std::vector<uint64_t> packed_;
};

}  // namespace

Vectorizer::Vectorizer(VectorizerOptions options)
    : options_(std::move(options)),
      analyzer_(std::make_shared<Analyzer>(options_.analyzer)) {
  options_.limits.binary = options_.weights.binary;
  if (options_.hashing && (options_.hashing->features < 1 ||
                           options_.hashing->features > INT32_MAX)) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "--hash",
                 .what = "value out of range",
                 .expected = "1 to 2147483647",
                 .got = std::to_string(options_.hashing->features)});
  }
  if (options_.hashing && options_.weights.tfidf) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "--hash",
                 .what = "TF-IDF needs a vocabulary",
                 .hint = "one of --hash and --tfidf"});
  }
}

Vectorizer Vectorizer::Hashing(VectorizerOptions options) {
  if (!options.hashing) options.hashing.emplace();
  return Vectorizer(std::move(options));
}

void Vectorizer::MakeIdf() {
  if (!options_.weights.tfidf) return;
  const double ones = options_.weights.idf == Idf::kSmooth ? 1 : 0;
  idf_.assign(vocabulary_.size(), 1);
  if (options_.weights.idf == Idf::kNone) return;
  for (size_t i = 0; i < idf_.size(); ++i) {
    idf_[i] = std::log((static_cast<double>(documents_) + ones) /
                       (vocabulary_.documents[i] + ones)) +
              1;
  }
}

// Words by themselves and as parts of n-grams.
void Vectorizer::MakeMap(FeatureMap& known, TermMaps& terms) const {
  const bool grams = analyzer_->makes_word_grams();
  const auto set = [](std::vector<uint32_t>& map, size_t at, uint32_t value) {
    if (at >= map.size()) map.resize(at + 1, kNoTerm);
    if (value != kNoTerm) map[at] = value;
  };
  for (size_t i = 0; i < vocabulary_.size(); ++i) {
    std::string_view rest = vocabulary_.term(i);
    uint32_t term = kNoTerm;
    while (true) {
      const size_t space = grams ? rest.find(' ') : std::string_view::npos;
      const std::string_view word = rest.substr(0, space);
      const uint32_t id = known.words.Insert(HashTerm(word)).number - 1;
      set(terms.words, id, kNoTerm);
      if (term == kNoTerm) {
        term = id;
      } else {
        term = known.grams.Insert(term, id).number - 1;
        set(terms.grams, term, kNoTerm);
        term |= kGramBit;
      }
      if (space == std::string_view::npos) break;
      rest.remove_prefix(space + 1);
    }
    const auto number = static_cast<uint32_t>(i);
    if ((term & kGramBit) == 0) {
      set(terms.words, term, number);
    } else {
      set(terms.grams, term & ~kGramBit, number);
    }
  }
}

Vectorizer Vectorizer::Fit(DocumentReader& reader, VectorizerOptions options,
                           ThreadPool& pool, CountOptions count,
                           const OpenWriter& open) {
  Vectorizer result(std::move(options));
  if (result.options_.hashing) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "--hash",
                 .what = "hashed terms need no fit",
                 .hint = "malmoi vectorize transform"});
  }
  count.keep_rows = open != nullptr;
  CorpusCounts counts = CountCorpus(reader, *result.analyzer_, pool, count);
  result.documents_ = counts.documents;
  MergedVocabulary merged =
      MergeVocabulary(counts.counters, result.options_.analyzer,
                      result.options_.limits, counts.documents);
  result.vocabulary_ = std::move(merged.vocabulary);
  result.MakeIdf();
  if (open == nullptr) return result;
  const auto writer = open(result);
  uint64_t pairs = 0;
  for (uint32_t documents : result.vocabulary_.documents) pairs += documents;
  writer->Expect(counts.documents, pairs);
  // Of one thread what is written is still in its cache.
  const size_t group =
      pool.threads() == 1 ? 1 : static_cast<size_t>(pool.threads()) * 4;
  std::vector<SparseRows> rows(group);
  for (size_t first = 0; first < counts.rows.size(); first += group) {
    for (SparseRows& each : rows) each.Clear();
    const size_t tasks = std::min(group, counts.rows.size() - first);
    pool.Run(static_cast<int>(tasks), [&](int task, int) {
      const CountedBlock block =
          counts.rows.Take(first + static_cast<size_t>(task));
      result.AppendRows(block, merged.maps[static_cast<size_t>(block.thread)],
                        rows[static_cast<size_t>(task)]);
    });
    for (size_t i = 0; i < tasks; ++i) writer->Write(rows[i]);
    if (count.progress && !count.progress(reader.done_bytes(), 0)) {
      throw Error(ErrorCode::kCancelled,
                  {.where = reader.where(), .what = "stopped"});
    }
  }
  writer->Finish();
  return result;
}

void Vectorizer::AppendRows(const CountedBlock& block, const TermMaps& maps,
                            SparseRows& rows) const {
  rows.columns.reserve(rows.columns.size() + block.terms.size());
  rows.values.reserve(rows.values.size() + block.terms.size());
  RowSorter sorter;
  BlockRows counted(block);
  for (size_t d = 0; d < block.sizes.size(); ++d) {
    counted.Next();
    const size_t begin = rows.columns.size();
    const size_t size = sorter.Append(counted, maps, options_.weights.binary,
                                      rows.columns, rows.values);
    rows.sizes.push_back(static_cast<uint32_t>(size));
    Weigh(rows.values.data() + begin, rows.columns.data() + begin, size);
  }
}

void Vectorizer::AppendHashed(std::string_view text, TokenBuffer& buffer,
                              std::vector<uint64_t>& scratch,
                              SparseRows& rows) const {
  const auto features = static_cast<uint32_t>(options_.hashing->features);
  scratch.clear();
  analyzer_->ForTerms(text, buffer, [&](std::string_view term) {
    // |h| mod features; of -2^31 too, which has no absolute value in 32 bits.
    const auto hash = static_cast<int32_t>(Murmur3(term));
    const auto size = static_cast<uint64_t>(std::abs(int64_t{hash}));
    const bool negative = hash < 0 && options_.hashing->alternate_sign;
    scratch.push_back(
        Packed(static_cast<uint32_t>(size % features), negative ? 1u : 0u));
  });
  std::sort(scratch.begin(), scratch.end());
  const size_t begin = rows.columns.size();
  for (size_t i = 0; i < scratch.size();) {
    const auto column = static_cast<uint32_t>(scratch[i] >> 32);
    double sum = 0;
    for (; i < scratch.size() && scratch[i] >> 32 == column; ++i) {
      sum += (scratch[i] & 1) != 0 ? -1 : 1;
    }
    rows.columns.push_back(column);
    rows.values.push_back(options_.weights.binary ? 1 : sum);
  }
  const size_t size = rows.columns.size() - begin;
  rows.sizes.push_back(static_cast<uint32_t>(size));
  Weigh(rows.values.data() + begin, rows.columns.data() + begin, size);
}

void Vectorizer::Weigh(double* values, const uint32_t* columns,
                       size_t size) const {
  const WeightOptions& weights = options_.weights;
  if (weights.tfidf) {
    for (size_t i = 0; i < size; ++i) {
      if (weights.sublinear) values[i] = std::log(values[i]) + 1;
      values[i] *= idf_[columns[i]];
    }
  }
  if (weights.norm == RowNorm::kNone) return;
  double sum = 0;
  for (size_t i = 0; i < size; ++i) {
    sum += weights.norm == RowNorm::kL1 ? std::abs(values[i])
                                        : values[i] * values[i];
  }
  if (weights.norm == RowNorm::kL2) sum = std::sqrt(sum);
  if (sum == 0) return;
  for (size_t i = 0; i < size; ++i) values[i] /= sum;
}

void Vectorizer::Transform(DocumentReader& reader, ThreadPool& pool,
                           const UseRows& use,
                           const CountProgress& progress) const {
  struct Worker {
    std::string scratch;
    TokenBuffer buffer;
    std::vector<uint64_t> row;
  };
  std::vector<Worker> workers(static_cast<size_t>(pool.threads()));
  FeatureMap known;
  TermMaps known_terms;
  std::vector<TermCounter> counters;
  if (!options_.hashing) {
    MakeMap(known, known_terms);
    for (int i = 0; i < pool.threads(); ++i) {
      counters.emplace_back(*analyzer_, known);
    }
  }
  DocumentBatch batch;
  int64_t documents = 0;
  while (reader.Next(batch)) {
    const std::vector<BatchTask> tasks = TasksOf(batch);
    std::vector<SparseRows> rows(tasks.size());
    pool.Run(static_cast<int>(tasks.size()), [&](int task, int thread) {
      const auto self = static_cast<size_t>(thread);
      const auto [begin, end] = tasks[static_cast<size_t>(task)];
      SparseRows& own = rows[static_cast<size_t>(task)];
      CountedBlock block;
      for (size_t i = begin; i < end; ++i) {
        const std::string_view text =
            reader.Text(batch.records[i], batch.first + static_cast<int64_t>(i),
                        workers[self].scratch);
        if (options_.hashing) {
          AppendHashed(text, workers[self].buffer, workers[self].row, own);
        } else {
          counters[self].Add(text, &block);
        }
      }
      if (!options_.hashing) AppendRows(block, known_terms, own);
    });
    documents += static_cast<int64_t>(batch.records.size());
    for (const SparseRows& each : rows) use(each);
    if (progress && !progress(reader.done_bytes(), reader.total_bytes())) {
      throw Error(ErrorCode::kCancelled,
                  {.where = reader.where(), .what = "stopped"});
    }
  }
  if (documents == 0) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = reader.where(),
                 .what = "an empty corpus",
                 .expected = "at least one document"});
  }
}

std::vector<size_t> TopOfRow(std::span<const double> values, size_t count) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto end = order.begin() +
                   static_cast<std::ptrdiff_t>(std::min(count, order.size()));
  std::partial_sort(order.begin(), end, order.end(), [&](size_t a, size_t b) {
    return values[a] != values[b] ? values[a] > values[b] : a < b;
  });
  order.erase(end, order.end());
  return order;
}

}  // namespace malmoi::represent
