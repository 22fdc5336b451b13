#include "models/quantize.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "base/format.h"
#include "formats/detect.h"
#include "formats/gguf_writer.h"
#include "kernels/quantize.h"
#include "kernels/unpack.h"
#include "models/checkpoint.h"

namespace malmoi::models {

namespace {

namespace fs = std::filesystem;

constexpr uint32_t kQuantizationVersion = 2;  // of ggml's blocks
constexpr float kMaxHalf = 65504;
constexpr int64_t kPieceElements = int64_t{1} << 21;

formats::GgufMetadata NewMetadata(const formats::GgufFile& file,
                                  const QuantizeType& type,
                                  const QuantizeRecord& record) {
  formats::GgufMetadata metadata;
  for (const std::string& key : file.keys()) {
    if (key == "general.file_type" || key == "general.quantization_version" ||
        key.starts_with("split.") || key.starts_with(kQuantizeRecordPrefix)) {
      continue;
    }
    metadata.Copy(file, key);
  }
  metadata.U32("general.file_type", type.file_type);
  metadata.U32("general.quantization_version", kQuantizationVersion);
  AddQuantizeRecord(record, metadata);
  return metadata;
}

void CheckValues(const std::string& where, DType dtype, const float* row,
                 int64_t columns) {
  float largest = 0;
  bool finite = true;
  for (int64_t k = 0; k < columns; ++k) {
    finite &= std::isfinite(row[k]);
    largest = std::max(largest, std::fabs(row[k]));
  }
  if (!finite) {
    throw Error(ErrorCode::kCorrupt,
                {.where = where, .what = "a weight is not a finite number"});
  }
  if (largest > kMaxHalf && dtype != DType::kF32 && dtype != DType::kBF16) {
    throw Error(ErrorCode::kUnsupported,
                {.where = where,
                 .what = "a weight is too large for the type",
                 .expected = Format("at most {}", kMaxHalf),
                 .got = Format("{}", largest),
                 .hint = "--type BF16"});
  }
}

// Square sums of what rounding changed and of what there was.
struct Loss {
  double error = 0, source = 0;
  void Add(const Loss& other) {
    error += other.error;
    source += other.source;
  }
  double relative() const { return source > 0 ? std::sqrt(error / source) : 0; }
};

// Converts tensors piece by piece, rows in parallel.
class Converter {
 public:
  Converter(const formats::GgufFile& file, formats::GgufFileWriter& writer,
            ThreadPool& pool, const Importance* importance,
            std::function<void(uint64_t)> advance)
      : file_(file),
        writer_(writer),
        pool_(pool),
        importance_(importance),
        advance_(std::move(advance)),
        rows_(static_cast<size_t>(pool.threads())) {}

  void Convert(const PlannedTensor& planned) {
    const Tensor& source = *planned.source;
    ReadWeights(planned);
    const int64_t columns = source.columns();
    const int64_t most = std::max<int64_t>(1, kPieceElements / columns);
    for (int64_t row = 0; row < source.rows(); row += most) {
      const int64_t count = std::min(most, source.rows() - row);
      const size_t row_bytes = source.row_bytes();
      const auto piece =
          source.data.subspan(static_cast<size_t>(row) * row_bytes,
                              static_cast<size_t>(count) * row_bytes);
      if (planned.dtype == source.dtype) {
        writer_.Write(piece);
      } else {
        ConvertPiece(planned, piece.data(), row, count);
        writer_.Write(out_);
      }
      advance_(piece.size());
    }
    if (source.mapped) DropPages(source.data);
  }

  const std::map<DType, Loss>& losses() const { return losses_; }

