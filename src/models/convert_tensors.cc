#include "models/convert_tensors.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/format.h"
#include "kernels/quantize.h"
#include "kernels/unpack.h"
#include "models/config.h"
#include "models/decoder_plan.h"
#include "models/fp8.h"

namespace malmoi::models {

namespace {

// What readers of a GGUF want in F32 whatever the matrices are.
bool IsElementwise(Role role, const formats::GgufTensorInfo& info) {
  return info.shape.size() == 1 || info.name.ends_with("_norm.weight") ||
         !info.name.ends_with(".weight") || role == Role::kPositions ||
         role == Role::kTokenTypes || role == Role::kRouter ||
         role == Role::kSharedRouter || role == Role::kStateFilters;
}

bool EndWith(std::string& name, std::string_view end) {
  if (!name.ends_with(end)) return false;
  name.resize(name.size() - end.size());
  return true;
}

// Empty where it has none.
std::string BiasOf(std::string name) {
  if (EndWith(name, ".weight")) return name + ".bias";
  EndWith(name, "_blocks");
  return name + "_bias";
}

constexpr Halves kHalves[] = {
    {Role::kGateUp, Role::kGate, Role::kUp},
    {Role::kSharedGateUp, Role::kSharedGate, Role::kSharedUp},
    {Role::kExpertGateUp, Role::kExpertGate, Role::kExpertUp},
};

class Planner {
 public:
  Planner(const Checkpoint& source, const Architecture& architecture,
          const GgufForm& form, const ModelFacts& facts)
      : source_(source),
        config_(source),
        architecture_(architecture),
        form_(form),
        facts_(facts),
        spec_(facts.spec),
        first_position_(facts.encoder ? facts.encoder->position_offset : 0) {}

  std::vector<ConvertStep> Plan(std::span<const TensorName> head) {
    for (const TensorName& name : head) {
      // Those of a head have no prefix, but that of the pooler does.
      std::string stored(name.hf);
      if (!source_.tensors().contains(stored)) {
        stored = NameIn(source_, architecture_, name, 0);
      }
      Add(name.role, stored, std::string(name.gguf), RowPart::kAll);
    }
    for (const TensorName& name : architecture_.tensors) {
      if (name.role == Role::kPooler) continue;  // readers do not use it
      const bool layered = name.hf.find("{}") != std::string_view::npos;
      const int64_t layers = layered ? facts_.LayersOf(name.role) : 1;
      int64_t found = 0;
      for (int64_t i = 0; i < layers; ++i) {
        if (layered && facts_.decodes() && !UsesRole(spec_, name.role, i)) {
          continue;
        }
        const std::string stored = NameIn(source_, architecture_, name, i);
        if (stored.empty()) continue;
        AddRole(name, stored, i);
        found += source_.tensors().contains(stored) ? 1 : 0;
      }
      if (facts_.decodes() || !layered) continue;
      if (found > 0 && found < facts_.Needs(name.role)) Lacks(name);
      // A stack that is not there at all.
      if (found == 0 && (name.role == Role::kAttentionOutput ||
                         name.role == Role::kEncoderAttentionOutput)) {
        Lacks(name);
      }
    }
    AddHead();
    CheckRest();
    return std::move(steps_);
  }

 private:
  [[noreturn]] void Lacks(const TensorName& name) const {
    throw Error(ErrorCode::kCorrupt, {.where = source_.path.string(),
                                      .what = "a layer lacks what others have",
                                      .got = std::string(name.hf)});
  }

  void AddRole(const TensorName& name, const std::string& stored,
               int64_t layer) {
    const std::string gguf = name.gguf.empty() ? GgufNameOf(name.role, layer)
                                               : FillName(name.gguf, layer);
    for (const Halves& halves : kHalves) {
      if (name.role != halves.both || !gguf.empty()) continue;
      const bool alternating =
          halves.both == Role::kExpertGateUp && spec_.experts.alternating;
      Add(name.role, stored, GgufNameOf(halves.first, layer),
          alternating ? RowPart::kEven : RowPart::kFirstHalf);
      Add(name.role, stored, GgufNameOf(halves.second, layer),
          alternating ? RowPart::kOdd : RowPart::kSecondHalf);
      return;
    }
    Add(name.role, stored, gguf, RowPart::kAll);
  }

