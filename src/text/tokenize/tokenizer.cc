#include "text/tokenize/tokenizer.h"

#include <algorithm>

#include "base/error.h"
#include "base/format.h"
#include "base/log.h"
#include "text/tokenize/pipeline.h"
#include "text/tokenize/short_way.h"
#include "text/unicode/utf8.h"

namespace malmoi::text {

namespace {

// Throws kInvalidArgument if the added tokens alone are too many.
size_t RoomBeside(size_t added, const Truncation& truncation) {
  if (added <= truncation.max_tokens) return truncation.max_tokens - added;
  throw Error(ErrorCode::kInvalidArgument,
              {.where = "truncation",
               .what = "no room for the special tokens",
               .expected = Format("{} tokens or more", added),
               .got = Format("{}", truncation.max_tokens),
               .hint = "a larger max_tokens"});
}

// One call of Encode().
class Run {
 public:
  Run(const TokenizerParts& parts, const ShortWay* short_way,
      std::string_view text, const EncodeOptions& options)
      : parts_(parts), short_way_(short_way), text_(text), options_(options) {}

  Encoding Encode() {
    const Piece whole = {text_, nullptr, 0};
    CutAdded(whole, parts_.added.raw(), [&](const Piece& piece) {
      if (short_way_ != nullptr && short_way_->normalizes() &&
          TakeShortWay(piece)) {
        return;
      }
      if (!parts_.normalizer && parts_.added.normalized().empty()) {
        EncodePiece(piece);
      } else {
        NormalizePiece(piece);
      }
    });
    if (options_.truncation) {
      Truncate(RoomFor(*options_.truncation), options_.truncation->side, out_);
    }
    if (parts_.post_processor) {
      parts_.post_processor->Apply(
          {*parts_.model, parts_.added, text_, options_.add_special_tokens},
          out_);
    }
    if (out_.left_out_bytes > 0) {
      Log(LogLevel::kWarning,
          Format("the vocabulary has no token for {} bytes of the text, which "
                 "were left out",
                 out_.left_out_bytes));
    }
    if (!options_.offsets) out_.offsets.clear();
    return std::move(out_);
  }

 private:
  // Tokens of the text beside those that are added.
  size_t RoomFor(const Truncation& truncation) const {
    Encoding added;
    if (parts_.post_processor) {
      parts_.post_processor->Apply(
          {*parts_.model, parts_.added, "", options_.add_special_tokens},
          added);
    }
    return RoomBeside(added.ids.size(), truncation);
  }

  // Adds the tokens of `trie` in the piece; what is between them goes to
  // `encode`.
  template <typename EncodeRest>
  void CutAdded(const Piece& piece, const TokenTrie& trie,
                const EncodeRest& encode) {
    size_t at = 0;
    while (at < piece.text.size()) {
      const auto match =
          trie.empty() ? std::nullopt
                       : trie.Find(piece.text, at, options_.parse_special);
      const size_t end = match ? match->begin : piece.text.size();
      if (end > at) encode(piece.Part(at, end));
      if (!match) break;
      Add(match->token->id, piece, match->begin, match->end);
      at = match->end;
    }
  }

  void Add(int32_t id, const Piece& piece, size_t begin, size_t end) {
    out_.ids.push_back(id);
    if (!options_.offsets) return;
    out_.offsets.emplace_back(piece.SourceOf(begin).begin,
                              piece.SourceOf(end - 1).end);
  }

  void NormalizePiece(const Piece& piece) {
    AlignedText text;
    Piece normal = piece;
    const bool normal_already =
        short_way_ != nullptr && short_way_->IsNormal(piece.text);
    if (parts_.normalizer && !normal_already) {
      text.text = piece.text;
      text.sources.reserve(piece.text.size());
      for (size_t i = 0; i < piece.text.size(); ++i) {
        text.sources.push_back(piece.SourceOf(i));
      }
      text = parts_.normalizer->Apply(text);
      normal = {text.text, text.sources.data(), 0};
    }
    CutAdded(normal, parts_.added.normalized(),
             [&](const Piece& part) { EncodePiece(part); });
  }

  bool TakeShortWay(const Piece& piece) {
    lost_.clear();
    if (!loan_) loan_.emplace(*short_way_);
    if (!short_way_->Encode(piece, options_.offsets, *loan_, out_, lost_)) {
      return false;
    }
    CountLost(piece);
    return true;
  }

