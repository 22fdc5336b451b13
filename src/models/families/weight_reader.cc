#include "models/families/weight_reader.h"

#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/file.h"
#include "kernels/quantize.h"
#include "kernels/unpack.h"

namespace malmoi::models {

namespace {

// Rows [first, first + count) of a matrix, in place.
Tensor SliceRows(const Tensor& tensor, int64_t first, int64_t count) {
  const size_t bytes = tensor.row_bytes();
  Tensor slice = tensor;
  slice.shape[0] = count;
  slice.data = tensor.data.subspan(static_cast<size_t>(first) * bytes,
                                   static_cast<size_t>(count) * bytes);
  return slice;
}

// A copy of `rows` of `tensor` in another order.
Tensor CopyRows(const Tensor& tensor, const std::vector<int64_t>& rows) {
  const size_t bytes = tensor.row_bytes();
  auto memory = std::make_shared<std::vector<std::byte>>(rows.size() * bytes);
  for (size_t i = 0; i < rows.size(); ++i) {
    std::memcpy(memory->data() + i * bytes,
                tensor.data.data() + static_cast<size_t>(rows[i]) * bytes,
                bytes);
  }
  return {.dtype = tensor.dtype,
          .shape = {static_cast<int64_t>(rows.size()), tensor.columns()},
          .data = *memory,
          .owner = memory};
}

Tensor Transpose(const Tensor& tensor) {
  const size_t rows = static_cast<size_t>(tensor.rows());
  const size_t columns = static_cast<size_t>(tensor.columns());
  const size_t size = tensor.row_bytes() / columns;
  MALMOI_CHECK(size * columns == tensor.row_bytes());
  auto memory = std::make_shared<std::vector<std::byte>>(tensor.data.size());
  for (size_t r = 0; r < rows; ++r) {
    for (size_t c = 0; c < columns; ++c) {
      std::memcpy(memory->data() + (c * rows + r) * size,
                  tensor.data.data() + (r * columns + c) * size, size);
    }
  }
  return {.dtype = tensor.dtype,
          .shape = {tensor.columns(), tensor.rows()},
          .data = *memory,
          .owner = memory};
}

Tensor ToEightBits(const Tensor& tensor) {
  const int64_t columns = tensor.columns();
  const size_t bytes = *ByteSize(DType::kQ8_0, static_cast<uint64_t>(columns));
  auto memory = std::make_shared<std::vector<std::byte>>(
      static_cast<size_t>(tensor.rows()) * bytes);
  std::vector<float> row(static_cast<size_t>(columns));
  for (size_t r = 0; r < static_cast<size_t>(tensor.rows()); ++r) {
    kernels::DequantizeRow(tensor.dtype,
                           tensor.data.data() + r * tensor.row_bytes(), columns,
                           row.data());
    kernels::QuantizeRow(DType::kQ8_0, row.data(), columns,
                         memory->data() + r * bytes);
  }
  return {.dtype = DType::kQ8_0,
          .shape = tensor.shape,
          .data = *memory,
          .owner = memory};
}

}  // namespace

void WeightReader::Job(const Tensor* tensor, ops::PackedMatrix& matrix) {
  const bool floats = options_.eight_bits && !IsQuantized(tensor->dtype);
  const bool wide =
      floats && tensor->columns() % kernels::kWideBytes.block() == 0;
  if (floats && !wide && tensor->columns() % 32 == 0) {
    made_.push_back(ToEightBits(*tensor));
    tensor = &made_.back();
  }
  jobs_.push_back({.tensor = tensor,
                   .matrix = &matrix,
                   .as_f32 = options_.exact,
                   .as_wide_bytes = wide,
                   .as_bf16 = options_.in_bf16,
                   .bf16_rows = options_.bf16_rows});
}

std::vector<int64_t> Range(int64_t first, int64_t count, int64_t step) {
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < count; ++i) rows.push_back(first + i * step);
  return rows;
}

std::vector<float> Floats(const Tensor& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.elements()));
  kernels::DequantizeRow(tensor.dtype, tensor.data.data(), tensor.elements(),
                         values.data());
  return values;
}

void WeightReader::ReadNorm(Role role, int64_t layer, int64_t size,
                            Norm& norm) {
  if (!options_.norm_weight) {
    norm.weight.assign(static_cast<size_t>(size), 1.0f);
    return;
  }
  const Tensor* weight = finder_.Find(role, layer, {size});
  if (weight != nullptr) norm.weight = Floats(*weight);
  for (float& value : norm.weight) {
    value += static_cast<float>(options_.norm_offset);
  }
  if (!options_.norm_bias) return;
  const Tensor* bias = finder_.FindBias(role, layer, {size});
  if (bias != nullptr) norm.bias = Floats(*bias);
}

