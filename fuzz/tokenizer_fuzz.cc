// Any bytes give a result or a malmoi::Error, never anything else: those of a
// GGUF file, or a tokenizer.json, an empty line and a text.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "text/tokenize/tokenizer.h"

namespace {

void Check(const malmoi::text::Tokenizer& tokenizer, std::string_view input) {
  const auto encoding = tokenizer.Encode(input);
  tokenizer.Decode(encoding.ids);
  for (const auto& [begin, end] : encoding.offsets) {
    if (begin > end || end > input.size()) __builtin_trap();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (text.starts_with("GGUF")) {
      Check(*malmoi::text::Tokenizer::FromGguf(malmoi::formats::GgufFile::Parse(
                {reinterpret_cast<const std::byte*>(data), size}, nullptr,
                "fuzz")),
            "Hello  12\n\n안녕 <s>ab▁abba </s>!");
      return 0;
    }
    const size_t split = text.find("\n\n");
    const auto tokenizer = malmoi::text::Tokenizer::FromJson(
        malmoi::ParseJson(text.substr(0, split), "fuzz"), nullptr, "fuzz");
    const std::string_view input = split == std::string_view::npos
                                       ? "Hello 12 안녕!"
                                       : text.substr(split + 2);
    Check(*tokenizer, input);
  } catch (const malmoi::Error&) {
  }
  return 0;
}
