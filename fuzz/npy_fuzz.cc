// Any bytes give arrays or a malmoi::Error: as .npy, and as .npz.
#include <cstddef>
#include <cstdint>

#include "base/error.h"
#include "formats/npy.h"

namespace {

void Touch(const malmoi::Tensor& tensor) {
  if (tensor.data.empty()) return;
  volatile std::byte sink = tensor.data.back();
  (void)sink;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  try {
    Touch(malmoi::formats::ParseNpy(bytes, nullptr, "fuzz"));
  } catch (const malmoi::Error&) {
  }
  try {
    for (const auto& [name, tensor] :
         malmoi::formats::ParseNpz(bytes, "fuzz", 1 << 20)) {
      Touch(tensor);
    }
  } catch (const malmoi::Error&) {
  }
  return 0;
}
