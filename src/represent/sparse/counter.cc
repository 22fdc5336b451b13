#include "represent/sparse/counter.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/check.h"
#include "base/error.h"

namespace malmoi::represent {

namespace {

constexpr size_t kTaskBytes = size_t{256} << 10;
constexpr size_t kAhead = 8;  // pairs whose slots are fetched early

}  // namespace

uint32_t BlockRows::Carried(uint32_t i) const {
  const auto first = block_->carries.begin();
  const auto [low, high] = std::equal_range(
      first + static_cast<std::ptrdiff_t>(carry_begin_),
      first + static_cast<std::ptrdiff_t>(carry_end_), uint64_t{begin_ + i});
  return 256 * static_cast<uint32_t>(high - low);
}

TermCounter::TermCounter(const Analyzer& analyzer, const FeatureMap& known)
    : analyzer_(&analyzer),
      map_(&known),
      words_(known.words.size()),
      grams_(known.grams.size()) {}

std::vector<TermStats> TermCounter::WordStats() const {
  std::vector<TermStats> stats(map_->words.size());
  for (const TermTable::Slot& slot : map_->words.slots()) {
    if (slot.number == 0) continue;
    const uint32_t i = slot.number - 1;
    const uint64_t repeats = i < repeats_.size() ? repeats_[i] : 0;
    stats[i] = {slot.documents + repeats, slot.documents};
  }
  return stats;
}

std::vector<TermStats> TermCounter::GramStats() const {
  std::vector<TermStats> stats(map_->grams.size());
  for (const PairTable::Slot& slot : map_->grams.slots()) {
    if (slot.number == 0) continue;
    stats[slot.number - 1] = {slot.documents + slot.repeats, slot.documents};
  }
  return stats;
}

// The present document's terms while some are added: all that changes with
// every word is at hand.
class TermCounter::Row {
 public:
  // With room for `more` terms.
  Row(TermCounter& counter, size_t more, CountedBlock* block)
      : counter_(counter),
        block_(block),
        stamp_(counter.stamp_),
        size_(counter.size_) {
    if (block == nullptr) return;
    block->terms.resize(counter.begin_ + size_ + more);
    block->counts.resize(counter.begin_ + size_ + more);
    terms_ = block->terms.data() + counter.begin_;
    counts_ = block->counts.data() + counter.begin_;
  }
  ~Row() {
    counter_.size_ = size_;
    counter_.length_ += length_;
  }
  Row(const Row&) = delete;
  Row& operator=(const Row&) = delete;

  // Whether it is the document's first.
  [[gnu::always_inline]] bool Touch(TermPlace& place, uint32_t term) {
    ++length_;
    if (place.stamp != stamp_) {
      place = {stamp_, size_};
      if (terms_ != nullptr) {
        terms_[size_] = term;
        counts_[size_] = 1;
      }
      ++size_;
      return true;
    }
    if (terms_ != nullptr && ++counts_[place.position] == 0) {
      block_->carries.push_back(counter_.begin_ + place.position);
    }
    return false;
  }

