// The words that are tokens of byte-pair encoding, with their bytes as texts
// have them.
#include <string>
#include <vector>

#include "text/tokenize/bpe.h"
#include "text/tokenize/byte_level.h"
#include "text/tokenize/word_parts.h"
#include "text/unicode/utf8.h"

namespace malmoi::text {

namespace {

constexpr std::string_view kVisibleSpace = "\u2581";  // SentencePiece's

// What a text has where a vocabulary has a spelling; false where it isn't one.
class Unspeller {
 public:
  explicit Unspeller(bool byte_level) : byte_level_(byte_level) {
    if (!byte_level) return;
    for (int b = 0; b < 256; ++b) {
      const auto byte = static_cast<char>(b);
      byte_of_[DecodeAt(SpellingOf(byte), 0)->value] =
          static_cast<int16_t>(b);
    }
  }

  bool Unspell(std::string_view spelling, std::string& bytes) const {
    bytes.clear();
    return byte_level_ ? UnspellBytes(spelling, bytes)
                       : UnspellSpaces(spelling, bytes);
  }

 private:
  static constexpr size_t kCharacters = 512;

  bool UnspellBytes(std::string_view spelling, std::string& bytes) const {
    for (size_t at = 0; at < spelling.size(); ++at) {
      // Of one or two bytes, in valid UTF-8.
      size_t c = static_cast<unsigned char>(spelling[at]);
      if (c >= 0xe0) return false;
      if (c >= 0x80) {
        if (++at == spelling.size()) return false;
        c = (c & 0x1f) << 6 | (static_cast<unsigned char>(spelling[at]) & 0x3f);
      }
      if (c >= kCharacters || byte_of_[c] == kNoByte) return false;
      bytes += static_cast<char>(byte_of_[c]);
    }
    return true;
  }
  static bool UnspellSpaces(std::string_view spelling, std::string& bytes) {
    for (size_t at = 0; at < spelling.size();) {
      const bool space = spelling.substr(at).starts_with(kVisibleSpace);
      bytes += space ? ' ' : spelling[at];
      at += space ? kVisibleSpace.size() : 1;
    }
    return true;
  }

  static constexpr int16_t kNoByte = -1;

  bool byte_level_;
  std::vector<int16_t> byte_of_ = std::vector<int16_t>(kCharacters, kNoByte);
};

}  // namespace

std::unique_ptr<const WordParts> Bpe::MakeWordParts(bool byte_level) const {
  if (by_score() || whole_ || !options_.continuing_prefix.empty() ||
      !options_.end_suffix.empty()) {
    return nullptr;
  }
  std::vector<int32_t> symbols;
  if (byte_level) {
    symbols.assign(std::begin(spelled_ids_), std::end(spelled_ids_));
  } else {
    for (int32_t id = 0; id < size(); ++id) {
      const std::string_view spelling = spellings_[static_cast<size_t>(id)];
      if (spelling.empty()) continue;
      const auto point = DecodeAt(spelling, 0);
      if (point && static_cast<size_t>(point->bytes) == spelling.size()) {
        symbols.push_back(id);
      }
    }
  }
  auto parts = std::make_unique<WordParts>(spellings_.size(), symbols, merges_);
  const Unspeller unspeller(byte_level);
  std::string bytes;
  for (int32_t id = 0; id < size(); ++id) {
    const std::string_view spelling = spellings_[static_cast<size_t>(id)];
    if (spelling.empty() || !(options_.ignore_merges || parts->IsMade(id))) {
      continue;
    }
    if (unspeller.Unspell(spelling, bytes)) parts->Add(bytes, id);
  }
  return parts;
}

}  // namespace malmoi::text
