#include "models/importance.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "base/error.h"
#include "base/format.h"
#include "formats/gguf_writer.h"

namespace malmoi::models {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSums = ".in_sum2", kCounts = ".counts";

// Whose input a tap shows. The last is no layer's.
struct Reader {
  std::string_view tap;
  std::vector<Role> roles;
};
const std::vector<Reader>& Readers() {
  static const std::vector<Reader> readers = {
      {"attention_input",
       {Role::kQueryKeyValue, Role::kQuery, Role::kKey, Role::kValue}},
      {"attention_mixed", {Role::kAttentionOutput}},
      {"state_space_input", {Role::kStateIn}},
      {"state_space_channels", {Role::kStateParts}},
      {"state_space_step", {Role::kStateStep}},
      {"state_space_gated", {Role::kStateOut}},
      {"feed_forward_input", {Role::kGateUp, Role::kGate, Role::kUp}},
      {"feed_forward_hidden", {Role::kDown}},
  };
  return readers;
}
constexpr std::string_view kHeadTap = "final_norm";

bool IsInput(std::string_view name) {
  if (name == kHeadTap) return true;
  const size_t dot = name.rfind('.');
  return dot != std::string_view::npos && name.starts_with("layer.") &&
         std::any_of(Readers().begin(), Readers().end(),
                     [&](const Reader& reader) {
                       return reader.tap == name.substr(dot + 1);
                     });
}

std::string Joined(std::string_view name, std::string_view suffix) {
  return std::string(name) + std::string(suffix);
}

[[noreturn]] void Damaged(const std::string& where, const std::string& name,
                          std::string expected, std::string got) {
  throw Error(ErrorCode::kCorrupt, {.where = Format("{}: {}", where, name),
                                    .what = "a damaged importance file",
                                    .expected = std::move(expected),
                                    .got = std::move(got)});
}

std::vector<float> ReadFloats(const std::string& where, const std::string& name,
                              const Tensor& tensor) {
  if (tensor.dtype != DType::kF32) {
    Damaged(where, name, "F32", std::string(Info(tensor.dtype).name));
  }
  std::vector<float> values(static_cast<size_t>(tensor.elements()));
  if (values.empty()) Damaged(where, name, "values", "none");
  std::memcpy(values.data(), tensor.data.data(), tensor.data.size());
  for (float value : values) {
    if (!std::isfinite(value) || value < 0) {
      Damaged(where, name, "finite numbers of 0 or more", Format("{}", value));
    }
  }
  return values;
}

}  // namespace

std::vector<float> InputSquares::Weights(int64_t matrix) const {
  const size_t count = static_cast<size_t>(columns());
  const float* from = sums.data() + static_cast<size_t>(matrix) * count;
  double mean = 0;
  for (size_t i = 0; i < count; ++i) mean += static_cast<double>(from[i]);
  mean /= static_cast<double>(count);
  std::vector<float> weights(count, 1.0f);
  if (counts[static_cast<size_t>(matrix)] == 0 || mean == 0) return weights;
  for (size_t i = 0; i < count; ++i) {
    weights[i] = static_cast<float>(static_cast<double>(from[i]) / mean);
  }
  return weights;
}

int64_t Importance::tokens() const {
  float most = 0;
  for (const auto& [name, input] : inputs) {
    for (float count : input.counts) most = std::max(most, count);
  }
  return static_cast<int64_t>(std::min(most, 1e15f));
}

void Importance::CheckFits(const formats::TensorMap& tensors) const {
  const auto refuse = [&](std::string expected, std::string got) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = where,
                 .what = "the importance is of another model",
                 .expected = std::move(expected),
                 .got = std::move(got)});
  };
  for (const auto& [name, input] : inputs) {
    const auto found = tensors.find(name);
    if (found == tensors.end()) refuse("names of the model's tensors", name);
    const Tensor& tensor = found->second;
    const size_t matrices = input.counts.size();
    const bool experts = tensor.shape.size() == 3 &&
                         static_cast<size_t>(tensor.shape[0]) == matrices;
    if (tensor.columns() != input.columns() || (matrices != 1 && !experts)) {
      refuse(Format("{}: {} columns", name, tensor.columns()),
             matrices == 1
                 ? std::to_string(input.columns())
                 : Format("{} of {} matrices", input.columns(), matrices));
    }
  }
}