  std::string GgufNameOf(Role role, int64_t layer) const {
    for (const TensorName& name : architecture_.tensors) {
      if (name.role == role && !name.gguf.empty()) {
        return FillName(name.gguf, layer);
      }
    }
    return "";
  }

  // A matrix and its bias.
  void Add(Role role, const std::string& stored, const std::string& gguf,
           RowPart part) {
    std::vector<std::string> names;
    if (stored.find("{}") == std::string::npos) {
      names.push_back(stored);
    } else {
      for (int64_t e = 0;; ++e) {
        names.push_back(FillName(stored, e));
        if (source_.tensors().contains(names.back())) continue;
        names.pop_back();
        break;
      }
    }
    if (!names.empty()) AddOne(role, names, gguf, part, false);
    if (names.size() == 1)
      AddOne(role, {BiasOf(stored)}, BiasOf(gguf), part, true);
  }

  void AddOne(Role role, const std::vector<std::string>& names,
              const std::string& gguf, RowPart part, bool bias) {
    const auto it = source_.tensors().find(names[0]);
    if (it == source_.tensors().end()) return;
    claimed_.insert(names.begin(), names.end());
    if (gguf.empty()) {
      RefuseConvert(source_, "a tensor without a place in GGUF", names[0]);
    }
    if (!written_.insert(gguf).second) return;  // a copy
    if (role == Role::kHead && IsTied(it->second)) return;
    ConvertStep step;
    step.names = names;
    step.part = part;
    step.info.name = gguf;
    SetShape(role, it->second, bias, step);
    SetRows(role, bias, step);
    SetNumbers(role, bias, step);
    steps_.push_back(std::move(step));
  }

  bool IsTied(const Tensor& head) const {
    const auto it = source_.tensors().find(
        NameIn(source_, architecture_, Role::kEmbedding, 0));
    if (it == source_.tensors().end() || form_.merges_scales) return false;
    if (facts_.both) return spec_.tied_head;
    const Tensor& table = it->second;
    return config_.Flag("tie_word_embeddings") ||
           (head.dtype == table.dtype &&
            head.data.size() == table.data.size() &&
            std::memcmp(head.data.data(), table.data.data(),
                        head.data.size()) == 0);
  }

  void SetShape(Role role, const Tensor& tensor, bool bias, ConvertStep& step) {
    const std::string& name = step.names[0];
    Shape shape = tensor.shape;
    DType dtype = LoadedType(tensor.dtype);
    if (name.ends_with("_blocks") && shape.size() == 4 && shape[3] == 16) {
      step.mxfp4 = true;
      claimed_.insert(ScalesOf(name));
      dtype = DType::kMXFP4;
      shape = {shape[0], shape[1], 32 * shape[2]};
    } else if (dtype != DType::kF32 && dtype != DType::kF16 &&
               dtype != DType::kBF16) {
      RefuseConvert(source_, "a tensor whose type is not converted",
                    Format("{} of {}", name, Info(tensor.dtype).name));
    }
    for (const std::string& each : step.names) {
      const Tensor& other = source_.tensors().find(each)->second;
      if (other.dtype == DType::kF8E4M3) {
        claimed_.insert(Fp8ScaleName(source_, each));
      }
      if (other.shape != tensor.shape || other.dtype != tensor.dtype) {
        RefuseConvert(source_, "experts of several shapes", each);
      }
    }
    if (role == Role::kStateFilters && shape.size() == 3) {
      shape = {shape[0], shape[2]};
    }
    const bool expert =
        role == Role::kExpertGateUp || role == Role::kExpertDown;
    if (step.names.size() > 1) {
      shape.insert(shape.begin(), std::ssize(step.names));
    } else if (bias && expert && shape.size() == 2) {
      shape.push_back(1);
    }
    if (shape.empty() || shape.size() > 3) {
      RefuseConvert(source_, "a tensor without a place in GGUF", name);
    }
    if (shape.size() == 3) {
      step.batches = shape[0];
      shape.erase(shape.begin());
    }
    step.rows = shape[0];
    step.columns = shape.size() > 1 ? shape[1] : 1;
    if (!bias && shape.size() == 2 && !step.mxfp4) {
      step.transpose = (spec_.transposed && !IsTable(role)) ||
                       (expert && spec_.experts.transposed);
      if (step.transpose) std::swap(step.rows, step.columns);
    }
    step.info.dtype = dtype;
    if (step.batches > 1) step.info.shape.push_back(step.batches);
    int64_t rows = step.rows;
    if (step.part != RowPart::kAll) {
      if (rows % 2 != 0) {
        RefuseConvert(source_, "a matrix of another size than config.json says",
                      name);
      }
      rows /= 2;
    }
    step.info.shape.push_back(rows);
    const bool flat = shape.size() == 1 || (bias && expert);
    if (!flat) step.info.shape.push_back(step.columns);
  }

