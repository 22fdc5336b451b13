#include "models/registry.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "models/arch/gemma3.h"
#include "models/arch/llama.h"
#include "models/arch/phi3.h"

namespace malmoi::models {

namespace {

std::string Name(const Architecture& architecture, Role role, int64_t layer,
                 std::string_view TensorName::* form) {
  for (const TensorName& name : architecture.tensors) {
    if (name.role != role) continue;
    std::string text(name.*form);
    const size_t at = text.find("{}");
    if (at != std::string::npos) text.replace(at, 2, std::to_string(layer));
    return text;
  }
  return "";
}

}  // namespace

std::string GgufName(const Architecture& architecture, Role role,
                     int64_t layer) {
  return Name(architecture, role, layer, &TensorName::gguf);
}
std::string HfName(const Architecture& architecture, Role role, int64_t layer) {
  return Name(architecture, role, layer, &TensorName::hf);
}

std::span<const Architecture> Architectures() {
  static const Architecture kArchitectures[] = {
      // Sorted by name.
      {"gemma3", DescribeGemma3, kGemma3Tensors, {}},
      {"gemma3_text", DescribeGemma3, kGemma3Tensors, {}},
      {"llama", DescribeLlama, kLlamaTensors, kLlamaIgnored},
      {"phi3", DescribePhi3, kPhi3Tensors, kPhi3Ignored},
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
