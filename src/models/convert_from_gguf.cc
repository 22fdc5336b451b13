#include "models/convert_from_gguf.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/format.h"
#include "formats/safetensors_writer.h"
#include "kernels/quantize.h"
#include "kernels/unpack.h"
#include "models/convert_modules.h"
#include "models/convert_tensors.h"
#include "models/decoder_plan.h"
#include "models/gguf_config.h"
#include "models/gguf_form.h"
#include "models/model_facts.h"
#include "models/new_folder.h"
#include "models/registry.h"

namespace malmoi::models {

namespace {

namespace fs = std::filesystem;

constexpr const char* kDense = "dense_";  // of modules, see WriteModules()

// A part of what is written, and how its rows were sorted.
struct Part {
  const Tensor* tensor = nullptr;
  ConvertStep step;
};

struct BackStep {
  formats::SafetensorsInfo info;
  std::vector<Part> parts;
  int64_t batch = -1;  // the one of the batches that is written; -1: all
};

[[noreturn]] void Refuse(const Checkpoint& source, std::string what,
                         std::string got, std::string expected = "") {
  throw Error(ErrorCode::kUnsupported, {.where = source.path.string(),
                                        .what = std::move(what),
                                        .expected = std::move(expected),
                                        .got = std::move(got)});
}

class Planner {
 public:
  // `facts` are the file's, `folder` what config.json is read as.
  Planner(const Checkpoint& source, const GgufForm& form,
          const ModelFacts& facts, const Spec& folder,
          std::optional<DType> dtype)
      : source_(source),
        form_(form),
        facts_(facts),
        spec_(facts.spec),
        folder_(folder),
        dtype_(dtype),
        from_(FindArchitecture(source.Architecture(), source.path.string())),
        to_(FindArchitecture(form.model_type, source.path.string())) {}

  std::vector<BackStep> Plan() {
    for (const TensorName& name : to_.tensors) {
      if (name.hf.empty() || name.hf.ends_with("_blocks")) continue;
      const bool layered = name.hf.find("{}") != std::string_view::npos;
      const int64_t layers = layered ? facts_.LayersOf(name.role) : 1;
      for (int64_t i = 0; i < layers; ++i) {
        if (layered && facts_.decodes() && !UsesRole(spec_, name.role, i)) {
          continue;
        }
        if (IsOfAnother(name, i)) continue;
        Add(name, i);
      }
    }
    if (!facts_.decodes()) CheckLayers();
    std::string rest;
    for (const auto& [name, tensor] : source_.tensors()) {
      if (used_.contains(name) || name.starts_with(kDense)) continue;
      if (facts_.decodes() && from_.Ignores(name)) continue;
      if (rest.size() < 300) rest += (rest.empty() ? "" : ", ") + name;
    }
    if (!rest.empty()) {
      Refuse(source_, "a tensor without a place in the folder", rest);
    }
    return std::move(steps_);
  }

 private:
  const Tensor* Find(const std::string& name) const {
    const auto it = source_.tensors().find(name);
    return it == source_.tensors().end() ? nullptr : &it->second;
  }

  // A projection is called otherwise where it stands beside a gate.
  bool IsOfAnother(const TensorName& name, int64_t layer) const {
    const Role gate = name.role == Role::kUp          ? Role::kGate
                      : name.role == Role::kEncoderUp ? Role::kEncoderGate
                                                      : name.role;
    if (gate == name.role || NameOf(gate, layer).empty()) return false;
    const TensorName* last = &name;
    for (const TensorName& other : to_.tensors) {
      if (other.role == name.role && other.gguf == name.gguf) last = &other;
    }
    return last->hf != name.hf;
  }

  // Those of encoders have the same in all.
  void CheckLayers() const {
    std::map<Role, int64_t> found;
    for (const auto& [role, layer] : done_) ++found[role];
    std::string missing =
        found.contains(Role::kEmbedding) ? "" : "token_embd.weight";
    for (const TensorName& name : to_.tensors) {
      if (name.hf.find("{}") == std::string_view::npos) continue;
      if (found.contains(name.role) &&
          found[name.role] < facts_.Needs(name.role)) {
        missing = name.gguf;
      }
    }
    if (missing.empty()) return;
    throw Error(ErrorCode::kCorrupt, {.where = source_.path.string(),
                                      .what = "a tensor is missing",
                                      .got = missing});
  }

  std::string NameOf(Role role, int64_t layer) const {
    for (const TensorName& name : to_.tensors) {
      if (name.role != role || name.gguf.empty()) continue;
      const std::string found = FillName(name.gguf, layer);
      if (Find(found) != nullptr) return found;
    }
    return "";
  }

  static std::string Ended(std::string name, std::string_view end,
                           std::string_view with, std::string_view without) {
    if (!name.ends_with(end)) return name + std::string(without);
    name.resize(name.size() - end.size());
    return name + std::string(with);
  }

