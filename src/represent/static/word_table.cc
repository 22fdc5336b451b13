#include "represent/static/word_table.h"

#include <bit>
#include <cstring>

#include "base/check.h"
#include "base/error.h"

namespace malmoi::represent {

namespace {
constexpr uint64_t kA = 0x9e3779b97f4a7c15ull, kB = 0xd6e8feb86659fd93ull;

uint64_t Mix(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

uint64_t Load(const char* from, size_t bytes) {
  uint64_t value = 0;
  std::memcpy(&value, from, bytes);
  return value;
}
}  // namespace

uint64_t HashWord(std::string_view word) {
  const char* at = word.data();
  size_t left = word.size();
  uint64_t hash = kA ^ left;
  for (; left > 8; left -= 8, at += 8) hash = Mix(hash ^ Load(at, 8), kB);
  return Mix(hash ^ Load(at, left), kA);
}

int64_t WordTable::Find(std::string_view text, uint64_t hash) const {
  if (slots_.empty()) return -1;
  const size_t mask = slots_.size() - 1;
  const uint32_t tag = static_cast<uint32_t>(hash >> 32);
  for (size_t at = hash & mask;; at = (at + 1) & mask) {
    const Slot& slot = slots_[at];
    if (slot.id < 0) return -1;
    if (slot.tag == tag && word(slot.id) == text) return slot.id;
  }
}

int64_t WordTable::Add(std::string_view text) {
  const uint64_t hash = HashWord(text);
  const int64_t known = Find(text, hash);
  if (known >= 0) return known;
  if (size() >= INT32_MAX) {
    throw Error(ErrorCode::kLimit, {.where = "vocabulary",
                                    .what = "too many words",
                                    .expected = "fewer than 2^31"});
  }
  if (begins_.size() * 3 > slots_.size() * 2) {
    Grow(slots_.empty() ? 64 : slots_.size() * 2);
  }
  const int64_t id = size();
  bytes_.append(text);
  begins_.push_back(bytes_.size());
  const size_t mask = slots_.size() - 1;
  size_t at = hash & mask;
  while (slots_[at].id >= 0) at = (at + 1) & mask;
  slots_[at] = {static_cast<uint32_t>(hash >> 32), static_cast<int32_t>(id)};
  return id;
}

void WordTable::Reserve(int64_t words) {
  const size_t wanted = std::bit_ceil(static_cast<size_t>(words) * 3 / 2 + 64);
  if (wanted > slots_.size()) Grow(wanted);
  begins_.reserve(static_cast<size_t>(words) + 1);
}

void WordTable::Grow(size_t slots) {
  slots_.assign(slots, {});
  const size_t mask = slots - 1;
  for (int64_t id = 0; id < size(); ++id) {
    const uint64_t hash = HashWord(word(id));
    size_t at = hash & mask;
    while (slots_[at].id >= 0) at = (at + 1) & mask;
    slots_[at] = {static_cast<uint32_t>(hash >> 32), static_cast<int32_t>(id)};
  }
}

}  // namespace malmoi::represent
