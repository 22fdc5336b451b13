// Words of up to 15 bytes as two integers, which are compared and hashed
// without a loop: the bytes, zeros, and above them how many there are.
#ifndef MALMOI_TEXT_TOKENIZE_WORD_KEY_H_
#define MALMOI_TEXT_TOKENIZE_WORD_KEY_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace malmoi::text {

static_assert(std::endian::native == std::endian::little);

struct WordKey {
  static constexpr size_t kMostBytes = 15;

  uint64_t low = 0, high = 0;  // both zero: no word

  bool operator==(const WordKey&) const = default;

  // Of a word of up to 15 bytes; 16 bytes can be read from `word`. Of longer
  // ones, no word.
  static WordKey Of(const char* word, size_t bytes) {
    struct Cut {
      uint64_t low, high, length;
    };
    static constexpr auto kCuts = [] {
      std::array<Cut, kMostBytes + 2> cuts = {};
      for (size_t i = 1; i <= kMostBytes; ++i) {
        cuts[i].low = i < 8 ? (uint64_t{1} << (8 * i)) - 1 : UINT64_MAX;
        cuts[i].high = i > 8 ? (uint64_t{1} << (8 * (i - 8))) - 1 : 0;
        cuts[i].length = uint64_t{i} << 56;
      }
      return cuts;
    }();
    WordKey key;
    std::memcpy(&key.low, word, 8);
    std::memcpy(&key.high, word + 8, 8);
    const Cut& cut = kCuts[bytes <= kMostBytes ? bytes : kMostBytes + 1];
    key.low &= cut.low;
    key.high = (key.high & cut.high) | cut.length;
    return key;
  }
  // The same where less may be readable.
  static WordKey Of(std::string_view word) {
    if (word.size() > kMostBytes) return {};
    char padded[16] = {};
    std::memcpy(padded, word.data(), word.size());
    return Of(padded, word.size());
  }

  uint64_t Hash() const {
    const auto product =
        static_cast<unsigned __int128>(low ^ 0x9e3779b97f4a7c15) *
        (high ^ 0xd1b54a32d192ed03);
    return static_cast<uint64_t>(product) ^
           static_cast<uint64_t>(product >> 64);
  }
};

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_TOKENIZE_WORD_KEY_H_