  void Add(const TensorName& name, int64_t layer) {
    const std::string hf = FillName(name.hf, layer);
    const std::string hf_bias = Ended(hf, ".weight", ".bias", "_bias");
    const auto bias = [](const std::string& gguf) {
      return Ended(gguf, ".weight", ".bias", ".bias");
    };
    for (const Halves& halves : RoleHalves()) {
      if (name.role != halves.both || !name.gguf.empty()) continue;
      const std::string first = NameOf(halves.first, layer);
      const std::string second = NameOf(halves.second, layer);
      AddOne(name.role, hf, {first, second}, false);
      AddOne(name.role, hf_bias, {bias(first), bias(second)}, true);
      return;
    }
    const std::string gguf = name.gguf.empty() ? NameOf(name.role, layer)
                                               : FillName(name.gguf, layer);
    // Some roles have several names, of which a layer has one.
    if (!done_.insert({name.role, layer}).second) return;
    if (!AddOne(name.role, hf, {gguf}, false)) {
      done_.erase({name.role, layer});
      return;
    }
    AddOne(name.role, hf_bias, {bias(gguf)}, true);
  }

  // Whether it is there.
  bool AddOne(Role role, const std::string& hf,
              const std::vector<std::string>& names, bool bias) {
    if (!written_.insert(hf).second) return true;
    BackStep step;
    for (const std::string& name : names) {
      const Tensor* tensor = Find(name);
      if (tensor == nullptr || !used_.insert(name).second) {
        written_.erase(hf);
        return false;
      }
      step.parts.push_back({tensor, {}});
    }
    SetRows(role, bias, step);
    SetShape(role, hf, bias, step);
    return true;
  }

  void SetRows(Role role, bool bias, BackStep& step) {
    const AttentionSpec& attention = spec_.attention;
    const bool expert = role == Role::kExpertGate || role == Role::kExpertUp ||
                        role == Role::kExpertGateUp ||
                        role == Role::kExpertDown;
    for (size_t i = 0; i < step.parts.size(); ++i) {
      ConvertStep& how = step.parts[i].step;
      Shape shape = step.parts[i].tensor->shape;
      if (bias && expert && shape.size() == 2) shape.push_back(1);
      if (shape.size() == 3) {
        how.batches = shape[0];
        shape.erase(shape.begin());
      }
      how.rows = shape[0];
      how.columns = shape.size() > 1 ? shape[1] : 1;
      if (step.parts.size() == 2) {
        how.rows *= 2;
        const bool alternating =
            role == Role::kExpertGateUp && folder_.experts.alternating;
        how.part = alternating ? (i == 0 ? RowPart::kEven : RowPart::kOdd)
                   : i == 0    ? RowPart::kFirstHalf
                               : RowPart::kSecondHalf;
      }
      if (form_.interleaved && (role == Role::kQuery || role == Role::kKey)) {
        how.interleave_heads =
            role == Role::kQuery ? attention.heads : attention.kv_heads;
        Check(how.rows == how.interleave_heads * attention.head_dim, how);
      }
      if (role == Role::kQueryKeyValue &&
          folder_.attention.fused_order == FusedOrder::kGroups) {
        how.groups = attention.kv_heads;
        how.heads = attention.heads;
        Check(how.rows == (how.heads + 2 * how.groups) * attention.head_dim,
              how);
      }
      if (!bias && how.columns > 1) {
        how.transpose = (folder_.transposed && !IsTable(role)) ||
                        (expert && folder_.experts.transposed);
      }
      if (HasNormOffset(role) && !bias) how.offset = -form_.norm_offset;
      how.rates = role == Role::kStateRates && folder_.state_space.log_rates;
      Check(how.rows == step.parts[0].step.rows &&
                how.columns == step.parts[0].step.columns &&
                how.batches == step.parts[0].step.batches,
            how);
    }
  }

  void Check(bool fits, const ConvertStep& how) const {
    if (fits) return;
    Refuse(source_, "a matrix of another size than its keys say",
           Format("{} rows", how.rows));
  }

  DType TypeOf(const Tensor& tensor) const {
    if (dtype_) return *dtype_;
    const bool is_float = tensor.dtype == DType::kF32 ||
                          tensor.dtype == DType::kF16 ||
                          tensor.dtype == DType::kBF16;
    return is_float ? tensor.dtype : DType::kF16;
  }