 private:
  TermCounter& counter_;
  CountedBlock* block_;
  uint32_t* terms_ = nullptr;
  uint8_t* counts_ = nullptr;
  const uint32_t stamp_;
  uint32_t size_, length_ = 0;
};

size_t TermCounter::HashTokens(std::string_view piece) {
  const auto hash = [&](size_t i, const char* data, size_t size) {
    hashes_[i] = HashPadded(data, size);
    map_->words.Prefetch(hashes_[i].hash);
  };
  if (const auto count = analyzer_->CutAscii(piece, buffer_)) {
    if (hashes_.size() < *count) hashes_.resize(*count * 2);
    for (size_t i = 0; i < *count; ++i) {
      const kernels::WordBounds& word = buffer_.bounds[i];
      hash(i, buffer_.ascii.data() + word.begin, word.size);
    }
    return *count;
  }
  analyzer_->Cut(piece, buffer_);
  const size_t count = buffer_.tokens.size();
  if (hashes_.size() < count) hashes_.resize(count);
  for (size_t i = 0; i < count; ++i) {
    hash(i, buffer_.tokens[i].data(), buffer_.tokens[i].size());
  }
  return count;
}

template <bool kKnown>
void TermCounter::AddWords(std::string_view piece, CountedBlock* block) {
  const size_t count = HashTokens(piece);
  const bool grams = analyzer_->makes_word_grams();
  const bool words = !grams || analyzer_->options().min_n == 1;
  const size_t first = ids_.size();
  if (grams || kKnown) ids_.resize(first + count);
  Row row(*this, count, block);
  for (size_t i = 0; i < count; ++i) {
    if constexpr (kKnown) {
      ids_[first + i] = map_->words.Find(hashes_[i]);
      if (ids_[first + i] != kNoTerm) {
        __builtin_prefetch(&words_[ids_[first + i]]);
      }
    } else {
      TermTable::Slot& slot = own_->words.Insert(hashes_[i]);
      const uint32_t id = slot.number - 1;
      if (grams) ids_[first + i] = id;
      if (!words) continue;
      if (row.Touch(slot.place, id)) {
        ++slot.documents;
      } else {
        if (id >= repeats_.size()) repeats_.resize(own_->words.size());
        ++repeats_[id];
      }
    }
  }
  if (!kKnown || !words) return;
  for (size_t i = first; i < ids_.size(); ++i) {
    if (ids_[i] != kNoTerm) row.Touch(words_[ids_[i]], ids_[i]);
  }
}

template <bool kKnown>
void TermCounter::AddGrams(CountedBlock* block) {
  const size_t count = ids_.size();
  const auto most = static_cast<size_t>(analyzer_->options().max_n);
  const auto least = static_cast<size_t>(analyzer_->options().min_n);
  level_ = ids_;
  for (size_t n = 2; n <= most && n <= count; ++n) {
    const size_t grams = count + 1 - n;
    Row row(*this, grams, block);
    for (size_t i = 0; i < grams; ++i) {
      if (i + kAhead < grams) {
        map_->grams.Prefetch(level_[i + kAhead], ids_[i + kAhead + n - 1]);
      }
      if (kKnown && (level_[i] == kNoTerm || ids_[i + n - 1] == kNoTerm)) {
        level_[i] = kNoTerm;
        continue;
      }
      if constexpr (kKnown) {
        const uint32_t gram = map_->grams.Find(level_[i], ids_[i + n - 1]);
        level_[i] = gram == kNoTerm ? kNoTerm : gram | kGramBit;
        if (gram == kNoTerm || n < least) continue;
        row.Touch(grams_[gram], level_[i]);
      } else {
        PairTable::Slot& slot = own_->grams.Insert(level_[i], ids_[i + n - 1]);
        level_[i] = (slot.number - 1) | kGramBit;
        if (n < least) continue;
        const bool new_here = row.Touch(slot.place, level_[i]);
        slot.documents += new_here ? 1 : 0;
        slot.repeats += new_here ? 0 : 1;
      }
    }
  }
}

void TermCounter::NextDocument() {
  length_ = size_ = 0;
  ids_.clear();
  if (++stamp_ != 0) return;
  // After 2^32 documents old stamps would be taken for new ones.
  stamp_ = 1;
  for (auto* places : {&words_, &grams_}) {
    std::fill(places->begin(), places->end(), TermPlace());
  }
  if (own_ == nullptr) return;
  for (TermTable::Slot& slot : own_->words.slots()) slot.place = {};
  for (PairTable::Slot& slot : own_->grams.slots()) slot.place = {};
}

void TermCounter::Add(std::string_view text, CountedBlock* block) {
  NextDocument();
  begin_ = block == nullptr ? 0 : block->terms.size();
  const size_t carries = block == nullptr ? 0 : block->carries.size();
  const bool grams = analyzer_->makes_word_grams();
  analyzer_->ForPieces(text, [&](std::string_view piece) {
    own_ == nullptr ? AddWords<true>(piece, block)
                    : AddWords<false>(piece, block);
    if (!grams) ids_.clear();
  });
  if (grams) own_ == nullptr ? AddGrams<true>(block) : AddGrams<false>(block);
  if (block == nullptr) return;
  block->terms.resize(begin_ + size_);
  block->counts.resize(begin_ + size_);
  if (block->carries.size() > carries) {
    std::sort(block->carries.begin() + static_cast<std::ptrdiff_t>(carries),
              block->carries.end());
  }
  block->sizes.push_back(size_);
  block->lengths.push_back(length_);
}

BlockStore::BlockStore(uint64_t memory_bytes, std::string folder)
    : memory_bytes_(memory_bytes), folder_(std::move(folder)) {}

BlockStore::BlockStore(BlockStore&& other) noexcept
    : blocks_(std::move(other.blocks_)),
      memory_bytes_(other.memory_bytes_),
      bytes_(other.bytes_),
      file_bytes_(other.file_bytes_),
      folder_(std::move(other.folder_)),
      file_(other.file_) {
  other.file_ = -1;
}

BlockStore::~BlockStore() {
  if (file_ >= 0) close(file_);
}

namespace {

template <typename Vector>
void WriteVector(int file, const Vector& values, const std::string& where) {
  const auto* bytes = reinterpret_cast<const char*>(values.data());
  size_t left = values.size() * sizeof(values[0]);
  while (left > 0) {
    const ssize_t count = write(file, bytes, left);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) ThrowErrno(where, "cannot write file", errno);
    bytes += count;
    left -= static_cast<size_t>(count);
  }
}

template <typename Vector>
void ReadVector(int file, uint64_t& offset, Vector& values,
                const std::string& where) {
  auto* bytes = reinterpret_cast<char*>(values.data());
  size_t left = values.size() * sizeof(values[0]);
  while (left > 0) {
    const ssize_t count = pread(file, bytes, left, static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) ThrowErrno(where, "cannot read file", errno);
    bytes += count;
    offset += static_cast<uint64_t>(count);
    left -= static_cast<size_t>(count);
  }
}

uint64_t BytesOf(const CountedBlock& block) {
  return block.terms.size() * (sizeof(uint32_t) + 1) +
         block.carries.size() * sizeof(uint64_t) +
         block.sizes.size() * 2 * sizeof(uint32_t);
}

}  // namespace

