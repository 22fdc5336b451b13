// MurmurHash3_x86_32 (Austin Appleby, public domain), by which scikit-learn's
// HashingVectorizer finds a term's column.
#ifndef MALMOI_REPRESENT_SPARSE_MURMUR3_H_
#define MALMOI_REPRESENT_SPARSE_MURMUR3_H_

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace malmoi::represent {

inline uint32_t Murmur3(std::string_view bytes, uint32_t seed = 0) {
  const auto mixed = [](uint32_t k) {
    return std::rotl(k * 0xcc9e2d51u, 15) * 0x1b873593u;
  };
  uint32_t hash = seed;
  size_t at = 0;
  for (; at + 4 <= bytes.size(); at += 4) {
    uint32_t k;
    std::memcpy(&k, bytes.data() + at, 4);
    hash = std::rotl(hash ^ mixed(k), 13) * 5 + 0xe6546b64u;
  }
  uint32_t tail = 0;
  for (size_t i = bytes.size(); i > at; --i) {
    tail = tail << 8 | static_cast<unsigned char>(bytes[i - 1]);
  }
  hash ^= mixed(tail) ^ static_cast<uint32_t>(bytes.size());
  hash = (hash ^ (hash >> 16)) * 0x85ebca6bu;
  hash = (hash ^ (hash >> 13)) * 0xc2b2ae35u;
  return hash ^ (hash >> 16);
}

}  // namespace malmoi::represent

#endif  // MALMOI_REPRESENT_SPARSE_MURMUR3_H_
