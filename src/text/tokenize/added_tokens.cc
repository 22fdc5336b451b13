#include "text/tokenize/added_tokens.h"

#include <algorithm>
#include <iterator>

#include "text/unicode/properties.h"
#include "text/unicode/utf8.h"

namespace malmoi::text {

namespace {

// The character before or at a place of valid UTF-8; nullopt at the ends.
std::optional<CodePoint> CharacterBefore(std::string_view text, size_t at) {
  if (at == 0) return std::nullopt;
  do {
    --at;
  } while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80);
  return DecodeAt(text, at);
}
std::optional<CodePoint> CharacterAt(std::string_view text, size_t at) {
  if (at >= text.size()) return std::nullopt;
  return DecodeAt(text, at);
}

bool IsWord(const std::optional<CodePoint>& point) {
  return point && IsTokenWord(point->value);
}

size_t SkipSpacesBack(std::string_view text, size_t at, size_t least) {
  while (at > least) {
    const auto point = CharacterBefore(text, at);
    if (!point || !IsWhitespace(point->value)) break;
    at -= static_cast<size_t>(point->bytes);
  }
  return at;
}
size_t SkipSpaces(std::string_view text, size_t at) {
  while (const auto point = CharacterAt(text, at)) {
    if (!IsWhitespace(point->value)) break;
    at += static_cast<size_t>(point->bytes);
  }
  return at;
}

}  // namespace

void TokenTrie::Add(std::string_view spelling, const AddedToken* token) {
  if (spelling.empty()) return;
  uint32_t node = 0;
  for (char c : spelling) {
    const auto byte = static_cast<unsigned char>(c);
    const auto [edge, added] = edges_.try_emplace(
        Edge(node, byte), static_cast<uint32_t>(nodes_.size()));
    nodes_[node].next |= uint64_t{1} << (byte % 64);
    if (added) nodes_.push_back({});
    if (node == 0) first_[byte] = edge->second;
    node = edge->second;
  }
  if (nodes_[node].token != nullptr) return;
  nodes_[node].token = token;
  nodes_[node].length = static_cast<uint32_t>(spelling.size());
  const bool only = std::count(std::begin(first_), std::end(first_), 0u) == 255;
  only_start_ = only ? std::optional(spelling[0]) : std::nullopt;
}

const TokenTrie::Node* TokenTrie::LongestAt(std::string_view text,
                                            size_t at) const {
  const Node* longest = nullptr;
  const Node* node = &nodes_[first_[static_cast<unsigned char>(text[at])]];
  for (;;) {
    if (node->token != nullptr) longest = node;
    if (++at == text.size()) return longest;
    const auto byte = static_cast<unsigned char>(text[at]);
    if (((node->next >> (byte % 64)) & 1) == 0) return longest;
    const auto edge =
        edges_.find(Edge(static_cast<uint32_t>(node - nodes_.data()), byte));
    if (edge == edges_.end()) return longest;
    node = &nodes_[edge->second];
  }
}

std::optional<TokenTrie::Match> TokenTrie::Find(std::string_view text,
                                                size_t from,
                                                bool parse_special) const {
  for (size_t at = from; at < text.size();) {
    if (only_start_) {  // most vocabularies': <
      at = text.find(*only_start_, at);
      if (at == std::string_view::npos) break;
    }
    while (first_[static_cast<unsigned char>(text[at])] == 0) {
      if (++at == text.size()) return std::nullopt;
    }
    const Node* node = LongestAt(text, at);
    if (node == nullptr) {
      ++at;
      continue;
    }
    const AddedToken* token = node->token;
    size_t begin = at;
    size_t end = at + node->length;
    const bool refused =
        (token->special && !parse_special) ||
        (token->single_word && (IsWord(CharacterBefore(text, begin)) ||
                                IsWord(CharacterAt(text, end))));
    if (refused) {  // the spelling is passed over as a whole
      at = end;
      continue;
    }
    if (token->left_strip) begin = SkipSpacesBack(text, begin, from);
    if (token->right_strip) end = SkipSpaces(text, end);
    return Match{begin, end, token};
  }
  return std::nullopt;
}

void AddedTokens::Add(AddedToken token, std::string_view normalized_spelling) {
  if (token.content.empty() || by_content_.contains(token.content)) return;
  tokens_.push_back(std::move(token));
  const AddedToken* added = &tokens_.back();
  by_id_.emplace(added->id, added);
  by_content_.emplace(added->content, added);
  id_limit_ = std::max(id_limit_, added->id + 1);
  if (added->normalized) {
    normalized_.Add(normalized_spelling, added);
  } else {
    raw_.Add(added->content, added);
  }
}

const AddedToken* AddedTokens::ById(int32_t id) const {
  const auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : it->second;
}

const AddedToken* AddedTokens::ByContent(std::string_view content) const {
  const auto it = by_content_.find(content);
  return it == by_content_.end() ? nullptr : it->second;
}

}  // namespace malmoi::text