void BlockStore::Append(CountedBlock block) {
  Kept kept;
  kept.terms = block.terms.size();
  kept.carries = block.carries.size();
  kept.documents = block.sizes.size();
  const uint64_t bytes = BytesOf(block);
  if (bytes_ + bytes <= memory_bytes_) {
    bytes_ += bytes;
    kept.block = std::move(block);
    blocks_.push_back(std::move(kept));
    return;
  }
  if (folder_.empty()) {
    folder_ = std::filesystem::temp_directory_path().string();
  }
  if (file_ < 0) {
    std::string path = folder_ + "/malmoi.XXXXXX";
    file_ = mkostemp(path.data(), O_CLOEXEC);
    if (file_ < 0) ThrowErrno(folder_, "cannot create file", errno);
    unlink(path.c_str());
  }
  kept.on_disk = true;
  kept.offset = file_bytes_;
  WriteVector(file_, block.terms, folder_);
  WriteVector(file_, block.counts, folder_);
  WriteVector(file_, block.carries, folder_);
  WriteVector(file_, block.sizes, folder_);
  WriteVector(file_, block.lengths, folder_);
  file_bytes_ += bytes;
  kept.block.thread = block.thread;
  blocks_.push_back(std::move(kept));
}

CountedBlock BlockStore::Take(size_t i) {
  Kept& kept = blocks_[i];
  CountedBlock block = std::move(kept.block);
  if (!kept.on_disk) return block;
  block.terms.resize(kept.terms);
  block.counts.resize(kept.terms);
  block.carries.resize(kept.carries);
  block.sizes.resize(kept.documents);
  block.lengths.resize(kept.documents);
  uint64_t offset = kept.offset;
  ReadVector(file_, offset, block.terms, folder_);
  ReadVector(file_, offset, block.counts, folder_);
  ReadVector(file_, offset, block.carries, folder_);
  ReadVector(file_, offset, block.sizes, folder_);
  ReadVector(file_, offset, block.lengths, folder_);
  return block;
}

std::vector<BatchTask> TasksOf(const DocumentBatch& batch) {
  std::vector<BatchTask> tasks;
  size_t begin = 0, bytes = 0;
  for (size_t i = 0; i < batch.records.size(); ++i) {
    bytes += batch.records[i].size() + 1;
    if (bytes >= kTaskBytes || i + 1 == batch.records.size()) {
      tasks.push_back({begin, i + 1});
      begin = i + 1;
      bytes = 0;
    }
  }
  return tasks;
}

CorpusCounts CountCorpus(DocumentReader& reader, const Analyzer& analyzer,
                         ThreadPool& pool, const CountOptions& options) {
  CorpusCounts counts{
      .rows = BlockStore(options.memory_bytes, options.spill_folder)};
  std::vector<std::string> scratch(static_cast<size_t>(pool.threads()));
  for (int i = 0; i < pool.threads(); ++i) {
    counts.counters.emplace_back(analyzer);
  }
  DocumentBatch batch;
  while (reader.Next(batch)) {
    const std::vector<BatchTask> tasks = TasksOf(batch);
    std::vector<CountedBlock> blocks(tasks.size());
    pool.Run(static_cast<int>(tasks.size()), [&](int task, int thread) {
      CountedBlock& block = blocks[static_cast<size_t>(task)];
      const auto [begin, end] = tasks[static_cast<size_t>(task)];
      const auto self = static_cast<size_t>(thread);
      block.thread = thread;
      if (options.keep_rows) {
        block.terms.reserve(kTaskBytes / 6);
        block.counts.reserve(kTaskBytes / 6);
      }
      for (size_t i = begin; i < end; ++i) {
        counts.counters[self].Add(
            reader.Text(batch.records[i], batch.first + static_cast<int64_t>(i),
                        scratch[self]),
            options.keep_rows ? &block : nullptr);
      }
    });
    counts.documents += static_cast<int64_t>(batch.records.size());
    if (options.keep_rows) {
      for (CountedBlock& block : blocks) {
        for (uint32_t length : block.lengths) counts.terms += length;
        counts.rows.Append(std::move(block));
      }
    }
    if (options.progress &&
        !options.progress(reader.done_bytes(), reader.total_bytes())) {
      throw Error(ErrorCode::kCancelled,
                  {.where = reader.where(), .what = "stopped"});
    }
  }
  if (counts.documents == 0) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = reader.where(),
                 .what = "an empty corpus",
                 .expected = "at least one document"});
  }
  return counts;
}

}  // namespace malmoi::represent
