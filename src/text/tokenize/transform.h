// How the tokenizers library describes the change of a text, so that ranges
// come out as its do.
#ifndef MALMOI_TEXT_TOKENIZE_TRANSFORM_H_
#define MALMOI_TEXT_TOKENIZE_TRANSFORM_H_

#include <span>
#include <string_view>
#include <vector>

#include "text/tokenize/pipeline.h"
#include "text/unicode/utf8.h"

namespace malmoi::text {

// A character of the new text. `added` > 0: it is put in, and comes from the
// character before; otherwise it stands for the next of the old text, and
// -added more are left out after that.
struct Change {
  char32_t character;
  int added;
};

AlignedText Transform(const AlignedText& text, std::span<const Change> changes);

// Appends the characters that stand for `count` characters of the old text.
void AppendChanges(std::string_view characters, int count,
                   std::vector<Change>& changes);

// The text in NFD or NFKD.
AlignedText Decompose(const AlignedText& text, NormalForm form);
// The text in NFC or NFKC.
AlignedText Compose(const AlignedText& text, NormalForm form);

// The text without the characters for which remove(c) is true.
template <typename Remove>
AlignedText Without(const AlignedText& text, const Remove& remove) {
  AlignedText out;
  out.text.reserve(text.text.size());
  out.sources.reserve(text.text.size());
  for (size_t at = 0; at < text.text.size();) {
    const auto point = DecodeAt(text.text, at);
    const size_t bytes = point ? static_cast<size_t>(point->bytes) : 1;
    if (!point || !remove(point->value)) {
      out.text.append(text.text, at, bytes);
      for (size_t i = 0; i < bytes; ++i) {
        out.sources.push_back(text.sources[at + i]);
      }
    }
    at += bytes;
  }
  return out;
}

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_TOKENIZE_TRANSFORM_H_
