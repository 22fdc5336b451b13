#include "models/quantize_recipe.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "base/error.h"

namespace malmoi::models {

namespace {

constexpr QuantizeType kTypes[] = {
    {"Q4_0", DType::kQ4_0, Mixture::kNone, 2},
    {"Q4_1", DType::kQ4_1, Mixture::kNone, 3},
    {"Q5_0", DType::kQ5_0, Mixture::kNone, 8},
    {"Q5_1", DType::kQ5_1, Mixture::kNone, 9},
    {"Q8_0", DType::kQ8_0, Mixture::kNone, 7},
    {"Q4_K", DType::kQ4_K, Mixture::kNone, 14},
    {"Q4_K_S", DType::kQ4_K, Mixture::kSmall, 14},
    {"Q4_K_M", DType::kQ4_K, Mixture::kMedium, 15},
    {"Q5_K", DType::kQ5_K, Mixture::kNone, 16},
    {"Q5_K_S", DType::kQ5_K, Mixture::kSmall, 16},
    {"Q5_K_M", DType::kQ5_K, Mixture::kMedium, 17},
    {"Q6_K", DType::kQ6_K, Mixture::kNone, 18},
    {"IQ4_NL", DType::kIQ4_NL, Mixture::kNone, 25},
    {"F16", DType::kF16, Mixture::kNone, 1},
    {"BF16", DType::kBF16, Mixture::kNone, 32},
    {"F32", DType::kF32, Mixture::kNone, 0},
};

bool Has(std::string_view name, std::string_view part) {
  return name.find(part) != std::string_view::npos;
}

// Small, or of a kind whose errors cost more than its bytes.
bool Stays(std::string_view name, const Tensor& tensor) {
  const bool readable =
      tensor.dtype == DType::kF32 || tensor.dtype == DType::kF16 ||
      tensor.dtype == DType::kBF16 || IsQuantized(tensor.dtype);
  if (!readable || tensor.rows() < 2 || !name.ends_with("weight")) return true;
  for (const char* part :
       {"_norm.weight", "ffn_gate_inp.weight", "position_embd", "token_types",
        "ssm_conv1d", "shortconv.conv.weight", "altup", "laurel",
        "per_layer_model_proj", "attn_rel_b.weight"}) {
    if (Has(name, part)) return true;
  }
  return false;
}

// "blk.7.attn_v.weight": 7; -1 where there is no layer.
int64_t LayerOf(std::string_view name) {
  if (!name.starts_with("blk.")) return -1;
  return std::strtoll(std::string(name.substr(4)).c_str(), nullptr, 10);
}

// The first and the last eighth of the layers, and every third between.
bool MoreBits(int64_t layer, int64_t layers) {
  const int64_t eighth = layers / 8;
  return layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2;
}

bool IsValue(std::string_view name) {
  return Has(name, "attn_v.weight") || Has(name, "attn_qkv.weight") ||
         Has(name, "attn_kv_b.weight");
}

class Chooser {
 public:
  Chooser(const formats::TensorMap& tensors, int64_t layers, int64_t experts,
          const QuantizeType& type)
      : type_(type),
        tied_(!tensors.contains("output.weight")),
        layers_(layers),
        experts_(experts) {
    for (const auto& [name, tensor] : tensors) {
      values_ += IsValue(name) ? 1 : 0;
    }
  }

  // Called in the order of the layers: which of its kind a tensor is counts.
  DType Choose(std::string_view name, const Tensor& tensor) {
    if (type_.mixture == Mixture::kNone) return type_.dtype;
    if (name == "output.weight" ||
        (tied_ && (name == "token_embd.weight" ||
                   name == "per_layer_token_embd.weight"))) {
      return tensor.columns() % 256 == 0 ? DType::kQ6_K : DType::kQ8_0;
    }
    const bool four = type_.dtype == DType::kQ4_K;
    const bool medium = type_.mixture == Mixture::kMedium;
    if (IsValue(name)) {
      const int64_t which = value_++;
      if (experts_ == 8) return DType::kQ8_0;
      if (medium && MoreBits(which, values_)) return DType::kQ6_K;
      if (!medium && four && which < 4) return DType::kQ5_K;
    } else if (Has(name, "attn_k.weight")) {
      if (experts_ == 8) return DType::kQ8_0;
    } else if (Has(name, "attn_output.weight")) {
      if (experts_ == 8 && four) return DType::kQ5_K;
    } else if (Has(name, "ffn_down")) {
      const int64_t which = experts_ > 1 ? LayerOf(name) : down_++;
      if (medium && MoreBits(which, layers_)) return DType::kQ6_K;
      if (!medium && four && which < layers_ / 8) return DType::kQ5_K;
    }
    return type_.dtype;
  }

 private:
  const QuantizeType& type_;
  bool tied_;  // the embedding is also the head
  int64_t layers_, experts_;
  int64_t values_ = 0;  // tensors of that kind
  int64_t value_ = 0, down_ = 0;
};

DType Fitting(DType chosen, int64_t columns) {
  const auto fits = [&](DType dtype) {
    return columns % Info(dtype).block_elements == 0;
  };
  if (fits(chosen)) return chosen;
  DType smaller = chosen;
  if (chosen == DType::kQ4_K) smaller = DType::kQ5_0;
  if (chosen == DType::kQ5_K) smaller = DType::kQ5_1;
  if (chosen == DType::kQ6_K) smaller = DType::kQ8_0;
  return fits(smaller) ? smaller : DType::kF16;
}

void CountFallback(DType chosen, DType used, std::vector<Fallback>& all) {
  for (Fallback& each : all) {
    if (each.chosen == chosen && each.used == used) {
      ++each.tensors;
      return;
    }
  }
  all.push_back({chosen, used, 1});
}

}  // namespace

const QuantizeType& FindQuantizeType(std::string_view name) {
  std::string upper(name), known;
  for (char& c : upper) {
    c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  for (const QuantizeType& type : kTypes) {
    if (type.name == upper) return type;
    known += (known.empty() ? "" : ", ") + std::string(type.name);
  }
  throw Error(ErrorCode::kInvalidArgument, {.where = "--type",
                                            .what = "no such quantization",
                                            .expected = known,
                                            .got = std::string(name)});
}

QuantizePlan PlanQuantize(const formats::GgufFile& file,
                          const QuantizeType& type) {
  const std::string architecture =
      file.GetString("general.architecture").value_or("");
  return PlanQuantize(
      file.tensors(), file.GetInt(architecture + ".block_count").value_or(0),
      file.GetInt(architecture + ".expert_count").value_or(0), type);
}

QuantizePlan PlanQuantize(const formats::TensorMap& tensors, int64_t layers,
                          int64_t experts, const QuantizeType& type) {
  QuantizePlan plan;
  for (const auto& [name, tensor] : tensors) {
    plan.tensors.push_back({name, &tensor, tensor.dtype});
  }
  std::stable_sort(plan.tensors.begin(), plan.tensors.end(),
                   [](const PlannedTensor& a, const PlannedTensor& b) {
                     return LayerOf(a.name) < LayerOf(b.name);
                   });
  Chooser chooser(tensors, layers, experts, type);
  for (PlannedTensor& tensor : plan.tensors) {
    if (Stays(tensor.name, *tensor.source)) continue;
    const DType chosen = chooser.Choose(tensor.name, *tensor.source);
    tensor.dtype = Fitting(chosen, tensor.source->columns());
    if (tensor.dtype != chosen) {
      CountFallback(chosen, tensor.dtype, plan.fallbacks);
    }
  }
  return plan;
}

}  // namespace malmoi::models
