// A LoRA adapter: the settings, a zero byte, and the safetensors. The reader
// must reject or accept, never read outside the data.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "models/adapter.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const size_t end = all.find('\0');
  if (end == std::string_view::npos) return 0;
  try {
    const auto file = malmoi::formats::SafetensorsFile::Parse(
        std::as_bytes(std::span(all.substr(end + 1))), nullptr, "fuzz");
    const auto adapter = malmoi::models::Adapter::Parse(
        malmoi::ParseJson(all.substr(0, end), "fuzz"), file.tensors, "fuzz");
    for (const auto& [name, pair] : adapter.pairs()) {
      volatile double use = pair.scale;
      (void)use;
      if (pair.down.shape[0] != pair.up.shape[1]) __builtin_trap();
    }
  } catch (const malmoi::Error&) {
  }
  try {
    malmoi::models::ParseAdapterChoice(std::string(all.substr(0, end)));
  } catch (const malmoi::Error&) {
  }
  return 0;
}
