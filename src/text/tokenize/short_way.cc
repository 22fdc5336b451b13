#include "text/tokenize/short_way.h"

#include <algorithm>
#include <bit>
#include <span>
#include <utility>

#include "text/tokenize/byte_level.h"
#include "text/tokenize/char_classes.h"
#include "text/tokenize/cutter.h"
#include "text/tokenize/word_cache.h"
#include "text/tokenize/word_starts.h"

namespace malmoi::text {

namespace {

constexpr std::string_view kVisibleSpace = "\u2581";

bool IsPunctuation(char c) {
  return (c >= 0x21 && c <= 0x2f) || (c >= 0x3a && c <= 0x40) ||
         (c >= 0x5b && c <= 0x60) || (c >= 0x7b && c <= 0x7e);
}
bool IsPlainSpace(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
bool IsAlphanumeric(char c) {
  return cut::IsLower(static_cast<char>(c | 0x20)) || cut::IsDigit(c);
}

// Where words begin and end. Next() moves `begin` to the next word, of which
// it returns the end; 0 if there is none. Fill() writes several of them, up to
// kMostWords, and moves `begin` behind them.
struct WordRange {
  uint32_t begin, bytes;
};
constexpr size_t kMostWords = 96;

template <typename Words>
size_t FillOneByOne(const Words& words, std::string_view text, size_t& begin,
                    size_t most, WordRange* to) {
  size_t count = 0;
  for (; count < most; ++count) {
    const size_t end = words.Next(text, begin);
    if (end == 0) break;
    to[count] = {static_cast<uint32_t>(begin),
                 static_cast<uint32_t>(end - begin)};
    begin = end;
  }
  return count;
}

template <CutRule kRule>
struct PatternWords {
  const Regex* regex;
  size_t Fill(std::string_view text, size_t& begin, WordRange* to) const {
    constexpr size_t kFewWords = 8;  // where a stretch tells nothing
    size_t count = 0;
    if constexpr (HasWordStarts(kRule)) {
      while (count + kStretch <= kMostWords && text.size() - begin > kStretch) {
        uint64_t starts = WordStarts<kRule>(text.data() + begin);
        const auto first = static_cast<uint32_t>(begin);
        uint32_t from = 0;
        while ((starts &= starts - 1) != 0) {
          const auto end = static_cast<uint32_t>(std::countr_zero(starts));
          to[count++] = {first + from, end - from};
          from = end;
        }
        begin += from;
        if (from == 0) {
          count += FillOneByOne(*this, text, begin, kFewWords, to + count);
        }
      }
      if (count > 0) return count;
    }
    return FillOneByOne(*this, text, begin, kMostWords, to);
  }
  size_t Next(std::string_view text, size_t& begin) const {
    if (begin == text.size()) return 0;
    return PieceEnd<kRule>(text.data(), begin, text.size(), regex);
  }
};

struct SpacedWords {
  const JoinedBytes& joined;
  size_t Fill(std::string_view text, size_t& begin, WordRange* to) const {
    return FillOneByOne(*this, text, begin, kMostWords, to);
  }
  size_t Next(std::string_view text, size_t& begin) const {
    if (begin == text.size()) return 0;
    size_t end = begin + 1;
    while (end < text.size() && joined.Has(text[end - 1], text[end])) ++end;
    return end;
  }
};

// What is between spaces and punctuation, of any characters: an accent or a
// character that cleaning takes out changes nothing beyond them.
struct BertWords {
  size_t Fill(std::string_view text, size_t& begin, WordRange* to) const {
    return FillOneByOne(*this, text, begin, kMostWords, to);
  }
  size_t Next(std::string_view text, size_t& begin) const {
    while (begin < text.size() && IsPlainSpace(text[begin])) ++begin;
    if (begin == text.size()) return 0;
    if (IsPunctuation(text[begin])) return begin + 1;
    size_t end = begin;
    for (;;) {
      end = cut::SkipLetters(text.data(), end, text.size());
      if (end == text.size() || IsPlainSpace(text[end]) ||
          IsPunctuation(text[end])) {
        return end;
      }
      ++end;
    }
  }
};

// The ids of an encoding while they are written.
class Ids {
 public:
  // Of a text of so many bytes.
  Ids(std::vector<int32_t>& ids, size_t bytes) : ids_(ids), count_(ids.size()) {
    // At once what most texts need.
    if (count_ == 0) ids.reserve(bytes / 3 + kSpare);
  }
  ~Ids() { ids_.resize(count_); }
  Ids(const Ids&) = delete;
  Ids& operator=(const Ids&) = delete;

  // Room for `more`.
  int32_t* Room(size_t more) {
    if (count_ + more > ids_.size()) {
      const size_t size = count_ + more + kSpare;
      if (size > ids_.capacity()) ids_.reserve(size * 3 / 2);
      ids_.resize(size);
    }
    return ids_.data() + count_;
  }
  void Advance(size_t count) { count_ += count; }

 private:
  // Few, as each of a text's pieces pays for them.
  static constexpr size_t kSpare = 64;

  std::vector<int32_t>& ids_;
  size_t count_;
};

}  // namespace

// Words on their way: all are looked up before the first is needed, so that
// the accesses to memory overlap.
struct ShortWay::Batch {
  size_t count = 0;
  WordRange words[kMostWords];
  WordKey keys[kMostWords];  // none of long words
  const TokenWords::Bucket* homes[kMostWords];
};

struct ShortWay::Scratch {
  Batch batch;
  WordCache cache;
  std::vector<ModelToken> tokens, lost;  // of one word
  std::string text;                      // the word as the model reads it
};

std::unique_ptr<ShortWay> ShortWay::For(const TokenizerParts& parts) {
  Summary summary;
  if (parts.normalizer) parts.normalizer->Summarize(summary);
  if (summary.simple && parts.pre_tokenizer) {
    parts.pre_tokenizer->Summarize(summary);
  }
  if (!summary.simple) return nullptr;
  using Normal = Summary::Normal;
  const bool plain = summary.normal != Normal::kVisibleSpaces &&
                     summary.normal != Normal::kBert;
  const bool pattern = summary.rule && summary.byte_level && plain;
  const bool spaced = summary.normal == Normal::kVisibleSpaces &&
                      !summary.rule && !summary.byte_level &&
                      !summary.bert_words;
  const bool bert =
      summary.normal == Normal::kBert && summary.bert_words && !summary.rule;
  if (!pattern && !spaced && !bert) return nullptr;
  if (!spaced && summary.prefix != Summary::Prefix::kNone) return nullptr;
  if (!plain && !parts.added.normalized().empty()) return nullptr;
  std::unique_ptr<ShortWay> way(new ShortWay(parts, summary));
  if (spaced && !parts.model->FindJoined(way->joined_)) return nullptr;
  if (summary.cut_at_spaces) way->joined_.Separate(' ');
  if (!bert) way->token_words_ = parts.model->FindTokenWords(pattern);
  return way;
}

ShortWay::ShortWay(const TokenizerParts& parts, const Summary& summary)
    : parts_(parts), summary_(summary) {}
ShortWay::~ShortWay() = default;

bool ShortWay::normalizes() const {
  return summary_.normal == Summary::Normal::kVisibleSpaces ||
         summary_.normal == Summary::Normal::kBert;
}

bool ShortWay::IsNormal(std::string_view text) const {
  switch (summary_.normal) {
    case Summary::Normal::kSame:
      return true;
    case Summary::Normal::kComposed:
      return IsInert(text);
    default:
      return false;
  }
}

std::unique_ptr<ShortWay::Scratch> ShortWay::Take() const {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      std::unique_ptr<Scratch> scratch = std::move(idle_.back());
      idle_.pop_back();
      return scratch;
    }
  }
  return std::make_unique<Scratch>();
}

