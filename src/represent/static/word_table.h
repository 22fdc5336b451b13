// Words and their numbers: an open-addressing table over one arena of bytes,
// the word list of vector files and of training, where a look-up for each word
// of a corpus is part of the time that training takes.
#ifndef MALMOI_REPRESENT_STATIC_WORD_TABLE_H_
#define MALMOI_REPRESENT_STATIC_WORD_TABLE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace malmoi::represent {

// Of bytes; the same on every machine.
uint64_t HashWord(std::string_view word);

class WordTable {
 public:
  WordTable() = default;

  // The number of a word, [0, size()), in order of their first Add().
  int64_t Add(std::string_view word);
  // -1 for an unknown word.
  int64_t Find(std::string_view word) const {
    return Find(word, HashWord(word));
  }
  int64_t Find(std::string_view word, uint64_t hash) const;
  std::string_view word(int64_t id) const {
    const size_t i = static_cast<size_t>(id);
    return std::string_view(bytes_).substr(begins_[i],
                                           begins_[i + 1] - begins_[i]);
  }
  int64_t size() const { return static_cast<int64_t>(begins_.size()) - 1; }
  void Reserve(int64_t words);

 private:
  struct Slot {
    uint32_t tag = 0;  // of the hash
    int32_t id = -1;
  };
  void Grow(size_t slots);

  std::string bytes_;
  std::vector<uint64_t> begins_ = {0};  // [words + 1]
  std::vector<Slot> slots_;             // a power of two, at most 2/3 full
};

}  // namespace malmoi::represent

#endif  // MALMOI_REPRESENT_STATIC_WORD_TABLE_H_
