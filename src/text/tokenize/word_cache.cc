#include "text/tokenize/word_cache.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace malmoi::text {

namespace {

constexpr size_t kFirstEntries = 2048;

uint64_t Fold(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

}  // namespace

WordCache::WordCache() : entries_(kFirstEntries), mask_(kFirstEntries - 1) {}

WordCache::Key WordCache::KeyOf(std::string_view word) {
  if (word.size() <= Key::kMostBytes) return Key::Of(word);
  // The bytes' hash; that they are the word's is checked.
  uint64_t hash = word.size();
  size_t at = 0;
  for (; at + 8 <= word.size(); at += 8) {
    uint64_t part;
    std::memcpy(&part, word.data() + at, 8);
    hash = Fold(hash ^ part ^ 0x9e3779b97f4a7c15, 0xd1b54a32d192ed03);
  }
  uint64_t last;
  std::memcpy(&last, word.data() + word.size() - 8, 8);
  hash = Fold(hash ^ last ^ 0x9e3779b97f4a7c15, 0xd1b54a32d192ed03);
  return {hash, (uint64_t{0xff} << 56) | word.size()};
}

bool WordCache::IsWord(const Entry& entry, std::string_view word) const {
  const auto at = static_cast<size_t>(entry.ids[2]);
  return std::string_view(bytes_.data() + at, word.size()) == word;
}

WordCache::Entry* WordCache::FreePlace(const Key& key, uint64_t hash) {
  const size_t home = hash & mask_;
  for (size_t i = 0; i < kWays; ++i) {
    Entry& entry = entries_[home ^ i];
    if (entry.key == Key{} || entry.key == key) return &entry;
  }
  return nullptr;
}

WordCache::Entry& WordCache::Place(const Key& key, uint64_t hash) {
  if (used_ * 2 >= entries_.size() && entries_.size() < kMostEntries) Grow();
  Entry* place = FreePlace(key, hash);
  // Which of them goes is up to the key.
  if (place == nullptr) {
    place = &entries_[(hash & mask_) ^ ((hash >> 60) % kWays)];
  }
  if (place->key == Key{}) ++used_;
  return *place;
}

void WordCache::Insert(std::string_view word,
                       std::span<const ModelToken> tokens) {
  if (word.empty() || word.size() > kLongestWord) return;
  if (more_.size() + tokens.size() >= kMostMore ||
      bytes_.size() + word.size() >= kMostBytes) {
    Clear();
  }
  const Key key = KeyOf(word);
  Entry& entry = Place(key, key.Hash());
  entry = {};
  entry.key = key;
  const bool is_key = word.size() <= Key::kMostBytes;
  bool few = is_key && tokens.size() <= kFewTokens && !tokens.empty();
  uint32_t end = 0;
  for (size_t i = 0; few && i < tokens.size(); ++i) {
    few = tokens[i].begin == end;
    end = tokens[i].end;
  }
  if (few && end == word.size()) {
    entry.count = static_cast<uint8_t>(tokens.size());
    for (size_t i = 0; i < tokens.size(); ++i) {
      entry.ids[i] = tokens[i].id;
      entry.ends[i] = static_cast<uint8_t>(tokens[i].end);
    }
    return;
  }
  entry.count = kMore;
  entry.ids[0] = static_cast<int32_t>(more_.size());
  entry.ids[1] = static_cast<int32_t>(tokens.size());
  more_.insert(more_.end(), tokens.begin(), tokens.end());
  if (is_key) return;
  entry.ids[2] = static_cast<int32_t>(bytes_.size());
  bytes_.insert(bytes_.end(), word.begin(), word.end());
}

void WordCache::Grow() {
  Entries old(std::min(entries_.size() * 8, kMostEntries));
  std::swap(old, entries_);
  mask_ = entries_.size() - 1;
  used_ = 0;
  for (const Entry& entry : old) {
    if (entry.key == Key{}) continue;
    Entry* place = FreePlace(entry.key, entry.key.Hash());
    if (place == nullptr) continue;
    *place = entry;
    ++used_;
  }
}

void WordCache::Clear() {
  std::fill(entries_.begin(), entries_.end(), Entry());
  used_ = 0;
  more_.clear();
  bytes_.clear();
}

}  // namespace malmoi::text
