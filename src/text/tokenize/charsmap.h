// SentencePiece's rules of normalization, which its files hold as a Darts
// double-array trie and the texts that replace the trie's keys.
#ifndef MALMOI_TEXT_TOKENIZE_CHARSMAP_H_
#define MALMOI_TEXT_TOKENIZE_CHARSMAP_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace malmoi::text {

class Charsmap {
 public:
  // `data`: the trie's size in bytes (32 bits, little endian), its units of 32
  // bits, then the texts, each ended by a zero byte. Throws kCorrupt.
  Charsmap(std::string_view data, std::string_view where);

  // What replaces `text`: the text of the shortest key that it begins with.
  // Throws kCorrupt where the trie leads outside.
  std::optional<std::string_view> Find(std::string_view text) const;
  // The same for the longest key, as SentencePiece itself does.
  struct Rule {
    std::string_view text;
    size_t bytes;  // of the key
  };
  std::optional<Rule> FindLongest(std::string_view text) const;

 private:
  // Calls visit(bytes, text) for the keys that `text` starts with, the
  // shortest first, until it returns false.
  template <typename Visit>
  void ForEachKey(std::string_view text, const Visit& visit) const;
  uint32_t Unit(size_t at) const;
  [[noreturn]] void ThrowBroken() const;

  std::string where_;
  std::vector<uint32_t> units_;
  std::string texts_;
};

// The bytes that `text` stands for; nullopt if it is no base64.
std::optional<std::string> DecodeBase64(std::string_view text);

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_TOKENIZE_CHARSMAP_H_
