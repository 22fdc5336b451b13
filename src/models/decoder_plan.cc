#include "models/decoder_plan.h"

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/format.h"
#include "kernels/kernels.h"
#include "kernels/panel.h"
#include "models/fp8.h"

namespace malmoi::models {

namespace {

// Whether it is read by element, not multiplied with.
bool IsNorm(const Spec& spec, Role role) {
  switch (role) {
    case Role::kPositions:
    case Role::kOutputNorm:
    case Role::kAttentionNorm:
    case Role::kQueryNorm:
    case Role::kKeyNorm:
    case Role::kSinks:
    case Role::kPostAttentionNorm:
    case Role::kFeedForwardNorm:
    case Role::kPostFeedForwardNorm:
    case Role::kStateFilters:
    case Role::kStateRates:
    case Role::kStateSkips:
    case Role::kStateNorm:
      return true;
    case Role::kStateStep:
      return spec.state_space.heads > 0;
    default:
      return false;
  }
}

bool HasLayers(Role role) {
  return role != Role::kEmbedding && role != Role::kPositions &&
         role != Role::kOutputNorm && role != Role::kHead;
}

bool IsExpert(Role role) {
  return role == Role::kExpertGate || role == Role::kExpertUp ||
         role == Role::kExpertGateUp || role == Role::kExpertDown;
}

[[noreturn]] void Refuse(const Checkpoint& checkpoint,
                         const Architecture& architecture, std::string got) {
  throw Error(ErrorCode::kCorrupt,
              {.where = checkpoint.path.string(),
               .what = "tensors do not fit the architecture",
               .expected = Format("those of {}", architecture.name),
               .got = std::move(got)});
}

// Every tensor of the forward by its name in GGUF, whatever the format; the
// matrices among them with their roles.
struct Found {
  formats::TensorMap tensors;
  struct Matrix {
    Role role;
    std::string name;
  };
  std::vector<Matrix> matrices;
};

Found FindTensors(const Checkpoint& checkpoint,
                  const Architecture& architecture, const Spec& spec) {
  Found found;
  std::string missing;
  const auto look = [&](const TensorName& name, int64_t layer) {
    if (HasLayers(name.role) && !UsesRole(spec, name.role, layer)) return;
    std::string stored = NameIn(checkpoint, architecture, name, layer);
    if (stored.empty()) return;
    const bool numbered = stored.find("{}") != std::string::npos;
    stored = FillName(stored, 0);  // the first expert stands for all
    const auto it = checkpoint.tensors().find(stored);
    if (it == checkpoint.tensors().end()) {
      const bool elsewhere = checkpoint.tensors().contains(
          FillName(NameIn(checkpoint, architecture, name.role, layer), 0));
      if (!elsewhere && !IsNorm(spec, name.role) && name.role != Role::kHead &&
          missing.empty()) {
        missing = stored + " is missing";
      }
      return;
    }
    // What GGUF stores in parts has no name there. Recipes know matrices by the
    // end of theirs.
    std::string gguf =
        name.gguf.empty() ? it->first : FillName(name.gguf, layer);
    if (IsExpert(name.role) && !gguf.ends_with(".weight")) gguf += ".weight";
    Tensor tensor = it->second;
    tensor.dtype = LoadedType(tensor.dtype);
    if (stored.ends_with("_blocks") && tensor.shape.size() == 4) {
      tensor.dtype = DType::kMXFP4;  // bytes of two weights
      tensor.shape = {tensor.shape[0], tensor.shape[1], 32 * tensor.shape[2]};
    } else if (IsExpert(name.role) && spec.experts.transposed &&
               tensor.shape.size() == 3) {
      std::swap(tensor.shape[1], tensor.shape[2]);
    }
    if (numbered) tensor.shape.insert(tensor.shape.begin(), spec.experts.count);
    if (!IsNorm(spec, name.role)) {
      const size_t axes = IsExpert(name.role) ? 3 : 2;
      if (tensor.shape.size() != axes) {
        missing =
            Format("{} has shape {}", it->first, ShapeString(it->second.shape));
        return;
      }
      found.matrices.push_back({name.role, gguf});
    }
    found.tensors.emplace(std::move(gguf), std::move(tensor));
  };
  for (const TensorName& name : architecture.tensors) {
    if (!HasLayers(name.role)) look(name, 0);
  }
  for (int64_t layer = 0; layer < spec.layers && missing.empty(); ++layer) {
    for (const TensorName& name : architecture.tensors) {
      if (HasLayers(name.role)) look(name, layer);
    }
  }
  if (!missing.empty()) Refuse(checkpoint, architecture, missing);
  return found;
}

// The rows of each part of a matrix that the forward uses in parts.
std::vector<int64_t> Parts(Role role, int64_t rows, const Spec& spec) {
  const AttentionSpec& attention = spec.attention;
  const int64_t q = attention.heads * attention.head_dim;
  const int64_t kv = attention.kv_heads * attention.head_dim;
  const int64_t hidden = spec.feed_forward.hidden;
  if (role == Role::kQueryKeyValue && rows == q + 2 * kv) return {q, kv, kv};
  if (role == Role::kGateUp && rows == 2 * hidden) return {hidden, hidden};
  if (role == Role::kExpertGateUp || role == Role::kSharedGateUp) {
    return {rows / 2, rows / 2};
  }
  return {rows};
}

}  // namespace

bool UsesRole(const Spec& spec, Role role, int64_t layer) {
  const bool shared = spec.experts.shared_hidden > 0;
  switch (role) {
    case Role::kGate:
    case Role::kUp:
    case Role::kGateUp:
    case Role::kDown:
      return !spec.experts.In(layer);
    case Role::kSharedRouter:
      return spec.experts.In(layer) && shared && spec.experts.shared_router;
    case Role::kSharedGateUp:
    case Role::kSharedGate:
    case Role::kSharedUp:
    case Role::kSharedDown:
      return spec.experts.In(layer) && shared;
    case Role::kRouter:
      return spec.experts.In(layer);
    case Role::kQueryKeyValue:
    case Role::kQuery:
    case Role::kKey:
    case Role::kValue:
    case Role::kAttentionOutput:
      return spec.Attends(layer);
    case Role::kStateIn:
    case Role::kStateParts:
    case Role::kStateStep:
    case Role::kStateOut:
      return spec.HasState(layer);
    default:
      return !IsExpert(role) || spec.experts.In(layer);
  }
}

size_t PackedShape::bytes() const {
  const int lanes = kernels::Kernels().lanes;
  return static_cast<size_t>((rows + lanes - 1) / lanes) *
         kernels::PanelBytes(kernels::FormatFor(dtype), lanes, columns);
}

size_t DecoderPlan::packed_bytes() const {
  size_t total = 0;
  for (const PackedShape& matrix : matrices)
    total += matrix.bytes() * static_cast<size_t>(matrix.copies);
  return total;
}

DecoderPlan PlanDecoder(const Checkpoint& checkpoint,
                        const QuantizeType* type) {
  const Architecture& architecture =
      FindDecoder(checkpoint.Architecture(), checkpoint.path.string());
  DecoderPlan plan;
  Spec& spec = plan.spec;
  spec = architecture.describe(checkpoint);
  spec.architecture = architecture.name;
  Found found = FindTensors(checkpoint, architecture, spec);
  plan.kv = ShapeOf(spec, KvType::kF16);

  std::map<std::string, DType> chosen;
  if (type != nullptr) {
    if (!checkpoint.gguf) {
      // What is not quantized is written as F32 where a folder is converted.
      for (auto& [name, tensor] : found.tensors) tensor.dtype = DType::kF32;
    }
    const QuantizePlan recipe =
        PlanQuantize(found.tensors, spec.layers, spec.experts.count, *type);
    for (const PlannedTensor& tensor : recipe.tensors) {
      chosen[tensor.name] = tensor.dtype;
    }
  }
  const auto dtype_of = [&](const std::string& name, const Tensor& tensor) {
    const auto it = chosen.find(name);
    return it == chosen.end() ? tensor.dtype : it->second;
  };
  for (const auto& [name, tensor] : found.tensors) {
    plan.parameters += tensor.elements();
    plan.tensor_bytes += ByteSize(dtype_of(name, tensor),
                                  static_cast<uint64_t>(tensor.elements()))
                             .value_or(0);
  }
  spec.tied_head =
      std::none_of(found.matrices.begin(), found.matrices.end(),
                   [](const auto& each) { return each.role == Role::kHead; });
  for (const auto& [role, name] : found.matrices) {
    const Tensor& tensor = found.tensors.find(name)->second;
    Role use = role;
    if (role == Role::kEmbedding) {
      spec.vocab_size = tensor.rows();
      if (!spec.tied_head) continue;  // read where it lies
      use = Role::kHead;
    }
    PackedShape matrix = {use, dtype_of(name, tensor), tensor.rows(),
                          tensor.columns()};
    if (IsExpert(role)) {
      matrix.copies = tensor.shape[0];
      matrix.used = spec.experts.used;
      matrix.rows = tensor.shape[1];
    }
    if (spec.transposed && use != Role::kHead) {
      std::swap(matrix.rows, matrix.columns);
    }
    for (int64_t rows : Parts(role, matrix.rows, spec)) {
      matrix.rows = rows;
      plan.matrices.push_back(matrix);
    }
  }
  return plan;
}

}  // namespace malmoi::models