void WeightReader::ReadOwnHeadNorm(Role role, int64_t layer, int64_t heads,
                                   int64_t head_dim, Norm& norm) {
  if (!finder_.HasHeads(role, layer)) {
    const Tensor* weight = finder_.Find(role, layer, {heads, head_dim});
    if (weight != nullptr) norm.weight = Floats(*weight);
    return;
  }
  for (int64_t head = 0; head < heads; ++head) {
    const Tensor* weight = finder_.FindOfHead(role, layer, head, {head_dim});
    if (weight == nullptr) return;
    const std::vector<float> values = Floats(*weight);
    norm.weight.insert(norm.weight.end(), values.begin(), values.end());
  }
}

void WeightReader::Matrix(Role role, int64_t layer, int64_t rows,
                          int64_t columns, bool bias, Linear& linear,
                          std::span<const int64_t> folder_rows) {
  adapters_.Read(role, layer, rows, columns, {}, folder_rows, linear);
  if (const Tensor* tensor = FindMatrix(role, layer, rows, columns)) {
    Job(tensor, linear);
    // Which experts are chosen should not depend on rounding, nor on a file
    // whose routers are f32 as converters make them.
    if (role == Role::kRouter || role == Role::kSharedRouter) {
      jobs_.back().bf16_rows = jobs_.back().as_bf16 = false;
    }
  }
  if (!bias) return;
  const Tensor* stored = finder_.FindBias(role, layer, {rows});
  if (stored != nullptr) linear.bias = Floats(*stored);
}

void WeightReader::Matrices(Role fused, int64_t layer, int64_t columns,
                            bool bias, const std::vector<Part>& parts) {
  const bool one = Has(fused, layer);
  int64_t rows = 0;
  for (const Part& part : parts) {
    const int64_t own = static_cast<int64_t>(part.rows.size());
    if (!one) {
      Matrix(part.role, layer, own, columns, bias, *part.linear,
             part.folder_rows);
    }
    rows += own;
  }
  if (!one) return;
  const Tensor* tensor = FindMatrix(fused, layer, rows, columns);
  const Tensor* stored =
      bias ? finder_.FindBias(fused, layer, {rows}) : nullptr;
  std::vector<float> biases;
  if (stored != nullptr) biases = Floats(*stored);
  for (const Part& part : parts) {
    adapters_.Read(fused, layer, rows, columns, part.rows, part.folder_rows,
                   *part.linear);
    if (tensor != nullptr) {
      const int64_t count = static_cast<int64_t>(part.rows.size());
      const bool together = part.rows.back() - part.rows.front() + 1 == count;
      made_.push_back(together ? SliceRows(*tensor, part.rows[0], count)
                               : CopyRows(*tensor, part.rows));
      Job(&made_.back(), *part.linear);
    }
    if (biases.empty()) continue;
    for (int64_t row : part.rows) {
      part.linear->bias.push_back(biases[static_cast<size_t>(row)]);
    }
  }
}

void WeightReader::FeedForward(int64_t layer, int64_t width,
                               const FeedForwardSpec& spec, Linear& gate,
                               Linear& up, Linear& down) {
  const int64_t hidden = spec.hidden;
  if (spec.gated) {
    Matrices(Role::kGateUp, layer, width, spec.bias,
             {{Role::kGate, Range(0, hidden), &gate},
              {Role::kUp, Range(hidden, hidden), &up}});
  } else {
    Matrix(Role::kUp, layer, hidden, width, spec.bias, up);
  }
  Matrix(Role::kDown, layer, width, hidden, spec.bias, down);
}

void WeightReader::Experts(Role role, int64_t layer, int64_t rows,
                           int64_t columns, const ExpertsSpec& spec,
                           const std::vector<ExpertPart>& parts,
                           std::vector<Expert>& experts) {
  if (spec.bias) ExpertBiases(role, layer, rows, parts, experts);
  if (finder_.Name(role, layer).ends_with("_blocks")) {
    return ExpertBlocks(role, layer, rows, columns, parts, experts);
  }
  const auto count = static_cast<int64_t>(experts.size());
  const bool apart = finder_.HasHeads(role, layer);
  const Shape stacked = spec.transposed ? Shape{count, columns, rows}
                                        : Shape{count, rows, columns};
  const Tensor* all = apart ? nullptr : finder_.Find(role, layer, stacked);
  for (int64_t e = 0; e < count; ++e) {
    const Tensor* one =
        apart ? finder_.FindOfHead(role, layer, e, {rows, columns}) : all;
    if (one == nullptr) continue;
    Tensor matrix = *one;
    if (!apart) {
      matrix.shape = {count * stacked[1], stacked[2]};
      matrix = SliceRows(matrix, e * stacked[1], stacked[1]);
    }
    if (spec.transposed) matrix = Transpose(matrix);
    for (const ExpertPart& part : parts) {
      made_.push_back(
          part.step == 1
              ? SliceRows(matrix, part.first, part.rows)
              : CopyRows(matrix, Range(part.first, part.rows, part.step)));
      Job(&made_.back(), experts[static_cast<size_t>(e)].*part.linear);
    }
  }
}

