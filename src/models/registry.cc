#include "models/registry.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "models/arch/llama.h"

namespace malmoi::models {

std::span<const Architecture> Architectures() {
  static const Architecture kArchitectures[] = {
      // Sorted by name.
      {"llama", DescribeLlama, kLlamaTensors, kLlamaIgnored},
  };
  return kArchitectures;
}

const Architecture& FindArchitecture(std::string_view name,
                                     std::string_view where) {
  std::string known;
  for (const Architecture& architecture : Architectures()) {
    if (architecture.name == name) return architecture;
    known += (known.empty() ? "" : ", ") + std::string(architecture.name);
  }
  throw Error(ErrorCode::kUnsupported, {.where = std::string(where),
                                        .what = "unknown architecture",
                                        .expected = known,
                                        .got = std::string(name)});
}

}  // namespace malmoi::models