  void CountLost(const Piece& piece) {
    for (const ModelToken& lost : lost_) {
      const size_t begin = piece.SourceOf(lost.begin).begin;
      if (options_.refuse_unencodable) ThrowUnencodable(begin);
      out_.left_out_bytes += piece.SourceOf(lost.end - 1).end - begin;
    }
  }

  void EncodePiece(const Piece& whole) {
    if (short_way_ != nullptr && !short_way_->normalizes()) {
      TakeShortWay(whole);
      return;
    }
    Pieces pieces;
    pieces.list.push_back(whole);
    if (parts_.pre_tokenizer) parts_.pre_tokenizer->Split(pieces);
    for (const Piece& piece : pieces.list) {
      tokens_.clear();
      lost_.clear();
      parts_.model->Encode(piece.text, tokens_, lost_);
      CountLost(piece);
      for (const ModelToken& token : tokens_) {
        Add(token.id, piece, token.begin, token.end);
      }
    }
  }

  [[noreturn]] void ThrowUnencodable(size_t at) const {
    while (at > 0 && (static_cast<unsigned char>(text_[at]) & 0xc0) == 0x80) {
      --at;
    }
    const auto point = DecodeAt(text_, at);
    throw Error(
        ErrorCode::kUnsupported,
        {.where = "text",
         .what = "the vocabulary has no token for a character",
         .got = Format("U+{:04X} at byte {}",
                       static_cast<uint32_t>(point ? point->value : 0), at),
         .hint = "removing the character"});
  }

  const TokenizerParts& parts_;
  const ShortWay* short_way_;
  std::optional<ShortWay::Loan> loan_;
  std::string_view text_;
  const EncodeOptions& options_;
  std::vector<ModelToken> tokens_, lost_;
  Encoding out_;
};

}  // namespace

Tokenizer::Tokenizer(std::unique_ptr<TokenizerParts> parts)
    : parts_(std::move(parts)), short_way_(ShortWay::For(*parts_)) {}
Tokenizer::~Tokenizer() = default;

void Tokenizer::CheckText(std::string_view text) {
  constexpr size_t kMaxBytes = size_t{1} << 31;
  if (text.size() >= kMaxBytes) {
    throw Error(ErrorCode::kLimit, {.where = "text",
                                    .what = "the text is too long",
                                    .expected = "less than 2 GiB",
                                    .got = FormatBytes(text.size()),
                                    .hint = "tokenizing it in parts"});
  }
  if (const auto bad = FindInvalidUtf8(text)) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "text",
                 .what = "invalid UTF-8",
                 .expected = "UTF-8",
                 .got = Format("byte 0x{:02x} at offset {}",
                               static_cast<unsigned char>(text[*bad]), *bad),
                 .hint = "converting it with iconv"});
  }
}

Encoding Tokenizer::Encode(std::string_view text,
                           const EncodeOptions& options) const {
  CheckText(text);
  return Run(*parts_, short_way_.get(), text, options).Encode();
}

Encoding Tokenizer::EncodePair(std::string_view first, std::string_view second,
                               const EncodeOptions& options) const {
  CheckText(first);
  CheckText(second);
  EncodeOptions bare = options;
  bare.add_special_tokens = false;
  bare.truncation.reset();
  Encoding texts[] = {Run(*parts_, short_way_.get(), first, bare).Encode(),
                      Run(*parts_, short_way_.get(), second, bare).Encode()};
  std::vector<PairItem> items;
  if (parts_->post_processor) items = parts_->post_processor->PairTemplate();
  if (items.empty()) items = {{.text = 0, .type = 0}, {.text = 1, .type = 1}};
  if (!options.add_special_tokens) {
    std::erase_if(items, [](const PairItem& item) { return item.text < 0; });
  }
  if (options.truncation) {
    const auto added =
        std::count_if(items.begin(), items.end(),
                      [](const PairItem& item) { return item.text < 0; });
    TruncatePair(RoomBeside(static_cast<size_t>(added), *options.truncation),
                 *options.truncation, texts[0], texts[1]);
  }
  Encoding out;
  for (const PairItem& item : items) {
    if (item.text < 0) {
      out.ids.push_back(item.id);
      out.offsets.emplace_back(0, 0);
    } else {
      const Encoding& text = texts[item.text];
      out.ids.insert(out.ids.end(), text.ids.begin(), text.ids.end());
      out.offsets.insert(out.offsets.end(), text.offsets.begin(),
                         text.offsets.end());
      out.left_out_bytes += text.left_out_bytes;
      out.truncated_tokens += text.truncated_tokens;
    }
    out.type_ids.resize(out.ids.size(), item.type);
    out.text_of.resize(out.ids.size(), item.text);
  }
  if (!options.offsets) out.offsets.clear();
  return out;
}

