#include "represent/sparse/term_table.h"

#include <algorithm>
#include <new>

#include "base/error.h"
#include "base/large_pages.h"

namespace malmoi::represent {

namespace {

constexpr size_t kPiece = size_t{1} << 20;
constexpr size_t kMostFourfold = size_t{1} << 18;

void CheckCount(size_t count) {
  if (count < kGramBit - 1) return;
  throw Error(ErrorCode::kLimit,
              {.where = "vocabulary",
               .what = "too many different terms",
               .expected = "at most 2147483647",
               .hint = "shorter n-grams, or hashing (--hash)"});
}

size_t Grown(size_t slots) { return slots * (slots < kMostFourfold ? 4 : 2); }

}  // namespace

uint64_t HashLong(std::string_view text) {
  uint64_t hash = text.size();
  for (size_t at = 0; at < text.size(); at += 16) {
    TermKey part = {};
    std::memcpy(&part, text.data() + at,
                std::min<size_t>(16, text.size() - at));
    part.low ^= hash;
    hash = HashKey(part);
  }
  return hash;
}

void* ZeroedMemory(size_t bytes) {
  void* memory = AllocateInLargePages(bytes);
  if (memory == nullptr) throw std::bad_alloc();
  std::memset(memory, 0, bytes);
  return memory;
}

size_t TermTable::SlotOf(const HashedTerm& term) const {
  size_t at = term.hash & (slots_.size() - 1);
  for (; slots_[at].number != 0; at = (at + 1) & (slots_.size() - 1)) {
    const TermKey& key = slots_[at].key;
    if (term.key.high < kLongTerm
            ? key.low == term.key.low && key.high == term.key.high
            : key.high > kLongTerm && key.low == term.hash &&
                  long_[key.high & ~kLongTerm] ==
                      std::string_view(term.data, term.size)) {
      break;
    }
  }
  return at;
}

uint32_t TermTable::FindFar(const HashedTerm& term) const {
  return slots_[SlotOf(term)].number - 1;  // kNoTerm of an empty one
}

TermTable::Slot& TermTable::InsertFar(const HashedTerm& term) {
  size_t at = SlotOf(term);
  if (slots_[at].number != 0) return slots_[at];
  CheckCount(keys_.size());
  TermKey key = term.key;
  if (term.size > kMostNear) {
    if (term.size > piece_left_) {
      piece_left_ = std::max(kPiece, term.size);
      pieces_.push_back(std::make_unique_for_overwrite<char[]>(piece_left_));
      piece_ = pieces_.back().get();
    }
    std::memcpy(piece_, term.data, term.size);
    key = {term.hash, kLongTerm | long_.size()};
    long_.emplace_back(piece_, term.size);
    piece_ += term.size;
    piece_left_ -= term.size;
  }
  keys_.push_back(key);
  if (keys_.size() * 2 > slots_.size()) {
    Grow();
    at = SlotOf(term);
  }
  slots_[at] = {key, static_cast<uint32_t>(keys_.size()), 0, {}};
  return slots_[at];
}

void TermTable::Grow() {
  SlotArray<Slot> slots(Grown(slots_.size()));
  for (const Slot& slot : slots_) {
    if (slot.number == 0) continue;
    const uint64_t hash =
        slot.key.high > kLongTerm ? slot.key.low : HashKey(slot.key);
    size_t at = hash & (slots.size() - 1);
    while (slots[at].number != 0) at = (at + 1) & (slots.size() - 1);
    slots[at] = slot;
  }
  slots_ = std::move(slots);
}

uint64_t TermTable::first_bytes(uint32_t number) const {
  uint64_t bytes = keys_[number].low;
  if (keys_[number].high > kLongTerm) {
    std::memcpy(&bytes, term(number).data(), sizeof(bytes));
  }
  return __builtin_bswap64(bytes);
}

PairTable::Slot& PairTable::Add(size_t at, uint64_t key) {
  CheckCount(keys_.size());
  keys_.push_back(key);
  if (keys_.size() * 2 > slots_.size()) {
    SlotArray<Slot> old(Grown(slots_.size()));
    std::swap(old, slots_);
    const auto free_from = [&](uint64_t wanted) {
      size_t place = Place(wanted);
      while (slots_[place].number != 0) {
        place = (place + 1) & (slots_.size() - 1);
      }
      return place;
    };
    for (const Slot& slot : old) {
      if (slot.number != 0) slots_[free_from(slot.key)] = slot;
    }
    at = free_from(key);
  }
  slots_[at] = {key, static_cast<uint32_t>(keys_.size()), 0, {}, 0};
  return slots_[at];
}

}  // namespace malmoi::represent
