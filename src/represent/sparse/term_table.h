// Terms and their numbers. Words lie in an open-addressing table of 8-byte
// slots (a tag of the hash and a number); their first 16 bytes beside their
// size, so that a word costs two cache lines. An n-gram of words is no
// string but a pair: the number of the n-gram before its last word, and that
// word's.
#ifndef MALMOI_REPRESENT_SPARSE_TERM_TABLE_H_
#define MALMOI_REPRESENT_SPARSE_TERM_TABLE_H_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace malmoi::represent {

inline constexpr uint32_t kNoTerm = UINT32_MAX;
// Numbers of terms lie below; the bit above tells an n-gram from a word.
inline constexpr uint32_t kGramBit = uint32_t{1} << 31;

// A term with its hash and its first 16 bytes, filled up with zeros: short
// terms are hashed and compared without a branch on their size.
struct HashedTerm {
  uint64_t hash, low, high;
  const char* data;
  size_t size;
};

inline uint64_t FoldProduct(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

// The hash: 128-bit products, folded (as wyhash does). The same on every
// little-endian machine.
inline void FinishHash(HashedTerm& term) {
  constexpr uint64_t kA = 0x9e3779b97f4a7c15, kB = 0xd6e8feb86659fd93;
  uint64_t hash = FoldProduct(term.low ^ kA, term.high ^ kB ^ term.size);
  for (size_t at = 16; at < term.size; at += 16) {
    uint64_t more[2] = {};
    std::memcpy(more, term.data + at, std::min<size_t>(16, term.size - at));
    hash = FoldProduct(more[0] ^ kA ^ hash, more[1] ^ kB);
  }
  term.hash = FoldProduct(hash, kA);
}

// Of a term behind whose begin 16 bytes can be read.
inline HashedTerm HashPadded(std::string_view text) {
  HashedTerm term;
  term.data = text.data();
  term.size = text.size();
  std::memcpy(&term.low, text.data(), 8);
  std::memcpy(&term.high, text.data() + 8, 8);
  // Bits that belong to it: 0 to 64 of either half.
  const size_t low = std::min<size_t>(text.size(), 8);
  const size_t high = std::min<size_t>(text.size(), 16) - low;
  term.low = low == 0 ? 0 : term.low << (64 - 8 * low) >> (64 - 8 * low);
  term.high = high == 0 ? 0 : term.high << (64 - 8 * high) >> (64 - 8 * high);
  FinishHash(term);
  return term;
}

inline HashedTerm HashTerm(std::string_view text) {
  HashedTerm term = {0, 0, 0, text.data(), text.size()};
  const size_t low = std::min<size_t>(text.size(), 8);
  std::memcpy(&term.low, text.data(), low);
  std::memcpy(&term.high, text.data() + low,
              std::min<size_t>(text.size(), 16) - low);
  FinishHash(term);
  return term;
}

// A map from bytes to 0, 1, 2 ... in the order of their first Insert().
class TermTable {
 public:
  TermTable() : slots_(1024) {}

  // The term's number, new or old. Throws kLimit past 2^31 terms.
  uint32_t Insert(const HashedTerm& term) {
    size_t at = term.hash & (slots_.size() - 1);
    const auto tag = static_cast<uint32_t>(term.hash >> 32);
    while (slots_[at].number != 0) {
      if (slots_[at].tag == tag && Equals(slots_[at].number - 1, term)) {
        return slots_[at].number - 1;
      }
      at = (at + 1) & (slots_.size() - 1);
    }
    return Add(at, term);
  }
  // kNoTerm where it was never inserted.
  uint32_t Find(const HashedTerm& term) const {
    size_t at = term.hash & (slots_.size() - 1);
    const auto tag = static_cast<uint32_t>(term.hash >> 32);
    while (slots_[at].number != 0) {
      if (slots_[at].tag == tag && Equals(slots_[at].number - 1, term)) {
        return slots_[at].number - 1;
      }
      at = (at + 1) & (slots_.size() - 1);
    }
    return kNoTerm;
  }
  void Prefetch(uint64_t hash) const {
    __builtin_prefetch(&slots_[hash & (slots_.size() - 1)]);
  }

  // The second step of that: the key that the slot leads to, if any.
  void PrefetchKey(uint64_t hash) const {
    const uint32_t number = slots_[hash & (slots_.size() - 1)].number;
    if (number != 0) __builtin_prefetch(&keys_[number - 1]);
  }

  uint32_t size() const { return static_cast<uint32_t>(keys_.size()); }
  // Valid until the next Insert().
  std::string_view term(uint32_t number) const {
    const Key& key = keys_[number];
    return {
        key.size <= kNear ? reinterpret_cast<const char*>(&key.low) : key.far,
        key.size};
  }
  uint64_t bytes() const;

 private:
  struct Slot {
    uint32_t tag = 0;
    uint32_t number = 0;  // plus 1; 0: empty
  };
  static constexpr size_t kNear = 16;
  struct Key {
    uint64_t low, high;  // its first 16 bytes
    const char* far;     // of a longer term: where it lies
    uint32_t size;
    uint32_t hash_low;
  };

  bool Equals(uint32_t number, const HashedTerm& term) const {
    const Key& key = keys_[number];
    if (((key.low ^ term.low) | (key.high ^ term.high) |
         (key.size ^ term.size)) != 0) {
      return false;
    }
    return term.size <= kNear ||
           std::memcmp(key.far, term.data, term.size) == 0;
  }
  uint32_t Add(size_t at, const HashedTerm& term);
  void Grow();

  std::vector<Slot> slots_;
  std::vector<Key> keys_;
  std::vector<std::unique_ptr<char[]>> pieces_;  // of long terms
  size_t piece_left_ = 0;
  uint64_t piece_bytes_ = 0;
  char* piece_ = nullptr;
};

// A map from (n-gram or word before, last word) to numbers.
class PairTable {
 public:
  PairTable() : slots_(1024) {}

  uint32_t Insert(uint32_t before, uint32_t word) {
    const uint64_t key = uint64_t{before} << 32 | word;
    size_t at = Place(key);
    while (slots_[at].number != 0) {
      if (slots_[at].key == key) return slots_[at].number - 1;
      at = (at + 1) & (slots_.size() - 1);
    }
    return Add(at, key);
  }
  uint32_t Find(uint32_t before, uint32_t word) const {
    const uint64_t key = uint64_t{before} << 32 | word;
    for (size_t at = Place(key); slots_[at].number != 0;
         at = (at + 1) & (slots_.size() - 1)) {
      if (slots_[at].key == key) return slots_[at].number - 1;
    }
    return kNoTerm;
  }
  void Prefetch(uint32_t before, uint32_t word) const {
    __builtin_prefetch(&slots_[Place(uint64_t{before} << 32 | word)]);
  }
  uint32_t size() const { return static_cast<uint32_t>(keys_.size()); }
  uint32_t before(uint32_t number) const {
    return static_cast<uint32_t>(keys_[number] >> 32);
  }
  uint32_t word(uint32_t number) const {
    return static_cast<uint32_t>(keys_[number]);
  }

 private:
  struct Slot {
    uint64_t key = 0;
    uint32_t number = 0;  // plus 1
  };
  size_t Place(uint64_t key) const {
    const auto product =
        static_cast<unsigned __int128>(key ^ 0xd6e8feb86659fd93) *
        0x9e3779b97f4a7c15;
    return (static_cast<uint64_t>(product) ^
            static_cast<uint64_t>(product >> 64)) &
           (slots_.size() - 1);
  }
  uint32_t Add(size_t at, uint64_t key);

  std::vector<Slot> slots_;
  std::vector<uint64_t> keys_;
};

}  // namespace malmoi::represent

#endif  // MALMOI_REPRESENT_SPARSE_TERM_TABLE_H_
