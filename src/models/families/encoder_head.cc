#include "models/families/encoder_head.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "base/format.h"
#include "models/config.h"
#include "models/families/block_parts.h"
#include "ops/rows.h"

namespace malmoi::models {

namespace {

constexpr std::pair<Task, std::string_view> kTasks[] = {
    {Task::kClassify, "ForSequenceClassification"},
    {Task::kTag, "ForTokenClassification"},
    {Task::kFill, "ForMaskedLM"},
    {Task::kAnswer, "ForQuestionAnswering"}};

std::string ClassOf(const Checkpoint& checkpoint) {
  if (checkpoint.gguf) return "";
  const auto names = Config(checkpoint).Texts("architectures");
  return names.empty() ? "" : names[0];
}

const TensorName* Part(const HeadForm& form, Role role) {
  for (const TensorName& name : form.tensors) {
    if (name.role == role) return &name;
  }
  return nullptr;
}

}  // namespace

std::string_view TaskName(Task task) {
  for (const auto& [each, name] : kTasks) {
    if (each == task) return name;
  }
  return "";
}

std::optional<Task> TaskOf(const Checkpoint& checkpoint) {
  if (checkpoint.gguf) {  // which knows no other
    return checkpoint.tensors().contains("cls.output.weight")
               ? std::optional(Task::kClassify)
               : std::nullopt;
  }
  const std::string name = ClassOf(checkpoint);
  for (const auto& [task, suffix] : kTasks) {
    if (name.ends_with(suffix)) return task;
  }
  return {};
}

const HeadForm& EncoderHead::Choose(const Checkpoint& checkpoint,
                                    const Architecture& architecture,
                                    Task task) {
  const std::optional<Task> declared = TaskOf(checkpoint);
  for (const HeadForm& form : architecture.heads) {
    // Heads of two tasks may be called alike.
    if (form.task != task || (declared && *declared != task)) continue;
    if (std::all_of(form.tensors.begin(), form.tensors.end(),
                    [&](const TensorName& name) {
                      return checkpoint.tensors().contains(
                          NameIn(checkpoint, architecture, name, 0));
                    })) {
      return form;
    }
  }
  const std::string name = ClassOf(checkpoint);
  throw Error(ErrorCode::kUnsupported,
              {.where = checkpoint.path.string(),
               .what = "the model was not trained for this",
               .expected = Format("…{}", TaskName(task)),
               .got = checkpoint.gguf ? "a GGUF without its head"
                      : name.empty()  ? "no class in config.json"
                                      : name});
}

void EncoderHead::Read(WeightReader& reader, const Checkpoint& checkpoint,
                       const HeadForm& form, const Tensor& embedding,
                       EncoderSpec& spec) {
  activation_ = form.activation.value_or(spec.feed_forward.activation);
  TensorFinder& finder = reader.finder();
  const auto has_bias = [&](Role role) {
    std::string name = finder.Name(role, 0);
    name.replace(name.rfind("weight"), 6, "bias");
    return checkpoint.tensors().contains(name);
  };
  // Before words it has the width of their table.
  const int64_t inner =
      form.task == Task::kFill ? spec.embedding_width : spec.width;
  if (Part(form, Role::kHeadDense) != nullptr) {
    reader.Matrix(Role::kHeadDense, 0, inner, spec.width,
                  has_bias(Role::kHeadDense), dense_);
  }
  if (Part(form, Role::kHeadNorm) != nullptr) {
    reader.ReadNorm(Role::kHeadNorm, 0, inner, norm_);
  }
  if (Part(form, Role::kHeadOutput) == nullptr) {
    spec.outputs = spec.vocab_size;
    reader.Job(&embedding, output_);
    const Tensor* bias = finder.Find(Role::kHeadBias, 0, {spec.outputs});
    if (bias != nullptr) output_.bias = Floats(*bias);
    return;
  }
  const auto found =
      checkpoint.tensors().find(finder.Name(Role::kHeadOutput, 0));
  spec.outputs = found->second.rows();
  reader.Matrix(Role::kHeadOutput, 0, spec.outputs, inner,
                has_bias(Role::kHeadOutput), output_);
}

std::vector<float> EncoderHead::Apply(Exec& exec, std::span<const float> rows,
                                      int64_t count,
                                      double norm_epsilon) const {
  std::vector<float> result(static_cast<size_t>(count * output_.rows));
  if (count == 0) return result;
  Arena::Scope scope(exec.arena);
  const float* x = rows.data();
  if (dense_.rows > 0) {
    const int64_t size = count * dense_.rows;
    float* inner = exec.arena.New<float>(static_cast<size_t>(size));
    ProjectRows(exec, x, count, dense_, inner);
    Activate(activation_, inner, nullptr, size);
    if (!norm_.weight.empty()) {
      ops::NormInPlace(exec, ops::NormKind::kLayer, count, norm_.weight,
                       norm_.bias, norm_epsilon, nullptr, inner);
    }
    x = inner;
  }
  ProjectRows(exec, x, count, output_, result.data());
  return result;
}

}  // namespace malmoi::models
