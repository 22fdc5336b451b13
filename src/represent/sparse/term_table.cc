#include "represent/sparse/term_table.h"

#include <algorithm>

#include "base/error.h"

namespace malmoi::represent {

namespace {

constexpr size_t kPiece = size_t{1} << 20;

void CheckCount(size_t count) {
  if (count < kGramBit - 1) return;
  throw Error(ErrorCode::kLimit,
              {.where = "vocabulary",
               .what = "too many different terms",
               .expected = "at most 2147483647",
               .hint = "shorter n-grams, or hashing (--hash)"});
}

}  // namespace

uint32_t TermTable::Add(size_t at, const HashedTerm& term) {
  CheckCount(keys_.size());
  Key key = {.low = term.low,
             .high = term.high,
             .far = nullptr,
             .size = static_cast<uint32_t>(term.size),
             .hash_low = static_cast<uint32_t>(term.hash)};
  if (term.size > kNear) {
    if (term.size > piece_left_) {
      piece_left_ = std::max(kPiece, term.size);
      pieces_.push_back(std::make_unique_for_overwrite<char[]>(piece_left_));
      piece_ = pieces_.back().get();
      piece_bytes_ += piece_left_;
    }
    std::memcpy(piece_, term.data, term.size);
    key.far = piece_;
    piece_ += term.size;
    piece_left_ -= term.size;
  }
  keys_.push_back(key);
  slots_[at] = {static_cast<uint32_t>(term.hash >> 32),
                static_cast<uint32_t>(keys_.size())};
  if (keys_.size() * 2 > slots_.size()) Grow();
  return static_cast<uint32_t>(keys_.size() - 1);
}

// At most 2^32 slots, so that the lower half of a hash is enough; the upper
// half is the slot's tag.
void TermTable::Grow() {
  std::vector<Slot> slots(slots_.size() * 4);
  for (const Slot& slot : slots_) {
    if (slot.number == 0) continue;
    size_t at = keys_[slot.number - 1].hash_low & (slots.size() - 1);
    while (slots[at].number != 0) at = (at + 1) & (slots.size() - 1);
    slots[at] = slot;
  }
  slots_ = std::move(slots);
}

uint64_t TermTable::bytes() const {
  return slots_.capacity() * sizeof(Slot) + keys_.capacity() * sizeof(Key) +
         piece_bytes_;
}

uint32_t PairTable::Add(size_t at, uint64_t key) {
  CheckCount(keys_.size());
  keys_.push_back(key);
  slots_[at] = {key, static_cast<uint32_t>(keys_.size())};
  if (keys_.size() * 2 > slots_.size()) {
    slots_.assign(slots_.size() * 2, {});
    for (size_t i = 0; i < keys_.size(); ++i) {
      size_t place = Place(keys_[i]);
      while (slots_[place].number != 0) {
        place = (place + 1) & (slots_.size() - 1);
      }
      slots_[place] = {keys_[i], static_cast<uint32_t>(i + 1)};
    }
  }
  return static_cast<uint32_t>(keys_.size() - 1);
}

}  // namespace malmoi::represent
