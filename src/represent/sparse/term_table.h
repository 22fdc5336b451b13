// Terms and their numbers. Words lie in an open-addressing table of 8-byte
// slots (a tag of the hash and a number); their bytes, when at most 20, beside
// their hash, so that a word costs two cache lines. An n-gram of words is no
// string but a pair: the number of the n-gram before its last word, and that
// word's.
#ifndef MALMOI_REPRESENT_SPARSE_TERM_TABLE_H_
#define MALMOI_REPRESENT_SPARSE_TERM_TABLE_H_

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

// 64 bits of a term, by folding 128-bit products (as wyhash does). The same
// on every little-endian machine.
inline uint64_t HashTerm(std::string_view term) {
  constexpr uint64_t kA = 0x9e3779b97f4a7c15, kB = 0xd6e8feb86659fd93;
  const auto fold = [](uint64_t a, uint64_t b) {
    const auto product = static_cast<unsigned __int128>(a) * b;
    return static_cast<uint64_t>(product) ^
           static_cast<uint64_t>(product >> 64);
  };
  const auto load8 = [](const char* p) {
    uint64_t value;
    std::memcpy(&value, p, 8);
    return value;
  };
  const auto load4 = [](const char* p) {
    uint32_t value;
    std::memcpy(&value, p, 4);
    return uint64_t{value};
  };
  const char* p = term.data();
  size_t left = term.size();
  uint64_t hash = kA ^ left;
  while (left > 16) {
    hash = fold(load8(p) ^ kB, load8(p + 8) ^ hash);
    p += 16;
    left -= 16;
  }
  uint64_t a = 0, b = 0;
  if (left >= 8) {
    a = load8(p);
    b = load8(p + left - 8);
  } else if (left >= 4) {
    a = load4(p);
    b = load4(p + left - 4);
  } else if (left > 0) {
    a = static_cast<uint64_t>(static_cast<unsigned char>(p[0])) << 16 |
        static_cast<uint64_t>(static_cast<unsigned char>(p[left / 2])) << 8 |
        static_cast<unsigned char>(p[left - 1]);
  }
  return fold(a ^ kB, b ^ hash);
}

// std::memcmp(a, b, size) == 0 without a call for short texts.
inline bool SameBytes(const char* a, const char* b, size_t size) {
  const auto differ = [&]<typename T>(T, size_t at) {
    T x, y;
    std::memcpy(&x, a + at, sizeof(T));
    std::memcpy(&y, b + at, sizeof(T));
    return x != y;
  };
  if (size >= 8) {
    for (size_t at = 0; at + 8 < size; at += 8) {
      if (differ(uint64_t(), at)) return false;
    }
    return !differ(uint64_t(), size - 8);
  }
  if (size >= 4) {
    return !differ(uint32_t(), 0) && !differ(uint32_t(), size - 4);
  }
  for (size_t at = 0; at < size; ++at) {
    if (a[at] != b[at]) return false;
  }
  return true;
}

// A map from bytes to 0, 1, 2 ... in the order of their first Insert().
class TermTable {
 public:
  TermTable() : slots_(1024) {}

  // The term's number, new or old. Throws kLimit past 2^31 terms.
  uint32_t Insert(std::string_view term, uint64_t hash) {
    size_t at = hash & (slots_.size() - 1);
    const auto tag = static_cast<uint32_t>(hash >> 32);
    while (slots_[at].number != 0) {
      if (slots_[at].tag == tag && Equals(slots_[at].number - 1, term, hash)) {
        return slots_[at].number - 1;
      }
      at = (at + 1) & (slots_.size() - 1);
    }
    return Add(at, term, hash);
  }
  // kNoTerm where it was never inserted.
  uint32_t Find(std::string_view term, uint64_t hash) const {
    size_t at = hash & (slots_.size() - 1);
    const auto tag = static_cast<uint32_t>(hash >> 32);
    while (slots_[at].number != 0) {
      if (slots_[at].tag == tag && Equals(slots_[at].number - 1, term, hash)) {
        return slots_[at].number - 1;
      }
      at = (at + 1) & (slots_.size() - 1);
    }
    return kNoTerm;
  }
  uint32_t Find(std::string_view term) const {
    return Find(term, HashTerm(term));
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
    return {key.size <= sizeof(key.bytes) ? key.bytes : key.Far(), key.size};
  }
  uint64_t bytes() const;

 private:
  struct Slot {
    uint32_t tag = 0;
    uint32_t number = 0;  // plus 1; 0: empty
  };
  struct Key {
    uint64_t hash;
    uint32_t size;
    char bytes[20];  // of a longer term: where it lies
    const char* Far() const {
      const char* far;
      std::memcpy(&far, bytes, sizeof(far));
      return far;
    }
  };

  bool Equals(uint32_t number, std::string_view term, uint64_t hash) const {
    const Key& key = keys_[number];
    if (key.hash != hash || key.size != term.size()) return false;
    return SameBytes(key.size <= sizeof(key.bytes) ? key.bytes : key.Far(),
                     term.data(), term.size());
  }
  uint32_t Add(size_t at, std::string_view term, uint64_t hash);
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