std::string Tokenizer::TokenText(int32_t id) const {
  if (const AddedToken* added = parts_->added.ById(id)) return added->content;
  return parts_->model->Spelling(id).value_or("");
}

std::string Tokenizer::TokenBytes(int32_t id, bool first) const {
  std::vector<DecodedToken> tokens = {
      {TokenText(id), parts_->added.ById(id) != nullptr}};
  if (tokens[0].text.empty()) return "";
  DecodeState state = {.first = first};
  parts_->decoder->Apply(state, tokens);
  return std::move(tokens[0].text);
}

std::optional<int32_t> Tokenizer::TokenId(std::string_view spelling) const {
  if (const AddedToken* added = parts_->added.ByContent(spelling)) {
    return added->id;
  }
  return parts_->model->Id(spelling);
}

std::string Tokenizer::Decode(std::span<const int32_t> ids,
                              bool skip_special) const {
  std::vector<DecodedToken> tokens;
  tokens.reserve(ids.size());
  for (int32_t id : ids) {
    const AddedToken* added = parts_->added.ById(id);
    if (skip_special && added != nullptr && added->special) continue;
    std::string text = TokenText(id);
    if (text.empty()) continue;
    tokens.push_back({std::move(text), added != nullptr});
  }
  if (tokens.empty()) return "";
  DecodeState state = {.first = true, .last = true};
  parts_->decoder->Apply(state, tokens);
  std::string bytes;
  for (const DecodedToken& token : tokens) bytes += token.text;
  return bytes;
}

bool Tokenizer::IsSpecial(int32_t id) const {
  const AddedToken* added = parts_->added.ById(id);
  return added != nullptr && added->special;
}

int32_t Tokenizer::vocab_size() const {
  return std::max(parts_->model->size(), parts_->added.id_limit());
}
std::optional<int32_t> Tokenizer::bos_id() const { return parts_->bos; }
std::optional<int32_t> Tokenizer::eos_id() const { return parts_->eos; }
std::optional<int32_t> Tokenizer::pad_id() const { return parts_->pad; }
std::optional<int32_t> Tokenizer::unk_id() const { return parts_->unk; }
std::string_view Tokenizer::continuing_prefix() const {
  return parts_->model->continuing_prefix();
}
std::vector<int32_t> Tokenizer::end_of_generation_ids() const {
  return parts_->ends;
}

const std::optional<Truncation>& Tokenizer::truncation() const {
  return parts_->truncation;
}
const std::optional<Padding>& Tokenizer::padding() const {
  return parts_->padding;
}

bool Tokenizer::adds_bos() const {
  if (!parts_->bos || !parts_->post_processor) return false;
  Encoding empty;
  parts_->post_processor->Apply({*parts_->model, parts_->added, "", true},
                                empty);
  return !empty.ids.empty() && empty.ids.front() == *parts_->bos;
}

std::string Tokenizer::Describe() const {
  std::string text;
  if (parts_->normalizer) text += parts_->normalizer->Describe() + "; ";
  if (parts_->pre_tokenizer) text += parts_->pre_tokenizer->Describe() + "; ";
  text += parts_->model->Describe();
  if (parts_->post_processor) text += "; " + parts_->post_processor->Describe();
  return text + Format("; {} added tokens; decoded by {}", parts_->added.size(),
                       parts_->decoder->Describe());
}

std::string StreamDecoder::Push(int32_t id) {
  if (skip_special_ && tokenizer_->IsSpecial(id)) return "";
  if (tokenizer_->TokenText(id).empty()) return "";
  held_ += tokenizer_->TokenBytes(id, first_);
  first_ = false;
  const size_t keep = IncompleteTail(held_);
  std::string ready = ReplaceInvalidUtf8(
      std::string_view(held_).substr(0, held_.size() - keep));
  held_.erase(0, held_.size() - keep);
  return ready;
}

std::string StreamDecoder::Finish() {
  std::string ready = ReplaceInvalidUtf8(held_);
  held_.clear();
  first_ = true;
  return ready;
}

}  // namespace malmoi::text