ShortWay::Loan::Loan(const ShortWay& way) : way_(way), scratch_(way.Take()) {}
ShortWay::Loan::~Loan() {
  const std::lock_guard lock(way_.mutex_);
  way_.idle_.push_back(std::move(scratch_));
}

bool ShortWay::Encode(const Piece& piece, bool with_offsets, Loan& loan,
                      Encoding& out, std::vector<ModelToken>& lost) const {
  Scratch& scratch = *loan.scratch_;
  const auto words = [&](auto kind) {
    EncodeWords(kind, piece, 0, with_offsets, scratch, out, lost);
  };
  const Regex* regex = summary_.regex;
  bool done = true;
  if (summary_.rule) {
    switch (*summary_.rule) {
      case CutRule::kWords:
        words(PatternWords<CutRule::kWords>{regex});
        break;
      case CutRule::kWordsDigits:
        words(PatternWords<CutRule::kWordsDigits>{regex});
        break;
      case CutRule::kPrefixed3:
        words(PatternWords<CutRule::kPrefixed3>{regex});
        break;
      case CutRule::kPrefixed1:
        words(PatternWords<CutRule::kPrefixed1>{regex});
        break;
      case CutRule::kCased:
        words(PatternWords<CutRule::kCased>{regex});
        break;
      case CutRule::kCasedNoSuffix:
        words(PatternWords<CutRule::kCasedNoSuffix>{regex});
        break;
    }
  } else if (summary_.bert_words) {
    words(BertWords());
  } else {
    done = EncodeSpaced(piece, with_offsets, scratch, out, lost);
  }
  return done;
}

