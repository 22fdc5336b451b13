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
                                  const QuantizeType& type) {
  formats::GgufMetadata metadata;
  for (const std::string& key : file.keys()) {
    if (key == "general.file_type" || key == "general.quantization_version" ||
        key.starts_with("split.")) {
      continue;
    }
    metadata.Copy(file, key);
  }
  metadata.U32("general.file_type", type.file_type);
  metadata.U32("general.quantization_version", kQuantizationVersion);
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

// Converts tensors piece by piece, rows in parallel.
class Converter {
 public:
  Converter(const formats::GgufFile& file, formats::GgufFileWriter& writer,
            ThreadPool& pool, std::function<void(uint64_t)> advance)
      : file_(file),
        writer_(writer),
        pool_(pool),
        advance_(std::move(advance)),
        rows_(static_cast<size_t>(pool.threads())) {}

  void Convert(const PlannedTensor& planned) {
    const Tensor& source = *planned.source;
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
        ConvertPiece(planned, piece.data(), count);
        writer_.Write(out_);
      }
      advance_(piece.size());
    }
    if (source.mapped) DropPages(source.data);
  }

 private:
  void ConvertPiece(const PlannedTensor& planned, const std::byte* piece,
                    int64_t count) {
    const Tensor& source = *planned.source;
    const int64_t columns = source.columns();
    const size_t new_bytes = static_cast<size_t>(
        *ByteSize(planned.dtype, static_cast<uint64_t>(columns)));
    out_.resize(static_cast<size_t>(count) * new_bytes);
    const std::string where = Format("{}: {}", file_.where(), planned.name);
    const int tasks =
        static_cast<int>(std::min<int64_t>(count, 4 * pool_.threads()));
    pool_.Run(tasks, [&](int task, int thread) {
      std::vector<float>& row = rows_[static_cast<size_t>(thread)];
      row.resize(static_cast<size_t>(columns));
      for (int64_t r = count * task / tasks; r < count * (task + 1) / tasks;
           ++r) {
        const size_t at = static_cast<size_t>(r);
        kernels::DequantizeRow(source.dtype, piece + at * source.row_bytes(),
                               columns, row.data());
        CheckValues(where, planned.dtype, row.data(), columns);
        kernels::QuantizeRow(planned.dtype, row.data(), columns,
                             out_.data() + at * new_bytes);
      }
    });
  }

  const formats::GgufFile& file_;
  formats::GgufFileWriter& writer_;
  ThreadPool& pool_;
  std::function<void(uint64_t)> advance_;
  std::vector<std::vector<float>> rows_;  // of each thread
  std::vector<std::byte> out_;
};

QuantizeResult Summary(const Checkpoint& source, const QuantizePlan& plan) {
  QuantizeResult result;
  result.fallbacks = plan.fallbacks;
  bool again = false;
  for (const PlannedTensor& tensor : plan.tensors) {
    result.source_bytes += tensor.source->data.size();
    result.parameters += tensor.source->elements();
    ++result.tensors[std::string(Info(tensor.dtype).name)];
    again |= IsQuantized(tensor.source->dtype) &&
             tensor.dtype != tensor.source->dtype;
  }
  if (again) result.quantized_from = source.Quantization();
  return result;
}

}  // namespace

void CheckQuantize(const fs::path& output, const QuantizeOptions& options) {
  FindQuantizeType(options.type);
  std::error_code error;
  const fs::file_status status = fs::status(output, error);
  if (!fs::exists(status)) return;
  if (!fs::is_regular_file(status)) {
    throw Error(ErrorCode::kInvalidArgument, {.where = output.string(),
                                              .what = "not a regular file",
                                              .hint = "another name"});
  }
  if (!options.overwrite) {
    throw Error(ErrorCode::kInvalidArgument, {.where = output.string(),
                                              .what = "the file exists already",
                                              .hint = "--force"});
  }
}

QuantizeResult QuantizeFile(const fs::path& source, const fs::path& output,
                            const QuantizeOptions& options, ThreadPool& pool) {
  CheckQuantize(output, options);
  const QuantizeType& type = FindQuantizeType(options.type);
  const Checkpoint checkpoint = Checkpoint::Open(source);
  if (!checkpoint.gguf) {
    throw Error(ErrorCode::kUnsupported,
                {.where = source.string(),
                 .what = "only GGUF files can be quantized yet",
                 .expected = "a .gguf file",
                 .got = "a Hugging Face folder",
                 .hint = "converting it to GGUF first"});
  }
  const formats::GgufFile& file = *checkpoint.gguf;
  const QuantizePlan plan = PlanQuantize(file, type);
  QuantizeResult result = Summary(checkpoint, plan);
  std::vector<formats::GgufTensorInfo> infos;
  for (const PlannedTensor& tensor : plan.tensors) {
    infos.push_back({tensor.name, tensor.source->shape, tensor.dtype});
  }
  const auto alignment = file.GetInt("general.alignment").value_or(32);
  formats::GgufFileWriter writer(output, NewMetadata(file, type),
                                 static_cast<uint64_t>(alignment), infos);
  result.bytes = writer.file_bytes();
  uint64_t done = 0;
  Converter converter(file, writer, pool, [&](uint64_t bytes) {
    done += bytes;
    if (options.progress && !options.progress(done, result.source_bytes)) {
      throw Error(ErrorCode::kCancelled, {.where = output.string(),
                                          .what = "stopped; nothing is kept"});
    }
  });
  for (const PlannedTensor& tensor : plan.tensors) converter.Convert(tensor);
  writer.Finish();
  return result;
}

}  // namespace malmoi::models
