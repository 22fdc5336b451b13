// Any bytes give a result or a malmoi::Error, never anything else.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "formats/gguf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto file = malmoi::formats::GgufFile::Parse(
        {reinterpret_cast<const std::byte*>(data), size}, nullptr, "fuzz");
    file->MetadataJson(1'000);
    for (const auto& [name, tensor] : file->tensors()) {
      // Both ends of what a tensor claims to be must be there.
      if (!tensor.data.empty()) {
        volatile std::byte sink = tensor.data.front();
        sink = tensor.data.back();
        (void)sink;
      }
    }
  } catch (const malmoi::Error&) {
  }
  return 0;
}
