#include "formats/hf_quantization.h"

#include <algorithm>
#include <iterator>

#include "base/error.h"
#include "base/format.h"

namespace malmoi::formats {

namespace {

// `quant_method` and what people call it. A method that malmoi reads has
// `reads`, which refuses the forms of it that are not read.
struct Method {
  std::string_view method, name;
  bool (*reads)(const Json& quantization) = nullptr;
};

const Json* Find(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto it = object.find(key);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

std::string Text(const Json& object, const char* key) {
  const Json* value = Find(object, key);
  return value != nullptr && value->is_string() ? value->get<std::string>()
                                                : "";
}

bool ReadsFp8(const Json& quantization) {
  const std::string format = Text(quantization, "fmt");
  return format.empty() || format == "e4m3";
}

// Those whose weights are FP8, each group of them.
bool ReadsCompressedTensors(const Json& quantization) {
  if (Text(quantization, "format") != "float-quantized") return false;
  const Json* groups = Find(quantization, "config_groups");
  if (groups == nullptr || !groups->is_object()) return false;
  return std::all_of(groups->begin(), groups->end(), [](const Json& group) {
    const Json* weights = Find(group, "weights");
    if (weights == nullptr) return false;
    const Json* bits = Find(*weights, "num_bits");
    const std::string strategy = Text(*weights, "strategy");
    return Text(*weights, "type") == "float" && bits != nullptr && *bits == 8 &&
           (strategy == "tensor" || strategy == "channel" ||
            strategy == "block");
  });
}

constexpr Method kMethods[] = {
    {"aqlm", "AQLM"},
    {"auto-round", "AutoRound"},
    {"awq", "AWQ"},
    {"bitnet", "BitNet"},
    {"bitsandbytes", "bitsandbytes"},
    {"compressed-tensors", "compressed-tensors", ReadsCompressedTensors},
    {"eetq", "EETQ"},
    {"exl2", "ExLlamaV2"},
    {"exl3", "ExLlamaV3"},
    {"fbgemm_fp8", "FBGEMM FP8", [](const Json&) { return true; }},
    {"fp8", "FP8", ReadsFp8},
    {"fp_quant", "FP-Quant"},
    {"gptq", "GPTQ"},
    {"higgs", "HIGGS"},
    {"hqq", "HQQ"},
    {"mlx", "MLX"},
    {"modelopt", "NVIDIA ModelOpt"},
    {"mxfp4", "MXFP4", [](const Json&) { return true; }},
    {"nvfp4", "NVFP4"},
    {"quanto", "Quanto"},
    {"quark", "AMD Quark"},
    {"sinq", "SINQ"},
    {"spqr", "SpQR"},
    {"torchao", "torchao"},
    {"vptq", "VPTQ"},
};

// "AWQ, 4 bits".
std::string Describe(std::string_view name, const Json& quantization) {
  std::string text(name);
  for (const char* key : {"bits", "w_bit", "weight_bits"}) {
    const Json* bits = Find(quantization, key);
    if (bits == nullptr || !bits->is_number()) continue;
    return Format("{}, {} bits", text, DumpJson(*bits));
  }
  for (const char* key : {"load_in_4bit", "load_in_8bit"}) {
    const Json* loads = Find(quantization, key);
    if (loads != nullptr && *loads == true) {
      return Format("{}, {} bits", text, key[8]);
    }
  }
  const std::string format = Text(quantization, "format") +
                             Text(quantization, "fmt") +
                             Text(quantization, "quant_algo");
  return format.empty() ? text : text + ", " + format.substr(0, 40);
}

}  // namespace

void CheckQuantization(const Json& config, const std::string& where) {
  const Json* quantization = Find(config, "quantization_config");
  std::string method;
  if (quantization != nullptr) {
    method = Text(*quantization, "quant_method");
  }
  if (quantization == nullptr) {
    quantization = Find(config, "compression_config");
    if (quantization != nullptr) method = "compressed-tensors";
  }
  if (quantization == nullptr) quantization = Find(config, "quantization");
  if (quantization == nullptr) return;
  // MLX has its own writing, which names no method.
  if (method.empty() && Find(*quantization, "group_size") != nullptr) {
    method = "mlx";
  }
  const auto known =
      std::find_if(std::begin(kMethods), std::end(kMethods),
                   [&](const Method& each) { return each.method == method; });
  const bool is_known = known != std::end(kMethods);
  if (is_known && known->reads != nullptr && known->reads(*quantization)) {
    return;
  }
  const std::string name = is_known         ? std::string(known->name)
                           : method.empty() ? "a format without a name"
                                            : method.substr(0, 40);
  throw Error(ErrorCode::kUnsupported,
              {.where = where,
               .what = "weights in a quantization malmoi does not read",
               .expected = "float weights, or FP8 (e4m3) ones",
               .got = Describe(name, *quantization),
               .hint = "a GGUF of this model, or the folder that it was "
                       "quantized from"});
}

void DropActivationScales(TensorMap& tensors) {
  const bool fp8 = std::any_of(
      tensors.begin(), tensors.end(),
      [](const auto& each) { return each.second.dtype == DType::kF8E4M3; });
  if (!fp8) return;
  constexpr std::string_view kScales[] = {".input_scale", ".activation_scale",
                                          ".input_scale_ub", ".k_scale",
                                          ".v_scale"};
  std::erase_if(tensors, [&](const auto& each) {
    return std::any_of(
        std::begin(kScales), std::end(kScales),
        [&](std::string_view scale) { return each.first.ends_with(scale); });
  });
}

Fp8Blocks ReadFp8Blocks(const Json& config) {
  Fp8Blocks blocks;
  const Json* quantization = Find(config, "quantization_config");
  if (quantization == nullptr) return blocks;
  const Json* size = Find(*quantization, "weight_block_size");
  if (size == nullptr || !size->is_array() || size->size() != 2) return blocks;
  for (const Json& each : *size) {
    if (!each.is_number_unsigned()) return blocks;
    const auto count = each.get<uint64_t>();
    if (count == 0 || count > 65536) return blocks;
  }
  return {(*size)[0].get<int64_t>(), (*size)[1].get<int64_t>()};
}

}  // namespace malmoi::formats
