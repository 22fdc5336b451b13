// Any bytes as safetensors of static vectors give a table whose rows, weights
// and mapping fit each other, or a malmoi::Error.
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "base/error.h"
#include "formats/safetensors.h"
#include "represent/static/token_embedder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace malmoi;
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  try {
    const auto file = formats::SafetensorsFile::Parse(bytes, nullptr, "fuzz");
    const auto table = represent::TokenTable::FromTensors(file.tensors, "fuzz");
    for (const int32_t row : table.mapping) {
      if (row < 0 || row >= table.rows.rows()) __builtin_trap();
    }
    for (const float weight : table.weights) {
      if (!std::isfinite(weight)) __builtin_trap();
    }
    if (table.rows.data.size() !=
        static_cast<size_t>(table.rows.rows()) * table.rows.row_bytes()) {
      __builtin_trap();
    }
  } catch (const Error&) {
  }
  return 0;
}
