// Tokens that are found in the text before the model sees it: special tokens
// and what a model's makers added to its vocabulary.
#ifndef MALMOI_TEXT_TOKENIZE_ADDED_TOKENS_H_
#define MALMOI_TEXT_TOKENIZE_ADDED_TOKENS_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace malmoi::text {

struct AddedToken {
  std::string content;
  int32_t id = 0;
  bool special = false;
  bool left_strip = false;  // takes the whitespace before it
  bool right_strip = false;
  bool single_word = false;  // only between non-word characters
  bool normalized = false;   // looked for in the normalized text
};

// A set of spellings; finds the leftmost, there the longest.
class TokenTrie {
 public:
  struct Match {
    size_t begin, end;
    const AddedToken* token;
  };
  void Add(std::string_view spelling, const AddedToken* token);
  // Special tokens are passed over if `parse_special` is false. `from` is
  // the end of the match before.
  std::optional<Match> Find(std::string_view text, size_t from,
                            bool parse_special) const;
  bool empty() const { return nodes_.size() == 1; }

 private:
  struct Node {
    const AddedToken* token = nullptr;
    uint32_t length = 0;  // of the spelling that ends here
    uint64_t next = 0;    // bits of the bytes, modulo 64, that go on from here
  };
  static uint64_t Edge(uint32_t node, unsigned char byte) {
    return (static_cast<uint64_t>(node) << 8) | byte;
  }
  const Node* LongestAt(std::string_view text, size_t at) const;

  std::vector<Node> nodes_{1};
  std::unordered_map<uint64_t, uint32_t> edges_;
  uint32_t first_[256] = {};        // nodes of first bytes, 0: none
  std::optional<char> only_start_;  // if they are one
};

class AddedTokens {
 public:
  // A second token with the same content is left out. `normalized_spelling`
  // is what the normalizer makes of the content of a normalized token.
  void Add(AddedToken token, std::string_view normalized_spelling);
  const AddedToken* ById(int32_t id) const;
  const AddedToken* ByContent(std::string_view content) const;
  size_t size() const { return tokens_.size(); }
  int32_t id_limit() const { return id_limit_; }  // all ids are below

  const TokenTrie& raw() const { return raw_; }
  const TokenTrie& normalized() const { return normalized_; }

 private:
  std::deque<AddedToken> tokens_;
  std::unordered_map<int32_t, const AddedToken*> by_id_;
  std::unordered_map<std::string_view, const AddedToken*> by_content_;
  TokenTrie raw_, normalized_;
  int32_t id_limit_ = 0;
};

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_TOKENIZE_ADDED_TOKENS_H_