void WeightReader::ExpertBiases(Role role, int64_t layer, int64_t rows,
                                const std::vector<ExpertPart>& parts,
                                std::vector<Expert>& experts) {
  const auto count = static_cast<int64_t>(experts.size());
  const Tensor* stored = finder_.FindBias(role, layer, {count, rows});
  if (stored == nullptr) return;
  const std::vector<float> biases = Floats(*stored);
  for (int64_t e = 0; e < count; ++e) {
    for (const ExpertPart& part : parts) {
      std::vector<float>& bias =
          (experts[static_cast<size_t>(e)].*part.linear).bias;
      for (int64_t row : Range(part.first, part.rows, part.step)) {
        bias.push_back(biases[static_cast<size_t>(e * rows + row)]);
      }
    }
  }
}

// MXFP4 whose scales lie apart: blocks as GGUF has them are put together while
// panels are packed. The file has neighbours in a byte, they have halves.
void WeightReader::ExpertBlocks(Role role, int64_t layer, int64_t rows,
                                int64_t columns,
                                const std::vector<ExpertPart>& parts,
                                std::vector<Expert>& experts) {
  const auto count = static_cast<int64_t>(experts.size());
  const auto [blocks, scales] =
      finder_.FindBlocks(role, layer, count, rows, columns);
  if (blocks == nullptr || scales == nullptr) return;
  const int64_t in_row = columns / 32;
  for (int64_t e = 0; e < count; ++e) {
    for (const ExpertPart& part : parts) {
      const int64_t first = e * rows + part.first;
      const auto gather = [=, codes = blocks->data, powers = scales->data](
                              int64_t from, int number, std::byte* to) {
        for (int64_t r = from; r < from + number; ++r) {
          const int64_t block = (first + r * part.step) * in_row;
          const std::byte* pair = codes.data() + block * 16;
          for (int64_t b = 0; b < in_row; ++b, pair += 16) {
            *to++ = powers[static_cast<size_t>(block + b)];
            for (int i = 0; i < 16; ++i) {
              const auto code = [&](int k) {
                return pair[k / 2] >> (k % 2 * 4) & std::byte{15};
              };
              *to++ = code(i) | code(i + 16) << 4;
            }
          }
        }
      };
      made_.push_back({.dtype = DType::kMXFP4, .shape = {part.rows, columns}});
      jobs_.push_back(
          {.tensor = &made_.back(),
           .matrix = &(experts[static_cast<size_t>(e)].*part.linear),
           .as_f32 = options_.exact,
           .gather = gather});
    }
  }
}

// Panels have scales of 16 bits. Where a matrix of MXFP4 has others it is
// dequantized, which is exact and takes six times the memory. Whether there is
// one.
bool WeightReader::WidenScales() {
  bool any = false;
  for (ops::PackJob& job : jobs_) {
    const Tensor& tensor = *job.tensor;
    if (tensor.dtype != DType::kMXFP4 || job.as_f32) continue;
    // It has no data where rows are gathered.
    std::vector<std::byte> row(
        *ByteSize(tensor.dtype, static_cast<uint64_t>(tensor.columns())));
    for (int64_t r = 0; r < tensor.rows() && !job.as_f32; ++r) {
      const std::byte* from = row.data();
      if (job.gather) {
        job.gather(r, 1, row.data());
      } else {
        from = tensor.data.data() + static_cast<size_t>(r) * row.size();
      }
      for (size_t b = 0; b < row.size(); b += 17) {
        if (!kernels::Mxfp4ScaleFitsHalf(static_cast<uint8_t>(from[b]))) {
          job.as_f32 = true;
        }
      }
    }
    any = any || job.as_f32;
  }
  return any;
}

const Tensor* WeightReader::FindMatrix(Role role, int64_t layer, int64_t rows,
                                       int64_t columns) {
  if (!options_.transposed) return finder_.Find(role, layer, {rows, columns});
  const Tensor* tensor = finder_.Find(role, layer, {columns, rows});
  if (tensor == nullptr) return nullptr;
  made_.push_back(Transpose(*tensor));
  return &made_.back();
}

size_t WeightReader::Pack(ThreadPool& pool, PackedCache* cache) {
  adapters_.Finish(pool);
  if (checkpoint_.changed) cache = nullptr;
  bool mapped = cache != nullptr && cache->Map(checkpoint_, jobs_, pool);
  // Scales are looked at where weights are packed: all of them are read then.
  if (!mapped && WidenScales()) {
    mapped = cache != nullptr && cache->Map(checkpoint_, jobs_, pool);
  }
  if (!mapped) {
    ops::Pack(
        pool, jobs_, [](const ops::PackJob& job, int64_t first, int64_t rows) {
          if (!job.tensor->mapped) return;
          const size_t bytes = job.tensor->row_bytes();
          DropPages(
              job.tensor->data.subspan(static_cast<size_t>(first) * bytes,
                                       static_cast<size_t>(rows) * bytes));
        });
    if (cache != nullptr) cache->Keep(checkpoint_, jobs_);
  }
  size_t bytes = 0;
  for (const ops::PackJob& job : jobs_) bytes += job.matrix->bytes();
  return bytes;
}

}  // namespace malmoi::models
