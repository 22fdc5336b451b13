// Any bytes give a result or a malmoi::Error, never anything else.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "formats/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto file = malmoi::formats::SafetensorsFile::Parse(
        {reinterpret_cast<const std::byte*>(data), size}, nullptr, "fuzz");
    for (const auto& [name, tensor] : file.tensors) {
      if (!tensor.data.empty()) {
        volatile std::byte sink = tensor.data.back();
        (void)sink;
      }
    }
  } catch (const malmoi::Error&) {
  }
  return 0;
}
