// Which bytes stand side by side in a token of a vocabulary: between all others
// a text may be cut.
#include <algorithm>
#include <iterator>

#include "text/tokenize/bpe.h"

namespace malmoi::text {

namespace {
constexpr std::string_view kVisibleSpace = "\u2581";  // SentencePiece's
}

bool Bpe::FindJoined(JoinedBytes& joined) const {
  if (!options_.byte_fallback || options_.ignore_merges || whole_ ||
      !options_.continuing_prefix.empty() || !options_.end_suffix.empty() ||
      FindInText(kVisibleSpace) < 0 ||
      std::any_of(std::begin(byte_ids_), std::end(byte_ids_),
                  [](int32_t id) { return id < 0; })) {
    return false;
  }
  constexpr size_t kByteToken = std::string_view("<0x00>").size();
  for (std::string_view spelling : spellings_) {
    // Tokens of bytes that merge, or spaces that are not visible.
    if (spelling.find(' ') != std::string_view::npos ||
        (spelling.size() > kByteToken &&
         spelling.find("<0x") != std::string_view::npos)) {
      return false;
    }
    char left = 0;
    for (size_t at = 0; at < spelling.size();) {
      const bool space = spelling.substr(at).starts_with(kVisibleSpace);
      const char right = space ? ' ' : spelling[at];
      if (at > 0) joined.Add(left, right);
      left = right;
      at += space ? kVisibleSpace.size() : 1;
    }
  }
  // Within a character, also one that no token has.
  for (int left = 0x80; left < 0x100; ++left) {
    for (int right = 0x80; right < 0xc0; ++right) {
      joined.Add(static_cast<char>(left), static_cast<char>(right));
    }
  }
  return true;
}

}  // namespace malmoi::text
