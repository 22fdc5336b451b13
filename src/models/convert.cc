#include "models/convert.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "models/convert_modules.h"
#include "models/convert_tensors.h"
#include "models/decoder_plan.h"
#include "models/encoder.h"
#include "models/gguf_facts.h"
#include "models/gguf_form.h"
#include "models/model_facts.h"
#include "models/quantize.h"
#include "models/registry.h"

namespace malmoi::models {

namespace {

namespace fs = std::filesystem;

constexpr uint32_t kQuantizationVersion = 2;  // of ggml's blocks
constexpr uint64_t kAlignment = 32;

uint64_t ElementsOf(const formats::GgufTensorInfo& info) {
  uint64_t elements = 1;
  for (const int64_t size : info.shape) elements *= static_cast<uint64_t>(size);
  return elements;
}

uint32_t FileType(const std::vector<ConvertStep>& steps) {
  constexpr uint32_t kMxfp4Experts = 38;
  uint64_t f32 = 0, f16 = 0, bf16 = 0;
  for (const ConvertStep& step : steps) {
    if (step.info.dtype == DType::kMXFP4) return kMxfp4Experts;
    if (step.info.shape.size() < 2) continue;
    const uint64_t elements = ElementsOf(step.info);
    (step.info.dtype == DType::kF32   ? f32
     : step.info.dtype == DType::kF16 ? f16
                                      : bf16) += elements;
  }
  return f32 >= f16 && f32 >= bf16 ? 0 : f16 >= bf16 ? 1 : 32;
}

void AddGeneral(const Checkpoint& source, const GgufForm& form,
                uint32_t file_type, formats::GgufMetadata& metadata) {
  metadata.String("general.architecture", form.architecture);
  metadata.String("general.type", "model");
  const fs::path whole = fs::absolute(source.path).lexically_normal();
  metadata.String("general.name",
                  whole.has_filename()
                      ? whole.filename().string()
                      : whole.parent_path().filename().string());
  if (form.file_type) metadata.U32("general.file_type", file_type);
  metadata.U32("general.quantization_version", kQuantizationVersion);
}

// Factors of config.json that the matrices have taken up.
Spec WithoutScales(Spec spec) {
  AttentionSpec& attention = spec.attention;
  attention.scale = 1.0 / std::sqrt(static_cast<double>(attention.head_dim));
  attention.added_scale = 1;
  spec.feed_forward.gate_scale = spec.feed_forward.added_scale = 1;
  spec.embedding_scale = spec.logit_scale = 1;
  spec.state_space.part_scales.clear();
  spec.state_space.added_scale = 1;
  return spec;
}

// Address space that looks like the file, of which only what it begins with is
// there: the rest reads as zeros, and nobody reads it.
class Sketch {
 public:
  Sketch(const formats::GgufMetadata& metadata,
         const std::vector<formats::GgufTensorInfo>& infos,
         const std::vector<ConvertStep>& steps) {
    const std::string head = formats::GgufHead(metadata, kAlignment, infos);
    size_t size = head.size();
    std::vector<size_t> offsets;
    for (const formats::GgufTensorInfo& info : infos) {
      offsets.push_back(size);
      size += (*ByteSize(info.dtype, ElementsOf(info)) + kAlignment - 1) /
              kAlignment * kAlignment;
    }
    void* at = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) {
      ThrowErrno("memory", "cannot reserve address space", errno);
    }
    owner_ = std::shared_ptr<void>(at, [size](void* p) { munmap(p, size); });
    bytes_ = {static_cast<std::byte*>(at), size};
    std::memcpy(at, head.data(), head.size());
    for (size_t i = 0; i < steps.size(); ++i) {
      const auto floats = std::as_bytes(std::span(steps[i].floats));
      std::copy(floats.begin(), floats.end(),
                bytes_.begin() + static_cast<std::ptrdiff_t>(offsets[i]));
    }
  }

  Checkpoint Open(const fs::path& path) const {
    Checkpoint checkpoint;
    checkpoint.path = path;
    checkpoint.gguf = formats::GgufFile::Parse(bytes_, owner_, path.string());
    return checkpoint;
  }