bool ShortWay::EncodeSpaced(const Piece& piece, bool with_offsets,
                            Scratch& scratch, Encoding& out,
                            std::vector<ModelToken>& lost) const {
  // A text that has visible spaces of its own.
  if (piece.text.find(kVisibleSpace) != std::string_view::npos) return false;
  const SpacedWords words = {joined_};
  size_t at = 0;
  const bool prefix = summary_.prefix == Summary::Prefix::kAlways ||
                      (summary_.prefix == Summary::Prefix::kFirst &&
                       piece.SourceOf(0).begin == 0);
  if (prefix && !(summary_.one_space && piece.text[0] == ' ')) {
    const size_t end = words.Next(piece.text, at);
    EncodeFirst(piece, end, with_offsets, scratch, out);
    at = end;
  }
  EncodeWords(words, piece, at, with_offsets, scratch, out, lost);
  return true;
}

// The first word with a space before it, which comes from its first character.
void ShortWay::EncodeFirst(const Piece& piece, size_t bytes, bool with_offsets,
                           Scratch& scratch, Encoding& out) const {
  std::string word = " ";
  word += piece.text.substr(0, bytes);
  LookUp(word, scratch);
  size_t first = 1;
  while (first < bytes && (piece.text[first] & 0xc0) == 0x80) ++first;
  for (const ModelToken& token : scratch.tokens) {
    out.ids.push_back(token.id);
    if (!with_offsets) continue;
    const size_t begin = token.begin == 0 ? 0 : token.begin - 1;
    const size_t last = token.end == 1 ? first - 1 : token.end - 2;
    out.offsets.emplace_back(piece.SourceOf(begin).begin,
                             piece.SourceOf(last).end);
  }
}

void ShortWay::LookUp(std::string_view word, Scratch& scratch) const {
  const WordCache::Entry* entry = nullptr;
  if (word.size() <= WordCache::kLongestWord) {
    entry = scratch.cache.Find(WordCache::KeyOf(word), word);
  }
  if (entry == nullptr) {
    EncodeWord(word, scratch);
    scratch.cache.Insert(word, scratch.tokens);
    return;
  }
  scratch.tokens.clear();
  if (entry->count == WordCache::kMore) {
    const std::span<const ModelToken> tokens = scratch.cache.MoreOf(*entry);
    scratch.tokens.assign(tokens.begin(), tokens.end());
    return;
  }
  uint32_t begin = 0;
  for (size_t i = 0; i < entry->count; ++i) {
    scratch.tokens.push_back({entry->ids[i], begin, entry->ends[i]});
    begin = entry->ends[i];
  }
}

template <typename Words>
void ShortWay::EncodeWords(Words words, const Piece& piece, size_t at,
                           bool with_offsets, Scratch& scratch, Encoding& out,
                           std::vector<ModelToken>& lost) const {
  if (with_offsets) {
    EncodeEach<Words, true>(words, piece, at, scratch, out, lost);
  } else {
    EncodeEach<Words, false>(words, piece, at, scratch, out, lost);
  }
}

