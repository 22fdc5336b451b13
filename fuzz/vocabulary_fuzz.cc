// Any bytes give a result or a malmoi::Error, never anything else: those of a
// SentencePiece model, of a file of tiktoken and of a vocab.txt.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "text/tokenize/tokenizer.h"

namespace {

template <typename Load>
void Check(const Load& load) {
  constexpr std::string_view kInput =
      "Hello  12\n\n안녕 <s>ab▁abba </s>! <sep> \ufb01\u200b";
  try {
    const auto tokenizer = load();
    const auto encoding = tokenizer->Encode(kInput);
    tokenizer->Decode(encoding.ids);
    for (const auto& [begin, end] : encoding.offsets) {
      if (begin > end || end > kInput.size()) __builtin_trap();
    }
  } catch (const malmoi::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using malmoi::text::Tokenizer;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Check([&] { return Tokenizer::FromSentencePiece(bytes, nullptr, "fuzz"); });
  Check([&] {
    return Tokenizer::FromTiktoken(bytes, "cl100k_base", nullptr, "fuzz");
  });
  Check([&] { return Tokenizer::FromWordPieces(bytes, nullptr, "fuzz"); });
  return 0;
}
