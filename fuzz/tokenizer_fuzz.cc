// Any bytes give a result or a malmoi::Error, never anything else.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "text/tokenize/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const size_t split = text.find("\n\n");
    const auto tokenizer = malmoi::text::Tokenizer::FromJson(
        malmoi::ParseJson(text.substr(0, split), "fuzz"), nullptr, "fuzz");
    const std::string_view input = split == std::string_view::npos
                                       ? "Hello 12 안녕!"
                                       : text.substr(split + 2);
    const auto encoding = tokenizer->Encode(input);
    tokenizer->Decode(encoding.ids);
    for (const auto& [begin, end] : encoding.offsets) {
      if (begin > end || end > input.size()) __builtin_trap();
    }
  } catch (const malmoi::Error&) {
  }
  return 0;
}