  // And adds it; or those that it is parted into.
  void SetShape(Role role, const std::string& hf, bool bias, BackStep& step) {
    const ConvertStep& how = step.parts[0].step;
    const Shape& stored = step.parts[0].tensor->shape;
    step.info.name = hf;
    step.info.dtype = TypeOf(*step.parts[0].tensor);
    Shape shape = {how.rows, how.columns};
    if (how.transpose) std::swap(shape[0], shape[1]);
    const bool flat = stored.size() == 1 || (bias && stored.size() == 2) ||
                      role == Role::kStateSkips ||
                      (role == Role::kStateRates && how.columns == 1) ||
                      role == Role::kStateNorm;
    if (role == Role::kStateFilters && !bias) {
      shape = {how.rows, 1, how.columns};
    } else if (flat) {
      shape = {how.rows * how.columns};
    }
    if (how.batches > 1 && bias) shape = {how.batches, how.rows};
    if (hf.find("{}") != std::string::npos) {
      const bool experts = how.batches > 1;
      const int64_t count = experts ? how.batches : how.rows;
      for (int64_t i = 0; i < count; ++i) {
        BackStep one = step;
        one.info.name = FillName(hf, i);
        one.info.shape = experts ? shape : Shape{how.columns};
        if (!experts) {  // rows apart
          for (Part& part : one.parts) {
            part.step.batches = how.rows;
            part.step.rows = 1;
          }
        }
        one.batch = i;
        steps_.push_back(std::move(one));
      }
      return;
    }
    if (how.batches > 1 && !bias) shape.insert(shape.begin(), how.batches);
    step.info.shape = shape;
    steps_.push_back(std::move(step));
  }

