#include "represent/sparse/counter.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/check.h"
#include "base/error.h"

namespace malmoi::represent {

namespace {

constexpr size_t kTaskBytes = size_t{256} << 10;
constexpr size_t kAhead = 8;  // pairs whose slots are fetched early

}  // namespace

TermCounter::TermCounter(const Analyzer& analyzer, const FeatureMap& known)
    : analyzer_(&analyzer),
      map_(&known),
      words_(known.words.size()),
      grams_(known.grams.size()) {}

inline void TermCounter::Touch(TermStats& stats, uint32_t term,
                               CountedBlock* block) {
  ++stats.total;
  if (stats.stamp != documents_) {
    stats.stamp = documents_;
    ++stats.documents;
    if (block == nullptr) return;
    stats.position = static_cast<uint32_t>(block->counts.size() - begin_);
    block->counts.push_back({term, 1});
  } else if (block != nullptr) {
    ++block->counts[begin_ + stats.position].count;
  }
}

template <bool kKnown>
void TermCounter::AddWords(CountedBlock* block) {
  const auto& tokens = buffer_.tokens;
  const size_t count = tokens.size();
  const size_t first = ids_.size();
  hashes_.resize(count);
  ids_.resize(first + count);
  uint32_t* ids = ids_.data() + first;
  for (size_t i = 0; i < count; ++i) {
    hashes_[i] = HashPadded(tokens[i]);
    map_->words.Prefetch(hashes_[i].hash);
  }
  for (size_t i = 0; i < count; ++i) map_->words.PrefetchKey(hashes_[i].hash);
  for (size_t i = 0; i < count; ++i) {
    if constexpr (kKnown) {
      ids[i] = map_->words.Find(hashes_[i]);
      if (ids[i] != kNoTerm) __builtin_prefetch(&words_[ids[i]]);
    } else {
      ids[i] = own_->words.Insert(hashes_[i]);
      if (ids[i] >= words_.size()) {
        words_.emplace_back();
      } else {
        __builtin_prefetch(&words_[ids[i]]);
      }
    }
  }
  if (analyzer_->makes_word_grams() && analyzer_->options().min_n > 1) return;
  for (size_t i = 0; i < count; ++i) {
    if (kKnown && ids[i] == kNoTerm) continue;
    Touch(words_[ids[i]], ids[i], block);
    ++length_;
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
    for (size_t i = 0; i < grams; ++i) {
      if (i + kAhead < grams) {
        map_->grams.Prefetch(level_[i + kAhead], ids_[i + kAhead + n - 1]);
      }
      if (kKnown && (level_[i] == kNoTerm || ids_[i + n - 1] == kNoTerm)) {
        level_[i] = kNoTerm;
        continue;
      }
      uint32_t gram;
      if constexpr (kKnown) {
        gram = map_->grams.Find(level_[i], ids_[i + n - 1]);
        if (gram == kNoTerm) {
          level_[i] = kNoTerm;
          continue;
        }
      } else {
        gram = own_->grams.Insert(level_[i], ids_[i + n - 1]);
        if (gram >= grams_.size()) grams_.emplace_back();
      }
      level_[i] = gram | kGramBit;
      if (n < least) continue;
      Touch(grams_[gram], level_[i], block);
      ++length_;
    }
  }
}

void TermCounter::Add(std::string_view text, CountedBlock* block) {
  ++documents_;
  length_ = 0;
  begin_ = block == nullptr ? 0 : block->counts.size();
  const bool grams = analyzer_->makes_word_grams();
  ids_.clear();
  analyzer_->ForPieces(text, [&](std::string_view piece) {
    analyzer_->Cut(piece, buffer_);
    own_ == nullptr ? AddWords<true>(block) : AddWords<false>(block);
    if (!grams) ids_.clear();
  });
  if (grams) own_ == nullptr ? AddGrams<true>(block) : AddGrams<false>(block);
  if (block == nullptr) return;
  block->sizes.push_back(static_cast<uint32_t>(block->counts.size() - begin_));
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

template <typename T>
void WriteVector(int file, const std::vector<T>& values,
                 const std::string& where) {
  const auto* bytes = reinterpret_cast<const char*>(values.data());
  size_t left = values.size() * sizeof(T);
  while (left > 0) {
    const ssize_t count = write(file, bytes, left);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) ThrowErrno(where, "cannot write file", errno);
    bytes += count;
    left -= static_cast<size_t>(count);
  }
}

template <typename T>
void ReadVector(int file, uint64_t& offset, std::vector<T>& values,
                const std::string& where) {
  auto* bytes = reinterpret_cast<char*>(values.data());
  size_t left = values.size() * sizeof(T);
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
  return block.counts.size() * sizeof(TermCount) +
         block.sizes.size() * 2 * sizeof(uint32_t);
}

}  // namespace

void BlockStore::Append(CountedBlock block) {
  Kept kept;
  kept.counts = block.counts.size();
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
  WriteVector(file_, block.counts, folder_);
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
  block.counts.resize(kept.counts);
  block.sizes.resize(kept.documents);
  block.lengths.resize(kept.documents);
  uint64_t offset = kept.offset;
  ReadVector(file_, offset, block.counts, folder_);
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
      if (options.keep_rows) block.counts.reserve(kTaskBytes / 6);
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
        counts.pairs += block.counts.size();
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