 private:
  std::shared_ptr<void> owner_;
  std::span<std::byte> bytes_;
};

struct Folder {
  const Architecture* architecture = nullptr;
  ModelFacts facts;
  std::span<const TensorName> head;
};

std::span<const TensorName> HeadOf(const Checkpoint& source,
                                   const Architecture& architecture) {
  const auto task = TaskOf(source);
  if (!task) return {};
  if (*task == Task::kClassify) {
    for (const HeadForm& head : architecture.heads) {
      if (head.task == *task) return head.tensors;
    }
  }
  RefuseConvert(source, "a head without a place in GGUF",
                source.folder->config["architectures"].dump());
}

Folder Describe(const Checkpoint& source) {
  const std::string where = source.path.string();
  FindGgufForm(source.Architecture(), {}, where);  // throws without any
  Folder folder;
  folder.architecture = &FindArchitecture(source.Architecture(), where);
  const Architecture& architecture = *folder.architecture;
  folder.facts = FactsOf(source, architecture);
  if (folder.facts.decodes())
    PlanDecoder(source);  // throws for what is missing
  if (folder.facts.encoder) folder.head = HeadOf(source, architecture);
  const std::string embedding =
      NameIn(source, architecture, Role::kEmbedding, 0);
  const auto found = source.tensors().find(embedding);
  if (found == source.tensors().end() || found->second.shape.size() != 2) {
    RefuseConvert(source, "no embedding", embedding);
  }
  folder.facts.spec.vocab_size = found->second.shape[0];
  return folder;
}

// What was made of the folder must be read as the folder is.
void CheckReadBack(const Checkpoint& source, const GgufForm& form,
                   const Folder& folder, const Checkpoint& made) {
  ModelFacts facts = folder.facts;
  if (form.merges_scales) facts.spec = WithoutScales(facts.spec);
  const Architecture& architecture =
      FindArchitecture(form.architecture, made.path.string());
  const std::string difference = Difference(facts, FactsOf(made, architecture));
  if (!difference.empty()) {
    RefuseConvert(source, "a setting that GGUF has no words for", difference);
  }
  if (facts.decodes()) PlanDecoder(made);
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
  const Folder folder = Describe(source);
  const Spec& spec = folder.facts.spec;
  const GgufForm& form =
      FindGgufForm(source.Architecture(), spec, source.path.string());
  std::vector<ConvertStep> steps = PlanTensors(source, *folder.architecture,
                                               form, folder.facts, folder.head);
  formats::GgufMetadata metadata;
  AddGeneral(source, form, FileType(steps), metadata);
  AddFacts(source, form, spec, metadata, steps);
  AddModules(source, form, metadata, steps);

  ConvertResult result;
  result.architecture = form.architecture;
  std::vector<formats::GgufTensorInfo> infos;
  uint64_t total = 0, done = 0;
  for (const ConvertStep& step : steps) {
    infos.push_back(step.info);
    result.parameters += static_cast<int64_t>(ElementsOf(step.info));
    total += ElementsOf(step.info);
  }
  result.tensors = std::ssize(steps);
  CheckReadBack(source, form, folder,
                Sketch(metadata, infos, steps).Open(output));
  if (options.tokenizer) options.tokenizer(spec.vocab_size, metadata);
  formats::GgufFileWriter writer(output, metadata, kAlignment, infos);
  result.bytes = writer.file_bytes();
  for (const ConvertStep& step : steps) {
    writer.Write(TensorBytes(source, step));
    done += ElementsOf(step.info);
    if (options.progress && !options.progress(done, total)) {
      throw Error(ErrorCode::kCancelled, {.where = output.string(),
                                          .what = "stopped; nothing is kept"});
    }
    for (const std::string& name : step.names) {
      const Tensor& stored = source.tensors().find(name)->second;
      if (stored.mapped) DropPages(stored.data);
    }
  }
  writer.Finish();
  return result;
}

}  // namespace malmoi::models
