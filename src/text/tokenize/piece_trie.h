// The spellings of a vocabulary as a double-array trie (Aoe 1989): one array
// access for each byte of a text, whatever the number of spellings.
#ifndef MALMOI_TEXT_TOKENIZE_PIECE_TRIE_H_
#define MALMOI_TEXT_TOKENIZE_PIECE_TRIE_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace malmoi::text {

class PieceTrie {
 public:
  struct Entry {
    std::string_view key;
    int32_t value;  // not negative
  };

  // Empty keys are left out; of equal keys the last one counts. The keys need
  // not outlive the constructor.
  explicit PieceTrie(std::vector<Entry> entries);

  // The value of a key, -1 for what is none.
  int32_t Find(std::string_view key) const;

  // Calls visit(bytes, value) for each key that `text` starts with, the
  // shortest first.
  template <typename Visit>
  void ForEachPrefix(std::string_view text, const Visit& visit) const {
    uint32_t node = 0;
    for (size_t i = 0; i < text.size(); ++i) {
      node = Child(node, text[i]);
      if (node == 0) return;
      if (units_[node].value >= 0) visit(i + 1, units_[node].value);
    }
  }

 private:
  static constexpr uint32_t kFree = UINT32_MAX;
  struct Unit {
    uint32_t base = 0;  // the child by byte b is at base + b
    uint32_t parent = kFree;
    int32_t value = -1;
  };

  uint32_t Child(uint32_t node, char byte) const {  // 0: none
    const uint32_t child = units_[node].base + static_cast<unsigned char>(byte);
    return units_[child].parent == node ? child : 0;
  }
  uint32_t FindBase(const std::vector<unsigned char>& bytes);

  std::vector<Unit> units_;  // with room for 256 children behind any base
  uint32_t first_free_ = 1;  // where to look for free units
};

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_TOKENIZE_PIECE_TRIE_H_
