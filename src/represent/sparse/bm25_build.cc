// Building a BM25 index: count, merge, and place the postings in the file.
#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/format.h"
#include "base/json.h"
#include "base/partial_file.h"
#include "represent/sparse/bm25.h"
#include "represent/sparse/bm25_layout.h"
#include "represent/sparse/options_json.h"
#include "represent/sparse/vocabulary.h"

namespace malmoi::represent {

namespace {

// A file beside its place, mapped for writing. Its blocks are taken before it
// is written, so that a full disk is an error and no signal.
class MappedOutput {
 public:
  explicit MappedOutput(const std::filesystem::path& path) : file_(path) {}
  ~MappedOutput() { Unmap(); }
  MappedOutput(const MappedOutput&) = delete;
  MappedOutput& operator=(const MappedOutput&) = delete;

  // Makes the file of this size, of zeros, and maps it.
  std::byte* Resize(uint64_t bytes) {
    const int code =
        posix_fallocate(file_.descriptor(), 0, static_cast<off_t>(bytes));
    if (code != 0) ThrowErrno(file_.path().string(), "cannot write file", code);
    void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                      file_.descriptor(), 0);
    if (data == MAP_FAILED) {
      ThrowErrno(file_.path().string(), "cannot write file", errno);
    }
    data_ = static_cast<std::byte*>(data);
    size_ = bytes;
    return data_;
  }
  void Finish() {
    Unmap();
    file_.Finish(false);
  }

 private:
  void Unmap() {
    if (data_ != nullptr) munmap(data_, size_);
    data_ = nullptr;
  }
  PartialFile file_;
  std::byte* data_ = nullptr;
  uint64_t size_ = 0;
};

class Builder {
 public:
  Builder(const Bm25Options& options, CorpusCounts counts, ThreadPool& pool)
      : options_(options), counts_(std::move(counts)), pool_(pool) {
    merged_ = MergeVocabulary(counts_.counters, options.analyzer, {},
                              counts_.documents);
    counts_.counters.clear();
    mean_ = static_cast<double>(counts_.terms) /
            static_cast<double>(counts_.documents);
  }

  Bm25Summary Write(const std::filesystem::path& path);

 private:
  template <typename T>
  T* Section(Bm25Section section) {
    return reinterpret_cast<T*>(data_ + places_.begin[section]);
  }
  void WriteTerms();
  void PlacePostings();
  void MeasureTerm(Bm25Term& term, std::vector<float>& sorted);
  void CodeTerm(const Bm25Term& term);
  void MeasureTerms();