  static std::string ScalesOf(std::string blocks) {
    EndWith(blocks, "_blocks");
    return blocks + "_scales";
  }

  // What becomes of their order.
  void SetRows(Role role, bool bias, ConvertStep& step) {
    const AttentionSpec& attention = spec_.attention;
    const auto check = [&](int64_t rows) {
      if (step.rows == rows) return;
      RefuseConvert(source_, "a matrix of another size than config.json says",
                    step.names[0]);
    };
    if (form_.interleaved && (role == Role::kQuery || role == Role::kKey)) {
      step.interleave_heads =
          role == Role::kQuery ? attention.heads : attention.kv_heads;
      check(step.interleave_heads * attention.head_dim);
    }
    if (role == Role::kQueryKeyValue &&
        attention.fused_order == FusedOrder::kGroups) {
      step.groups = attention.kv_heads;
      step.heads = attention.heads;
      check((step.heads + 2 * step.groups) * attention.head_dim);
    }
    if (form_.cut_positions && role == Role::kPositions) {
      step.skipped = first_position_;
      check(step.info.shape[0]);
      step.info.shape[0] -= first_position_;
    }
    const int64_t groups = spec_.state_space.groups;
    if (form_.grouped_norms && role == Role::kStateNorm && !bias) {
      step.info.shape = {groups, step.rows / groups};
    }
    if (form_.single_columns &&
        (role == Role::kStateRates || role == Role::kStateSkips)) {
      step.info.shape = {step.rows, 1};
    }
  }

  // What becomes of its type and its numbers.
  void SetNumbers(Role role, bool bias, ConvertStep& step) {
    step.rates = role == Role::kStateRates && spec_.state_space.log_rates;
    if (HasNormOffset(role) && !bias) step.offset = form_.norm_offset;
    if (form_.merges_scales) AddScales(role, step);
    if (IsElementwise(role, step.info)) step.info.dtype = DType::kF32;
  }

  void AddScales(Role role, ConvertStep& step) {
    const auto scale = [&](const char* key) {
      step.scales.push_back(
          {0, step.rows, static_cast<float>(config_.Number("", key, 1.0))});
    };
    const auto part = [&](const char* key, size_t at) {
      if (!config_.Has(key)) return;
      step.scales.push_back(
          {0, step.rows, static_cast<float>(config_.Numbers(key)[at])});
    };
    switch (role) {
      case Role::kEmbedding:
        return scale("embedding_multiplier");
      case Role::kHead:
        return scale("lm_head_multiplier");
      case Role::kGate:
        return part("mlp_multipliers", 0);
      case Role::kDown:
        return part("mlp_multipliers", 1);
      case Role::kKey:
        scale("key_multiplier");
        return scale("attention_in_multiplier");
      case Role::kQuery:
      case Role::kValue:
        return scale("attention_in_multiplier");
      case Role::kAttentionOutput:
        return scale("attention_out_multiplier");
      case Role::kStateOut:
        return scale("ssm_out_multiplier");
      case Role::kStateIn:
        break;
      default:
        return;
    }
    scale("ssm_in_multiplier");
    if (!config_.Has("ssm_multipliers")) return;
    const StateSpaceSpec& state = spec_.state_space;
    const int64_t states = state.groups * state.states;
    int64_t begin = 0;
    const int64_t sizes[] = {state.inner, state.inner, states, states,
                             state.heads};
    for (size_t i = 0; i < 5; ++i) {
      step.scales.push_back(
          {begin, begin + sizes[i],
           static_cast<float>(config_.Numbers("ssm_multipliers")[i])});
      begin += sizes[i];
    }
  }