 private:
  // The importance of the tensor's columns, of each of its matrices.
  void ReadWeights(const PlannedTensor& planned) {
    weights_.clear();
    if (importance_ == nullptr) return;
    const auto found = importance_->inputs.find(planned.name);
    if (found == importance_->inputs.end()) return;
    const int64_t matrices = static_cast<int64_t>(found->second.counts.size());
    for (int64_t m = 0; m < matrices; ++m) {
      weights_.push_back(found->second.Weights(m));
    }
  }
  const float* WeightsOf(const Tensor& source, int64_t row) const {
    if (weights_.empty()) return nullptr;
    const int64_t matrix =
        row * static_cast<int64_t>(weights_.size()) / source.rows();
    return weights_[static_cast<size_t>(matrix)].data();
  }

  void ConvertPiece(const PlannedTensor& planned, const std::byte* piece,
                    int64_t first_row, int64_t count) {
    const Tensor& source = *planned.source;
    const int64_t columns = source.columns();
    const size_t new_bytes = static_cast<size_t>(
        *ByteSize(planned.dtype, static_cast<uint64_t>(columns)));
    out_.resize(static_cast<size_t>(count) * new_bytes);
    const std::string where = Format("{}: {}", file_.where(), planned.name);
    // Summed in the order of the rows, whatever the threads.
    std::vector<Loss> row_losses(static_cast<size_t>(count));
    const int tasks =
        static_cast<int>(std::min<int64_t>(count, 4 * pool_.threads()));
    pool_.Run(tasks, [&](int task, int thread) {
      auto& [row, back] = rows_[static_cast<size_t>(thread)];
      row.resize(static_cast<size_t>(columns));
      back.resize(static_cast<size_t>(columns));
      for (int64_t r = count * task / tasks; r < count * (task + 1) / tasks;
           ++r) {
        const size_t at = static_cast<size_t>(r);
        kernels::DequantizeRow(source.dtype, piece + at * source.row_bytes(),
                               columns, row.data());
        CheckValues(where, planned.dtype, row.data(), columns);
        std::byte* out = out_.data() + at * new_bytes;
        kernels::QuantizeRow(planned.dtype, row.data(), columns, out,
                             WeightsOf(source, first_row + r));
        kernels::DequantizeRow(planned.dtype, out, columns, back.data());
        row_losses[at] = LossOf(row, back);
      }
    });
    for (const Loss& loss : row_losses) losses_[planned.dtype].Add(loss);
  }

  static Loss LossOf(const std::vector<float>& row,
                     const std::vector<float>& back) {
    Loss loss;
    for (size_t k = 0; k < row.size(); ++k) {
      const double error = static_cast<double>(back[k] - row[k]);
      loss.error += error * error;
      loss.source += static_cast<double>(row[k]) * static_cast<double>(row[k]);
    }
    return loss;
  }

  const formats::GgufFile& file_;
  formats::GgufFileWriter& writer_;
  ThreadPool& pool_;
  const Importance* importance_;
  std::function<void(uint64_t)> advance_;
  std::vector<std::vector<float>> weights_;  // of the tensor's matrices
  // Of each thread: a row of the source, and what it became.
  std::vector<std::pair<std::vector<float>, std::vector<float>>> rows_;
  std::map<DType, Loss> losses_;  // by the new type
  std::vector<std::byte> out_;
};

QuantizeResult Summary(const Checkpoint& source, const QuantizePlan& plan,
                       const QuantizeType& type, const Importance* importance) {
  QuantizeResult result;
  QuantizeRecord& record = result.record;
  record.type = type.name;
  record.source_type = source.Quantization();
  if (const auto before = ReadQuantizeRecord(*source.gguf)) {
    record.source_type =
        Format("{}, {}", before->source_type, record.source_type);
  }
  record.importance = importance != nullptr;
  if (importance != nullptr) record.importance_tokens = importance->tokens();
  result.fallbacks = plan.fallbacks;
  bool again = false;
  for (const PlannedTensor& tensor : plan.tensors) {
    result.source_bytes += tensor.source->data.size();
    result.parameters += tensor.source->elements();
    ++result.tensors[std::string(Info(tensor.dtype).name)];
    if (tensor.dtype == tensor.source->dtype) continue;
    again |= IsQuantized(tensor.source->dtype);
    record.rms_errors[std::string(Info(tensor.dtype).name)] = 0;
    if (importance != nullptr && kernels::UsesImportance(tensor.dtype)) {
      const bool known = importance->inputs.contains(tensor.name);
      ++(known ? result.weighed : result.unweighed);
    }
  }
  if (again) result.quantized_from = source.Quantization();
  return result;
}

void FillErrors(const std::map<DType, Loss>& losses, QuantizeRecord& record) {
  Loss all;
  for (const auto& [dtype, loss] : losses) {
    all.Add(loss);
    record.rms_errors[std::string(Info(dtype).name)] = loss.relative();
  }
  record.rms_error = all.relative();
}

}  // namespace

void CheckQuantize(const fs::path& output, const QuantizeOptions& options,
                   bool importance) {
  const QuantizeType& type = FindQuantizeType(options.type);
  if (importance && !kernels::UsesImportance(type.dtype)) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "--importance",
                 .what = "this type has no use for importance",
                 .expected = "Q4_0 to Q6_K, IQ4_NL or a mixture",
                 .got = std::string(type.name)});
  }
  CheckOutput(output, options.overwrite);
}