  const Bm25Options& options_;
  CorpusCounts counts_;
  ThreadPool& pool_;
  MergedVocabulary merged_;
  double mean_ = 0;
  Bm25Head head_ = {};
  Bm25Places places_ = {};
  std::string json_;
  std::byte* data_ = nullptr;
};

Bm25Summary Builder::Write(const std::filesystem::path& path) {
  const Vocabulary& vocabulary = merged_.vocabulary;
  json_ = DumpJson({{"analyzer", AnalyzerJson(options_.analyzer)},
                    {"variant", Bm25VariantName(options_.variant)},
                    {"k1", options_.k1},
                    {"b", options_.b},
                    {"delta", options_.delta}});
  std::memcpy(head_.magic, kBm25Magic, 8);
  head_.version = kBm25Version;
  head_.options_bytes = json_.size();
  head_.slots = std::bit_ceil(vocabulary.size() * 2);
  head_.terms = vocabulary.size();
  head_.term_bytes = vocabulary.bytes().size();
  head_.documents = static_cast<uint64_t>(counts_.documents);
  for (uint32_t documents : vocabulary.documents) {
    head_.postings += documents;
    head_.dense += HasCodes(documents, head_.documents) ? 1 : 0;
  }
  head_.tokens = counts_.terms;
  places_ = *PlacesOf(head_);
  MappedOutput output(path);
  data_ = output.Resize(places_.end);
  WriteTerms();
  PlacePostings();
  MeasureTerms();
  output.Finish();
  return {.documents = counts_.documents,
          .terms = static_cast<int64_t>(head_.terms),
          .postings = static_cast<int64_t>(head_.postings),
          .mean_length = mean_,
          .bytes = places_.end};
}

void Builder::WriteTerms() {
  const Vocabulary& vocabulary = merged_.vocabulary;
  std::memcpy(data_, &head_, sizeof(head_));
  std::memcpy(Section<char>(kOptions), json_.data(), json_.size());
  std::memcpy(Section<char>(kTermBytes), vocabulary.bytes().data(),
              vocabulary.bytes().size());
  auto* slots = Section<uint32_t>(kSlots);
  auto* terms = Section<Bm25Term>(kTerms);
  uint64_t begin = 0, text = 0;
  uint32_t dense = 0;
  for (size_t i = 0; i < vocabulary.size(); ++i) {
    const std::string_view name = vocabulary.term(i);
    size_t at = HashTerm(name).hash & (head_.slots - 1);
    while (slots[at] != 0) at = (at + 1) & (head_.slots - 1);
    slots[at] = static_cast<uint32_t>(i + 1);
    Bm25Term& term = terms[i];
    term.begin = begin;
    term.text = text;
    term.size = vocabulary.documents[i];
    term.text_size = static_cast<uint32_t>(name.size());
    name.copy(term.near, sizeof(term.near));
    term.absent = static_cast<float>(
        Bm25Idf(options_.variant, counts_.documents, term.size) *
        Bm25Frequency(options_, 0, 1));
    if (HasCodes(term.size, head_.documents)) term.dense = ++dense;
    begin += term.size;
    text += name.size();
  }
}

// Documents come in order, so every list is sorted.
void Builder::PlacePostings() {
  const Vocabulary& vocabulary = merged_.vocabulary;
  const auto* terms = Section<Bm25Term>(kTerms);
  auto* documents = Section<uint32_t>(kDocuments);
  auto* impacts = Section<float>(kImpacts);
  struct Place {
    uint64_t next;
    float idf, absent;
  };
  std::vector<Place> places(vocabulary.size());
  for (size_t i = 0; i < places.size(); ++i) {
    places[i] = {terms[i].begin,
                 static_cast<float>(Bm25Idf(options_.variant, counts_.documents,
                                            vocabulary.documents[i])),
                 terms[i].absent};
  }
  // The part of the denominator that a document's length decides is one number;
  // counts of 1 to 3 are most.
  uint32_t document = 0;
  for (size_t i = 0; i < counts_.rows.size(); ++i) {
    const CountedBlock block = counts_.rows.Take(i);
    const TermMaps& maps = merged_.maps[static_cast<size_t>(block.thread)];
    BlockRows counted(block);
    for (size_t d = 0; d < block.sizes.size(); ++d, ++document) {
      counted.Next();
      const double ratio = block.lengths[d] / mean_;
      float few[4];
      for (int count = 1; count < 4; ++count) {
        few[count] = static_cast<float>(Bm25Frequency(options_, count, ratio));
      }
      for (uint32_t j = 0; j < counted.size(); ++j) {
        const uint32_t count = counted.count(j);
        Place& place = places[maps[counted.terms()[j]]];
        const float frequency =
            count < 4
                ? few[count]
                : static_cast<float>(Bm25Frequency(options_, count, ratio));
        documents[place.next] = document;
        impacts[place.next] = place.idf * frequency - place.absent;
        ++place.next;
      }
    }
  }
}

void Builder::MeasureTerm(Bm25Term& term, std::vector<float>& sorted) {
  const uint32_t size = term.size;
  const float* impacts = Section<float>(kImpacts) + term.begin;
  for (uint32_t i = 0; i < size; ++i) {
    term.most = std::max(term.most, impacts[i]);
  }
  float* ranked = term.ranked;
  sorted.assign(impacts, impacts + size);
  for (size_t r = 2; r-- > 0;) {
    const size_t rank = Bm25Index::kRanks[r];
    ranked[r] = 0;
    if (size < rank) continue;
    std::nth_element(sorted.begin(),
                     sorted.begin() + static_cast<std::ptrdiff_t>(rank - 1),
                     sorted.end(), std::greater<>());
    ranked[r] = sorted[rank - 1];
    sorted.resize(rank);
  }
}

void Builder::CodeTerm(const Bm25Term& term) {
  const uint32_t size = term.size;
  const uint32_t* documents = Section<uint32_t>(kDocuments) + term.begin;
  const float* impacts = Section<float>(kImpacts) + term.begin;
  const uint64_t number = term.dense - 1;
  const uint64_t groups = CodeGroups(head_.documents);
  uint32_t* ranks = Section<uint32_t>(kGroupRanks) + number * groups;
  uint8_t* codes = Section<uint8_t>(kCodes) + number * groups * kCodeGroup;
  const float scale = CodeScale(term.most);
  uint64_t group = 0;
  for (uint32_t i = 0; i < size; ++i) {
    for (; group <= documents[i] / kCodeGroup; ++group) {
      ranks[group] = i;
    }
    const float code = scale > 0 ? impacts[i] / scale + 1 : 1;
    codes[documents[i]] = static_cast<uint8_t>(std::clamp(code, 1.0f, 255.0f));
  }
  for (; group < groups; ++group) ranks[group] = size;
}

void Builder::MeasureTerms() {
  constexpr size_t kSome = 1024;  // of a task
  const size_t tasks = (head_.terms + kSome - 1) / kSome;
  auto* terms = Section<Bm25Term>(kTerms);
  pool_.Run(static_cast<int>(tasks), [&](int task, int) {
    std::vector<float> sorted;
    const size_t first = static_cast<size_t>(task) * kSome;
    for (size_t i = first; i < std::min(first + kSome, head_.terms); ++i) {
      MeasureTerm(terms[i], sorted);
      if (terms[i].dense != 0) CodeTerm(terms[i]);
    }
  });
}

void Check(const Bm25Options& options) {
  const auto bad = [](const char* where, double value, const char* expected) {
    throw Error(ErrorCode::kInvalidArgument, {.where = where,
                                              .what = "value out of range",
                                              .expected = expected,
                                              .got = Format("{}", value)});
  };
  if (!(options.k1 >= 0 && options.k1 <= 1000)) {
    bad("--k1", options.k1, "0 to 1000");
  }
  if (!(options.b >= 0 && options.b <= 1)) bad("--b", options.b, "0 to 1");
  if (!(options.delta >= 0 && options.delta <= 1000)) {
    bad("--delta", options.delta, "0 to 1000");
  }
}

}  // namespace

Bm25Summary BuildBm25(DocumentReader& reader, const Bm25Options& options,
                      const std::filesystem::path& path, ThreadPool& pool,
                      CountOptions count) {
  Check(options);
  const Analyzer analyzer(options.analyzer);
  count.keep_rows = true;
  CorpusCounts counts = CountCorpus(reader, analyzer, pool, count);
  if (counts.documents > int64_t{UINT32_MAX}) {
    throw Error(ErrorCode::kLimit, {.where = reader.where(),
                                    .what = "too many documents",
                                    .expected = "below 2^32"});
  }
  return Builder(options, std::move(counts), pool).Write(path);
}

}  // namespace malmoi::represent
