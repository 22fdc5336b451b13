#include "models/convert.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/format.h"
#include "kernels/unpack.h"
#include "models/config.h"
#include "models/decoder_plan.h"
#include "models/fp8.h"
#include "models/gguf_form.h"
#include "models/quantize.h"
#include "models/registry.h"

namespace malmoi::models {

namespace {

namespace fs = std::filesystem;

constexpr uint32_t kQuantizationVersion = 2;  // of ggml's blocks

[[noreturn]] void Refuse(const Checkpoint& source, std::string what,
                         std::string got) {
  throw Error(ErrorCode::kUnsupported,
              {.where = source.path.string(),
               .what = std::move(what),
               .got = std::move(got),
               .hint = "a GGUF of this model, or llama.cpp's "
                       "convert_hf_to_gguf.py"});
}

// A tensor of the output, and what becomes of the folder's.
struct Step {
  formats::GgufTensorInfo info;
  std::string name;  // in the folder; empty: `floats`
  std::vector<float> floats;
  bool transpose = false;
  int64_t interleave_heads = 0;  // 0: rows stay
};

bool IsElementwise(Role role, const Shape& shape) {
  return shape.size() == 1 || role == Role::kPositions;
}

DType TypeOf(const Checkpoint& source, const std::string& name,
             const Tensor& tensor) {
  const DType dtype = LoadedType(tensor.dtype);
  if (dtype != DType::kF32 && dtype != DType::kF16 && dtype != DType::kBF16) {
    Refuse(source, "a tensor whose type is not converted",
           Format("{} of {}", name, Info(tensor.dtype).name));
  }
  return dtype;
}

class Planner {
 public:
  Planner(const Checkpoint& source, const Architecture& architecture,
          const GgufForm& form, const Spec& spec)
      : source_(source),
        architecture_(architecture),
        form_(form),
        spec_(spec) {}

  std::vector<Step> Plan() {
    for (const TensorName& name : architecture_.tensors) {
      const bool layered = name.hf.find("{}") != std::string_view::npos;
      for (int64_t i = 0; i < (layered ? spec_.layers : 1); ++i) {
        const std::string stored = NameIn(source_, architecture_, name, i);
        if (stored.empty()) continue;
        const std::string gguf = FillName(name.gguf, i);
        Add(name.role, stored, gguf);
        Add(name.role, Bias(stored), Bias(gguf));
      }
    }
    CheckRest();
    return std::move(steps_);
  }

 private:
  static std::string Bias(const std::string& name) {
    constexpr std::string_view kWeight = ".weight";
    if (!name.ends_with(kWeight)) return "";
    return name.substr(0, name.size() - kWeight.size()) + ".bias";
  }

  void Add(Role role, const std::string& name, const std::string& gguf) {
    const auto it = source_.tensors().find(name);
    if (it == source_.tensors().end() || !claimed_.insert(name).second) return;
    if (gguf.empty()) Refuse(source_, "a tensor without a place in GGUF", name);
    const Tensor& tensor = it->second;
    if (tensor.dtype == DType::kF8E4M3) {
      claimed_.insert(Fp8ScaleName(source_, name));
    }
    Step step;
    step.name = name;
    step.info = {gguf, tensor.shape, TypeOf(source_, name, tensor)};
    if (tensor.shape.empty() || tensor.shape.size() > 2) {
      Refuse(source_, "a tensor without a place in GGUF", name);
    }
    if (IsElementwise(role, tensor.shape)) step.info.dtype = DType::kF32;
    const bool table = role == Role::kEmbedding || role == Role::kPositions ||
                       role == Role::kHead;
    if (spec_.transposed && !table && tensor.shape.size() == 2) {
      step.transpose = true;
      std::swap(step.info.shape[0], step.info.shape[1]);
    }
    if (form_.interleaved && (role == Role::kQuery || role == Role::kKey)) {
      const AttentionSpec& attention = spec_.attention;
      step.interleave_heads =
          role == Role::kQuery ? attention.heads : attention.kv_heads;
      if (tensor.shape[0] != step.interleave_heads * attention.head_dim) {
        Refuse(source_, "a matrix of another size than config.json says", name);
      }
    }
    steps_.push_back(std::move(step));
  }

  void CheckRest() const {
    std::string rest;
    for (const auto& [name, tensor] : source_.tensors()) {
      if (claimed_.contains(name) || architecture_.Ignores(name)) continue;
      if (rest.size() < 300) rest += (rest.empty() ? "" : ", ") + name;
    }
    if (!rest.empty()) {
      Refuse(source_, "a tensor without a place in GGUF", rest);
    }
  }

