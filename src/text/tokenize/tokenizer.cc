#include "text/tokenize/tokenizer.h"

#include <algorithm>

#include "base/error.h"
#include "base/format.h"
#include "text/tokenize/pipeline.h"
#include "text/unicode/utf8.h"

namespace malmoi::text {

void AddedTokens::Add(AddedToken token) {
  if (token.content.empty() || ByContent(token.content) != nullptr) return;
  tokens_.push_back(std::move(token));
  const AddedToken* added = &tokens_.back();
  by_id_.emplace(added->id, added);
  auto& list = by_first_byte_[static_cast<unsigned char>(added->content[0])];
  list.push_back(added);
  std::sort(list.begin(), list.end(),
            [](const AddedToken* a, const AddedToken* b) {
              return a->content.size() > b->content.size();
            });
}

const AddedToken* AddedTokens::ById(int32_t id) const {
  const auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : it->second;
}

const AddedToken* AddedTokens::ByContent(std::string_view content) const {
  if (content.empty()) return nullptr;
  for (const AddedToken* token :
       by_first_byte_[static_cast<unsigned char>(content[0])]) {
    if (token->content == content) return token;
  }
  return nullptr;
}

namespace {

// Whether the character before or after a place is part of a word.
bool WordBefore(std::string_view text, size_t at) {
  while (at > 0) {
    --at;
    if ((static_cast<unsigned char>(text[at]) & 0xc0) != 0x80) {
      const auto point = DecodeAt(text, at);
      return point && IsWordCharacter(point->value);
    }
  }
  return false;
}
bool WordAt(std::string_view text, size_t at) {
  if (at >= text.size()) return false;
  const auto point = DecodeAt(text, at);
  return point && IsWordCharacter(point->value);
}

size_t SkipSpacesBack(std::string_view text, size_t at, size_t least) {
  while (at > least) {
    size_t start = at - 1;
    while (start > least &&
           (static_cast<unsigned char>(text[start]) & 0xc0) == 0x80) {
      --start;
    }
    const auto point = DecodeAt(text, start);
    if (!point || !IsWhitespace(point->value)) break;
    at = start;
  }
  return at;
}
size_t SkipSpaces(std::string_view text, size_t at) {
  while (at < text.size()) {
    const auto point = DecodeAt(text, at);
    if (!point || !IsWhitespace(point->value)) break;
    at += static_cast<size_t>(point->bytes);
  }
  return at;
}

}  // namespace

std::optional<AddedTokens::Match> AddedTokens::Find(std::string_view text,
                                                    size_t from,
                                                    bool parse_special) const {
  for (size_t at = from; at < text.size(); ++at) {
    for (const AddedToken* token :
         by_first_byte_[static_cast<unsigned char>(text[at])]) {
      if (token->special && !parse_special) continue;
      if (text.compare(at, token->content.size(), token->content) != 0) {
        continue;
      }
      size_t begin = at;
      size_t end = at + token->content.size();
      if (token->single_word &&
          (WordBefore(text, begin) || WordAt(text, end))) {
        continue;
      }
      if (token->left_strip) begin = SkipSpacesBack(text, begin, from);
      if (token->right_strip) end = SkipSpaces(text, end);
      return Match{begin, end, token};
    }
  }
  return std::nullopt;
}

Tokenizer::Tokenizer(std::unique_ptr<TokenizerParts> parts)
    : parts_(std::move(parts)) {}
Tokenizer::~Tokenizer() = default;

namespace {

void EncodePlain(const TokenizerParts& parts, std::string_view text,
                 size_t begin, Encoding& out) {
  std::string normalized;
  bool changed = false;
  std::string_view input = text;
  if (parts.normalizer) {
    normalized = parts.normalizer->Apply(text);
    changed = normalized != text;
    input = normalized;
  }
  Pieces pieces;
  pieces.list.push_back({input, 0, 0});
  if (parts.pre_tokenizer) parts.pre_tokenizer->Split(pieces);
  std::vector<ModelToken> tokens;
  for (const Piece& piece : pieces.list) {
    tokens.clear();
    parts.model->Encode(piece.text, tokens);
    size_t at = 0;  // within the piece
    for (const ModelToken& token : tokens) {
      const size_t end = at + token.bytes;
      const auto place = [&](size_t offset) {
        return piece.begin +
               (offset > piece.prefixed ? offset - piece.prefixed : 0);
      };
      out.ids.push_back(token.id);
      if (changed) {
        out.offsets.emplace_back(begin, begin + text.size());
      } else {
        out.offsets.emplace_back(begin + place(at), begin + place(end));
      }
      at = end;
    }
  }
}

}  // namespace

Encoding Tokenizer::Encode(std::string_view text,
                           const EncodeOptions& options) const {
  if (const auto bad = FindInvalidUtf8(text)) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "text",
                 .what = "invalid UTF-8",
                 .expected = "UTF-8",
                 .got = Format("byte 0x{:02x} at offset {}",
                               static_cast<unsigned char>(text[*bad]), *bad),
                 .hint = "converting it with iconv"});
  }
  Encoding out;
  const auto add = [&](const std::vector<int32_t>& ids, size_t at) {
    if (!options.add_special_tokens) return;
    for (int32_t id : ids) {
      out.ids.push_back(id);
      out.offsets.emplace_back(at, at);
    }
  };
  add(parts_->prefix, 0);
  size_t at = 0;
  while (at < text.size()) {
    const auto match = parts_->added.Find(text, at, options.parse_special);
    const size_t end = match ? match->begin : text.size();
    if (end > at) EncodePlain(*parts_, text.substr(at, end - at), at, out);
    if (!match) break;
    out.ids.push_back(match->token->id);
    out.offsets.emplace_back(match->begin, match->end);
    at = match->end;
  }
  add(parts_->suffix, text.size());
  return out;
}

