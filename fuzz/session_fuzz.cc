// Any bytes give a saved sequence whose pages are all there, or a
// malmoi::Error, never anything else.
#include <cstddef>
#include <cstdint>

#include "base/error.h"
#include "models/saved_sequence.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto saved = malmoi::models::ParseSequence(
        {reinterpret_cast<const std::byte*>(data), size}, "fuzz");
    if (!saved.pages.empty()) {
      volatile std::byte sink = saved.pages.back();
      (void)sink;
    }
    malmoi::models::CheckHash(saved, "fuzz");
    // A hash that is right is one of our own seeds: it can be restored.
    const auto length = static_cast<int64_t>(saved.tokens.size());
    malmoi::models::Sequence sequence(saved.shape, length);
    malmoi::models::RestoreSequence(saved, length, sequence);
  } catch (const malmoi::Error&) {
  }
  return 0;
}