  const Checkpoint& source_;
  const GgufForm& form_;
  const ModelFacts& facts_;
  const Spec& spec_;
  const Spec& folder_;
  const std::optional<DType> dtype_;
  const Architecture& from_;
  const Architecture& to_;
  std::vector<BackStep> steps_;
  std::set<std::string> written_, used_;
  std::set<std::pair<Role, int64_t>> done_;
};

std::vector<float> Values(const BackStep& step) {
  const ConvertStep& how = step.parts[0].step;
  const int64_t first = step.batch < 0 ? 0 : step.batch;
  const int64_t batches = step.batch < 0 ? how.batches : 1;
  const int64_t in_batch = how.rows * how.columns;
  std::vector<float> values(static_cast<size_t>(batches * in_batch));
  std::vector<float> row(static_cast<size_t>(how.columns));
  for (const Part& part : step.parts) {
    const Tensor& tensor = *part.tensor;
    const int64_t rows = how.rows / static_cast<int64_t>(step.parts.size());
    // Blocks may lie across the rows of what is flat here.
    const std::vector<float> all = [&] {
      std::vector<float> floats(static_cast<size_t>(batches * rows) *
                                static_cast<size_t>(how.columns));
      const uint64_t begin = *ByteSize(
          tensor.dtype, static_cast<uint64_t>(first * rows * how.columns));
      kernels::DequantizeRow(tensor.dtype, tensor.data.data() + begin,
                             std::ssize(floats), floats.data());
      return floats;
    }();
    for (int64_t b = 0; b < batches; ++b) {
      for (int64_t r = 0; r < rows; ++r) {
        const int64_t to = b * how.rows + SourceRow(part.step, r);
        std::memcpy(&values[static_cast<size_t>(to * how.columns)],
                    &all[static_cast<size_t>((b * rows + r) * how.columns)],
                    row.size() * sizeof(float));
      }
    }
  }
  for (float& value : values) {
    if (how.rates) value = std::log(-value);
    value += static_cast<float>(how.offset);
  }
  if (!how.transpose) return values;
  std::vector<float> turned(values.size());
  for (int64_t b = 0; b < batches; ++b) {
    for (int64_t r = 0; r < how.rows; ++r) {
      for (int64_t c = 0; c < how.columns; ++c) {
        turned[static_cast<size_t>(b * in_batch + c * how.rows + r)] =
            values[static_cast<size_t>(b * in_batch + r * how.columns + c)];
      }
    }
  }
  return turned;
}

std::vector<std::byte> BytesOf(const BackStep& step) {
  const std::vector<float> values = Values(step);
  const DType dtype = step.info.dtype;
  if (dtype == DType::kF16) {
    for (const float value : values) {
      if (!std::isfinite(value) || std::fabs(value) < 65520.0f) continue;
      throw Error(ErrorCode::kLimit, {.where = step.info.name,
                                      .what = "a value that F16 cannot hold",
                                      .expected = "at most 65504",
                                      .got = Format("{}", value),
                                      .hint = "--type BF16"});
    }
  }
  std::vector<std::byte> bytes(
      *ByteSize(dtype, static_cast<uint64_t>(values.size())));
  kernels::QuantizeRow(dtype, values.data(), std::ssize(values), bytes.data());
  return bytes;
}

const char* TypeName(const std::vector<BackStep>& steps) {
  std::map<DType, int64_t> elements;
  for (const BackStep& step : steps) {
    int64_t count = 1;
    for (const int64_t size : step.info.shape) count *= size;
    elements[step.info.dtype] += count;
  }
  const auto most = std::max_element(
      elements.begin(), elements.end(),
      [](const auto& a, const auto& b) { return a.second < b.second; });
  return most->first == DType::kF32   ? "float32"
         : most->first == DType::kF16 ? "float16"
                                      : "bfloat16";
}

struct Choice {
  const GgufForm* form = nullptr;
  Json config;
  std::vector<BackStep> steps;
};

// The folder as it will be, without its numbers.
Checkpoint FolderOf(const fs::path& path, const Json& config,
                    const std::vector<BackStep>& steps) {
  Checkpoint checkpoint;
  checkpoint.path = path;
  checkpoint.folder.emplace();
  checkpoint.folder->config = config;
  for (const BackStep& step : steps) {
    Tensor tensor;
    tensor.dtype = step.info.dtype;
    tensor.shape = step.info.shape;
    checkpoint.folder->tensors.emplace(step.info.name, std::move(tensor));
  }
  return checkpoint;
}

// Several models of config.json have one name in GGUF: the first that is
// computed as the file is.
Choice Choose(const Checkpoint& source, const ModelFacts& facts,
              std::optional<DType> dtype) {
  std::string difference, known;
  for (const GgufForm& form : GgufForms()) {
    if (known.find(form.architecture) == std::string::npos) {
      known += (known.empty() ? "" : ", ") + std::string(form.architecture);
    }
    if (form.architecture != source.Architecture()) continue;
    std::string found;
    try {
      Choice choice = {&form, ConfigOf(source, form, facts.spec), {}};
      const Architecture& to =
          FindArchitecture(form.model_type, source.path.string());
      const Spec rough =
          FactsOf(FolderOf(source.path, choice.config, {}), to).spec;
      choice.steps = Planner(source, form, facts, rough, dtype).Plan();
      found = Difference(
          facts,
          FactsOf(FolderOf(source.path, choice.config, choice.steps), to));
      if (found.empty()) return choice;
    } catch (const Error& error) {
      found = error.what();
    }
    if (difference.empty()) difference = found;
  }
  if (difference.empty()) {
    Refuse(source, "an architecture that is not converted",
           source.Architecture(), known);
  }
  Refuse(source, "a setting that config.json has no words for", difference);
}

ModelFacts FactsOfFile(const Checkpoint& source) {
  const Architecture& architecture =
      FindArchitecture(source.Architecture(), source.path.string());
  ModelFacts facts = FactsOf(source, architecture);
  if (facts.decodes()) {
    facts.spec = PlanDecoder(source).spec;  // with what its tensors say
    return facts;
  }
  const auto table = source.tensors().find("token_embd.weight");
  if (table == source.tensors().end()) {
    throw Error(ErrorCode::kCorrupt, {.where = source.path.string(),
                                      .what = "a tensor is missing",
                                      .got = "token_embd.weight"});
  }
  facts.spec.vocab_size = table->second.rows();
  if (facts.encoder) facts.spec.tied_head = true;
  return facts;
}

}  // namespace

ConvertResult ConvertFromGguf(const Checkpoint& source, const fs::path& output,
                              const ConvertFromGgufOptions& options) {
  const ModelFacts facts = FactsOfFile(source);
  Choice choice = Choose(source, facts, options.dtype);
  const std::vector<BackStep>& steps = choice.steps;
  choice.config["dtype"] = choice.config["torch_dtype"] = TypeName(steps);
  std::vector<formats::SafetensorsInfo> infos;
  ConvertResult result;
  result.architecture = choice.form->model_type;
  result.tensors = std::ssize(steps);
  for (const BackStep& step : steps) {
    infos.push_back(step.info);
    uint64_t elements = 1;
    for (const int64_t size : step.info.shape) {
      elements *= static_cast<uint64_t>(size);
    }
    result.parameters += static_cast<int64_t>(elements);
  }
  try {
    NewFolder made(output, source.path, options.overwrite);
    WriteFileAtomically(made.path() / "config.json",
                        choice.config.dump(2) + "\n");
    WriteModules(source, facts.spec.width, made.path());
    if (options.tokenizer) options.tokenizer(made.path());
    result.bytes = WriteTensors(
        made, output, infos, [&](size_t i) { return BytesOf(steps[i]); },
        options.progress);
    const Checkpoint read = Checkpoint::Open(made.path());
    const std::string difference = Difference(
        facts, FactsOf(read, FindArchitecture(choice.form->model_type,
                                              made.path().string())));
    if (!difference.empty()) {
      Refuse(source, "a setting that config.json has no words for", difference);
    }
    if (facts.decodes()) PlanDecoder(read);
    made.Keep();
  } catch (const fs::filesystem_error& error) {
    ThrowErrno(output.string(), "cannot write the folder",
               error.code().value());
  }
  return result;
}

}  // namespace malmoi::models