  // An embedding that serves as head with another factor is there twice.
  void AddHead() {
    const std::string head = GgufNameOf(Role::kHead, 0);
    const bool other = form_.merges_scales || (facts_.both && !spec_.tied_head);
    if (!other || written_.contains(head)) return;
    Add(Role::kHead, NameIn(source_, architecture_, Role::kEmbedding, 0), head,
        RowPart::kAll);
  }

  void CheckRest() const {
    std::string rest;
    for (const auto& [name, tensor] : source_.tensors()) {
      if (claimed_.contains(name) || architecture_.Ignores(name)) continue;
      if (rest.size() < 300) rest += (rest.empty() ? "" : ", ") + name;
    }
    if (!rest.empty()) {
      RefuseConvert(source_, "a tensor without a place in GGUF", rest);
    }
  }

  const Checkpoint& source_;
  const Config config_;
  const Architecture& architecture_;
  const GgufForm& form_;
  const ModelFacts& facts_;
  const Spec& spec_;
  const int64_t first_position_;
  std::vector<ConvertStep> steps_;
  std::set<std::string> claimed_, written_;
};

// Blocks as GGUF has them: a scale, then 16 bytes of which each holds an
// element of the first half and one of the second. The folder has neighbours.
std::vector<std::byte> Blocks(const Checkpoint& source,
                              const ConvertStep& step) {
  std::string name = step.names[0];
  const Tensor& codes = source.tensors().find(name)->second;
  EndWith(name, "_blocks");
  const auto found = source.tensors().find(name + "_scales");
  if (found == source.tensors().end() ||
      found->second.data.size() * 16 != codes.data.size()) {
    RefuseConvert(source, "MXFP4 without its scales", step.names[0]);
  }
  std::vector<std::byte> bytes;
  bytes.reserve(codes.data.size() / 16 * 17);
  const std::byte* pair = codes.data.data();
  for (const std::byte scale : found->second.data) {
    bytes.push_back(scale);
    for (int i = 0; i < 16; ++i) {
      const auto code = [&](int k) {
        return pair[k / 2] >> (k % 2 * 4) & std::byte{15};
      };
      bytes.push_back(code(i) | code(i + 16) << 4);
    }
    pair += 16;
  }
  return bytes;
}

std::vector<std::byte> Transposed(const std::vector<std::byte>& bytes,
                                  const ConvertStep& step, size_t size) {
  // Read as [columns, rows] of each batch.
  std::vector<std::byte> turned(bytes.size());
  const auto rows = static_cast<size_t>(step.rows);
  const auto columns = static_cast<size_t>(step.columns);
  for (size_t b = 0; b < static_cast<size_t>(step.batches); ++b) {
    const std::byte* from = bytes.data() + b * rows * columns * size;
    std::byte* to = turned.data() + b * rows * columns * size;
    for (size_t r = 0; r < rows; ++r) {
      for (size_t c = 0; c < columns; ++c) {
        std::memcpy(to + (r * columns + c) * size, from + (c * rows + r) * size,
                    size);
      }
    }
  }
  return turned;
}

std::vector<std::byte> SortedRows(const std::vector<std::byte>& bytes,
                                  const ConvertStep& step) {
  const int64_t rows =
      step.part == RowPart::kAll ? step.rows - step.skipped : step.rows / 2;
  const size_t row_bytes =
      bytes.size() / static_cast<size_t>(step.batches * step.rows);
  std::vector<std::byte> sorted(static_cast<size_t>(step.batches * rows) *
                                row_bytes);
  std::byte* to = sorted.data();
  for (int64_t b = 0; b < step.batches; ++b) {
    for (int64_t r = 0; r < rows; ++r, to += row_bytes) {
      const auto from = static_cast<size_t>(b * step.rows + SourceRow(step, r));
      std::memcpy(to, bytes.data() + from * row_bytes, row_bytes);
    }
  }
  return sorted;
}

std::vector<std::byte> Numbers(const std::vector<std::byte>& bytes, DType dtype,
                               const ConvertStep& step) {
  const auto elements =
      static_cast<int64_t>(bytes.size()) / Info(dtype).block_bytes;
  std::vector<float> values(static_cast<size_t>(elements));
  kernels::DequantizeRow(dtype, bytes.data(), elements, values.data());
  for (const RowScale& scale : step.scales) {
    for (int64_t i = scale.begin * step.columns; i < scale.end * step.columns;
         ++i) {
      values[static_cast<size_t>(i)] *= scale.factor;
    }
  }
  for (float& value : values) {
    if (step.rates) value = -std::exp(value);
    value += static_cast<float>(step.offset);
  }
  std::vector<std::byte> out(
      *ByteSize(step.info.dtype, static_cast<uint64_t>(elements)));
  kernels::QuantizeRow(step.info.dtype, values.data(), elements, out.data());
  return out;
}

}  // namespace

std::span<const Halves> RoleHalves() { return kHalves; }

bool HasNormOffset(Role role) {
  switch (role) {
    case Role::kOutputNorm:
    case Role::kAttentionNorm:
    case Role::kQueryNorm:
    case Role::kKeyNorm:
    case Role::kPostAttentionNorm:
    case Role::kFeedForwardNorm:
    case Role::kPostFeedForwardNorm:
      return true;
    default:
      return false;
  }
}

bool IsTable(Role role) {
  return role == Role::kEmbedding || role == Role::kPositions ||
         role == Role::kHead || role == Role::kTokenTypes;
}

int64_t SourceRow(const ConvertStep& step, int64_t row) {
  switch (step.part) {
    case RowPart::kAll:
      break;
    case RowPart::kFirstHalf:
      return row;
    case RowPart::kSecondHalf:
      return row + step.rows / 2;
    case RowPart::kEven:
      return 2 * row;
    case RowPart::kOdd:
      return 2 * row + 1;
  }
  if (step.interleave_heads > 0) {
    const int64_t dim = step.rows / step.interleave_heads;
    const int64_t k = row % dim;
    return row - k + k % 2 * (dim / 2) + k / 2;
  }
  if (step.groups > 0) {
    const int64_t dim = step.rows / (step.heads + 2 * step.groups);
    const int64_t queries = step.heads / step.groups;
    int64_t head = row / dim, at = 0;
    if (head < step.heads) {
      at = head / queries * (queries + 2) + head % queries;
    } else {
      head -= step.heads;
      at = head % step.groups * (queries + 2) + queries + head / step.groups;
    }
    return at * dim + row % dim;
  }
  return row + step.skipped;
}

void RefuseConvert(const Checkpoint& source, std::string what,
                   std::string got) {
  throw Error(ErrorCode::kUnsupported,
              {.where = source.path.string(),
               .what = std::move(what),
               .got = std::move(got),
               .hint = "a GGUF of this model, or llama.cpp's "
                       "convert_hf_to_gguf.py"});
}

std::vector<ConvertStep> PlanTensors(const Checkpoint& source,
                                     const Architecture& architecture,
                                     const GgufForm& form,
                                     const ModelFacts& facts,
                                     std::span<const TensorName> head) {
  return Planner(source, architecture, form, facts).Plan(head);
}

std::vector<std::byte> TensorBytes(const Checkpoint& source,
                                   const ConvertStep& step) {
  if (step.outside)
    return {step.outside->data.begin(), step.outside->data.end()};
  if (step.names.empty()) {
    const auto bytes = std::as_bytes(std::span(step.floats));
    return {bytes.begin(), bytes.end()};
  }
  std::vector<std::byte> bytes;
  DType dtype = DType::kMXFP4;
  if (step.mxfp4) {
    bytes = Blocks(source, step);
  } else {
    for (const std::string& name : step.names) {
      Tensor tensor = source.tensors().find(name)->second;
      if (tensor.dtype == DType::kF8E4M3) {
        tensor = FromFp8(source, name, tensor);
      }
      dtype = tensor.dtype;
      bytes.insert(bytes.end(), tensor.data.begin(), tensor.data.end());
    }
  }
  if (step.transpose) {
    bytes =
        Transposed(bytes, step, static_cast<size_t>(Info(dtype).block_bytes));
  }
  if (step.part != RowPart::kAll || step.interleave_heads > 0 ||
      step.groups > 0 || step.skipped > 0) {
    bytes = SortedRows(bytes, step);
  }
  const bool changed = step.info.dtype != dtype || step.offset != 0 ||
                       step.rates || !step.scales.empty();
  return changed ? Numbers(bytes, dtype, step) : bytes;
}

}  // namespace malmoi::models