Importance LoadImportance(const fs::path& path) {
  const auto file = formats::GgufFile::Open(path);
  Importance importance;
  importance.where = path.string();
  const auto type = file->GetString("general.type");
  if (type != "imatrix") {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = importance.where,
                 .what = "not an importance file",
                 .expected = "general.type imatrix",
                 .got = type.value_or("a model")});
  }
  importance.datasets =
      file->GetStrings("imatrix.datasets").value_or(std::vector<std::string>());
  for (const auto& [name, tensor] : file->tensors()) {
    if (name.ends_with(kCounts)) {
      const std::string base = name.substr(0, name.size() - kCounts.size());
      if (!file->tensors().contains(Joined(base, kSums))) {
        Damaged(importance.where, name, Joined(base, kSums), "none");
      }
      continue;
    }
    if (!name.ends_with(kSums)) {
      Damaged(importance.where, name, "NAME.in_sum2 or NAME.counts", name);
    }
    const std::string base = name.substr(0, name.size() - kSums.size());
    const auto counts = file->tensors().find(Joined(base, kCounts));
    if (counts == file->tensors().end()) {
      Damaged(importance.where, name, Joined(base, kCounts), "none");
    }
    InputSquares input;
    input.sums = ReadFloats(importance.where, name, tensor);
    input.counts = ReadFloats(importance.where, counts->first, counts->second);
    if (input.sums.size() % input.counts.size() != 0) {
      Damaged(importance.where, name,
              Format("a multiple of {} values", input.counts.size()),
              std::to_string(input.sums.size()));
    }
    importance.inputs.emplace(base, std::move(input));
  }
  if (importance.inputs.empty()) {
    Damaged(importance.where, "tensors", "at least one", "none");
  }
  return importance;
}

void SaveImportance(const Importance& importance, const fs::path& path) {
  formats::GgufMetadata metadata;
  metadata.String("general.type", "imatrix");
  metadata.Strings("imatrix.datasets", importance.datasets);
  metadata.U32(
      "imatrix.chunk_count",
      static_cast<uint32_t>((importance.tokens() + kImportanceWindow - 1) /
                            kImportanceWindow));
  metadata.U32("imatrix.chunk_size", static_cast<uint32_t>(kImportanceWindow));
  std::vector<formats::GgufTensorInfo> infos;
  for (const auto& [name, input] : importance.inputs) {
    const int64_t matrices = static_cast<int64_t>(input.counts.size());
    const bool one = matrices == 1;
    infos.push_back(
        {Joined(name, kSums),
         one ? Shape{input.columns()} : Shape{matrices, input.columns()}});
    infos.push_back(
        {Joined(name, kCounts), one ? Shape{1} : Shape{matrices, 1}});
  }
  formats::GgufFileWriter writer(path, metadata, 32, infos);
  for (const auto& [name, input] : importance.inputs) {
    writer.Write(std::as_bytes(std::span(input.sums)));
    writer.Write(std::as_bytes(std::span(input.counts)));
  }
  writer.Finish();
}

void ImportanceCollector::See(std::string_view name,
                              std::span<const float> values, int64_t rows,
                              int64_t columns) {
  if (!IsInput(name)) return;
  const size_t width = static_cast<size_t>(columns);
  MALMOI_CHECK(values.size() == static_cast<size_t>(rows) * width);
  auto found = seen_.find(name);
  if (found == seen_.end()) found = seen_.emplace(name, Sums{}).first;
  Sums& sums = found->second;
  sums.squares.resize(width);
  for (size_t row = 0; row < static_cast<size_t>(rows); ++row) {
    const float* x = values.data() + row * width;
    for (size_t k = 0; k < width; ++k) {
      sums.squares[k] += static_cast<double>(x[k]) * static_cast<double>(x[k]);
    }
  }
  sums.rows += rows;
}

Importance ImportanceCollector::Result(const Architecture& architecture,
                                       const Spec& spec) const {
  Importance importance;
  const auto add = [&](const std::string& tap, std::span<const Role> roles,
                       int64_t layer) {
    const auto found = seen_.find(tap);
    if (found == seen_.end()) return;
    InputSquares input;
    for (double square : found->second.squares) {
      input.sums.push_back(static_cast<float>(square));
    }
    input.counts = {static_cast<float>(found->second.rows)};
    for (const Role role : roles) {
      const std::string name = GgufName(architecture, role, layer);
      if (!name.empty()) importance.inputs[name] = input;
    }
  };
  for (int64_t layer = 0; layer < spec.layers; ++layer) {
    for (const Reader& reader : Readers()) {
      add(Format("layer.{}.{}", layer, reader.tap), reader.roles, layer);
    }
  }
  const Role head[] = {spec.tied_head ? Role::kEmbedding : Role::kHead};
  add(std::string(kHeadTap), head, 0);
  return importance;
}

}  // namespace malmoi::models
