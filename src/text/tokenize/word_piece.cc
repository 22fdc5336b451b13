#include "text/tokenize/word_piece.h"

#include <algorithm>
#include <utility>

#include "text/tokenize/stage_json.h"

namespace malmoi::text {

namespace {

PieceTrie TrieOf(const std::vector<std::string>& spellings,
                 std::string_view prefix) {
  std::vector<PieceTrie::Entry> entries;
  for (size_t id = 0; id < spellings.size(); ++id) {
    std::string_view key = spellings[id];
    if (!key.starts_with(prefix)) continue;
    key.remove_prefix(prefix.size());
    entries.push_back({key, static_cast<int32_t>(id)});
  }
  return PieceTrie(std::move(entries));
}

bool IsLongerThan(std::string_view text, size_t characters) {
  if (text.size() <= characters) return false;
  size_t count = 0;
  for (char c : text) count += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return count > characters;
}

}  // namespace

VocabularyModel::VocabularyModel(std::vector<std::string> spellings)
    : spellings_(std::move(spellings)), words_(TrieOf(spellings_, "")) {}

void VocabularyModel::SetUnknown(std::string_view spelling,
                                 std::string_view where) {
  unknown_id_ = words_.Find(spelling);
  if (unknown_id_ < 0) {
    ThrowCorrupt(where, "the unknown token is not in the vocabulary",
                 std::string(spelling));
  }
}

std::optional<std::string> VocabularyModel::Spelling(int32_t id) const {
  if (id < 0 || id >= size() || spellings_[static_cast<size_t>(id)].empty()) {
    return std::nullopt;
  }
  return spellings_[static_cast<size_t>(id)];
}

std::optional<int32_t> VocabularyModel::Id(std::string_view spelling) const {
  const int32_t id = words_.Find(spelling);
  if (id < 0) return std::nullopt;
  return id;
}

std::optional<int32_t> VocabularyModel::unknown_id() const {
  if (unknown_id_ < 0) return std::nullopt;
  return unknown_id_;
}

WordPiece::WordPiece(std::vector<std::string> spellings,
                     WordPieceOptions options, std::string_view where)
    : VocabularyModel(std::move(spellings)),
      options_(std::move(options)),
      continuations_(TrieOf(spellings_, options_.continuing_prefix)) {
  SetUnknown(options_.unknown, where);
}

void WordPiece::Encode(std::string_view piece, std::vector<ModelToken>& out,
                       std::vector<ModelToken>&) const {
  const size_t before = out.size();
  bool known = !IsLongerThan(piece, options_.max_characters);
  for (size_t at = 0; known && at < piece.size();) {
    ModelToken token = {-1, static_cast<uint32_t>(at), 0};
    const PieceTrie& trie = at == 0 ? words_ : continuations_;
    trie.ForEachPrefix(piece.substr(at), [&](size_t bytes, int32_t id) {
      token.id = id;
      token.end = static_cast<uint32_t>(at + bytes);
    });
    known = token.id >= 0;
    if (known) out.push_back(token);
    at = token.end;
  }
  if (known) return;
  out.resize(before);
  out.push_back({unknown_id_, 0, static_cast<uint32_t>(piece.size())});
}

std::string WordPiece::Describe() const {
  return Format("WordPiece, {} tokens", size());
}

WordLevel::WordLevel(std::vector<std::string> spellings,
                     std::string_view unknown, std::string_view where)
    : VocabularyModel(std::move(spellings)) {
  SetUnknown(unknown, where);
}

void WordLevel::Encode(std::string_view piece, std::vector<ModelToken>& out,
                       std::vector<ModelToken>&) const {
  const int32_t id = words_.Find(piece);
  out.push_back(
      {id < 0 ? unknown_id_ : id, 0, static_cast<uint32_t>(piece.size())});
}

std::string WordLevel::Describe() const {
  return Format("WordLevel, {} tokens", size());
}

}  // namespace malmoi::text