std::string Tokenizer::TokenBytes(int32_t id) const {
  if (const AddedToken* added = parts_->added.ById(id)) return added->content;
  return parts_->model->Bytes(id).value_or("");
}

std::string Tokenizer::TokenText(int32_t id) const {
  if (const AddedToken* added = parts_->added.ById(id)) return added->content;
  return parts_->model->Spelling(id).value_or("");
}

std::optional<int32_t> Tokenizer::TokenId(std::string_view spelling) const {
  if (const AddedToken* added = parts_->added.ByContent(spelling)) {
    return added->id;
  }
  return parts_->model->Id(spelling);
}

std::string Tokenizer::Decode(std::span<const int32_t> ids,
                              bool skip_special) const {
  std::string bytes;
  for (int32_t id : ids) {
    if (skip_special && IsSpecial(id)) continue;
    bytes += TokenBytes(id);
  }
  return bytes;
}

bool Tokenizer::IsSpecial(int32_t id) const {
  const AddedToken* added = parts_->added.ById(id);
  return added != nullptr && added->special;
}

int32_t Tokenizer::vocab_size() const { return parts_->model->size(); }
std::optional<int32_t> Tokenizer::bos_id() const { return parts_->bos; }
std::optional<int32_t> Tokenizer::eos_id() const { return parts_->eos; }
std::vector<int32_t> Tokenizer::end_of_generation_ids() const {
  return parts_->ends;
}
bool Tokenizer::adds_bos() const {
  return parts_->bos && !parts_->prefix.empty() &&
         parts_->prefix.front() == *parts_->bos;
}

std::string Tokenizer::Describe() const {
  std::string text;
  if (parts_->normalizer) text += parts_->normalizer->Describe() + "; ";
  if (parts_->pre_tokenizer) text += parts_->pre_tokenizer->Describe() + "; ";
  return text + parts_->model->Describe() +
         Format("; {} added tokens", parts_->added.size());
}

std::string StreamDecoder::Push(int32_t id) {
  if (skip_special_ && tokenizer_->IsSpecial(id)) return "";
  held_ += tokenizer_->TokenBytes(id);
  const size_t keep = IncompleteTail(held_);
  std::string ready = ReplaceInvalidUtf8(
      std::string_view(held_).substr(0, held_.size() - keep));
  held_.erase(0, held_.size() - keep);
  return ready;
}

std::string StreamDecoder::Finish() {
  std::string ready = ReplaceInvalidUtf8(held_);
  held_.clear();
  return ready;
}

}  // namespace malmoi::text
