#include "ops/packed_matrix.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "base/check.h"
#include "kernels/kernels.h"
#include "tensor/arena.h"

namespace malmoi::ops {

namespace {
// Panels per task: enough bytes to be worth handing out.
int64_t PanelsPerTask(const PackedMatrix& matrix) {
  constexpr size_t kTaskBytes = size_t{512} << 10;
  return std::max<int64_t>(
      1, static_cast<int64_t>(kTaskBytes /
                              std::max<size_t>(1, matrix.panel_bytes)));
}
// Of a tensor whose rows may have to be gathered first.
size_t RowBytes(const Tensor& tensor) {
  const auto bytes =
      ByteSize(tensor.dtype, static_cast<uint64_t>(tensor.columns()));
  MALMOI_CHECK(bytes.has_value());
  return *bytes;
}
// What the kernel needs, and behind it the rows of a panel where they are
// gathered.
size_t ScratchBytes(const PackJob& job) {
  const size_t own = kernels::PackScratchBytes(job.matrix->columns);
  const size_t rows = static_cast<size_t>(job.matrix->lanes);
  return own + (job.gather ? rows * RowBytes(*job.tensor) : 0);
}
// Matrices begin at cache lines.
size_t Padded(size_t bytes) { return (bytes + 63) / 64 * 64; }
}  // namespace

void PlanPanels(std::span<const PackJob> jobs) {
  const int lanes = kernels::Kernels().lanes;
  for (const PackJob& job : jobs) {
    PackedMatrix& matrix = *job.matrix;
    const Tensor& tensor = *job.tensor;
    matrix.format =
        job.as_f32 ? kernels::PanelFormat{.codes = kernels::Codes::kF32}
        : job.as_wide_bytes ? kernels::kWideBytes
        : job.as_bf16 ? kernels::PanelFormat{.codes = kernels::Codes::kBF16}
                      : kernels::FormatFor(tensor.dtype);
    matrix.bf16_rows = job.bf16_rows && kernels::Kernels().bf16_dot &&
                       matrix.format.codes == kernels::Codes::kBF16;
    matrix.rows = tensor.rows();
    matrix.columns = tensor.columns();
    matrix.lanes = lanes;
    matrix.panel_bytes =
        kernels::PanelBytes(matrix.format, lanes, matrix.columns);
  }
}

size_t PanelBlockBytes(std::span<const PackJob> jobs) {
  size_t total = 0;
  for (const PackJob& job : jobs) total += Padded(job.matrix->bytes());
  return total;
}

void PlacePanels(std::span<const PackJob> jobs,
                 const std::shared_ptr<const std::byte>& block) {
  const std::byte* next = block.get();
  for (const PackJob& job : jobs) {
    job.matrix->data = next;
    job.matrix->owner = block;
    next += Padded(job.matrix->bytes());
  }
}

void Pack(ThreadPool& pool, std::span<const PackJob> jobs,
          const std::function<void(const PackJob&, int64_t, int64_t)>& packed) {
  PlanPanels(jobs);
  const std::shared_ptr<std::byte> memory = MapZeroed(PanelBlockBytes(jobs));
  PlacePanels(jobs, memory);
  struct Piece {
    const PackJob* job;
    int64_t first_panel, panels;
    std::byte* to;  // where the first of them goes
  };
  std::vector<Piece> pieces;
  size_t scratch_bytes = 0;
  std::byte* next = memory.get();
  for (const PackJob& job : jobs) {
    const PackedMatrix& matrix = *job.matrix;
    scratch_bytes = std::max(scratch_bytes, ScratchBytes(job));
    const int64_t step = PanelsPerTask(matrix);
    for (int64_t p = 0; p < matrix.panels(); p += step) {
      pieces.push_back({&job, p, std::min(step, matrix.panels() - p),
                        next + static_cast<size_t>(p) * matrix.panel_bytes});
    }
    next += Padded(matrix.bytes());
  }
  std::vector<std::vector<std::byte>> scratch(
      static_cast<size_t>(pool.threads()));
  for (auto& bytes : scratch) bytes.resize(scratch_bytes);
  pool.Run(static_cast<int>(pieces.size()), [&](int task, int thread) {
    const Piece& piece = pieces[static_cast<size_t>(task)];
    const Tensor& tensor = *piece.job->tensor;
    const PackedMatrix& matrix = *piece.job->matrix;
    const size_t row_bytes = RowBytes(tensor);
    const int lanes = matrix.lanes;
    for (int64_t i = 0; i < piece.panels; ++i) {
      const int64_t row = (piece.first_panel + i) * lanes;
      const int rows =
          static_cast<int>(std::min<int64_t>(lanes, matrix.rows - row));
      std::byte* own = scratch[static_cast<size_t>(thread)].data();
      const std::byte* from;
      if (piece.job->gather) {
        std::byte* gathered = own + kernels::PackScratchBytes(matrix.columns);
        piece.job->gather(row, rows, gathered);
        from = gathered;
      } else {
        from = tensor.data.data() + static_cast<size_t>(row) * row_bytes;
      }
      kernels::PackPanel(
          matrix.format, tensor.dtype, from, row_bytes, rows, matrix.columns,
          lanes, piece.to + static_cast<size_t>(i) * matrix.panel_bytes, own);
    }
    if (packed) {
      const int64_t first = piece.first_panel * lanes;
      packed(*piece.job, first,
             std::min(piece.panels * lanes, matrix.rows - first));
    }
  });
}

}  // namespace malmoi::ops