void ShortWay::LookUpAll(std::string_view text, Scratch& scratch) const {
  Batch& batch = scratch.batch;
  if (token_words_ == nullptr) {
    for (size_t i = 0; i < batch.count; ++i) {
      const WordRange word = batch.words[i];
      batch.keys[i] = WordKey::Of(text.substr(word.begin, word.bytes));
    }
    return;
  }
  const TokenWords& words = *token_words_;
  size_t i = 0;
  for (; i < batch.count && batch.words[i].begin + 16 <= text.size(); ++i) {
    const WordRange word = batch.words[i];
    batch.keys[i] = WordKey::Of(text.data() + word.begin, word.bytes);
    const uint64_t hash = batch.keys[i].Hash();
    batch.homes[i] = words.Home(hash);
    scratch.cache.Prefetch(hash);
  }
  for (; i < batch.count; ++i) {
    const WordRange word = batch.words[i];
    batch.keys[i] = WordKey::Of(text.substr(word.begin, word.bytes));
    batch.homes[i] = words.Home(batch.keys[i].Hash());
  }
}

// Writes the tokens of words from `first` on until one is no token; returns how
// many these are. Apart from the rest, which would take its registers.
[[gnu::noinline]] size_t ShortWay::TokensFrom(const Batch& batch, size_t first,
                                              int32_t* ids) const {
  if (token_words_ == nullptr) return 0;
  const TokenWords& words = *token_words_;
  size_t i = first;
  for (; i < batch.count; ++i) {
    const int32_t id = words.Find(batch.keys[i], batch.homes[i]);
    if (id < 0) break;
    ids[i - first] = id;
  }
  return i - first;
}

template <typename Words, bool kOffsets>
void ShortWay::EncodeEach(Words words, const Piece& piece, size_t at,
                          Scratch& scratch, Encoding& out,
                          std::vector<ModelToken>& lost) const {
  const std::string_view text = piece.text;
  Batch& batch = scratch.batch;
  Ids ids(out.ids, text.size() - at);
  const auto add_range = [&](size_t begin, size_t end) {
    out.offsets.emplace_back(piece.SourceOf(begin).begin,
                             piece.SourceOf(end - 1).end);
  };
  const auto add = [&](size_t from, std::span<const ModelToken> tokens) {
    int32_t* room = ids.Room(tokens.size());
    for (const ModelToken& token : tokens) {
      *room++ = token.id;
      if constexpr (kOffsets) add_range(from + token.begin, from + token.end);
    }
    ids.Advance(tokens.size());
  };
  while ((batch.count = words.Fill(text, at, batch.words)) > 0) {
    LookUpAll(text, scratch);
    for (size_t i = 0; i < batch.count; ++i) {
      int32_t* room = ids.Room(batch.count - i);
      const size_t tokens = TokensFrom(batch, i, room);
      ids.Advance(tokens);
      if constexpr (kOffsets) {
        for (size_t k = i; k < i + tokens; ++k) {
          const auto [begin, bytes] = batch.words[k];
          add_range(begin, begin + bytes);
        }
      }
      i += tokens;
      if (i == batch.count) break;
      const auto [begin, bytes] = batch.words[i];
      const std::string_view word = text.substr(begin, bytes);
      const WordCache::Entry* entry = nullptr;
      if (bytes <= WordKey::kMostBytes) {
        entry = scratch.cache.Find(batch.keys[i], batch.keys[i].Hash());
      } else if (bytes <= WordCache::kLongestWord) {
        entry = scratch.cache.Find(WordCache::KeyOf(word), word);
      }
      if (entry == nullptr) {
        scratch.lost.clear();
        EncodeWord(word, scratch);
        add(begin, scratch.tokens);
        if (scratch.lost.empty()) {
          scratch.cache.Insert(word, scratch.tokens);
        }
        for (ModelToken token : scratch.lost) {
          token.begin += begin;
          token.end += begin;
          lost.push_back(token);
        }
      } else if (entry->count == WordCache::kMore) {
        add(begin, scratch.cache.MoreOf(*entry));
      } else {
        room = ids.Room(WordCache::kFewTokens);
        for (size_t k = 0; k < WordCache::kFewTokens; ++k) {
          room[k] = entry->ids[k];
        }
        ids.Advance(entry->count);
        if constexpr (kOffsets) {
          size_t from = 0;
          for (size_t k = 0; k < entry->count; ++k) {
            add_range(begin + from, begin + entry->ends[k]);
            from = entry->ends[k];
          }
        }
      }
    }
  }
}

