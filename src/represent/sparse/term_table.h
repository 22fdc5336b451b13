// Terms and their numbers in an open-addressing table of 32-byte slots: a term
// of up to 15 bytes is its own key, and what counting changes of it lies
// beside, so that a word costs one cache line. An n-gram of words is no string
// but a pair: the number of the n-gram before its last word, and that word's.
#ifndef MALMOI_REPRESENT_SPARSE_TERM_TABLE_H_
#define MALMOI_REPRESENT_SPARSE_TERM_TABLE_H_

#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace malmoi::represent {

inline constexpr uint32_t kNoTerm = UINT32_MAX;
// Numbers of terms lie below; the bit above tells an n-gram from a word.
inline constexpr uint32_t kGramBit = uint32_t{1} << 31;

// A term as a number: up to 15 bytes, filled up with zeros, and the size and 1
// in the highest byte, so that none is 0; kLongTerm for a longer one, which is
// told by its hash.
struct TermKey {
  uint64_t low, high;
};
inline constexpr size_t kMostNear = 15;
inline constexpr uint64_t kLongTerm = uint64_t{0xff} << 56;

struct HashedTerm {
  TermKey key;
  uint64_t hash;
  const char* data;
  size_t size;
};

inline uint64_t FoldProduct(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

// 128-bit products, folded (as wyhash does). The same on every little-endian
// machine.
inline uint64_t HashKey(const TermKey& key) {
  return FoldProduct(key.low ^ 0x9e3779b97f4a7c15,
                     key.high ^ 0xd6e8feb86659fd93);
}
uint64_t HashLong(std::string_view text);

// What a key keeps of 16 bytes, and its size, by size.
struct KeyMask {
  uint64_t low, high, size;
};
inline constexpr std::array<KeyMask, kMostNear + 1> kKeyMasks = [] {
  std::array<KeyMask, kMostNear + 1> masks{};
  for (size_t size = 0; size <= kMostNear; ++size) {
    const auto bits = [](size_t bytes) {
      return bytes >= 8 ? ~uint64_t{0} : (uint64_t{1} << 8 * bytes) - 1;
    };
    masks[size] = {bits(size), bits(size < 8 ? 0 : size - 8),
                   uint64_t{size + 1} << 56};
  }
  return masks;
}();

// Of a term behind whose begin 16 bytes can be read.
inline HashedTerm HashPadded(const char* data, size_t size) {
  HashedTerm term = {{0, kLongTerm}, 0, data, size};
  if (size > kMostNear) {
    term.hash = HashLong({data, size});
    return term;
  }
  const KeyMask& mask = kKeyMasks[size];
  std::memcpy(&term.key, data, sizeof(term.key));
  term.key.low &= mask.low;
  term.key.high = (term.key.high & mask.high) | mask.size;
  term.hash = HashKey(term.key);
  return term;
}

inline HashedTerm HashTerm(std::string_view text) {
  if (text.size() > kMostNear) return HashPadded(text.data(), text.size());
  char padded[16] = {};
  text.copy(padded, text.size());
  HashedTerm term = HashPadded(padded, text.size());
  term.data = text.data();
  return term;
}

// Zeroed memory, on large pages where it is much, for std::free(). Throws
// std::bad_alloc.
void* ZeroedMemory(size_t bytes);

template <typename Slot>
class SlotArray {
 public:
  explicit SlotArray(size_t size)
      : size_(size),
        memory_(static_cast<Slot*>(ZeroedMemory(size * sizeof(Slot)))) {}
  size_t size() const { return size_; }
  Slot& operator[](size_t i) { return memory_.get()[i]; }
  const Slot& operator[](size_t i) const { return memory_.get()[i]; }
  Slot* begin() const { return memory_.get(); }
  Slot* end() const { return memory_.get() + size_; }

 private:
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  size_t size_;
  std::unique_ptr<Slot, Free> memory_;
};
// The last document that had a term, and its entry there.
struct TermPlace {
  uint32_t stamp = 0;
  uint32_t position = 0;
};

// A map from bytes to 0, 1, 2 ... in the order of their first Insert().
class TermTable {
 public:
  struct Slot {
    TermKey key;
    uint32_t number;  // plus 1; 0: empty
    uint32_t documents;
    TermPlace place;
  };
  static_assert(sizeof(Slot) == 32);

  TermTable() : slots_(1024) {}

  // The term's slot, new or old, until the next Insert(). Throws kLimit past
  // 2^31 terms.
  Slot& Insert(const HashedTerm& term) {
    Slot& slot = slots_[term.hash & (slots_.size() - 1)];
    if (((slot.key.low ^ term.key.low) | (slot.key.high ^ term.key.high)) == 0)
        [[likely]] {
      return slot;
    }
    return InsertFar(term);
  }
  // kNoTerm where it was never inserted.
  uint32_t Find(const HashedTerm& term) const {
    const Slot& slot = slots_[term.hash & (slots_.size() - 1)];
    if (((slot.key.low ^ term.key.low) | (slot.key.high ^ term.key.high)) ==
        0) {
      return slot.number - 1;
    }
    return FindFar(term);
  }
  void Prefetch(uint64_t hash) const {
    __builtin_prefetch(&slots_[hash & (slots_.size() - 1)]);
  }

  uint32_t size() const { return static_cast<uint32_t>(keys_.size()); }
  // Valid until the next Insert().
  std::string_view term(uint32_t number) const {
    const TermKey& key = keys_[number];
    if (key.high >= kLongTerm) return long_[key.high & ~kLongTerm];
    return {reinterpret_cast<const char*>(&key), (key.high >> 56) - 1};
  }
  // Its first 8 bytes as a number of that order.
  uint64_t first_bytes(uint32_t number) const;
  const SlotArray<Slot>& slots() const { return slots_; }
  SlotArray<Slot>& slots() { return slots_; }

 private:
  // Where the term is or belongs.
  size_t SlotOf(const HashedTerm& term) const;
  Slot& InsertFar(const HashedTerm& term);
  uint32_t FindFar(const HashedTerm& term) const;
  void Grow();

  SlotArray<Slot> slots_;
  std::vector<TermKey> keys_;
  // Longer terms, whose keys have their hash and, in 56 bits, their place here.
  std::vector<std::string_view> long_{std::string_view()};
  std::vector<std::unique_ptr<char[]>> pieces_;
  size_t piece_left_ = 0;
  char* piece_ = nullptr;
};

// A map from (n-gram or word before, last word) to numbers.
class PairTable {
 public:
  struct Slot {
    uint64_t key;
    uint32_t number;  // plus 1; 0: empty
    uint32_t documents;
    TermPlace place;
    uint64_t repeats;  // occurrences behind the first of each document
  };
  static_assert(sizeof(Slot) == 32);

  PairTable() : slots_(1024) {}

  // Until the next Insert().
  Slot& Insert(uint32_t before, uint32_t word) {
    const uint64_t key = uint64_t{before} << 32 | word;
    size_t at = Place(key);
    while (slots_[at].number != 0) {
      if (slots_[at].key == key) return slots_[at];
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
  const SlotArray<Slot>& slots() const { return slots_; }
  SlotArray<Slot>& slots() { return slots_; }

 private:
  size_t Place(uint64_t key) const {
    return FoldProduct(key ^ 0xd6e8feb86659fd93, 0x9e3779b97f4a7c15) &
           (slots_.size() - 1);
  }
  Slot& Add(size_t at, uint64_t key);

  SlotArray<Slot> slots_;
  std::vector<uint64_t> keys_;
};

}  // namespace malmoi::represent

#endif  // MALMOI_REPRESENT_SPARSE_TERM_TABLE_H_