  const Checkpoint& source_;
  const Architecture& architecture_;
  const GgufForm& form_;
  const Spec& spec_;
  std::vector<Step> steps_;
  std::set<std::string> claimed_;
};

std::vector<std::byte> BytesOf(const Checkpoint& source, const Step& step) {
  if (step.name.empty()) {
    const auto bytes = std::as_bytes(std::span(step.floats));
    return {bytes.begin(), bytes.end()};
  }
  Tensor tensor = source.tensors().find(step.name)->second;
  if (tensor.dtype == DType::kF8E4M3) {
    tensor = FromFp8(source, step.name, tensor);
  }
  std::vector<std::byte> bytes(tensor.data.begin(), tensor.data.end());
  size_t size = tensor.dtype == DType::kF32 ? 4 : 2;
  if (step.info.dtype != tensor.dtype) {  // to F32
    std::vector<std::byte> floats(static_cast<size_t>(tensor.elements()) * 4);
    kernels::DequantizeRow(tensor.dtype, bytes.data(), tensor.elements(),
                           reinterpret_cast<float*>(floats.data()));
    bytes = std::move(floats);
    size = 4;
  }
  const auto elements = static_cast<size_t>(tensor.elements());
  if (step.transpose) {
    const auto rows = static_cast<size_t>(tensor.shape[0]);
    const auto columns = static_cast<size_t>(tensor.shape[1]);
    std::vector<std::byte> turned(bytes.size());
    for (size_t r = 0; r < rows; ++r) {
      for (size_t c = 0; c < columns; ++c) {
        std::memcpy(&turned[(c * rows + r) * size],
                    &bytes[(r * columns + c) * size], size);
      }
    }
    bytes = std::move(turned);
  }
  if (step.interleave_heads > 0) {
    const auto rows = static_cast<size_t>(tensor.shape[0]);
    const size_t row_bytes = elements / rows * size;
    const size_t dim = rows / static_cast<size_t>(step.interleave_heads);
    std::vector<std::byte> sorted(bytes.size());
    for (size_t r = 0; r < rows; ++r) {
      const size_t k = r % dim;
      const size_t from = r - k + k % 2 * (dim / 2) + k / 2;
      std::memcpy(&sorted[r * row_bytes], &bytes[from * row_bytes], row_bytes);
    }
    bytes = std::move(sorted);
  }
  return bytes;
}

uint32_t FileType(const std::vector<Step>& steps) {
  uint64_t f32 = 0, f16 = 0, bf16 = 0;
  for (const Step& step : steps) {
    if (step.info.shape.size() < 2) continue;
    const auto elements =
        static_cast<uint64_t>(step.info.shape[0] * step.info.shape[1]);
    (step.info.dtype == DType::kF32   ? f32
     : step.info.dtype == DType::kF16 ? f16
                                      : bf16) += elements;
  }
  return f32 >= f16 && f32 >= bf16 ? 0 : f16 >= bf16 ? 1 : 32;
}

formats::GgufMetadata Keys(const Checkpoint& source, const GgufForm& form,
                           const Spec& spec, const std::string& rotation,
                           uint32_t file_type) {
  const Config config(source);
  formats::GgufMetadata metadata;
  const std::string prefix = std::string(form.architecture) + ".";
  const auto count = [&](std::string_view key, int64_t value) {
    metadata.U32(prefix + std::string(key), static_cast<uint32_t>(value));
  };
  const auto number = [&](std::string_view key, double value) {
    metadata.F32(prefix + std::string(key), static_cast<float>(value));
  };
  metadata.String("general.architecture", form.architecture);
  metadata.String("general.type", "model");
  const fs::path whole = fs::absolute(source.path).lexically_normal();
  metadata.String("general.name",
                  whole.has_filename()
                      ? whole.filename().string()
                      : whole.parent_path().filename().string());
  metadata.U32("general.file_type", file_type);
  metadata.U32("general.quantization_version", kQuantizationVersion);
  const AttentionSpec& attention = spec.attention;
  count("block_count", spec.layers);
  count("context_length", spec.context);
  count("embedding_length", spec.width);
  count("feed_forward_length", spec.feed_forward.hidden);
  count("attention.head_count", attention.heads);
  if (form.kv_heads) count("attention.head_count_kv", attention.kv_heads);
  if (form.rope_base) number("rope.freq_base", attention.rope.theta);
  if (rotation == "linear") {
    metadata.String(prefix + "rope.scaling.type", rotation);
    number("rope.scaling.factor", attention.rope.linear_factor);
  }
  number(spec.norm == NormKind::kRms ? "attention.layer_norm_rms_epsilon"
                                     : "attention.layer_norm_epsilon",
         spec.norm_epsilon);
  if (config.Has("head_dim")) {
    count("attention.key_length", attention.head_dim);
    count("attention.value_length", attention.head_dim);
  }
  if (form.vocab_size) {
    count("vocab_size", spec.vocab_size);
    count("rope.dimension_count", attention.head_dim);
  }
  return metadata;
}

// What GGUF has no words for in any of the forms.
void CheckForm(const Checkpoint& source, const GgufForm& form,
               const Spec& spec) {
  if (spec.feed_forward.activation != form.activation) {
    Refuse(source, "an activation that is not converted",
           "another than readers of the GGUF take for granted");
  }
  const RopeSpec& rope = spec.attention.rope;
  if (rope.dim != 0 && rope.dim != spec.attention.head_dim) {
    Refuse(source, "a rotation that is not converted",
           Format("{} of {} components", rope.dim, spec.attention.head_dim));
  }
  for (int64_t i = 0; i < spec.layers; ++i) {
    const bool turns =
        form.unrotated_step == 0 || (i + 1) % form.unrotated_step != 0;
    if (spec.attention.Turns(i) != turns) {
      Refuse(source, "a rotation that is not converted",
             Format("that of layer {}", i));
    }
  }
}

}  // namespace

ConvertResult ConvertToGguf(const Checkpoint& source, const fs::path& output,
                            const ConvertOptions& options) {
  CheckOutput(output, options.overwrite);
  if (!source.folder) {
    throw Error(ErrorCode::kUnsupported,
                {.where = source.path.string(),
                 .what = "only Hugging Face folders are converted",
                 .expected = "a folder with config.json and safetensors",
                 .got = "a GGUF file",
                 .hint = "malmoi quantize, for another type"});
  }
  const std::string where = source.path.string();
  const GgufForm& form = FindGgufForm(source.Architecture(), where);
  const Architecture& architecture = FindDecoder(source.Architecture(), where);
  Spec spec = architecture.describe(source);
  const Config config(source);
  const std::string rotation = config.Text(
      "", "rope_parameters.rope_type|rope_scaling.rope_type|rope_scaling.type",
      "default");
  if (rotation != "default" && rotation != "linear" && rotation != "llama3") {
    Refuse(source, "a rotation that is not converted", rotation);
  }
  CheckForm(source, form, spec);
  PlanDecoder(source);  // throws where a tensor is missing
  if (!spec.attention.sliding.empty() &&
      std::find(spec.attention.sliding.begin(), spec.attention.sliding.end(),
                true) != spec.attention.sliding.end()) {
    Refuse(source, "sliding windows that are not converted",
           std::to_string(spec.attention.window));
  }
  const std::string embedding =
      NameIn(source, architecture, Role::kEmbedding, 0);
  const auto found = source.tensors().find(embedding);
  if (found == source.tensors().end() || found->second.shape.size() != 2) {
    Refuse(source, "no embedding", embedding);
  }
  spec.vocab_size = found->second.shape[0];

  std::vector<Step> steps = Planner(source, architecture, form, spec).Plan();
  if (rotation == "llama3") {
    const auto& divisors = spec.attention.rope.frequency_divisors;
    steps.push_back({{"rope_freqs.weight",
                      {static_cast<int64_t>(divisors.size())},
                      DType::kF32},
                     "",
                     divisors});
  }
  formats::GgufMetadata metadata =
      Keys(source, form, spec, rotation, FileType(steps));
  if (options.tokenizer) options.tokenizer(spec.vocab_size, metadata);

  ConvertResult result;
  result.architecture = form.architecture;
  std::vector<formats::GgufTensorInfo> infos;
  uint64_t total = 0, done = 0;
  for (const Step& step : steps) {
    infos.push_back(step.info);
    int64_t elements = 1;
    for (int64_t size : step.info.shape) elements *= size;
    result.parameters += elements;
    total += static_cast<uint64_t>(elements);
  }
  result.tensors = std::ssize(steps);
  formats::GgufFileWriter writer(output, metadata, 32, infos);
  result.bytes = writer.file_bytes();
  for (const Step& step : steps) {
    const std::vector<std::byte> bytes = BytesOf(source, step);
    writer.Write(bytes);
    done += bytes.size() / (step.info.dtype == DType::kF32 ? 4 : 2);
    if (options.progress && !options.progress(done, total)) {
      throw Error(ErrorCode::kCancelled, {.where = output.string(),
                                          .what = "stopped; nothing is kept"});
    }
    const auto stored = source.tensors().find(step.name);
    if (stored != source.tensors().end() && stored->second.mapped) {
      DropPages(stored->second.data);
    }
  }
  writer.Finish();
  return result;
}

}  // namespace malmoi::models