void CheckOutput(const fs::path& output, bool overwrite) {
  std::error_code error;
  const fs::file_status status = fs::status(output, error);
  if (!fs::exists(status)) return;
  if (!fs::is_regular_file(status)) {
    throw Error(ErrorCode::kInvalidArgument, {.where = output.string(),
                                              .what = "not a regular file",
                                              .hint = "another name"});
  }
  if (!overwrite) {
    throw Error(ErrorCode::kInvalidArgument, {.where = output.string(),
                                              .what = "the file exists already",
                                              .hint = "--force"});
  }
}

QuantizeResult QuantizeFile(const fs::path& source, const fs::path& output,
                            const QuantizeOptions& options, ThreadPool& pool) {
  CheckQuantize(output, options, options.importance != nullptr);
  const QuantizeType& type = FindQuantizeType(options.type);
  const Checkpoint checkpoint = Checkpoint::Open(source);
  if (!checkpoint.gguf) {
    throw Error(ErrorCode::kUnsupported,
                {.where = source.string(),
                 .what = "only GGUF files can be quantized yet",
                 .expected = "a .gguf file",
                 .got = "a Hugging Face folder",
                 .hint = "malmoi convert first"});
  }
  const formats::GgufFile& file = *checkpoint.gguf;
  if (options.importance != nullptr) {
    options.importance->CheckFits(file.tensors());
  }
  const QuantizePlan plan = PlanQuantize(file, type);
  QuantizeResult result = Summary(checkpoint, plan, type, options.importance);
  std::vector<formats::GgufTensorInfo> infos;
  for (const PlannedTensor& tensor : plan.tensors) {
    infos.push_back({tensor.name, tensor.source->shape, tensor.dtype});
  }
  const auto alignment = file.GetInt("general.alignment").value_or(32);
  formats::GgufFileWriter writer(output, NewMetadata(file, type, result.record),
                                 static_cast<uint64_t>(alignment), infos);
  result.bytes = writer.file_bytes();
  uint64_t done = 0;
  Converter converter(
      file, writer, pool, options.importance, [&](uint64_t bytes) {
        done += bytes;
        if (options.progress && !options.progress(done, result.source_bytes)) {
          throw Error(
              ErrorCode::kCancelled,
              {.where = output.string(), .what = "stopped; nothing is kept"});
        }
      });
  for (const PlannedTensor& tensor : plan.tensors) converter.Convert(tensor);
  FillErrors(converter.losses(), result.record);
  SetQuantizeErrors(result.record, writer);
  writer.Finish();
  return result;
}

}  // namespace malmoi::models