void ShortWay::EncodeWord(std::string_view word, Scratch& scratch) const {
  scratch.tokens.clear();
  if (summary_.rule) {
    const bool no_token =
        token_words_ != nullptr && word.size() <= WordKey::kMostBytes;
    if (!parts_.model->EncodeBytes(word, no_token, scratch.tokens)) {
      EncodeSpelled(word, scratch);
    }
  } else if (summary_.bert_words) {
    EncodeBert(word, scratch);
  } else {
    EncodeVisible(word, scratch);
  }
}

// As the vocabulary spells bytes.
void ShortWay::EncodeSpelled(std::string_view word, Scratch& scratch) const {
  std::vector<uint32_t> from;  // of each byte of the spelling
  scratch.text.clear();
  for (size_t i = 0; i < word.size(); ++i) {
    const std::string_view spelling = SpellingOf(word[i]);
    scratch.text += spelling;
    from.insert(from.end(), spelling.size(), static_cast<uint32_t>(i));
  }
  parts_.model->Encode(scratch.text, scratch.tokens, scratch.lost);
  for (auto* tokens : {&scratch.tokens, &scratch.lost}) {
    for (ModelToken& token : *tokens) {
      token.begin = from[token.begin];
      token.end = from[token.end - 1] + 1;
    }
  }
}

// With SentencePiece's spaces.
void ShortWay::EncodeVisible(std::string_view word, Scratch& scratch) const {
  scratch.text.clear();
  bool spaces = false;
  for (char c : word) {
    spaces |= c == ' ';
    if (c == ' ') {
      scratch.text += kVisibleSpace;
    } else {
      scratch.text += c;
    }
  }
  parts_.model->Encode(scratch.text, scratch.tokens, scratch.lost);
  if (!spaces) return;
  // Tokens follow one another; of the three bytes of a space the first stands
  // for it, as no token ends within one.
  size_t at = 0;
  size_t spelled = 0;
  for (ModelToken& token : scratch.tokens) {
    token.begin = static_cast<uint32_t>(at);
    for (; spelled < token.end; ++at) {
      spelled += word[at] == ' ' ? kVisibleSpace.size() : 1;
    }
    token.end = static_cast<uint32_t>(at);
  }
}

void ShortWay::EncodeBert(std::string_view word, Scratch& scratch) const {
  const bool plain = IsPunctuation(word[0]) ||
                     std::all_of(word.begin(), word.end(), IsAlphanumeric);
  if (plain) {
    scratch.text = word;
    if (summary_.lowercase) {
      for (char& c : scratch.text) {
        if (cut::IsUpper(c)) c = static_cast<char>(c | 0x20);
      }
    }
    parts_.model->Encode(scratch.text, scratch.tokens, scratch.lost);
    return;
  }
  AlignedText text;
  text.text = word;
  for (uint32_t i = 0; i < word.size(); ++i) {
    text.sources.push_back({i, i + 1});
  }
  text = parts_.normalizer->Apply(text);
  Pieces pieces;
  pieces.list.push_back({text.text, text.sources.data(), 0});
  parts_.pre_tokenizer->Split(pieces);
  std::vector<ModelToken> tokens;
  for (const Piece& piece : pieces.list) {
    tokens.clear();
    parts_.model->Encode(piece.text, tokens, scratch.lost);
    for (const ModelToken& token : tokens) {
      scratch.tokens.push_back({token.id, piece.SourceOf(token.begin).begin,
                                piece.SourceOf(token.end - 1).end});
    }
  }
}

}  // namespace malmoi::text
