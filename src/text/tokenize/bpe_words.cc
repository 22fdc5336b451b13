// The words that are tokens of byte-pair encoding, with their bytes as texts
// have them.
#include <array>
#include <iterator>
#include <optional>
#include <vector>

#include "text/tokenize/bpe.h"
#include "text/tokenize/byte_level.h"
#include "text/tokenize/made_tokens.h"
#include "text/tokenize/token_words.h"
#include "text/unicode/utf8.h"

namespace malmoi::text {

namespace {

constexpr std::string_view kVisibleSpace = "\u2581";  // SentencePiece's

// What a text has where a vocabulary has a spelling.
class Unspeller {
 public:
  explicit Unspeller(bool byte_level) : byte_level_(byte_level) {
    if (!byte_level) return;
    byte_of_.fill(kNoByte);
    for (int b = 0; b < 256; ++b) {
      const auto byte = static_cast<char>(b);
      byte_of_[DecodeAt(SpellingOf(byte), 0)->value] = static_cast<int16_t>(b);
    }
  }

  // Of what is no such spelling, or longer than a key, none.
  WordKey Unspell(std::string_view spelling) const {
    char bytes[16] = {};
    size_t count = 0;
    for (size_t at = 0; at < spelling.size(); ++count) {
      if (count == WordKey::kMostBytes) return {};
      const int byte =
          byte_level_ ? ByteAt(spelling, at) : CharAt(spelling, at);
      if (byte == kNoByte) return {};
      bytes[count] = static_cast<char>(byte);
    }
    return WordKey::Of(bytes, count);
  }

 private:
  static constexpr int16_t kNoByte = -1;

  // Of one or two bytes, in valid UTF-8.
  int ByteAt(std::string_view spelling, size_t& at) const {
    size_t c = static_cast<unsigned char>(spelling[at++]);
    if (c >= 0x80) {
      if (c >= 0xe0 || at == spelling.size()) return kNoByte;
      c = (c & 0x1f) << 6 | (static_cast<unsigned char>(spelling[at++]) & 0x3f);
    }
    return c < byte_of_.size() ? byte_of_[c] : kNoByte;
  }
  static int CharAt(std::string_view spelling, size_t& at) {
    if (spelling.substr(at).starts_with(kVisibleSpace)) {
      at += kVisibleSpace.size();
      return ' ';
    }
    return static_cast<unsigned char>(spelling[at++]);
  }

  bool byte_level_;
  std::array<int16_t, 512> byte_of_;
};

}  // namespace

std::unique_ptr<const TokenWords> Bpe::FindTokenWords(bool byte_level) const {
  if (by_score() || whole_ || !options_.continuing_prefix.empty() ||
      !options_.end_suffix.empty()) {
    return nullptr;
  }
  std::optional<MadeTokens> made;  // all that is a token, otherwise
  if (!options_.ignore_merges) {
    made.emplace(spellings_.size(), SymbolsOf(byte_level), merges_);
  }
  auto words = std::make_unique<TokenWords>(spellings_.size());
  const Unspeller unspeller(byte_level);
  // In blocks, so that the accesses to memory overlap.
  struct Word {
    WordKey key;
    uint64_t hash;
    int32_t id;
  };
  std::array<Word, 64> block;
  size_t count = 0;
  const auto add = [&] {
    for (size_t i = 0; i < count; ++i) {
      words->Add(block[i].key, block[i].hash, block[i].id);
    }
    count = 0;
  };
  for (int32_t id = 0; id < size(); ++id) {
    if (made && !made->Has(id)) continue;
    const WordKey key = unspeller.Unspell(spellings_[static_cast<size_t>(id)]);
    if (key == WordKey()) continue;
    const uint64_t hash = key.Hash();
    words->Home(hash);
    block[count++] = {key, hash, id};
    if (count == block.size()) add();
  }
  add();
  return words;
}

// The tokens that words are before anything merges.
std::vector<int32_t> Bpe::SymbolsOf(bool byte_level) const {
  if (byte_level) return {std::begin(spelled_ids_), std::end(spelled_ids_)};
  std::vector<int32_t> symbols;
  for (int32_t id = 0; id < size(); ++id) {
    const std::string_view spelling = spellings_[static_cast<size_t>(id)];
    if (spelling.empty() || spelling.size() > 4) continue;
    const auto point = DecodeAt(spelling, 0);
    if (point && static_cast<size_t>(point->bytes) == spelling.size()) {
      symbols.push_back(id);
    }
  }
  return symbols;
}

}  // namespace malmoi::text
