// Words that were encoded already, and their tokens: a text repeats most of
// its words, and looking one up costs an access to memory where merging costs
// dozens. One hash table of two entries to a cache line; a word of up to 15
// bytes is its own key, compared as two integers. Bounded: a full table
// replaces, and where the storage for what fits no entry is full, everything is
// forgotten. For one thread at a time.
#ifndef MALMOI_TEXT_TOKENIZE_WORD_CACHE_H_
#define MALMOI_TEXT_TOKENIZE_WORD_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/large_pages.h"
#include "text/tokenize/pipeline.h"
#include "text/tokenize/word_key.h"

namespace malmoi::text {

class WordCache {
 public:
  static constexpr size_t kLongestWord = 256;  // others are not kept
  static constexpr size_t kFewTokens = 3;

  using Key = WordKey;
  struct alignas(32) Entry {
    Key key;  // zero: free
    // Of up to kFewTokens, which follow one another from the word's beginning
    // to its end; otherwise the place in more_, how many, and
    // for words that are no keys the place in bytes_.
    int32_t ids[kFewTokens];
    uint8_t count;
    uint8_t ends[kFewTokens];
  };
  static constexpr uint8_t kMore = 0xff;  // a count

  WordCache();

  static Key KeyOf(std::string_view word);

  // Asks for what Find() will read.
  void Prefetch(uint64_t hash) const {
    __builtin_prefetch(&entries_[hash & mask_]);
  }
  // Null for an unknown word. Of a word of more than 15 bytes `word` is
  // compared.
  const Entry* Find(const Key& key, uint64_t hash) const {
    const size_t home = hash & mask_;
    for (size_t i = 0; i < kWays; ++i) {
      const Entry& entry = entries_[home ^ i];
      if (entry.key == key) return &entry;
      if (entry.key == Key{}) break;  // the first free one is taken first
    }
    return nullptr;
  }
  const Entry* Find(const Key& key, std::string_view word) const {
    const Entry* entry = Find(key, key.Hash());
    if (entry == nullptr || word.size() <= Key::kMostBytes ||
        IsWord(*entry, word)) {
      return entry;
    }
    return nullptr;
  }
  // Tokens in any order and place; keeps nothing of words that are too long.
  void Insert(std::string_view word, std::span<const ModelToken> tokens);

  std::span<const ModelToken> MoreOf(const Entry& entry) const {
    return {more_.data() + entry.ids[0], static_cast<size_t>(entry.ids[1])};
  }

 private:
  static constexpr size_t kWays = 8;
  static constexpr size_t kMostEntries = size_t{1} << 17;  // 4 MiB
  static constexpr size_t kMostMore = size_t{1} << 18;     // 3 MiB
  static constexpr size_t kMostBytes = size_t{1} << 20;

  bool IsWord(const Entry& entry, std::string_view word) const;
  // Of an entry, or where one may be; null if others have it.
  Entry* FreePlace(const Key& key, uint64_t hash);
  Entry& Place(const Key& key, uint64_t hash);
  void Grow();
  void Clear();

  using Entries = std::vector<Entry, LargePages<Entry>>;
  Entries entries_;
  size_t mask_;
  size_t used_ = 0;
  std::vector<ModelToken> more_;
  std::vector<char> bytes_;  // of words that are no keys
};

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_TOKENIZE_WORD_CACHE_H_
